"""The compiled encoder beside that of NumPy, and the memory that it needs."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import minibert
from minibert.bert.checkpoint import from_arrays
from minibert.bert.quantize import quantize
from minibert.ops.compiled import encoder as compiled
from minibert.ops.compiled.storage import Storage
from minibert.ops.compiled.tiers import TIERS
from tests.support.backends import COMPILED, needs_compiled, prepare
from tests.support.compiled_parts import SMALL
from tests.support.models import make_config, make_weights, write_model

pytestmark = needs_compiled
random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("hidden", "heads", "intermediate"), [(15, 3, 37), (24, 1, 20), (64, 2, 256), (312, 12, 1200)])
def test_layers(hidden: int, heads: int, intermediate: int) -> None:
    """Sizes of all kinds, texts of all lengths around those of a tile and of a panel."""
    config = make_config(2, hidden, heads, intermediate_size=intermediate, vocab_size=50, max_position_embeddings=140, layer_norm_eps=1e-5)
    weights = from_arrays(make_weights(config), config)
    seqlens = [1, 2, 5, 6, 7, 12, 15, 16, 17, 63, 64, 65, 140]
    cu_seqlens = np.cumsum([0, *seqlens])
    hidden_states = normal(sum(seqlens), hidden)
    numpy, compiled_one = prepare("numpy", weights), prepare(COMPILED, weights)
    expected = numpy.layers(hidden_states.copy(), cu_seqlens, 0, 2)
    np.testing.assert_allclose(compiled_one.layers(hidden_states.copy(), cu_seqlens, 0, 2), expected, rtol=0, atol=1e-5)
    probs = [encoder.attention_probs(hidden_states, cu_seqlens, 1) for encoder in (numpy, compiled_one)]
    for expected, actual in zip(*probs, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6)


def test_embeddings() -> None:
    weights = from_arrays(make_weights(SMALL), SMALL)
    ids, positions, types = (np.array(each, np.int32) for each in ([3, 19, 0], [7, 0, 2], [1, 0, 1]))
    for stored in (weights, quantize(weights)):
        expected, actual = (prepare(name, stored).embed(ids, positions, types) for name in ("numpy", COMPILED))
        np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_broken_numbers_are_found(precision: str, value: float, tmp_path: Path) -> None:
    """Neither softmax nor quantisation may swallow them."""
    folder = write_model(tmp_path, make_config(2, 24, 3, max_position_embeddings=64))
    model = minibert.load(folder, backend=COMPILED, precision=precision)
    hidden_states = model._encoder.embed(*(np.zeros(9, np.int32),) * 3)
    hidden_states[4, 7] = value
    result = model._encoder.layers(hidden_states, np.array([0, 9]), 0, 2)
    assert not np.isfinite(result).all()


def test_a_rectangle_with_everything(tmp_path: Path) -> None:
    """`__call__`: every output beside that of the other backend."""
    folder = write_model(tmp_path, make_config(3, 48, 4, max_position_embeddings=64))
    ids = np.random.default_rng(2).integers(0, 30522, (5, 33))
    mask = np.random.default_rng(3).integers(0, 2, ids.shape)
    mask[:, 0] = 1
    pair = [
        minibert.load(folder, backend=name)(ids, mask, output_hidden_states=True, output_attentions=True) for name in (COMPILED, "numpy")
    ]
    for name in ("last_hidden_state", "pooler_output", "hidden_states", "attentions"):
        actual, expected = (np.array(getattr(output, name)) for output in pair)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5, err_msg=name)


# Attention


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_huge_scores(precision: str) -> None:
    """Scores of thousands of millions, whose last bit is worth hundreds.

    The greatest probability of each token is where NumPy has it.
    """
    config = make_config(1, 16, 1, vocab_size=20, max_position_embeddings=64)
    weights = from_arrays(make_weights(config), config)
    hidden_states, cu_seqlens = normal(40, 16) * np.float32(3e5), np.array([0, 40])
    stored = quantize(weights) if precision == "int8" else weights
    expected, actual = (prepare(name, stored).attention_probs(hidden_states, cu_seqlens, 0)[0] for name in ("numpy", COMPILED))
    np.testing.assert_array_equal(actual.argmax(axis=-1), expected.argmax(axis=-1))
    np.testing.assert_allclose(actual.sum(axis=-1), 1, rtol=1e-5)


def test_probabilities_of_an_int8_model() -> None:
    config = make_config(2, 30, 3, vocab_size=50, max_position_embeddings=70)
    weights = quantize(from_arrays(make_weights(config), config))
    cu_seqlens, hidden_states = np.array([0, 65, 66, 96]), normal(96, 30)
    pair = [prepare(name, weights).attention_probs(hidden_states, cu_seqlens, 1) for name in ("numpy", COMPILED)]
    for expected, actual, size in zip(*pair, (65, 1, 30), strict=True):
        assert actual.shape == (3, size, size)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-3)


# Memory


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_batch_tokens_bounds_memory(precision: str, tmp_path: Path) -> None:
    """4 (2 H + max(4 H, I)) bytes a token, as the README says.

    int8 adds max(H, I), and a token of the longest text 8 d + 24.
    """
    hidden, heads = 256, 4
    folder = write_model(tmp_path, make_config(1, hidden, heads))
    texts = ["word " * 100] * 200

    def peak(batch_tokens: int) -> int:
        model = minibert.load(folder, backend=COMPILED, precision=precision, num_threads=1)
        model.encode(texts, batch_tokens=1)  # compiles, and fills the tokenizer's memory
        tracemalloc.start()
        model.encode(texts, batch_tokens=batch_tokens)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    per_token = 4 * (2 * hidden + 4 * hidden) + (4 * hidden if precision == "int8" else 0)
    few, many = peak(256), peak(16_384)
    attention = 512 * (8 * (hidden // heads) + 24)
    results = len(texts) * (4 * hidden + 102 * 4 * 6)  # the vectors; ids and places of all tokens
    assert few <= 256 * per_token + attention + results + (1 << 20)
    assert many <= 16_384 * per_token + attention + results + (1 << 20)
    assert many - few >= (16_384 - 256) * per_token // 2  # so the bound is not an empty one


def test_no_quadratic_memory() -> None:
    storage = Storage(TIERS["avx2"], make_config(1, 64, 1, vocab_size=20, max_position_embeddings=8), is_int8=True)
    storage.reserve(10_000, 10_000)
    assert storage.wide.nbytes + storage.quantized.nbytes + storage.scratch(0).nbytes < 10_000 * 64 * 4 * 12


def test_a_large_workspace_is_not_kept() -> None:
    encoder = prepare(COMPILED, from_arrays(make_weights(SMALL), SMALL))
    during: list[int] = []
    encoder.loops = encoder.loops._replace(linear=lambda _: during.append(len(encoder._idle)))  # type: ignore[attr-defined]
    for num_tokens, kept in ((10, 1), (compiled.KEPT_TOKENS + 1, 0)):
        encoder.pooler(np.zeros((num_tokens, 16), np.float32))
        assert len(encoder._idle) == kept  # type: ignore[attr-defined]
    assert during == [0, 0]
