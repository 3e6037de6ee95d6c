"""How numbers come out of memory and go back: the other half of the words in which kernels.py is written.

Memory is reached as in C: `address(array)`, and an index from there. Nothing is checked and nothing is assumed about alignment.

As in simd.py, under each operation stands what it does, in NumPy, and beside it what Numba is told to write.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from .simd import (
    F32,
    FLOATS,
    I8,
    I16,
    I32,
    I64,
    INTS,
    LANES,
    MAGIC,
    VECTOR,
    Address,
    Float,
    Integer,
    Vector,
    call,
    operation,
    spread,
)
from .tiers import INT8, TIER

KIND = INT8[TIER.int8]


def pointer(builder: Any, address: Any, index: Any, to: Any) -> Any:
    """Where the element `index` of type `to` stands behind an address."""
    return builder.gep(builder.inttoptr(address, to.as_pointer()), [index])


def read(builder: Any, address: Any, index: Any, kind: Any, element: Any = None) -> Any:
    """One value of a kind, from the place of an element; nothing is assumed about alignment."""
    element = element or kind
    place = pointer(builder, address, index, element)
    loaded = builder.load(builder.bitcast(place, kind.as_pointer()))
    loaded.align = _size_of_lane(element)
    return loaded


def write(builder: Any, value: Any, address: Any, index: Any, element: Any) -> None:
    """One value, to the place of an element."""
    place = builder.bitcast(pointer(builder, address, index, element), value.type.as_pointer())
    builder.store(value, place).align = _size_of_lane(element)


def _size_of_lane(element: Any) -> int:
    return 4 if isinstance(element, ir.FloatType) else int(element.width) // 8


def _is_inside(builder: Any, count: Any) -> Any:
    """Which lanes lie before `count`."""
    lanes = ir.Constant(INTS, list(range(LANES)))
    return builder.icmp_signed("<", lanes, spread(builder, builder.trunc(count, I32), INTS))


def _is_whole(builder: Any, count: Any) -> Any:
    return builder.icmp_signed(">=", count, ir.Constant(I64, LANES))


def _emit_load(builder: Any, address: Any, index: Any, count: Any, fill: Any) -> Any:
    with builder.if_else(_is_whole(builder, count), likely=True) as (whole, part):
        with whole:
            all_lanes, whole_block = read(builder, address, index, FLOATS, F32), builder.block
        with part:
            place = builder.bitcast(pointer(builder, address, index, F32), FLOATS.as_pointer())
            arguments = [place, ir.Constant(I32, 4), _is_inside(builder, count), spread(builder, fill, FLOATS)]
            some_lanes = call(builder, f"llvm.masked.load.v{LANES}f32.p0", FLOATS, *arguments)
            part_block = builder.block
    loaded = builder.phi(FLOATS)
    loaded.add_incoming(all_lanes, whole_block)
    loaded.add_incoming(some_lanes, part_block)
    return loaded


def _emit_store(builder: Any, address: Any, index: Any, vector: Any, count: Any) -> None:
    with builder.if_else(_is_whole(builder, count), likely=True) as (whole, part):
        with whole:
            write(builder, vector, address, index, F32)
        with part:
            place = builder.bitcast(pointer(builder, address, index, F32), FLOATS.as_pointer())
            arguments = [vector, place, ir.Constant(I32, 4), _is_inside(builder, count)]
            call(builder, f"llvm.masked.store.v{LANES}f32.p0", ir.VoidType(), *arguments)


@operation(types.intp, (...,), lambda builder, array: builder.ptrtoint(array.data, I64))
def address(array: Any) -> Address:
    """Where the first element of a contiguous array stands."""
    return array.reshape(-1)


def _emit_get_int32(builder: Any, address: Any, index: Any) -> Any:
    return builder.sext(builder.load_atomic(pointer(builder, address, index, I32), "monotonic", 4), I64)


@operation(types.intp, (types.intp, types.intp), _emit_get_int32)
def get_int32(address: Address, index: Integer) -> Integer:
    """One int32, read exactly once: what is checked is what is used, even if another thread writes it meanwhile."""
    return int(address[index])


@operation(types.intp, (types.intp, types.intp), lambda builder, address, index: read(builder, address, index, I64))
def get_address(addresses: Address, index: Integer) -> Address:
    """One of a table of addresses."""
    return addresses[index]


@operation(
    types.intp, (types.intp, types.intp), lambda builder, address, index: builder.ptrtoint(pointer(builder, address, index, F32), I64)
)
def advance(address: Address, index: Integer) -> Address:
    """Where the float32 of an index stands."""
    return address[index:]


@operation(types.float32, (types.intp, types.intp), lambda builder, address, index: read(builder, address, index, F32))
def get(address: Address, index: Integer) -> Float:
    """One float32."""
    return address[index]


@operation(types.void, (types.intp, types.intp, types.float32), lambda builder, address, index, x: write(builder, x, address, index, F32))
def put(address: Address, index: Integer, x: Float) -> None:
    """Write one float32."""
    address[index] = x


@operation(VECTOR, (types.intp, types.intp, types.intp, types.float32), _emit_load)
def load(address: Address, index: Integer, count: Integer, fill: Float) -> Vector:
    """Sixteen float32 from `index` on; of them the first `count` are there, and the others are `fill`."""
    vector = np.full(LANES, fill, np.float32)
    vector[: max(count, 0)] = address[index : index + min(count, LANES)]
    return vector


@operation(types.void, (types.intp, types.intp, VECTOR, types.intp), _emit_store)
def store(address: Address, index: Integer, vector: Vector, count: Integer) -> None:
    """Write the first `count` lanes, at most sixteen."""
    address[index : index + min(count, LANES)] = vector[:count]


def _emit_transpose(builder: Any, source: Any, at: Any, stride: Any, count: Any, target: Any, to: Any, distance: Any) -> None:
    def line(start: Any, i: int, apart: Any) -> Any:
        return builder.add(start, builder.mul(apart, ir.Constant(I64, i)))

    rows = []
    for i in range(LANES):
        is_there = builder.icmp_signed("<", ir.Constant(I64, i), count)
        rows.append(read(builder, source, builder.select(is_there, line(at, i, stride), at), FLOATS, F32))
    for step in (8, 4, 2, 1):  # swap what lies `step` above the diagonal with what lies as far below
        for i in (i for i in range(LANES) if not i & step):
            pair = rows[i], rows[i + step]
            upper = [lane + (LANES - step if lane & step else 0) for lane in range(LANES)]
            lower = [lane + (LANES if lane & step else step) for lane in range(LANES)]
            rows[i], rows[i + step] = (builder.shuffle_vector(*pair, ir.Constant(INTS, lanes)) for lanes in (upper, lower))
    for i, row in enumerate(rows):
        write(builder, row, target, line(to, i, distance), F32)


@operation(types.void, (types.intp,) * 7, _emit_transpose)
def transpose(source: Address, at: Integer, stride: Integer, count: Integer, target: Address, to: Integer, distance: Integer) -> None:
    """Sixteen rows of sixteen float32, `stride` apart, become columns of rows `distance` apart; beyond `count`, the first again."""
    for i in range(LANES):
        start = at + i * stride if i < count else at
        target[to + i : to + i + (LANES - 1) * distance + 1 : distance] = source[start : start + LANES]


def _emit_store_quantized(builder: Any, address: Any, index: Any, shifted: Any, count: Any) -> None:
    whole_numbers = builder.sub(builder.bitcast(shifted, INTS), ir.Constant(INTS, [KIND.offset] * LANES))
    small = builder.trunc(whole_numbers, ir.VectorType(I8, LANES))
    with builder.if_else(_is_whole(builder, count), likely=True) as (whole, part):
        with whole:
            write(builder, small, address, index, I8)
        with part:
            place = builder.bitcast(pointer(builder, address, index, I8), small.type.as_pointer())
            arguments = [small, place, ir.Constant(I32, 1), _is_inside(builder, count)]
            call(builder, f"llvm.masked.store.v{LANES}i8.p0", ir.VoidType(), *arguments)


@operation(types.void, (types.intp, types.intp, VECTOR, types.intp), _emit_store_quantized)
def store_quantized(address: Address, index: Integer, shifted: Vector, count: Integer) -> None:
    """Write the first `count` of sixteen numbers from 0 to 255, to which MAGIC has been added, as the int8 product wants them."""
    whole_numbers = (shifted - MAGIC).astype(np.int32) - KIND.offset
    address[index : index + min(count, LANES)] = whole_numbers[:count]


def _emit_store_int16(builder: Any, address: Any, index: Any, shifted: Any) -> None:
    write(builder, builder.trunc(builder.bitcast(shifted, INTS), ir.VectorType(I16, LANES)), address, index, I16)


@operation(types.void, (types.intp, types.intp, VECTOR), _emit_store_int16)
def store_int16(address: Address, index: Integer, shifted: Vector) -> None:
    """Write sixteen numbers, to which MAGIC has been added, as int16; all of them, since AVX2 cannot leave out some of sixteen bits."""
    address.view(np.int16)[index : index + LANES] = (shifted - MAGIC).astype(np.int16)


def _emit_store_pairs(builder: Any, address: Any, index: Any, even: Any, odd: Any) -> None:
    low = builder.and_(builder.bitcast(even, INTS), ir.Constant(INTS, [0xFFFF] * LANES))
    high = builder.shl(builder.bitcast(odd, INTS), ir.Constant(INTS, [16] * LANES))
    write(builder, builder.or_(low, high), address, index, I32)


@operation(types.void, (types.intp, types.intp, VECTOR, VECTOR), _emit_store_pairs)
def store_pairs(address: Address, index: Integer, even: Vector, odd: Vector) -> None:
    """Write two times sixteen numbers, to which MAGIC has been added, as int16 by turns; `index` counts pairs."""
    pairs = address.view(np.int16)[2 * index : 2 * (index + LANES)].reshape(LANES, 2)
    pairs[:, 0], pairs[:, 1] = even - MAGIC, odd - MAGIC
