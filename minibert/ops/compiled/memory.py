"""How numbers are loaded from memory and stored, by Vectors and one by one.

Memory is reached as in C: by the address of an array, and an index from there. Nothing is checked,
and nothing is assumed about alignment.

As in simd.py, the body of each operation says in NumPy what it does. The LLVM code stands beside
it.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from .layout import LANES, Address, Integer
from .simd import (
    F32,
    FLOATS,
    I8,
    I16,
    I32,
    I64,
    INTS,
    MAGIC,
    VECTOR,
    Float,
    Vector,
    emit_broadcast,
    emit_call,
    operation,
)


def pointer(builder: Any, address: Any, index: Any, to: Any) -> Any:
    """The pointer to element `index` of an array of type `to`."""
    return builder.gep(builder.inttoptr(address, to.as_pointer()), [index])


def read(builder: Any, address: Any, index: Any, kind: Any, element: Any = None) -> Any:
    """Load one value of a kind that begins at an element of an array."""
    element = element or kind
    place = pointer(builder, address, index, element)
    loaded = builder.load(builder.bitcast(place, kind.as_pointer()))
    loaded.align = _size_of_lane(element)
    return loaded


def write(builder: Any, value: Any, address: Any, index: Any, element: Any) -> None:
    """Store one value that begins at an element of an array."""
    place = builder.bitcast(pointer(builder, address, index, element), value.type.as_pointer())
    builder.store(value, place).align = _size_of_lane(element)


def _size_of_lane(element: Any) -> int:
    return 4 if isinstance(element, ir.FloatType) else int(element.width) // 8


def _is_inside(builder: Any, count: Any) -> Any:
    """Which lanes lie before `count`."""
    lanes = ir.Constant(INTS, list(range(LANES)))
    return builder.icmp_signed("<", lanes, emit_broadcast(builder, builder.trunc(count, I32), INTS))


def _is_whole(builder: Any, count: Any) -> Any:
    return builder.icmp_signed(">=", count, ir.Constant(I64, LANES))


def emit_load(builder: Any, address: Any, index: Any, count: Any, element: Any, fill: Any) -> Any:
    """Load a vector of elements: the first `count` lanes, and those of `fill` behind them."""
    kind, align = fill.type, _size_of_lane(element)
    with builder.if_else(_is_whole(builder, count), likely=True) as (whole, part):
        with whole:
            all_lanes, whole_block = read(builder, address, index, kind, element), builder.block
        with part:
            place = builder.bitcast(pointer(builder, address, index, element), kind.as_pointer())
            arguments = [place, ir.Constant(I32, align), _is_inside(builder, count), fill]
            name = "f32" if element == F32 else f"i{element.width}"
            some_lanes = emit_call(builder, f"llvm.masked.load.v{LANES}{name}.p0", kind, *arguments)
            part_block = builder.block
    loaded = builder.phi(kind)
    loaded.add_incoming(all_lanes, whole_block)
    loaded.add_incoming(some_lanes, part_block)
    return loaded


def _emit_load(builder: Any, address: Any, index: Any, count: Any, fill: Any) -> Any:
    return emit_load(builder, address, index, count, F32, emit_broadcast(builder, fill, FLOATS))


def _emit_store(builder: Any, address: Any, index: Any, vector: Any, count: Any) -> None:
    with builder.if_else(_is_whole(builder, count), likely=True) as (whole, part):
        with whole:
            write(builder, vector, address, index, F32)
        with part:
            place = builder.bitcast(pointer(builder, address, index, F32), FLOATS.as_pointer())
            arguments = [vector, place, ir.Constant(I32, 4), _is_inside(builder, count)]
            emit_call(builder, f"llvm.masked.store.v{LANES}f32.p0", ir.VoidType(), *arguments)


@operation(types.intp, (...,), lambda builder, array: builder.ptrtoint(array.data, I64))
def address(array: Any) -> Address:
    """The address of the first element of a contiguous array."""
    return array.reshape(-1)


def _emit_get_int32(builder: Any, address: Any, index: Any) -> Any:
    return builder.sext(builder.load_atomic(pointer(builder, address, index, I32), "monotonic", 4), I64)


@operation(types.intp, (types.intp, types.intp), _emit_get_int32)
def get_int32(address: Address, index: Integer) -> Integer:
    """One int32, read exactly once.

    So the number that is checked is the number that is used, even if another thread writes it.
    """
    return int(address[index])


@operation(types.intp, (types.intp, types.intp), lambda builder, address, index: read(builder, address, index, I64))
def get_int64(address: Address, index: Integer) -> Any:
    """One int64, which may be an address."""
    return address[index]


@operation(types.void, (types.intp,) * 3, lambda builder, address, index, x: write(builder, x, address, index, I64))
def put_int64(address: Address, index: Integer, x: Integer) -> None:
    """Store one int64."""
    address[index] = x


@operation(
    types.intp, (types.intp, types.intp), lambda builder, address, index: builder.ptrtoint(pointer(builder, address, index, F32), I64)
)
def offset(address: Address, index: Integer) -> Address:
    """The address of element `index` of an array of float32 or int32."""
    return address[index:]


@operation(types.float32, (types.intp, types.intp), lambda builder, address, index: read(builder, address, index, F32))
def get(address: Address, index: Integer) -> Float:
    """One float32."""
    return address[index]


@operation(types.void, (types.intp, types.intp, types.float32), lambda builder, address, index, x: write(builder, x, address, index, F32))
def put(address: Address, index: Integer, x: Float) -> None:
    """Store one float32."""
    address[index] = x


@operation(VECTOR, (types.intp, types.intp, types.intp, types.float32), _emit_load)
def load(address: Address, index: Integer, count: Integer, fill: Float) -> Vector:
    """Sixteen float32 from `index` on.

    Only the first `count` are read; the other lanes are `fill`.
    """
    vector = np.full(LANES, fill, np.float32)
    vector[: max(count, 0)] = address[index : index + min(count, LANES)]
    return vector


@operation(types.void, (types.intp, types.intp, VECTOR, types.intp), _emit_store)
def store(address: Address, index: Integer, vector: Vector, count: Integer) -> None:
    """Store the first `count` lanes, at most sixteen."""
    address[index : index + min(count, LANES)] = vector[:count]


def _emit_transpose(builder: Any, source: Any, at: Any, stride: Any, num_rows: Any, *result: Any) -> None:
    target, to, distance, num_columns = result

    def line(start: Any, i: int, distance: Any, count: Any) -> Any:
        is_there = builder.icmp_signed("<", ir.Constant(I64, i), count)
        return builder.select(is_there, builder.add(start, builder.mul(distance, ir.Constant(I64, i))), start)

    rows = [read(builder, source, line(at, i, stride, num_rows), FLOATS, F32) for i in range(LANES)]
    for apart in (8, 4, 2, 1):  # swap what lies `apart` above the diagonal with what lies as far below it
        for i in (i for i in range(LANES) if not i & apart):
            pair = rows[i], rows[i + apart]
            upper = [lane + (LANES - apart if lane & apart else 0) for lane in range(LANES)]
            lower = [lane + (LANES if lane & apart else apart) for lane in range(LANES)]
            rows[i], rows[i + apart] = (builder.shuffle_vector(*pair, ir.Constant(INTS, lanes)) for lanes in (upper, lower))
    for i in reversed(range(LANES)):  # rows that are not wanted go to the place of the first, which is written last
        write(builder, rows[i], target, line(to, i, distance, num_columns), F32)


@operation(types.void, (types.intp,) * 8, _emit_transpose)
def transpose(
    source: Address, at: Integer, stride: Integer, num_rows: Integer, target: Address, to: Integer, distance: Integer, num_columns: Integer
) -> None:
    """Transpose a square of sixteen by sixteen float32.

    `source[at]` is the first element of the first row, and rows are `stride` apart. Only the first
    `num_rows` rows are read; the first row stands in for the others. `target[to]` is the first
    element of the result, whose rows are `distance` apart. Only the first `num_columns` rows of the
    result are written.
    """
    starts = [at + i * stride if i < num_rows else at for i in range(LANES)]
    square = np.array([source[start : start + LANES] for start in starts])
    for i in range(min(LANES, num_columns)):
        target[to + i * distance : to + i * distance + LANES] = square[:, i]


def _emit_store_quantized(builder: Any, address: Any, index: Any, shifted: Any, offset: Any, count: Any) -> None:
    offsets = emit_broadcast(builder, builder.trunc(offset, I32), INTS)
    small = builder.trunc(builder.sub(builder.bitcast(shifted, INTS), offsets), ir.VectorType(I8, LANES))
    with builder.if_else(_is_whole(builder, count), likely=True) as (whole, part):
        with whole:
            write(builder, small, address, index, I8)
        with part:
            place = builder.bitcast(pointer(builder, address, index, I8), small.type.as_pointer())
            arguments = [small, place, ir.Constant(I32, 1), _is_inside(builder, count)]
            emit_call(builder, f"llvm.masked.store.v{LANES}i8.p0", ir.VoidType(), *arguments)


@operation(types.void, (types.intp, types.intp, VECTOR, types.intp, types.intp), _emit_store_quantized)
def store_quantized(address: Address, index: Integer, shifted: Vector, offset: Integer, count: Integer) -> None:
    """Store the first `count` lanes as eight-bit integers, less `offset`.

    MAGIC has been added to the numbers.
    """
    integers = (shifted - MAGIC).astype(np.int32) - offset
    address[index : index + min(count, LANES)] = integers[:count]


def _emit_store_int16(builder: Any, address: Any, index: Any, shifted: Any) -> None:
    write(builder, builder.trunc(builder.bitcast(shifted, INTS), ir.VectorType(I16, LANES)), address, index, I16)


@operation(types.void, (types.intp, types.intp, VECTOR), _emit_store_int16)
def store_int16(address: Address, index: Integer, shifted: Vector) -> None:
    """Store all lanes as int16.

    MAGIC has been added to the numbers. (AVX2 cannot store some of sixteen int16.)
    """
    address.view(np.int16)[index : index + LANES] = (shifted - MAGIC).astype(np.int16)


def _emit_store_pairs(builder: Any, address: Any, index: Any, even: Any, odd: Any) -> None:
    low = builder.and_(builder.bitcast(even, INTS), ir.Constant(INTS, [0xFFFF] * LANES))
    high = builder.shl(builder.bitcast(odd, INTS), ir.Constant(INTS, [16] * LANES))
    write(builder, builder.or_(low, high), address, index, I32)


@operation(types.void, (types.intp, types.intp, VECTOR, VECTOR), _emit_store_pairs)
def store_pairs(address: Address, index: Integer, even: Vector, odd: Vector) -> None:
    """Store the lanes of two Vectors as pairs of int16: even[0], odd[0], even[1], ...

    MAGIC has been added to the numbers. `index` counts pairs.
    """
    pairs = address.view(np.int16)[2 * index : 2 * (index + LANES)].reshape(LANES, 2)
    pairs[:, 0], pairs[:, 1] = even - MAGIC, odd - MAGIC


def _emit_store_groups(builder: Any, address: Any, index: Any, *shifted: Any) -> None:
    word = ir.Constant(INTS, None)
    for place, each in enumerate(shifted):
        byte = builder.and_(builder.bitcast(each, INTS), ir.Constant(INTS, [0xFF] * LANES))
        word = builder.or_(word, builder.shl(byte, ir.Constant(INTS, [8 * place] * LANES)))
    write(builder, word, address, index, I32)


@operation(types.void, (types.intp, types.intp, VECTOR, VECTOR, VECTOR, VECTOR), _emit_store_groups)
def store_groups(address: Address, index: Integer, a: Vector, b: Vector, c: Vector, d: Vector) -> None:
    """Store the lanes of four Vectors as groups of four int8: a[0], b[0], c[0], d[0], a[1], ...

    MAGIC has been added to the numbers. `index` counts groups.
    """
    groups = address.view(np.int8)[4 * index : 4 * (index + LANES)].reshape(LANES, 4)
    for place, each in enumerate((a, b, c, d)):
        groups[:, place] = each - MAGIC
