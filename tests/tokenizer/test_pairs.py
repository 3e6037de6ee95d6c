"""Pairs of texts in `encode` and `encode_batch`, beside one pair at a time and a forward pass."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.tokenizer import make_tokenizer
from tests.support.backends import BACKENDS
from tests.support.models import make_config, write_model

WORDS = ["the", "a", "cat", "unaffable", "[SEP]", "hello,", "world!", "naïve", "漢字", "antidisestablishment", "\ud800"]
PAIRS: list[Any] = [("first do it", "then do it right"), "alone", ["a plane", "an air plane " * 40], ("", ""), ("a " * 90, "b")]


def some_text(source: random.Random) -> str:
    return " ".join(source.choice(WORDS) for _ in range(source.randrange(12)))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("max_length", [None, 3, 4, 5, 8, 13, 30])
def test_a_batch_of_pairs_is_one_pair_after_the_other(tiny: minibert.MiniBert, backend: str, max_length: int | None) -> None:
    tokenizer, source = make_tokenizer(tiny.tokenizer.settings, backend), random.Random(str(max_length))
    for _ in range(60):
        pair = some_text(source), some_text(source)
        items: list[Any] = [pair, *(source.choice([pair, list(pair), some_text(source)]) for _ in range(source.randrange(5)))]
        source.shuffle(items)
        batch = tokenizer.encode_batch(items, max_length, return_offsets=True)
        assert len(batch) == len(items)
        assert batch.token_type_ids is not None
        assert (batch.cu_seqlens.dtype, batch.num_truncated.dtype, batch.token_type_ids.dtype) == (np.int64, np.int32, np.int32)
        for index, item in enumerate(items):
            one = tokenizer(item, max_length=max_length) if isinstance(item, str) else tokenizer(*item, max_length=max_length)
            part = batch.between(index, index + 1)
            assert batch[index].tolist() == one.input_ids
            arrays = part.token_type_ids, part.offsets, part.word_ids
            types, offsets, words = (None if array is None else array.tolist() for array in arrays)
            assert types == one.token_type_ids
            assert offsets == list(map(list, one.offsets))
            assert words == [-1 if word is None else word for word in one.word_ids]
            assert part.num_truncated.tolist() == [one.num_truncated]


def test_without_pairs_there_are_no_types(tiny: minibert.MiniBert) -> None:
    assert tiny.tokenizer.encode_batch(["a", "b c"]).token_type_ids is None
    assert tiny.tokenizer.encode_batch([]).token_type_ids is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_pair_has_the_vector_of_its_forward_pass(tiny_folder: Path, backend: str) -> None:
    model = minibert.load(tiny_folder, backend=backend)
    expected = []
    for item in PAIRS:
        texts = (f"x: {item}",) if isinstance(item, str) else (f"x: {item[0]}", item[1])  # a prompt stands before the first
        encoding = model.tokenizer(*texts, max_length=64)
        states = model([encoding.input_ids], token_type_ids=[encoding.token_type_ids]).last_hidden_state[0]
        expected.append(states.mean(axis=0))
    options: dict[str, Any] = {"prompt": "x: ", "truncation": "silent"}
    np.testing.assert_allclose(model.encode(PAIRS, **options), expected, rtol=0, atol=2e-5)
    np.testing.assert_allclose(model.encode(PAIRS, batch_tokens=1, **options), expected, rtol=0, atol=2e-5)
    only = model.encode([PAIRS[1]], **options)
    np.testing.assert_allclose(model.encode(PAIRS, **options)[1:2], only, rtol=0, atol=1e-6)


FORMS: dict[str, Callable[[], Any]] = {
    "tuples": lambda: [("a", "b c"), ("d", "e")],
    "lists": lambda: [["a", "b c"], ["d", "e"]],
    "zip": lambda: zip(["a", "d"], ["b c", "e"], strict=True),
    "array of two columns": lambda: np.array([["a", "b c"], ["d", "e"]]),
    "array of objects": lambda: np.array([["a", "b c"], ["d", "e"]], object),
    "items of a dict": lambda: {"a": "b c", "d": "e"}.items(),
    "tuple of tuples": lambda: (("a", "b c"), ("d", "e")),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_pairs(form: str, tiny: minibert.MiniBert) -> None:
    expected = tiny.encode([("a", "b c"), ("d", "e")])
    assert not np.array_equal(expected, tiny.encode(["a b c", "d e"]))
    for call in (tiny.encode, tiny.encode_query, tiny.encode_document):
        np.testing.assert_array_equal(call(FORMS[form]()), expected)


def test_a_tuple_of_two_texts_alone_is_two_texts(tiny: minibert.MiniBert) -> None:
    """sentence-transformers does the same."""
    np.testing.assert_array_equal(tiny.encode(("a", "b")), tiny.encode(["a", "b"]))


NO_PAIRS: dict[str, Any] = {
    "three": ("a", "b", "c"),
    "one": ("a",),
    "none": (),
    "a number": ("a", 3),
    "None": ["a", None],
    "set": {"a", "b"},
}


@pytest.mark.parametrize("name", NO_PAIRS)
def test_anything_but_a_pair_is_refused(name: str, tiny: minibert.MiniBert) -> None:
    with pytest.raises(TypeError, match=r"texts\[1\]: expected a str, found .*; a pair has two texts, each a str"):
        tiny.encode(["fine", NO_PAIRS[name]])
    with pytest.raises(TypeError, match=r"expected a text \(str\), found .*; a pair has two texts, each a str"):
        tiny.tokenizer.encode_batch(["fine", NO_PAIRS[name]])


def test_tokens_of_pairs_are_refused(tiny: minibert.MiniBert) -> None:
    for call in (tiny.encode_tokens, tiny.predict):
        with pytest.raises(TypeError, match=r"texts\[0\]: expected a str, found tuple: \('a', 'b'\); only `encode` takes pairs"):
            call([("a", "b")])  # type: ignore[operator]


def test_lengths_of_pairs(tiny: minibert.MiniBert) -> None:
    with pytest.raises(ValueError, match="max_length of at least 3"):
        tiny.encode([("a", "b")], max_length=2)
    with pytest.raises(TypeError, match="max_length: expected a whole number"):
        tiny.tokenizer.encode_batch([("a", "b")], 3.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 of 2 texts are longer than 5 tokens; 2 tokens would be cut off"):
        tiny.encode([("a b", "c d"), "a"], max_length=5, truncation="error")


def test_a_model_with_one_token_type_has_no_pairs(tmp_path: Path) -> None:
    model = minibert.load(write_model(tmp_path, make_config(1, 24, 3, max_position_embeddings=16, type_vocab_size=1)), backend="numpy")
    assert model.encode(["a", "b"]).shape == (2, 24)
    with pytest.raises(ValueError, match="expected no pairs for a model with one token type"):
        model.encode([("a", "b")])
