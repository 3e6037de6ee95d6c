"""Register tiles: the innermost loop of every matrix product, for each kind of processor.

A tile is a few rows of the result by a few vectors of columns, all of it held in registers while one pass goes over the summation
index k. A step of the pass loads one vector of weights for each column vector, then spreads one activation of each row over a register
and multiplies: with 6 rows and 4 vectors of AVX-512 that is 24 multiply-adds for 10 loads, and 24 sums that do not wait for each other.
Fewer sums, and the latency of the multiply-add would show; more, and they would not fit beside the weights into 32 registers.

Each element of the result is one chain, initial + a[0] b[0] + a[1] b[1] + ..., in the order of k whatever the shape of the tile. So every
tier with a fused multiply-add gives the same float32 bits, and integers are exact anyway.

Measured with benchmarks/roofline.py. The shape is the usual one (Goto and van de Geijn 2008, *Anatomy of high-performance matrix
multiplication*; BLIS); that Numba can be made to emit it is not.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types

from .memory import pointer, read, write
from .simd import F32, I8, I16, I32, I64, Address, Integer, call, intrinsic_like, spread
from .tiers import EMULATED, INT8, TIER, Tier


def float32_step(builder: Any, tier: Tier) -> "Step":
    """One step of float32."""
    kind = ir.VectorType(F32, tier.lanes)

    def multiply_add(sum: Any, activation: Any, weights: Any) -> Any:
        if tier.fma:
            return call(builder, f"llvm.fma.v{tier.lanes}f32", kind, activation, weights, sum)
        return builder.fadd(builder.fmul(activation, weights), sum)

    return Step(kind, F32, F32, F32, 1, kind, lambda loaded: loaded, multiply_add)


def int8_step(builder: Any, tier: Tier) -> "Step":
    """One step of integers."""
    kind, group = tier.int8, INT8[tier.int8].group
    sums, weights = ir.VectorType(I32, tier.lanes), ir.VectorType(I8, tier.lanes * group)
    bits = 8 * tier.lanes * 4
    if kind == "vnni":
        name = f"llvm.x86.avx512.vpdpbusd.{bits}"
        return Step(sums, I32, I8, I8, 4, sums, lambda loaded: loaded, lambda sum, a, b: call(builder, name, sums, sum, a, b))
    if kind == "dot":
        name = "llvm.aarch64.neon.sdot.v4i32.v16i8"
        return Step(
            sums, I32, I8, I8, 4, weights, lambda loaded: loaded,
            lambda sum, a, b: call(builder, name, sums, sum, b, builder.bitcast(a, weights)),
        )  # fmt: skip
    if kind == "pairs":
        return Step(sums, I32, I8, I8, 4, sums, lambda loaded: loaded, _multiply_add_fours(builder, tier))
    return Step(
        sums, I8, I8, I8, 1, weights, lambda loaded: builder.sext(loaded, sums),
        lambda sum, a, b: builder.add(sum, builder.mul(a, b)),
    )  # fmt: skip


def _multiply_add_fours(builder: Any, tier: Tier) -> Callable[[Any, Any, Any], Any]:
    """Four products of bytes, added to an int32: vpmaddubsw, vpmaddwd by ones, and vpaddd.

    The first saturates at sixteen bits, where no sum of two products gets: see `int8.MAX_PAIR_SUM`. With bytes widened to int16 before,
    it took vpmaddwd and vpaddd for every two: a tile of Zen 3 had 146 instead of 181 billion operations a second.
    """
    fours, pairs = ir.VectorType(I8, 4 * tier.lanes), ir.VectorType(I16, 2 * tier.lanes)
    name = {8: "llvm.x86.avx2.pmadd.ub.sw", 16: "llvm.x86.avx512.pmaddubs.w.512"}[tier.lanes]
    add_pairs, ones = _multiply_add_pairs(builder, tier), ir.Constant(pairs, [1] * pairs.count)
    return lambda sum, a, b: add_pairs(sum, call(builder, name, pairs, builder.bitcast(a, fours), builder.bitcast(b, fours)), ones)


def _multiply_add_pairs(builder: Any, tier: Tier) -> Callable[[Any, Any, Any], Any]:
    """Two products of int16, added to an int32: vpmaddwd and vpaddd."""
    sums, pairs = ir.VectorType(I32, tier.lanes), ir.VectorType(I16, 2 * tier.lanes)
    name = {8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"}[tier.lanes]
    return lambda sum, a, b: builder.add(sum, call(builder, name, sums, builder.bitcast(a, pairs), b))


def int16_step(builder: Any, tier: Tier) -> "Step":
    """One step of int16 by int16, always two of k."""
    sums, pairs = ir.VectorType(I32, tier.lanes), ir.VectorType(I16, 2 * tier.lanes)
    if tier.int8 == "vnni":
        name = f"llvm.x86.avx512.vpdpwssd.{8 * tier.lanes * 4}"
        return Step(sums, I32, I16, I16, 2, sums, lambda loaded: loaded, lambda sum, a, b: call(builder, name, sums, sum, a, b))
    if tier.int8 == "pairs":
        return Step(sums, I32, I16, I16, 2, pairs, lambda loaded: loaded, _multiply_add_pairs(builder, tier))

    def halves(vector: Any) -> list[Any]:
        order = [ir.Constant(sums, list(range(first, 2 * tier.lanes, 2))) for first in (0, 1)]
        return [builder.sext(builder.shuffle_vector(vector, vector, lanes), sums) for lanes in order]

    def multiply_add(sum: Any, activation: Any, weights: list[Any]) -> Any:
        for a, b in zip(halves(builder.bitcast(activation, pairs)), weights, strict=True):
            sum = builder.add(sum, builder.mul(a, b))
        return sum

    return Step(sums, I32, I16, I16, 2, pairs, halves, multiply_add)


class Step(NamedTuple):
    """One step of a pass over k."""

    sums: Any  # vector type of the accumulators
    unit: Any  # what is read of a row of activations in one step, and spread
    activation: Any  # its elements
    weight: Any  # elements of the weights
    group: int  # elements of k in one step
    loaded: Any  # vector type of the weights as they are stored
    widen: Callable[[Any], Any]
    multiply_add: Callable[[Any, Any, Any], Any]


def emit_tile(builder: Any, step: Step, tier: Tier, first: Any, rows: int, vectors: int, values: Any) -> None:
    """The loop of one tile: c[first : first + rows, vectors * lanes] = finished(initial + a @ b)."""
    a, a_at, lda, b, b_at, ldb, initial, initial_at, c, c_at, ldc, steps, *more = values
    a_at, c_at = (builder.add(at, builder.mul(first, distance)) for at, distance in ((a_at, lda), (c_at, ldc)))
    element = step.sums.element

    def times(value: Any, factor: int) -> Any:
        return builder.mul(value, ir.Constant(I64, factor))

    def shifted(value: Any, distance: int) -> Any:
        return builder.add(value, ir.Constant(I64, distance))

    def activations(row: int, k: Any) -> Any:
        index = builder.add(builder.add(a_at, times(lda, row)), times(k, step.group))
        one = builder.load(builder.bitcast(pointer(builder, a, index, step.activation), step.unit.as_pointer()))
        one.align = 4 if step.activation is F32 else 1
        if step.unit is I8:
            one = builder.zext(one, I32)
        return spread(builder, one, ir.VectorType(one.type, tier.lanes))

    starts = [read(builder, initial, shifted(initial_at, j * tier.lanes), step.sums, element) for j in range(vectors)]
    before, loop, done = builder.block, builder.append_basic_block("k"), builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(I64)
    k.add_incoming(ir.Constant(I64, 0), before)
    sums = [[builder.phi(step.sums) for _ in range(vectors)] for _ in range(rows)]
    line = builder.add(b_at, builder.mul(k, ldb))
    weights = [step.widen(read(builder, b, shifted(line, j * tier.lanes * step.group), step.loaded, step.weight)) for j in range(vectors)]
    for i, row in enumerate(sums):
        spread_out = activations(i, k)
        for j, sum in enumerate(row):
            sum.add_incoming(starts[j], before)
            row[j] = step.multiply_add(sum, spread_out, weights[j])
            sum.add_incoming(row[j], loop)
    next_k = shifted(k, 1)
    k.add_incoming(next_k, loop)
    builder.cbranch(builder.icmp_signed("<", next_k, steps), loop, done)
    builder.position_at_end(done)
    finished = _dequantized(builder, tier, first, sums, more) if more else _as_floats(builder, tier, sums)
    for i, row in enumerate(finished):
        for j, sum in enumerate(row):
            write(builder, sum, c, builder.add(builder.add(c_at, times(ldc, i)), ir.Constant(I64, j * tier.lanes)), F32)


def _as_floats(builder: Any, tier: Tier, sums: Any) -> list[list[Any]]:
    """Sums of integers as float32; those of float32 are."""
    if sums[0][0].type.element is F32:
        return sums  # type: ignore[no-any-return]
    return [[builder.sitofp(sum, ir.VectorType(F32, tier.lanes)) for sum in row] for row in sums]


def _dequantized(builder: Any, tier: Tier, first: Any, sums: Any, values: Any) -> list[list[Any]]:
    """(unit_i sums_ij + low_i total_j) scale_j + bias_j: what the integers stand for, before they leave their registers."""
    lows, units, scale, totals, bias = values
    floats = ir.VectorType(F32, tier.lanes)

    def fma(a: Any, b: Any, c: Any) -> Any:
        return call(builder, f"llvm.fma.v{tier.lanes}f32", floats, a, b, c) if tier.fma else builder.fadd(builder.fmul(a, b), c)

    places = [builder.add(first, ir.Constant(I64, i)) for i in range(len(sums))]
    rows = [[spread(builder, read(builder, each, place, F32), floats) for each in (lows, units)] for place in places]
    finished: list[list[Any]] = [[] for _ in sums]
    for j in range(len(sums[0])):
        at = ir.Constant(I64, j * tier.lanes)
        total, factor, shift = (read(builder, each, at, floats, F32) for each in (totals, scale, bias))
        for i, (low, unit) in enumerate(rows):
            y = fma(unit, builder.sitofp(sums[i][j], floats), builder.fmul(low, total))
            finished[i].append(fma(y, factor, shift))
    return finished


def emit_tiles(builder: Any, step: Step, tier: Tier, vectors: tuple[int, ...], values: Any) -> None:
    """Tiles one below the other, of one of these widths.

    The rows are counted here, and not by who calls: between two tiles then stand few instructions, and the processor begins with the next
    while it finishes this one.
    """
    rows, columns, *rest = values
    after = builder.append_basic_block("after")
    choice = builder.switch(columns, after)
    for width in vectors:
        block = builder.append_basic_block(f"width{width}")
        choice.add_case(ir.Constant(I64, width), block)
        builder.position_at_end(block)
        _emit_column(builder, step, tier, width, rows, rest)
        builder.branch(after)
    builder.position_at_end(after)


def _emit_column(builder: Any, step: Step, tier: Tier, width: int, rows: Any, values: Any) -> None:
    """As many whole tiles as there are rows for, and one of those that are left."""
    before, more, whole, rest, over = builder.block, *map(builder.append_basic_block, ("more", "whole", "rest", "over"))
    builder.branch(more)
    builder.position_at_end(more)
    row = builder.phi(I64)
    row.add_incoming(ir.Constant(I64, 0), before)
    next_row = builder.add(row, ir.Constant(I64, tier.rows))
    builder.cbranch(builder.icmp_signed("<=", next_row, rows), whole, rest)
    builder.position_at_end(whole)
    emit_tile(builder, step, tier, row, tier.rows, width, values)
    row.add_incoming(next_row, builder.block)
    builder.branch(more)
    builder.position_at_end(rest)
    choice = builder.switch(builder.sub(rows, row), over)
    for height in range(1, tier.rows):
        block = builder.append_basic_block(f"tile{height}x{width}")
        choice.add_case(ir.Constant(I64, height), block)
        builder.position_at_end(block)
        emit_tile(builder, step, tier, row, height, width, values)
        builder.branch(over)
    builder.position_at_end(over)


def _tile(make_step: Callable[[Any, Tier], Step], vectors: tuple[int, ...], emulate: Callable[..., None]) -> Callable[..., None]:
    if EMULATED:
        return emulate

    def typed(typing_context: Any, *given: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            emit_tiles(builder, make_step(builder, TIER), TIER, vectors, values)
            return context.get_dummy_value()

        return types.void(*[types.intp] * len(given)), code

    return intrinsic_like(emulate, typed)


def _emulate_float32(
    rows: Integer, vectors: Integer, a: Address, a_at: Integer, lda: Integer, b: Address, b_at: Integer, ldb: Integer,
    initial: Address, initial_at: Integer, c: Address, c_at: Integer, ldc: Integer, steps: Integer,
) -> None:  # fmt: skip
    """c[i, :] = initial + sum over k of a[i, k] b[k, :], for `rows` rows and `vectors` vectors of columns.

    lda, ldb and ldc are the distances between rows; a_at and its like the indices of the first elements.
    """
    width = vectors * TIER.lanes
    for row in range(rows):
        result = initial[initial_at : initial_at + width].copy()
        for k in range(steps):
            result += a[a_at + row * lda + k] * b[b_at + k * ldb : b_at + k * ldb + width]
        c[c_at + row * ldc : c_at + row * ldc + width] = result


def _emulate_int8(
    rows: Integer, vectors: Integer, a: Address, a_at: Integer, lda: Integer, b: Address, b_at: Integer, ldb: Integer,
    initial: Address, initial_at: Integer, c: Address, c_at: Integer, ldc: Integer, steps: Integer,
    lows: Address, units: Address, scale: Address, totals: Address, bias: Address,
) -> None:  # fmt: skip
    """The same of integers, a step at a time as Tier.int8 has it; and then c = (units[i] c[i, :] + lows[i] totals) scale + bias."""
    width = vectors * TIER.lanes
    for row in range(rows):
        result = initial[initial_at : initial_at + width].copy()
        for k in range(steps):
            result += np.int32(a[a_at + row * lda + k]) * b[b_at + k * ldb : b_at + k * ldb + width].astype(np.int32)
        y = units[row] * result.astype(np.float32) + lows[row] * totals[:width]
        c[c_at + row * ldc : c_at + row * ldc + width] = y * scale[:width] + bias[:width]


def _emulate_int16(
    rows: Integer, vectors: Integer, a: Address, a_at: Integer, lda: Integer, b: Address, b_at: Integer, ldb: Integer,
    initial: Address, initial_at: Integer, c: Address, c_at: Integer, ldc: Integer, steps: Integer,
) -> None:  # fmt: skip
    """c[i, :] = initial + sum over k of a[i, 2 k] b[k, :, 0] + a[i, 2 k + 1] b[k, :, 1], of int16, exact; then as float32."""
    width = vectors * TIER.lanes
    for row in range(rows):
        result = initial[initial_at : initial_at + width].view(np.int32).copy()
        for k in range(steps):
            pairs = b.view(np.int16)[b_at + k * ldb : b_at + k * ldb + 2 * width].reshape(width, 2)
            result += pairs.astype(np.int32) @ a.view(np.int16)[a_at + row * lda + 2 * k :][:2].astype(np.int32)
        c[c_at + row * ldc : c_at + row * ldc + width] = result


# Any shape for attention; for products with weights, whose panels are whole, all vectors at a time
float32_tile = _tile(float32_step, tuple(range(1, TIER.vectors + 1)), _emulate_float32)
whole_tile = _tile(float32_step, (TIER.vectors,), _emulate_float32)
int16_tile = _tile(int16_step, tuple(range(1, TIER.vectors + 1)), _emulate_int16)
int8_tile = _tile(int8_step, (TIER.vectors,), _emulate_int8)
