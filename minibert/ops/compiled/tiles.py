"""Register tiles: the innermost loop of every matrix product.

A tile is a few rows of the result by a few registers of columns. All of its sums stay in registers
while one pass goes over the summation index k. With AVX2 it is 6 rows by 2 registers of 8 lanes:

                      weights b[k]
                 +---------+---------+
                 |   w0    |   w1    |     2 loads a k step
                 +---------+---------+
      a[0, k] -> | sum 0 0 | sum 0 1 |
      a[1, k] -> | sum 1 0 | sum 1 1 |     6 broadcasts a k step, one for each row
      a[2, k] -> | sum 2 0 | sum 2 1 |
      a[3, k] -> | sum 3 0 | sum 3 1 |     12 multiply-adds a k step: sum += a * w
      a[4, k] -> | sum 4 0 | sum 4 1 |
      a[5, k] -> | sum 5 0 | sum 5 1 |
                 +---------+---------+

* Registers: 12 sums, 2 weights and 1 broadcast activation are 15 of 16.
* Cycles of a k step: 12 multiply-adds at two a cycle are 6. The 8 loads, at two a cycle, are 4, and
  the processor does them meanwhile. So the multiply-adds decide: nothing waits for memory.
* Latency: a multiply-add takes 4 cycles, and two start in each cycle. So the processor needs at
  least 8 sums that do not wait for each other. Here are 12.

One row by 2 registers has only 2 sums that do not wait for each other. So it does 2 x 8 lanes in
4 cycles, which is 13 billion multiply-adds a second on Zen 3. 3 rows reach 33, and 6 rows 40 to 47,
of 54 that the processor can do. More rows would not fit into the registers.

AVX-512 and NEON have 32 registers, and their tile is 6 by 4: 24 sums, 4 weights and 1 activation;
24 multiply-adds for 10 loads. `Tier` has the shapes.

Each element of the result is one chain, initial + a[0] b[0] + a[1] b[1] + ..., in the order of k
whatever the shape of the tile. So every tier gives the same float32 bits on a processor with a
fused multiply-add. Integers are exact anyway.

Measured with benchmarks/roofline.py. The shape is the usual one (Goto and van de Geijn 2008,
*Anatomy of high-performance matrix multiplication*; BLIS).
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from .layout import Address, Integer
from .memory import pointer, read, write
from .simd import F32, I8, I32, I64, emit_broadcast, emit_fma, intrinsic_like
from .steps import Step, float32_step, int8_step, int16_step
from .tier_type import EMULATED, TierType, has_fma
from .tiers import Tier


class Operand(NamedTuple):
    """A matrix in memory, from the element with index `at` on. Its rows are `stride` apart."""

    address: Address
    at: Integer
    stride: Integer


class Dequantization(NamedTuple):
    """What the integers of a tile stand for.

    c[i, j] = (units[i] sums[i, j] + lows[i] totals[j]) scale[j] + bias[j]
    """

    lows: Address  # of the rows
    units: Address
    scale: Address  # of the columns
    totals: Address  # the sum of the weights
    bias: Address


class TileProduct(NamedTuple):
    """c = initial + a @ b for the rows of several tiles, as values of LLVM."""

    a: Operand
    b: Operand  # a row of it is one k step
    initial: Any  # address
    c: Operand
    k_steps: Any
    dequantization: Dequantization | None = None


def emit_tile(builder: Any, step: Step, product: TileProduct, first: Any, rows: int, vectors: int) -> None:
    """The loop over k of one tile: rows `first` to `first + rows` of c."""
    a, c = (operand._replace(at=_row(builder, operand, first)) for operand in (product.a, product.c))
    places = [ir.Constant(I64, j * step.tier.lanes) for j in range(vectors)]
    starts = [read(builder, product.initial, place, step.sums, step.sums.element) for place in places]
    before, loop, done = builder.block, builder.append_basic_block("k"), builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(I64)
    k.add_incoming(ir.Constant(I64, 0), before)
    sums = [[builder.phi(step.sums) for _ in range(vectors)] for _ in range(rows)]
    weights = [_weights(builder, step, product.b, k, j) for j in range(vectors)]
    for i, row in enumerate(sums):
        activation = _activation(builder, step, a, i, k)
        for j, sum in enumerate(row):
            sum.add_incoming(starts[j], before)
            row[j] = step.multiply_add(sum, activation, weights[j])
            sum.add_incoming(row[j], loop)
    next_k = builder.add(k, ir.Constant(I64, 1))
    k.add_incoming(next_k, loop)
    builder.cbranch(builder.icmp_signed("<", next_k, product.k_steps), loop, done)
    builder.position_at_end(done)
    if product.dequantization:
        sums = _dequantized(builder, step, product.dequantization, first, sums)
    _store(builder, step, c, sums)


def _row(builder: Any, operand: Operand, number: Any) -> Any:
    """The index of the first element of a row."""
    return builder.add(operand.at, builder.mul(operand.stride, number))


def _weights(builder: Any, step: Step, b: Operand, k: Any, j: int) -> Any:
    """Register `j` of the weights of one k step."""
    line = builder.add(b.at, builder.mul(k, b.stride))
    at = builder.add(line, ir.Constant(I64, j * step.tier.lanes * step.group))
    return step.widen(read(builder, b.address, at, step.loaded, step.weight))


def _activation(builder: Any, step: Step, a: Operand, row: int, k: Any) -> Any:
    """What one k step takes of a row of activations, in every lane."""
    index = builder.add(_row(builder, a, ir.Constant(I64, row)), builder.mul(k, ir.Constant(I64, step.group)))
    unit = builder.load(builder.bitcast(pointer(builder, a.address, index, step.activation), step.unit.as_pointer()))
    unit.align = 4 if step.activation is F32 else 1
    if step.unit is I8:
        unit = builder.zext(unit, I32)
    return emit_broadcast(builder, unit, ir.VectorType(unit.type, step.tier.lanes))


def _store(builder: Any, step: Step, c: Operand, sums: list[list[Any]]) -> None:
    """Write the sums of a tile as float32."""
    floats = ir.VectorType(F32, step.tier.lanes)
    for i, row in enumerate(sums):
        line = _row(builder, c, ir.Constant(I64, i))
        for j, sum in enumerate(row):
            value = sum if sum.type == floats else builder.sitofp(sum, floats)
            write(builder, value, c.address, builder.add(line, ir.Constant(I64, j * step.tier.lanes)), F32)


def _dequantized(builder: Any, step: Step, given: Dequantization, first: Any, sums: list[list[Any]]) -> list[list[Any]]:
    """What the integers stand for, computed before they leave their registers."""
    lanes = step.tier.lanes
    floats = ir.VectorType(F32, lanes)
    places = [builder.add(first, ir.Constant(I64, i)) for i in range(len(sums))]
    rows = [[emit_broadcast(builder, read(builder, each, place, F32), floats) for each in (given.lows, given.units)] for place in places]
    finished: list[list[Any]] = [[] for _ in sums]
    for j in range(len(sums[0])):
        at = ir.Constant(I64, j * lanes)
        total, scale, bias = (read(builder, each, at, floats, F32) for each in (given.totals, given.scale, given.bias))
        for i, (low, unit) in enumerate(rows):
            y = emit_fma(builder, step.is_fused, unit, builder.sitofp(sums[i][j], floats), builder.fmul(low, total))
            finished[i].append(emit_fma(builder, step.is_fused, y, scale, bias))
    return finished


def emit_tiles(builder: Any, step: Step, product: TileProduct, rows: Any, vectors: Any, widths: tuple[int, ...]) -> None:
    """Tiles one below the other, of `vectors` registers of columns, which is one of `widths`.

    The rows are counted here and not by the caller. So few instructions stand between two tiles,
    and the processor begins with the next tile while it finishes this one.
    """
    after = builder.append_basic_block("after")
    choice = builder.switch(vectors, after)
    for width in widths:
        block = builder.append_basic_block(f"width{width}")
        choice.add_case(ir.Constant(I64, width), block)
        builder.position_at_end(block)
        _emit_column(builder, step, product, rows, width)
        builder.branch(after)
    builder.position_at_end(after)


def _emit_column(builder: Any, step: Step, product: TileProduct, rows: Any, width: int) -> None:
    """As many whole tiles as there are rows for, and one with the rows that are left."""
    tier = step.tier
    before, more, whole, rest, over = builder.block, *map(builder.append_basic_block, ("more", "whole", "rest", "over"))
    builder.branch(more)
    builder.position_at_end(more)
    row = builder.phi(I64)
    row.add_incoming(ir.Constant(I64, 0), before)
    next_row = builder.add(row, ir.Constant(I64, tier.rows))
    builder.cbranch(builder.icmp_signed("<=", next_row, rows), whole, rest)
    builder.position_at_end(whole)
    emit_tile(builder, step, product, row, tier.rows, width)
    row.add_incoming(next_row, builder.block)
    builder.branch(more)
    builder.position_at_end(rest)
    choice = builder.switch(builder.sub(rows, row), over)
    for height in range(1, tier.rows):
        block = builder.append_basic_block(f"tile{height}x{width}")
        choice.add_case(ir.Constant(I64, height), block)
        builder.position_at_end(block)
        emit_tile(builder, step, product, row, height, width)
        builder.branch(over)
    builder.position_at_end(over)


def _intrinsic(make_step: Callable[[Any, Tier, bool], Step]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make the NumPy version of a tile one that Numba compiles to tiles of a step.

    Its arguments have the names of the fields of TileProduct, except `tier`, `rows`, `vectors`.
    """

    def decorate(emulate: Callable[..., None]) -> Callable[..., None]:
        if EMULATED:
            return emulate
        names = tuple(inspect.signature(emulate).parameters)

        def typed(typing_context: Any, *given: Any) -> Any:
            def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
                tier = signature.args[0].tier
                fields = dict(zip(names, (_unpacked(builder, *each) for each in zip(signature.args, values, strict=True)), strict=True))
                rows, vectors = fields.pop("rows"), fields.pop("vectors", None)
                widths = (tier.vectors,) if vectors is None else tuple(range(1, tier.vectors + 1))
                product = TileProduct(**{name: fields[name] for name in fields if name != "tier"})
                step = make_step(builder, tier, has_fma(context))
                emit_tiles(builder, step, product, rows, vectors or ir.Constant(I64, tier.vectors), widths)
                return context.get_dummy_value()

            return types.void(*(kind if isinstance(kind, TierType | types.BaseTuple) else types.intp for kind in given)), code

        return intrinsic_like(emulate, typed)

    return decorate


