"""Poolings, one or several, and prompts that they leave out."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.pooling import POOLINGS, pool
from tests.support.backends import BACKENDS
from tests.support.sentence_folders import NORMALIZE, SIZE, dense, expected_vectors, write_chain
from tests.support.small_folders import write_json

TEXTS = ["I hate cancer", "", "Antibiotics aren't painkiller", "a " * 30]


def pooled(hidden: np.ndarray, pooling: str, prompt_length: int = 0) -> np.ndarray:
    """Return the vector of one text in float64, computed with a mask over positions."""
    position, kept = np.arange(len(hidden)), np.arange(len(hidden)) >= prompt_length
    if pooling == "mean_words":
        kept &= (position > 0) & (position < len(hidden) - 1)
    if pooling == "cls":
        return hidden[np.argmax(kept)]
    if not kept.any():
        return np.zeros(hidden.shape[1])
    weights = {"weightedmean": position + 1}.get(pooling, np.ones(len(hidden))) * kept
    total = weights @ hidden.astype(np.float64)
    by_name = {
        "mean_sqrt_len_tokens": lambda: total / math.sqrt(kept.sum()),
        "max": lambda: hidden[kept].max(axis=0),
        "lasttoken": lambda: hidden[position[kept][-1]],
    }
    return np.asarray(by_name.get(pooling, lambda: total / weights.sum())())


@pytest.mark.parametrize("pooling", [name for name in POOLINGS if name != "pooler"])
@pytest.mark.parametrize("prompt_length", [0, 1, 2, 4, 50])
def test_poolings_equal_their_definition(pooling: Any, prompt_length: int) -> None:
    cu_seqlens = np.cumsum([0, 2, 5, 1, 2, 40, 3]).astype(np.int32)
    hidden = np.random.default_rng(0).normal(size=(cu_seqlens[-1], 7)).astype(np.float32)
    actual = pool(hidden, cu_seqlens, pooling, prompt_length)
    for vector, (start, end) in zip(actual, pairwise(cu_seqlens), strict=True):
        np.testing.assert_allclose(vector, pooled(hidden[start:end], pooling, prompt_length), rtol=0, atol=1e-6)
        alone = pool(hidden[start:end], np.array([0, end - start], np.int32), pooling, prompt_length)
        np.testing.assert_array_equal(alone[0], vector)


@pytest.mark.parametrize("backend", BACKENDS)
def test_several_poolings_stand_side_by_side(backend: str, tiny_folder: Path, tmp_path: Path, tiny: minibert.MiniBert) -> None:
    expected = {name: tiny.encode(TEXTS, pooling=name) for name in POOLINGS}
    switches = ("pooling_mode_lasttoken", "pooling_mode_cls_token", "pooling_mode_weightedmean_tokens")  # the file has another order
    for pooling, names in (
        ({"pooling_mode": ["max", "cls"]}, ("max", "cls")),
        ({"pooling_mode": ["lasttoken"]}, ("lasttoken",)),
        (dict.fromkeys(switches, True) | {"pooling_mode_mean_tokens": False}, ("cls", "weightedmean", "lasttoken")),
        ({"embedding_dimension": 5}, ("mean",)),  # sentence-transformers does not read the dimension
    ):
        folder = write_chain(tmp_path / "-".join(names), tiny_folder)
        write_json(folder / "1_Pooling" / "config.json", pooling)
        model = minibert.load(folder, backend=backend)
        assert model.pooling == (names[0] if len(names) == 1 else names)
        assert model.embedding_dimension == SIZE * len(names)
        np.testing.assert_allclose(model.encode(TEXTS), np.concatenate([expected[name] for name in names], axis=1), rtol=0, atol=2e-5)
    vectors = tiny.encode(TEXTS, pooling=("pooler", "mean_words", "pooler"))
    np.testing.assert_array_equal(vectors, np.concatenate([expected[name] for name in ("pooler", "mean_words", "pooler")], axis=1))
    np.testing.assert_array_equal(tiny.encode("hello", pooling=["max"]), tiny.encode("hello", pooling="max"))


def test_modules_need_vectors_of_the_size_of_the_poolings(tiny_folder: Path, tmp_path: Path) -> None:
    modules = [dense(2 * SIZE, 9), NORMALIZE]
    model = minibert.load(write_chain(tmp_path / "model", tiny_folder, *modules, pooling=["mean", "cls"]))
    expected = expected_vectors(minibert.load(tiny_folder).encode(TEXTS, pooling=["max", "lasttoken"]), *modules)
    np.testing.assert_allclose(model.encode(TEXTS, pooling=["max", "lasttoken"]), expected, rtol=0, atol=2e-5)
    with pytest.raises(ValueError, match="expected vectors of 48 numbers, found vectors of 24"):
        model.encode(TEXTS, pooling="cls")


@pytest.mark.parametrize("pooling", [[], ["mean"] * 9, "median", ["median"], [["mean"]], 3, {"mean"}])
def test_poolings_that_are_refused(pooling: Any, tiny: minibert.MiniBert) -> None:
    with pytest.raises(ValueError, match="pooling: expected"):
        tiny.encode("hello", pooling=pooling)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_prompts_are_left_out_of_the_pooling(pooling: Any, tiny_folder: Path, tmp_path: Path, tiny: minibert.MiniBert) -> None:
    folder = write_chain(tmp_path / "model", tiny_folder)
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": "mean", "include_prompt": False})
    write_json(folder / "config_sentence_transformers.json", {"prompts": {"query": "query: ", "space": " "}})
    model = minibert.load(folder)
    assert not model.include_prompt
    options: dict[str, Any] = {"pooling": pooling, "truncation": "silent"}
    # Only [CLS] and the pieces of the prompt are left out. Of a prompt that is cut, [SEP] is left.
    # Without a prompt, [CLS] counts too.
    for prompt, max_length, length in (("query: ", 64, 3), (" ", 64, 1), ("", 64, 0), ("word " * 90, 64, 63), ("query: ", 3, 2)):
        hidden = [tiny.encode_tokens(prompt + text, max_length=max_length, truncation="silent").vectors for text in TEXTS]
        expected = [pooled(states, pooling, length) for states in hidden]
        if pooling == "pooler":
            expected = list(tiny.encode([prompt + text for text in TEXTS], max_length=max_length, **options))
        actual = model.encode(TEXTS, prompt=prompt, max_length=max_length, **options)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5, err_msg=prompt)
    np.testing.assert_array_equal(model.encode_query(TEXTS, **options), model.encode(TEXTS, prompt="query: ", **options))
    np.testing.assert_array_equal(model.encode(TEXTS, prompt_name="space", **options), model.encode(TEXTS, prompt=" ", **options))


def test_a_prompt_that_merges_with_its_text_leaves_zeros(tiny_folder: Path, tmp_path: Path) -> None:
    """`playin` is as long as [CLS] `playing` [SEP]. sentence-transformers gives zeros too."""
    folder = write_chain(tmp_path / "model", tiny_folder)
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": "mean", "include_prompt": False})
    model = minibert.load(folder)
    assert len(model.tokenizer.tokenize("playin")) == 2
    assert len(model.tokenizer("playing")) == 3
    np.testing.assert_array_equal(model.encode("g", prompt="playin"), np.zeros(SIZE))
