"""Products with the weights, compiled: `linear` of numpy_ops.py and `int8_linear` of numpy_int8.py.

A thread works on blocks of the result. A block is `Tier.block_rows` tokens by a strip of columns:
one panel of AVX-512, or four of AVX2. A strip of weights is read once, and stays in the
second-level cache while all tokens pass by it. They pass in groups of four tiles. Such a group
stays in the first-level cache while the panels of the strip pass by it. The activation is applied
while the result is still there.

* Strips instead of single panels make int8 2 to 15 % faster, float32 up to 5 % (Zen 3).
* Four tiles instead of one at a time make the products of L8_H128 8 % faster in int8 and 5 % in
  float32 (Zen 4).

Measured with benchmarks/roofline.py.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import jit, pasted
from .. import LEAST_SPAN
from .activations import activated
from .counters import in_blocks
from .layout import FIRST, LANES, NO_ACTIVATION, Address, Integer
from .memory import get_int64, load, offset, put, store, store_quantized
from .simd import MAGIC, broadcast, fma, maximum, minimum, reduce_add, reduce_max, reduce_min
from .tiles import Dequantization, Operand, int8_tile, panel_tile
from .workspace import Workspace

f32 = np.float32
ZERO, INFINITY = f32(0), f32(np.inf)
STRIP = 64  # columns of a strip, unless their weights need more than CACHED bytes
CACHED = 1 << 18  # bytes, half of a small second-level cache


class Panels(NamedTuple):
    """The addresses of a packed matrix, in the order in which a table holds them."""

    panels: Address
    bias: Address
    initial: Address  # int8 only, as are those below
    scale: Address
    sums: Address


class Quantization(NamedTuple):
    """What `quantize_rows` is given."""

    x: Address  # (num_tokens, in_features) float32
    num_tokens: Integer
    in_features: Integer
    stride: Integer  # of the result: in_features, rounded up to a multiple of Tier.group


class Product(NamedTuple):
    """What `multiply` is given: out = activation(x weight^T + bias)."""

    x: Address  # (num_tokens, in_features): float32, or what `quantize_rows` made of it
    out: Address  # (num_tokens, out_features) float32
    panels: Panels
    num_tokens: Integer
    in_features: Integer
    out_features: Integer
    activation: Integer  # a number of activations.py
    is_int8: Integer


@pasted
def panels_at(table: Address, place: Integer) -> Panels:
    """The addresses of one matrix."""
    return Panels(
        get_int64(table, place), get_int64(table, place + 1), get_int64(table, place + 2), get_int64(table, place + 3),
        get_int64(table, place + 4),
    )  # fmt: skip


@pasted
def quantize_row(row: Address, token: Integer, task: Quantization, workspace: Workspace) -> None:
    """One row (in_features,) as numbers of 0..255: x = low + unit * number.

    A row that holds NaN or infinity gets NaN as its unit, so it stays one that is not finite.
    """
    size, tier = task.in_features, workspace.tier
    lows, highs, poison = broadcast(INFINITY), broadcast(-INFINITY), broadcast(ZERO)
    for i in range(0, size, LANES):
        lows = minimum(load(row, i, size - i, INFINITY), lows)
        highs = maximum(load(row, i, size - i, -INFINITY), highs)
        poison = fma(load(row, i, size - i, ZERO), broadcast(ZERO), poison)
    low = reduce_min(lows)
    span = reduce_max(highs) - low
    factor = f32(255) / span if span >= LEAST_SPAN else ZERO
    put(workspace.lows, token, low)
    put(workspace.units, token, span * f32(1 / 255) + reduce_add(poison))
    for i in range(0, size, LANES):
        number = (load(row, i, size - i, low) - broadcast(low)) * broadcast(factor) + broadcast(MAGIC)
        store_quantized(workspace.quantized, token * task.stride + i, number, tier.int8_offset, task.stride - i)


@pasted
def quantize_block(block: Integer, task: Quantization, workspace: Workspace) -> None:
    """The rows of one block."""
    first = block * workspace.tier.block_rows
    for token in range(first, min(first + workspace.tier.block_rows, task.num_tokens)):
        quantize_row(offset(task.x, token * task.in_features), token, task, workspace)


@jit
def quantize_rows(task: Quantization, workspace: Workspace, phase: Integer) -> None:
    """Fill the workspace with eight-bit rows, and the low and unit of each. One phase."""
    block_rows = workspace.tier.block_rows
    in_blocks(quantize_block, task, (task.num_tokens + block_rows - 1) // block_rows, workspace, phase)


@pasted
def strip_width(task: Product, width: Integer) -> Integer:
    """Columns of a strip: whole panels of `width` columns."""
    panel_bytes = task.in_features * width * (1 if task.is_int8 else 4)
    return width * max(1, min(STRIP // width, CACHED // panel_bytes))


@pasted
def multiply_panel(first: Integer, rows: Integer, column: Integer, task: Product, workspace: Workspace) -> None:
    """Tokens `first` to `first + rows` by one panel of columns.

    If an activation follows, or the panel is the last and not full, the tiles go to scratch first.
    Rows of `out` are often so far apart that eight of them fill their part of the cache, and GELU
    would wait. In L6_H768 it takes 0.5 instead of 0.7 µs a token.
    """
    tier, panels, size = workspace.tier, task.panels, task.in_features
    columns = min(tier.width, task.out_features - column)
    is_final = task.activation == NO_ACTIVATION and columns == tier.width
    place = Operand(task.out, first * task.out_features + column, task.out_features)
    c = place if is_final else Operand(workspace.scratch, FIRST, tier.width)
    a = Operand(task.x, first * size, size)
    if task.is_int8:  # in each branch the stride of b is a constant, so it needs no register in the tile
        b = Operand(panels.panels, column * size, tier.width * tier.group)
        meaning = Dequantization(
            offset(workspace.lows, first), offset(workspace.units, first), offset(panels.scale, column), offset(panels.sums, column),
            offset(panels.bias, column),
        )  # fmt: skip
        int8_tile(tier, rows, a, b, offset(panels.initial, column), c, size // tier.group, meaning)
    else:
        panel_tile(tier, rows, a, Operand(panels.panels, column * size, tier.width), offset(panels.bias, column), c, size)
    if not is_final:
        for i in range(rows):
            for j in range(0, columns, LANES):
                value = activated(load(c.address, i * tier.width + j, columns - j, ZERO), task.activation)
                store(task.out, (first + i) * task.out_features + column + j, value, columns - j)


@pasted
def multiply_block(block: Integer, task: Product, workspace: Workspace) -> None:
    """The tokens of one block by one strip of columns."""
    tier, strip = workspace.tier, strip_width(task, workspace.tier.width)
    num_row_blocks = (task.num_tokens + tier.block_rows - 1) // tier.block_rows
    start, first = block // num_row_blocks * strip, block % num_row_blocks * tier.block_rows
    last = min(first + tier.block_rows, task.num_tokens)
    for token in range(first, last, tier.pass_rows):
        for column in range(start, min(start + strip, task.out_features), tier.width):
            multiply_panel(token, min(tier.pass_rows, last - token), column, task, workspace)


@jit
def multiply(task: Product, workspace: Workspace, phase: Integer) -> None:
    """Fill `out`. One phase."""
    block_rows, strip = workspace.tier.block_rows, strip_width(task, workspace.tier.width)
    num_blocks = (task.num_tokens + block_rows - 1) // block_rows * ((task.out_features + strip - 1) // strip)
    in_blocks(multiply_block, task, num_blocks, workspace, phase)


@pasted
def linear(task: Product, workspace: Workspace, phase: Integer) -> None:
    """A linear layer in either precision. Two phases; float32 leaves the first one out."""
    if task.is_int8:
        group = workspace.tier.group
        stride = (task.in_features + group - 1) // group * group
        quantize_rows(Quantization(task.x, task.num_tokens, task.in_features, stride), workspace, phase)
        integers = Product(
            workspace.quantized, task.out, task.panels, task.num_tokens, stride, task.out_features, task.activation, task.is_int8
        )  # fmt: skip
        multiply(integers, workspace, phase + 1)
    else:
        multiply(task, workspace, phase + 1)
