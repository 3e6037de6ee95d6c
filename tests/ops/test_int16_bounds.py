"""The limits of the integers in the attention of int8 models."""

import math

import numpy as np
import pytest

from minibert.bert.checkpoint import from_arrays
from minibert.bert.int8 import MAX_INT8_INPUTS
from minibert.bert.quantize import quantize
from minibert.bert.weights import side_by_side
from minibert.ops import INT16_TOKENS, numpy_int8, numpy_ops
from tests.support.backends import BACKENDS, needs_numba, prepare
from tests.support.models import make_config, make_weights

INT32 = 2**31 - 1
BY_ITSELF = [pytest.param("numpy"), pytest.param("numba", marks=needs_numba)]  # a library has no entry for attention alone
random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(np.float32)


def attention(backend: str, qkv: np.ndarray, seqlens: list[int], num_heads: int) -> np.ndarray:
    """That of int8 models."""
    cu_seqlens = np.cumsum([0, *seqlens])
    if backend == "numpy":
        return numpy_int8.int16_attention(qkv, cu_seqlens, num_heads)
    from tests.support.jit_parts import int16_attention

    return int16_attention(qkv, cu_seqlens, num_heads)


@pytest.mark.parametrize("head_dim", [1, 64, 4096, MAX_INT8_INPUTS])
def test_scores_and_contexts_fit_into_int32(head_dim: int) -> None:
    greatest = round(32767 / math.sqrt(head_dim))
    assert head_dim * greatest**2 <= INT32
    assert (32767 + INT16_TOKENS // 2) * 32767 <= INT32


@pytest.mark.parametrize("backend", BY_ITSELF)
def test_heads_as_wide_as_they_can_be(backend: str) -> None:
    head_dim = MAX_INT8_INPUTS
    qkv = np.ones((4, 3 * head_dim), np.float32)
    qkv[::2, head_dim : 2 * head_dim] = -1
    qkv[:, 2 * head_dim :] = 3 * qkv[:, head_dim : 2 * head_dim]
    np.testing.assert_allclose(attention(backend, qkv, [4], 1), 3, rtol=1e-3)


def with_one_share(size: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """(qkv, expected context): one token has this share of every row, the others share the rest."""
    score = math.log(share / (1 - share) * (size - 1))
    qkv = np.zeros((size, 3), np.float32)
    qkv[:, 0], qkv[0, 1] = 1, score
    qkv[:, 2] = 1
    qkv[0, 2] = -1
    return qkv, np.full((size, 1), 1 - 2 * share)


@pytest.mark.parametrize("backend", BY_ITSELF)
@pytest.mark.parametrize("size", [512, INT16_TOKENS, INT16_TOKENS + 1, 20_000])
def test_small_shares_of_a_long_text_are_not_lost(backend: str, size: int) -> None:
    """The error of the mean is at most twice what rounding takes from the shares, size / 65534.

    A longer text has float32 attention, and a far smaller error.
    """
    if backend == "numpy" and size > 2 * INT16_TOKENS:
        size = 2 * INT16_TOKENS  # it keeps all scores
    most = 2 * size / 65534 if size <= INT16_TOKENS else size * 2**-24  # of float32, the rounding of a sum
    assert most < 0.07
    for share in (0.3, 0.9, 0.985):
        qkv, expected = with_one_share(size, share)
        assert np.abs(attention(backend, qkv, [size], 1) - expected).max() <= most


@pytest.mark.parametrize("backend", BY_ITSELF)
def test_a_long_text_has_float32_attention_whatever_stands_beside_it(backend: str) -> None:
    long, short = INT16_TOKENS + 1, 40
    qkv = normal(long + short, 3 * 16)
    together = attention(backend, qkv, [long, short], 2)
    apart = [attention(backend, part, [len(part)], 2) for part in (qkv[:long], qkv[long:])]
    np.testing.assert_array_equal(together, np.concatenate(apart))
    exact = numpy_ops.attention(qkv, np.array([0, long, long + short]), 2)
    assert np.abs(together[:long] - exact[:long]).max() <= 1e-5
    assert np.abs(together[long:] - exact[long:]).max() >= 1e-5  # those are integers


@pytest.mark.parametrize("backend", BACKENDS)
def test_probabilities_take_the_same_decision(backend: str) -> None:
    """Beside those of a float32 model whose weights are what the integers stand for."""
    config = make_config(1, 8, 1, vocab_size=20, max_position_embeddings=8)
    weights = quantize(from_arrays(make_weights(config), config))
    long = INT16_TOKENS + 1
    hidden = random.integers(0, 256, (long + 30, 8)).astype(np.float32) / np.float32(64)
    found = prepare(backend, weights).attention_probs(hidden, np.array([0, long, long + 30]), 0)
    layer = weights.layers[0]
    qkv = numpy_int8.int8_linear(hidden, side_by_side(layer.query, layer.key, layer.value))
    for probs, part in zip(found, (qkv[:long], qkv[long:]), strict=True):
        query, key = part[:, :8].astype(np.float64), part[:, 8:16].astype(np.float64)
        scores = query @ key.T / math.sqrt(8)
        exact = np.exp(scores - scores.max(axis=1, keepdims=True))
        exact /= exact.sum(axis=1, keepdims=True)
        error = np.abs(probs[0] - exact).max()
        assert (error <= 2e-5) == (len(part) == long), error


def test_scratch_is_large_enough_for_both_kinds_of_attention() -> None:
    from minibert.ops.compiled.packed import rounded_up
    from minibert.ops.compiled.storage import Storage
    from minibert.ops.compiled.tiers import TIERS

    for tier in TIERS.values():
        for hidden, heads in ((8, 1), (24, 3), (320, 1)):
            for size in (1, 17, INT16_TOKENS, INT16_TOKENS + 1):
                storage = Storage(tier, make_config(1, hidden, heads), is_int8=True)
                storage.reserve(size, size)
                head_dim, tokens = hidden // heads, rounded_up(size, tier.width)
                least = tier.rows * tokens + head_dim * tokens + size * rounded_up(head_dim, tier.width)
                assert storage.scratch(0).size >= least