def _unpacked(builder: Any, kind: Any, value: Any) -> Any:
    """A NamedTuple of LLVM values for one that is a single LLVM value."""
    return kind.instance_class(*cgutils.unpack_tuple(builder, value)) if isinstance(kind, types.BaseTuple) else value


@_intrinsic(float32_step)
def float32_tile(
    tier: Tier, rows: Integer, vectors: Integer, a: Operand, b: Operand, initial: Address, c: Operand, k_steps: Integer
) -> None:
    """c[i, :] = initial + sum over k of a[i, k] b[k, :].

    c has `rows` rows and `vectors` registers of columns.
    """
    width = vectors * tier.lanes
    for row in range(rows):
        result = initial[:width].copy()
        for k in range(k_steps):
            result += a.address[a.at + row * a.stride + k] * b.address[b.at + k * b.stride :][:width]
        c.address[c.at + row * c.stride :][:width] = result


@_intrinsic(float32_step)
def panel_tile(tier: Tier, rows: Integer, a: Operand, b: Operand, initial: Address, c: Operand, k_steps: Integer) -> None:
    """`float32_tile` for all columns of a panel of weights: code for fewer columns is left out."""
    float32_tile(tier, rows, tier.vectors, a, b, initial, c, k_steps)


@_intrinsic(int8_step)
def int8_tile(
    tier: Tier, rows: Integer, a: Operand, b: Operand, initial: Address, c: Operand, k_steps: Integer, dequantization: Dequantization
) -> None:
    """`panel_tile` for integers, with the instructions of `Tier.int8`.

    The result is what the sums stand for, see Dequantization. The NumPy version is for a group of
    1, because all emulated tiers have it.
    """
    lows, units, scale, totals, bias = dequantization
    for row in range(rows):
        result = initial[: tier.width].copy()
        for k in range(k_steps):
            weights = b.address[b.at + k * b.stride :][: tier.width].astype(np.int32)
            result += np.int32(a.address[a.at + row * a.stride + k]) * weights
        y = units[row] * result.astype(np.float32) + lows[row] * totals[: tier.width]
        c.address[c.at + row * c.stride :][: tier.width] = y * scale[: tier.width] + bias[: tier.width]


@_intrinsic(int16_step)
def int16_tile(tier: Tier, rows: Integer, vectors: Integer, a: Operand, b: Operand, initial: Address, c: Operand, k_steps: Integer) -> None:
    """c[i, :] = initial + sum over k of a[i, 2 k] b[k, :, 0] + a[i, 2 k + 1] b[k, :, 1], of int16.

    The sums are exact, and become float32 at the end.
    """
    width, numbers, weights = vectors * tier.lanes, a.address.view(np.int16), b.address.view(np.int16)
    for row in range(rows):
        result = initial[:width].view(np.int32).copy()
        for k in range(k_steps):
            pairs = weights[b.at + k * b.stride :][: 2 * width].reshape(width, 2)
            result += pairs.astype(np.int32) @ numbers[a.at + row * a.stride + 2 * k :][:2].astype(np.int32)
        c.address[c.at + row * c.stride :][:width] = result
