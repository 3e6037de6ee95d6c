"""Weights that packing and quantization must treat as their NumPy versions do."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from minibert.arrays import BFLOAT16
from minibert.bert.quantize import LEAST_SCALE, int8_rows
from minibert.bert.weights import Int8Linear, Linear, Matrix, side_by_side
from minibert.ops.compiled.layout import Loops
from minibert.ops.compiled.pack_weights import Packer, panel_bytes, rows_of
from minibert.ops.compiled.packed import Packed, pack

DTYPES = [np.dtype(np.float32), np.dtype(np.float16), BFLOAT16, np.dtype(np.float64)]
OUTPUTS, INPUTS = (1, 5, 16, 23, 64, 67), (1, 2, 3, 4, 15, 16, 17, 33, 66)
GREATEST = np.finfo(np.float32).max


def stored(numbers: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Numbers as a checkpoint of this dtype has them."""
    if dtype == BFLOAT16:
        return (numbers.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(BFLOAT16)
    with np.errstate(over="ignore"):
        return numbers.astype(dtype)


def matrices() -> Iterator[tuple[Matrix, ...]]:
    """Groups of three matrices, float and int8, of all dtypes and many sizes."""
    random = np.random.default_rng(4)
    for dtype, num_outputs, in_features in product(DTYPES, OUTPUTS, INPUTS):
        parts = []
        for _ in range(3):
            weight, bias = random.normal(size=(num_outputs, in_features)), random.normal(size=num_outputs)
            weight[random.random(weight.shape) < 0.05] = random.choice([np.nan, np.inf, -np.inf, -0.0, 1e-45])
            parts.append(Linear(stored(weight, dtype), stored(bias, dtype)))
        yield tuple(parts)
        yield tuple(Int8Linear(*int8_rows(np.nan_to_num(part.weight.astype(np.float32)), True), part.bias) for part in parts)


def hard_rows() -> Iterator[np.ndarray]:
    """Rows of all dtypes: any bits, no finite scale, zeros, and scales near the least one."""
    random = np.random.default_rng(5)
    for size in (1, 2, 3, 15, 16, 17, 40):
        bits = random.integers(0, 1 << 32, (60, size), np.uint32)
        yield from (bits.view(np.float32), bits.astype(np.uint16).view(np.float16), bits.astype(np.uint16).view(BFLOAT16))
        rows = random.uniform(-1, 1, (13, size))
        rows *= np.array([1e-45, 1e-42, 126 * LEAST_SCALE, 127 * LEAST_SCALE, 128 * LEAST_SCALE, 6e-5, 1, 1, 1, 1, 1, 6e4, GREATEST])[
            :, None
        ]
        rows[6], rows[7, -1], rows[8, 0], rows[9, size // 2] = -0.0, np.nan, np.inf, -np.inf
        rows[10, 0], rows[10, -1] = -np.inf, np.inf
        rows[11:, : size // 2] = rows[11:].max()
        for dtype in DTYPES:
            yield stored(rows, dtype)


def assert_same(actual: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    """The same types, shapes and bits. Any NaN is like any other."""
    for mine, right in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(mine, right)
        if isinstance(right, np.ndarray):
            assert mine.dtype == right.dtype
            np.testing.assert_array_equal(np.signbit(mine) & (mine == mine), np.signbit(right) & (right == right))


def packed_together(parts: tuple[Matrix, ...], loops: Loops) -> Packed:
    """Several matrices as one, by the loops."""
    num_outputs, in_features = parts[0].weight.shape
    is_int8 = isinstance(parts[0], Int8Linear)
    return Packer(loops, panel_bytes(len(parts) * num_outputs, in_features, loops.tier, is_int8)).pack(*parts)


def compare_packing(loops: Loops) -> int:
    """Pack all matrices by loops and by NumPy. Returns how many there were."""
    done = 0
    for parts in matrices():
        for some in (parts, parts[:1]):
            assert_same(packed_together(some, loops), pack(side_by_side(*some), loops.tier))
            done += 1
    return done


def compare_quantization(loops: Loops) -> int:
    """Quantize all rows by a loop and by NumPy. Returns how many there were."""
    done = 0
    for rows in hard_rows():
        for are_paired in (False, True):
            assert_same(rows_of(loops)(rows, are_paired), int8_rows(rows, are_paired))
            done += len(rows)
    return done
