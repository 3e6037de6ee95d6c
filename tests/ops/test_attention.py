"""The compiled attention of int8 models beside that of NumPy. Needs Numba."""

import math

import numpy as np
import pytest

from minibert.ops import numpy_int8
from tests.support.jit_parts import int16_attention

random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("hidden", "heads"), [(15, 3), (24, 1), (33, 1), (64, 2), (5, 5), (129, 1), (384, 2)])
def test_attention_in_integers(hidden: int, heads: int) -> None:
    """Where a last bit differs, what lies between two integers may become either."""
    seqlens = [1, 2, 5, 6, 7, 15, 16, 17, 33, 64, 65, 140]
    cu_seqlens = np.cumsum([0, *seqlens])
    qkv = normal(sum(seqlens), 3 * hidden) * np.float32(2)
    actual = int16_attention(qkv, cu_seqlens, heads)
    expected = numpy_int8.int16_attention(qkv, cu_seqlens, heads)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=3e-3)
    assert np.abs(actual - expected).mean() <= 2e-5


@pytest.mark.parametrize("head_dim", [1, 64, 512])
def test_attention_in_the_greatest_integers(head_dim: int) -> None:
    """All numbers are at the ends of their range, and sums reach 2^30 of either sign.

    A query is as similar to half of the keys as it is dissimilar to the others.
    """
    size = 200
    qkv = np.ones((size, 3 * head_dim), np.float32)
    qkv[::2, head_dim : 2 * head_dim] = -1
    qkv[:, 2 * head_dim :] = 3 * qkv[:, head_dim : 2 * head_dim]
    cu_seqlens = np.array([0, size])
    expected = np.full((size, head_dim), 3 * math.tanh(head_dim**0.5))
    for attend in (int16_attention, numpy_int8.int16_attention):
        np.testing.assert_allclose(attend(qkv, cu_seqlens, 1), expected, rtol=3e-3)  # shares of some 200 of 32767, rounded


@pytest.mark.parametrize("size", [1, 5, 16, 17, 1000])
@pytest.mark.parametrize("part", [0, 1])
def test_attention_without_a_preference(part: int, size: int) -> None:
    """Where all products of queries and keys are 0, the result is the mean of the values."""
    qkv = normal(size, 24)
    qkv[:, 8 * part : 8 * part + 8] = 0
    tiny = normal(size, 24) * np.float32(1e-25)
    tiny[:, 16:] = qkv[:, 16:]
    for given in (qkv, tiny):
        for attend in (int16_attention, numpy_int8.int16_attention):
            actual = attend(given, np.array([0, size]), 1)
            np.testing.assert_allclose(actual, np.broadcast_to(given[:, 16:].mean(axis=0), (size, 8)), rtol=0, atol=3e-4)


def test_values_too_small_for_a_unit() -> None:
    qkv = normal(5, 24)
    qkv[:, 16:] *= np.float32(1e-36)
    for attend in (int16_attention, numpy_int8.int16_attention):
        np.testing.assert_allclose(attend(qkv, np.array([0, 5]), 1), 0, rtol=0, atol=1e-35)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", [3, 13, 23])
def test_attention_in_integers_keeps_what_is_broken(column: int, value: float) -> None:
    """In query, key or value: all of its head and text, and nothing else, is NaN."""
    qkv = normal(9, 30)
    qkv[7, column] = value
    for attend in (int16_attention, numpy_int8.int16_attention):
        with np.errstate(invalid="ignore"):
            found = attend(qkv, np.array([0, 4, 9]), 2)
        assert np.isnan(found[4:, :5]).all()
        assert np.isfinite(found[:4]).all()
        assert np.isfinite(found[4:, 5:]).all()
