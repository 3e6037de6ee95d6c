"""The compiled products beside those of NumPy."""

import math
from typing import Any

import numpy as np
import pytest

from minibert.bert.int8 import MAX_PAIR_SUM, max_pair_sums
from minibert.bert.weights import Int8Linear, Linear
from minibert.ops import numpy_int8, numpy_ops
from minibert.ops.compiled.layout import ERF, NO_ACTIVATION, TANH
from tests.support.backends import needs_compiled
from tests.support.compiled_parts import product

pytestmark = needs_compiled
ACTIVATIONS = {None: NO_ACTIVATION, "none": ERF, "tanh": TANH}
random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(np.float32)


# Sizes that are no multiple of a register, of a tile, of a pass of tiles, or of what one integer
# instruction takes
SHAPES = [(1, 1, 1), (5, 15, 37), (6, 16, 16), (7, 64, 64), (13, 129, 65), (29, 40, 70), (45, 20, 130), (100, 128, 384), (97, 30, 200)]


@pytest.mark.parametrize("approximate", [None, "none", "tanh"])
@pytest.mark.parametrize(("num_rows", "in_features", "out_features"), SHAPES)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_products_are_those_of_numpy(precision: str, num_rows: int, in_features: int, out_features: int, approximate: str | None) -> None:
    x = normal(num_rows, in_features) * np.float32(2) - np.float32(0.5)
    linear: Any = Linear(normal(out_features, in_features) / np.float32(math.sqrt(in_features)), normal(out_features))
    if precision == "int8":
        linear = _int8(linear)
    expected = numpy_int8.int8_linear(x, linear) if precision == "int8" else numpy_ops.linear(x, linear)
    if approximate:
        expected = numpy_ops.gelu(expected, approximate)  # type: ignore[arg-type]
    actual = product(x, linear, ACTIVATIONS[approximate])
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def _int8(linear: Linear) -> Int8Linear:
    scale = np.maximum(np.abs(linear.weight).max(axis=1), max_pair_sums(linear.weight)) / np.float32(127)
    return Int8Linear(np.rint(linear.weight / scale[:, np.newaxis]).astype(np.int8), scale, linear.bias)


@pytest.mark.parametrize("in_features", [4, 768, 3073])
def test_integer_products_are_exact(in_features: int) -> None:
    """The greatest integers there are. An instruction that saturates, or a float32 sum, would show.

    Two neighbours add up to 128 at most. That is the greatest sum that does not saturate at sixteen
    bits.
    """
    x = random.choice(np.array([0, 255], np.float32), (9, in_features))
    x[:, 0], x[:, 1] = 0, 255  # so that a number is its own quantised value
    x[0, 2:] = 255
    pairs = np.array([(127, 1), (64, 64), (127, -127), (-127, 127), (-1, -127), (-64, -64)], np.int8)
    weight = random.choice(pairs, (70, (in_features + 1) // 2)).reshape(70, -1)[:, :in_features]
    weight[0], weight[1] = 64, -64
    assert max_pair_sums(weight).max() == MAX_PAIR_SUM
    expected = x.astype(np.int64) @ weight.T.astype(np.int64)
    linear = Int8Linear(weight, np.ones(70, np.float32), np.zeros(70, np.float32))
    actual = product(x, linear, NO_ACTIVATION)
    np.testing.assert_array_equal(actual, (np.float32(255) * np.float32(1 / 255)) * expected.astype(np.float32))
    np.testing.assert_array_equal(numpy_int8.int8_linear(x, linear), actual)
