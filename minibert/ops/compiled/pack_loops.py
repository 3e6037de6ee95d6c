"""The loops that make the weights of a model: stored numbers -> panels, float rows -> int8 rows.

`pack` of packed.py and `int8_rows` of bert/quantize.py do the same in NumPy, with the same bits.
They take many times as long, because NumPy goes through the memory several times.
"""

import numpy as np

from ...bert.int8 import HALF_RANGE, LEAST_SCALE
from ...runtime.jit import jit, pasted
from ...runtime.unpack import Record, unpack
from .layout import LANES, STORED_INT8, Address, Integer, PackCall, QuantizeCall
from .memory import address, get_int64, load, offset, put, store, store_groups, store_quantized, transpose
from .simd import MAGIC, Float, Vector, broadcast, max_abs, reduce_max_abs, swap_neighbours
from .stored import load_stored
from .tiers import Tier

f32 = np.float32
ZERO, HALF, INFINITY = f32(0), f32(0.5), f32(np.inf)
SQUARE = LANES * LANES
DONE = np.int64(0)


@pasted
def fill(square: Address, output: Integer, k: Integer, call: PackCall) -> None:
    """Fill a square with weights, or 0 where there are none.

    Its rows are sixteen outputs, its columns sixteen inputs.
    """
    num_parts, size = call.parts.shape[0], call.in_features
    part, row = output // call.num_outputs, output % call.num_outputs
    for i in range(LANES):
        source, count = get_int64(address(call.parts), min(part, num_parts - 1)), size - k if part < num_parts else 0
        store(square, i * LANES, load_stored(source, row * size + k, count, call.stored), LANES)
        row += 1
        if row == call.num_outputs:
            part, row = part + 1, 0


@pasted
def store_int8(square: Address, panel: Address, place: Integer, num_steps: Integer, tier: Tier) -> Vector:
    """Store a square whose rows are inputs in a panel of int8. Returns the sum of its rows."""
    sums, magic = broadcast(ZERO), broadcast(MAGIC)
    for step in range(num_steps):
        at, row = place + step * tier.width, offset(square, step * tier.group * LANES)
        a = load(row, 0, LANES, ZERO)
        if tier.group == 4:
            b, c, d = load(row, LANES, LANES, ZERO), load(row, 2 * LANES, LANES, ZERO), load(row, 3 * LANES, LANES, ZERO)
            store_groups(panel, at, a + magic, b + magic, c + magic, d + magic)
            a = a + b + c + d
        else:
            store_quantized(panel, at, a + magic, 0, LANES)
        sums = sums + a
    return sums


@jit
def pack_loop(tier: Tier, record: Record) -> Integer:
    """Fill the panels of a matrix, sixteen outputs by sixteen inputs at a time."""
    call = unpack(record, PackCall)
    size, panels, sums, is_int8 = call.in_features, address(call.panels), address(call.sums), call.stored == STORED_INT8
    square, turned = address(call.scratch), offset(address(call.scratch), SQUARE)
    group = tier.group if is_int8 else 1
    num_steps, num_outputs = (size + group - 1) // group, call.num_outputs * call.parts.shape[0]
    for output in range(0, (num_outputs + tier.width - 1) // tier.width * tier.width, LANES):
        column = output % tier.width
        first = (output - column) * num_steps + column
        for k in range(0, size, LANES):
            fill(square, output, k, call)
            if is_int8:
                transpose(square, 0, LANES, LANES, turned, 0, LANES, LANES)
                steps = min(LANES, size - k + group - 1) // group
                added = store_int8(turned, panels, first + k // group * tier.width, steps, tier)
                store(sums, output, load(sums, output, LANES, ZERO) + added, LANES)
            else:
                transpose(square, 0, LANES, LANES, panels, first + k * tier.width, tier.width, size - k)
    return DONE


@pasted
def scale_of(row: Address, start: Integer, size: Integer, call: QuantizeCall) -> Float:
    """The scale of a row: half of its greatest number, or of its greatest sum, becomes 63.5."""
    numbers, sums, half = broadcast(ZERO), broadcast(ZERO), broadcast(HALF)
    for i in range(0, size, LANES):
        x = load_stored(row, start + i, size - i, call.stored)
        numbers = max_abs(x, numbers)
        if call.are_paired:  # a last number without a neighbour is added to 0
            sums = max_abs(x * half + swap_neighbours(x * half), sums)
    greatest = reduce_max_abs(numbers)
    halved = reduce_max_abs(max_abs(sums, broadcast(HALF if greatest == ZERO else greatest * HALF)))
    scale = halved / HALF_RANGE
    return LEAST_SCALE if scale < LEAST_SCALE else scale


@jit
def quantize_loop(tier: Tier, record: Record) -> Integer:
    """Fill the integers and the scale of each row. A row that is not finite gets integers of 0."""
    call = unpack(record, QuantizeCall)
    num_rows, size = call.integers.shape
    rows = get_int64(address(call.rows), 0)
    for number in range(num_rows):
        start = number * size
        scale = scale_of(rows, start, size, call)
        put(address(call.scale), number, scale)
        is_finite = scale < INFINITY
        divisor = broadcast(scale if is_finite else f32(1))
        for i in range(0, size, LANES):
            x = load_stored(rows, start + i, size - i if is_finite else 0, call.stored)
            store_quantized(address(call.integers), start + i, x / divisor + broadcast(MAGIC), 0, size - i)
    return DONE
