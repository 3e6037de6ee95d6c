"""PackedEncoding: what `take` gives beside `pack`, and `encode_batch` beside one call after the
other.
"""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from minibert.packing import PackedBatch, pack
from minibert.tokenizer import AddedToken, PackedEncoding, WordPieceTokenizer, make_tokenizer
from tests.support.backends import BACKENDS
from tests.support.hard_texts import TEXTS, adversarial_texts


def encoding_of(seqlens: list[int], has_types: bool) -> PackedEncoding:
    """Ids that are all different."""
    num_tokens = sum(seqlens)
    ids, types = np.arange(100, 100 + num_tokens, dtype=np.int32), np.arange(num_tokens, dtype=np.int32) % 2
    truncated = np.zeros(len(seqlens), np.int32)
    return PackedEncoding(ids, np.cumsum([0, *seqlens]), truncated, token_type_ids=types if has_types else None)


def assert_packed(actual: PackedBatch, encoding: PackedEncoding, indices: list[int]) -> None:
    parts = [encoding.between(index, index + 1) for index in (index % len(encoding) for index in indices)]
    types = None if encoding.token_type_ids is None else [np.zeros(0, np.int32), *(part.token_type_ids for part in parts)]
    expected = pack([part.input_ids for part in parts], types)
    for name in ("input_ids", "position_ids", "token_type_ids"):
        array = getattr(actual, name)
        assert array.dtype == np.int32, name
        np.testing.assert_array_equal(array, getattr(expected, name), name)
    assert actual.cu_seqlens.dtype == np.int64
    np.testing.assert_array_equal(actual.cu_seqlens, expected.cu_seqlens)


@pytest.mark.parametrize("has_types", [False, True])
@pytest.mark.parametrize("indices", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 2], [2], [0], [3, 1], [1, 1, 2], [], [-1], [-2, -1], [0, 2, 1, 3]])
def test_take_gives_what_pack_gives(indices: list[int], has_types: bool) -> None:
    encoding = encoding_of([3, 2, 7, 2], has_types)
    assert_packed(encoding.take(indices), encoding, indices)


def test_take_at_random() -> None:
    source = random.Random(1)
    for _ in range(200):
        encoding = encoding_of([source.randrange(2, 9) for _ in range(source.randrange(1, 9))], source.random() < 0.5)
        indices = source.choices(range(len(encoding)), k=source.randrange(9))
        assert_packed(encoding.take(indices), encoding, indices)


@pytest.mark.parametrize("indices", [[4], [3, 4], [0, 9], [-5], [-5, -4]])
def test_take_refuses_other_numbers(indices: list[int]) -> None:
    with pytest.raises(IndexError):
        encoding_of([3, 2, 7, 2], False).take(indices)


def test_neighbours_are_views() -> None:
    encoding = encoding_of([3, 2, 7, 2], True)
    for indices in ([0, 1, 2, 3], [1, 2], [3]):
        batch = encoding.take(indices)
        assert np.shares_memory(batch.input_ids, encoding.input_ids)
        assert np.shares_memory(batch.token_type_ids, encoding.token_type_ids)
    assert np.shares_memory(encoding.take([0, 1, 2, 3]).cu_seqlens, encoding.cu_seqlens)


def test_iteration_gives_the_ids_of_each_text() -> None:
    assert [ids.tolist() for ids in encoding_of([2, 3], False)] == [[100, 101], [102, 103, 104]]


ADDED = [
    AddedToken("<left>", 40000, lstrip=True),
    AddedToken("kiwi", 40003),
    AddedToken("(é)", 40006),
    AddedToken("=w", 40007, single_word=True),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("compat", ["hf", "google"])
@pytest.mark.parametrize("max_length", [None, 2, 3, 9])
def test_a_batch_gives_what_each_call_gives(uncased: WordPieceTokenizer, backend: str, compat: str, max_length: int | None) -> None:
    """Hard texts, and among them those that the compiled tokenizer leaves to the readable one."""
    settings = (
        replace(uncased.settings, added_tokens=(*uncased.settings.added_tokens, *ADDED)) if compat == "hf" else uncased.settings.as_google()
    )
    tokenizer, source = make_tokenizer(settings, backend), random.Random(3)
    left = [
        "ΟΔΥΣΣΕΥΣ said",
        "a \u302e\u0323\u302f b",
        "  <left> kiwi!",
        "x(é)y =w =words",
        "\ud800a",
        "a\u302e\u0301\u0323b \u1100\u1161\u302f",
    ]
    texts = [*TEXTS, *left * 3, *adversarial_texts(400, seed=41)]
    source.shuffle(texts)
    for split_special_tokens in (False, True):
        batch = tokenizer.encode_batch(texts, max_length, split_special_tokens, return_offsets=True)
        assert len(batch) == len(texts)
        for index, text in enumerate(texts):
            one: Any = tokenizer(text, max_length=max_length, split_special_tokens=split_special_tokens)
            part = batch.between(index, index + 1)
            assert part.offsets is not None
            assert part.word_ids is not None
            words = [-1 if word is None else word for word in one.word_ids]
            expected = one.input_ids, [list(span) for span in one.offsets], words, [one.num_truncated]
            found = part.input_ids, part.offsets, part.word_ids, part.num_truncated
            assert tuple(array.tolist() for array in found) == expected, ascii(text)
