"""The compiled quantization of activations beside that of NumPy. Needs Numba."""

import numpy as np
import pytest

from minibert.ops import numpy_int8
from tests.support.jit_parts import quantized

random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("size", [1, 15, 16, 130, 768])
def test_quantized_rows_are_those_of_numpy(size: int) -> None:
    x = normal(40, size) * np.float32(3)
    x[3], x[4, 0], x[5, -1] = 2.5, np.nan, np.inf
    with np.errstate(invalid="ignore"):
        low, unit, expected = numpy_int8.quantize_rows(x)
    lows, units, actual = quantized(x)
    finite = np.isfinite(x).all(axis=1)
    np.testing.assert_array_equal(actual[finite], expected[finite])
    np.testing.assert_array_equal(lows[finite], low[finite, 0])
    np.testing.assert_array_equal(units, np.where(finite, unit[:, 0], np.nan))
