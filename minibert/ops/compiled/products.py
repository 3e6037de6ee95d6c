"""Matrix products in both precisions, compiled: twins of `linear`, `linear_gelu` and `int8_linear` of reference.py.

A strip of weights, one panel of AVX-512 or four of AVX2, is read once and stays in the second-level cache while all rows pass by it, four
tiles of them at a time; they stay in the first while the panels of a strip pass by them, and what follows the product is done to the
tiles while they are there. On Zen 3, strips instead of single panels make int8 2 to 15 % faster, float32 up to 5 %; on Zen 4, four tiles
instead of one at a time make products of L8_H128 8 % faster in int8 and 5 % in float32. Measured by benchmarks/roofline.py.
"""

import numpy as np

from ...runtime.jit import jit, pasted
from .. import LEAST_SPAN
from .activations import NO_ACTIVATION, activated
from .memory import advance, get_address, load, put, store, store_quantized
from .packed import KIND, PASS, WIDTH
from .simd import LANES, MAGIC, Address, Integer, fma, greatest, least, maximum, minimum, splat, total
from .team import Room, finish, take, wait
from .tiers import TIER
from .tiles import int8_tile, whole_tile

f32 = np.float32
ZERO, INFINITY = f32(0), f32(np.inf)
GROUP = KIND.group
VECTORS = WIDTH // TIER.lanes
BLOCK = 4 * PASS  # rows that make one piece of work for a thread
STRIP, CACHED = 64, 1 << 18  # columns of a strip, unless their weights are more bytes than half of a small second-level cache
# An int would be a type of its own to Numba, and what is called with it be compiled once more.
FIRST, I_WIDTH = np.int64(0), np.int64(WIDTH)


@jit
def quantize_rows(x: Address, rows: Integer, size: Integer, stride: Integer, room: Room, step: Integer) -> None:
    """Each row as numbers 0..255, x = low + unit * number; a row that holds NaN or infinity gets NaN as its unit, and so stays one."""
    pieces = (rows + BLOCK - 1) // BLOCK
    piece = take(room.counters, step)
    while piece < pieces:
        for row in range(piece * BLOCK, min(piece * BLOCK + BLOCK, rows)):
            at = row * size
            lows, highs, poison = splat(INFINITY), splat(-INFINITY), splat(ZERO)
            for i in range(0, size, LANES):
                lows = minimum(load(x, at + i, size - i, INFINITY), lows)
                highs = maximum(load(x, at + i, size - i, -INFINITY), highs)
                poison = fma(load(x, at + i, size - i, ZERO), splat(ZERO), poison)
            low = least(lows)
            span = greatest(highs) - low
            factor = f32(255) / span if span >= LEAST_SPAN else ZERO
            put(room.lows, row, low)
            put(room.units, row, span * f32(1 / 255) + total(poison))
            for i in range(0, size, LANES):
                number = (load(x, at + i, size - i, low) - splat(low)) * splat(factor)
                store_quantized(room.quantized, row * stride + i, number + splat(MAGIC), stride - i)
        finish(room.counters, step)
        piece = take(room.counters, step)
    wait(room.counters, step, pieces)


@jit
def product(
    x: Address, rows: Integer, inner: Integer, table: Address, matrix: Integer, outer: Integer, out: Address, activation: Integer,
    is_int8: Integer, room: Room, step: Integer,
) -> None:  # fmt: skip
    """Fill `out` with activation(x @ weight.T + bias), x float32 or what `quantize_rows` made of it.

    Tiles that have an activation before them, or stick out at the right, go to a place of their own first: rows of `out` are often so far
    apart that eight of them fill their share of the cache, and GELU would wait. In L6_H768 it takes 0.5 instead of 0.7 µs a token.
    """
    panels, bias, initial = get_address(table, matrix), get_address(table, matrix + 1), get_address(table, matrix + 2)
    scale, totals = get_address(table, matrix + 3), get_address(table, matrix + 4)
    num_blocks = (rows + BLOCK - 1) // BLOCK
    strip = WIDTH * max(1, min(STRIP // WIDTH, CACHED // (inner * WIDTH * (1 if is_int8 else 4))))
    pieces = num_blocks * ((outer + strip - 1) // strip)
    piece = take(room.counters, step)
    while piece < pieces:
        start, first = piece // num_blocks * strip, piece % num_blocks * BLOCK
        for row in range(first, min(first + BLOCK, rows), PASS):
            height = min(PASS, rows - row)
            for column in range(start, min(start + strip, outer), WIDTH):
                width = min(WIDTH, outer - column)
                is_final = activation == NO_ACTIVATION and width == WIDTH
                y, at, ldy = (out, row * outer + column, outer) if is_final else (room.scratch, FIRST, I_WIDTH)
                if is_int8:
                    int8_tile(
                        height, VECTORS, x, row * inner, inner, panels, column * inner, WIDTH * GROUP, initial, column,
                        y, at, ldy, inner // GROUP, advance(room.lows, row), advance(room.units, row),
                        advance(scale, column), advance(totals, column), advance(bias, column),
                    )  # fmt: skip
                else:
                    whole_tile(height, VECTORS, x, row * inner, inner, panels, column * inner, WIDTH, bias, column, y, at, ldy, inner)
                if not is_final:
                    for i in range(height):
                        for j in range(0, width, LANES):
                            value = activated(load(y, i * WIDTH + j, width - j, ZERO), activation)
                            store(out, (row + i) * outer + column + j, value, width - j)
        finish(room.counters, step)
        piece = take(room.counters, step)
    wait(room.counters, step, pieces)


@pasted
def linear(
    x: Address, rows: Integer, inner: Integer, table: Address, matrix: Integer, outer: Integer, out: Address, activation: Integer,
    is_int8: Integer, room: Room, step: Integer,
) -> Integer:  # fmt: skip
    """A product in either precision; returns the number of the next step."""
    if is_int8:
        stride = (inner + GROUP - 1) // GROUP * GROUP
        quantize_rows(x, rows, inner, stride, room, step)
        step += 1
        product(room.quantized, rows, stride, table, matrix, outer, out, activation, is_int8, room, step)
    else:
        product(x, rows, inner, table, matrix, outer, out, activation, is_int8, room, step)
    return step + 1
