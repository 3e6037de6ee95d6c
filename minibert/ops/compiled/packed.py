"""The parameters as the loops read them: matrices in column panels, in the order of a tile.

    weight (out_features, in_features)  ->  panels (num_panels, in_features, width)

                 in_features
               +-------------+           width = 4
       output 0| a0 a1 a2 .. |           panel 0:  a0 b0 c0 d0    k = 0
              1| b0 b1 b2 .. |                     a1 b1 c1 d1    k = 1
              2| c0 c1 c2 .. |                     a2 b2 c2 d2    k = 2
              3| d0 d1 d2 .. |                     ...
              4| e0 e1 e2 .. |           panel 1:  e0 0  0  0     (there are five outputs)
               +-------------+                     ...

So the innermost loop reads memory in one straight line. `width` is that of a tile: 64 for AVX-512,
16 for AVX2 (`Tier.width`). Panels of int8 hold, in place of each number, the `Tier.group` values of
k that one instruction takes. Every panel begins on a cache line.

A loop finds the parameters by their addresses, in the order of `arrays`.
"""

import math
from typing import Any

import numpy as np

from ...arrays import Array, Int8, widen
from ...bert.weights import Linear, Matrix
from ...runtime.tuples import FieldTuple
from .. import Float32, Int32
from .tiers import Tier

CACHE_LINE = 64
NOTHING = np.zeros(0, np.float32)


class PackedLinear(FieldTuple):
    """A Linear for `float32_tile`."""

    panels: Float32  # (num_panels, in_features, width, 1)
    bias: Float32  # (num_panels * width,)
    in_features: int
    out_features: int

    @property
    def arrays(self) -> tuple[Array, ...]:
        """What a table holds the addresses of."""
        return self.panels, self.bias, NOTHING, NOTHING, NOTHING


class PackedInt8Linear(FieldTuple):
    """An Int8Linear for `int8_tile`. `k_steps` is in_features / group, rounded up."""

    panels: Int8  # (num_panels, k_steps, width, group)
    bias: Float32  # (num_panels * width,)
    initial: Int32  # (num_panels * width,): undoes Tier.int8_offset
    scale: Float32  # (num_panels * width,)
    sums: Float32  # (num_panels * width,): the sum of each output's weights
    in_features: int
    out_features: int

    @property
    def arrays(self) -> tuple[Array, ...]:
        """What a table holds the addresses of."""
        return self.panels, self.bias, self.initial, self.scale, self.sums


Packed = PackedLinear | PackedInt8Linear


def rounded_up(size: int, unit: int) -> int:
    """The least multiple of `unit` that is not below `size`."""
    return -(-size // unit) * unit


def pack(linear: Matrix, tier: Tier) -> Packed:
    """A matrix in panels. It is the NumPy version of `pack_loop`, for readers and for the tests."""
    out_features, in_features = linear.weight.shape
    num_panels = rounded_up(out_features, tier.width) // tier.width

    def padded(vector: Any, dtype: Any = np.float32) -> Any:
        result = np.zeros(num_panels * tier.width, dtype)
        result[:out_features] = vector
        return result

    bias = padded(widen(linear.bias))
    if isinstance(linear, Linear):
        panels = aligned((num_panels, in_features, tier.width, 1), np.dtype(np.float32))
        _fill(panels, linear.weight)
        return PackedLinear(panels, bias, in_features, out_features)
    k_steps = rounded_up(in_features, tier.group) // tier.group
    int8_panels = aligned((num_panels, k_steps, tier.width, tier.group), np.dtype(np.int8))
    _fill(int8_panels, linear.weight)
    sums = linear.weight.sum(axis=1, dtype=np.int32)
    initial, scale = padded(tier.int8_offset * sums, np.int32), padded(widen(linear.scale))
    return PackedInt8Linear(int8_panels, bias, initial, scale, padded(sums), in_features, out_features)


def _fill(panels: Any, weight: Array) -> None:
    """Fill panels (num_panels, k_steps, width, group) one after the other.

    They hold zeros where there is no weight.
    """
    (out_features, in_features), (_, _, width, group) = weight.shape, panels.shape
    whole, rest = in_features // group, in_features % group
    for panel, start in zip(panels, range(0, out_features, width), strict=True):
        rows = weight[start : start + width]
        rows = widen(rows) if panels.dtype == np.float32 else rows
        panel[:whole, : len(rows)] = rows[:, : whole * group].reshape(len(rows), whole, group).swapaxes(0, 1)
        if rest:
            panel[whole, : len(rows), :rest] = rows[:, whole * group :]


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Zeros that begin on a cache line."""
    size = math.prod(shape) * dtype.itemsize
    buffer = np.zeros(size + CACHE_LINE, np.uint8)
    start = -buffer.ctypes.data % CACHE_LINE
    return buffer[start : start + size].view(dtype).reshape(shape)
