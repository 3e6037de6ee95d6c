"""exp, GELU and tanh of the compiled loops beside their definitions. Needs Numba."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minibert.ops.compiled import activations
from minibert.ops.compiled.memory import address, load, store
from minibert.runtime import jit


def lane_by_lane(function: Callable[..., Any]) -> Callable[[np.ndarray], np.ndarray]:
    @jit.jit
    def loop(x: Any, out: Any) -> None:
        for i in range(0, x.size, 16):
            store(address(out), i, function(load(address(x), i, x.size - i, np.float32(0))), x.size - i)

    def call(x: np.ndarray) -> np.ndarray:
        out = np.empty_like(x)
        loop(x, out)
        return out

    return call


def test_exp_is_exact_to_float32() -> None:
    x = np.linspace(-87, 88, 1_000_003).astype(np.float32)
    expected = np.exp(x.astype(np.float64))
    actual = lane_by_lane(activations.exp)(x)
    near = np.abs(x) < 20
    assert np.abs(actual / expected - 1)[near].max() <= 2e-7  # two units in the last place
    assert np.abs(actual / expected - 1).max() <= 5e-7


def test_exp_far_out() -> None:
    x = np.array([-np.inf, -1e30, -88, -87.4, 0], np.float32)
    np.testing.assert_array_equal(lane_by_lane(activations.exp)(x), [0, 0, 0, 0, 1])


@pytest.mark.parametrize("form", ["none", "tanh"])
def test_gelu(form: str) -> None:
    x = np.linspace(-12, 12, 400_003).astype(np.float32)
    wide = x.astype(np.float64)
    if form == "none":
        expected = np.array([0.5 * value * math.erfc(-value / math.sqrt(2)) for value in wide])
    else:
        expected = 0.5 * wide * (1 + np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))
    function = activations.gelu_erf if form == "none" else activations.gelu_tanh
    error = np.abs(lane_by_lane(function)(x) - expected)
    assert error[np.abs(x) < 4].max() <= 6e-7
    assert error.max() <= 2e-6  # two units in the last place of 12


@pytest.mark.parametrize("function", [activations.gelu_erf, activations.gelu_tanh, activations.tanh])
def test_what_is_not_finite_is_not_hidden(function: Callable[..., Any]) -> None:
    x = np.array([np.nan, -3.4e38, -1e30, -50, 3e38, 0], np.float32)
    actual = lane_by_lane(function)(x)
    expected = [np.nan, -1, -1, -1, 1, 0] if function is activations.tanh else [np.nan, 0, 0, 0, 3e38, 0]
    np.testing.assert_allclose(actual, np.array(expected, np.float32), rtol=3e-7, atol=1e-8)
    # a network of -inf is broken, and 0 or -1 would not say so
    assert not np.isfinite(lane_by_lane(function)(np.array([-np.inf, np.inf], np.float32))).any()


def test_tanh() -> None:
    x = np.linspace(-12, 12, 100_001).astype(np.float32)
    assert np.abs(lane_by_lane(activations.tanh)(x) - np.tanh(x.astype(np.float64))).max() <= 3e-7
