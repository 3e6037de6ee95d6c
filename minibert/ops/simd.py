"""Sixteen float32 as one value: the words in which kernels.py is written.

Numba compiles a loop over single numbers; whether it becomes vector code is up to LLVM, which may not reorder a sum and has no vector
exp. So this module teaches Numba a type, `Vector`, that is sixteen float32 side by side, and its operations. LLVM puts a Vector into one
register of AVX-512, two of AVX2, four of NEON or SSE: the arithmetic is the same on all of them, to the bit, because every operation is
lane by lane and `total`, the only sum across lanes, adds in one fixed order.

Under each operation stands what it does, in NumPy. That is also what runs under NUMBA_DISABLE_JIT=1, where a Vector is an array of
sixteen and an address is an array. Elsewhere, the line of LLVM's language given to `@operation` takes its place.

Memory is reached as in C: `address(array)`, and an index from there.
"""

import inspect
import operator
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

from ..jit import intrinsic
from .tiers import EMULATED, INT8, TIER

LANES = 16
MAGIC = np.float32(1.5 * 2**23)  # x + MAGIC has no room for a fraction: the sum is rounded to even, and its low bits are the integer x

Address: TypeAlias = Any  # an int64, or an array where nothing is compiled
Vector: TypeAlias = Any
Integer: TypeAlias = Any
Float: TypeAlias = Any
Function = TypeVar("Function", bound=Callable[..., Any])

F32, I8, I16, I32, I64 = ir.FloatType(), ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
FLOATS, INTS = ir.VectorType(F32, LANES), ir.VectorType(I32, LANES)


class VectorType(types.Type):  # type: ignore[misc]
    """Numba's type of a Vector."""

    def __init__(self) -> None:
        super().__init__(name="float32x16")


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, frontend_type: Any) -> None:
        super().__init__(manager, frontend_type, FLOATS)


VECTOR = VectorType()


def intrinsic_like(function: Function, typed: Callable[..., Any]) -> Function:
    """An intrinsic of Numba under the name and with the arguments of a function."""
    first = inspect.Parameter("typing_context", inspect.Parameter.POSITIONAL_ONLY)
    arguments = inspect.signature(function).parameters.values()
    typed.__signature__ = inspect.Signature([first, *arguments])  # type: ignore[attr-defined]
    typed.__name__ = typed.__qualname__ = function.__name__
    return intrinsic(typed)  # type: ignore[return-value]


def operation(result: Any, arguments: tuple[Any, ...], emit: Callable[..., Any]) -> Callable[[Function], Function]:
    """Makes a function one that Numba compiles to what `emit(builder, *values)` writes. `...` stands for an array of any kind."""

    def decorate(function: Function) -> Function:
        if EMULATED:
            return function

        def typed(typing_context: Any, *given: Any) -> Any:
            wanted = [found if expected is ... else expected for found, expected in zip(given, arguments, strict=True)]

            def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
                values = [
                    context.make_array(kind)(context, builder, value) if expected is ... else value
                    for value, kind, expected in zip(values, signature.args, arguments, strict=True)
                ]
                made = emit(builder, *values)
                return context.get_dummy_value() if result is types.void else made

            return result(*wanted), code

        return intrinsic_like(function, typed)

    return decorate


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


def spread(builder: Any, value: Any, kind: Any) -> Any:
    """A scalar in every lane."""
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, kind.count), [0] * kind.count))


def call(builder: Any, name: str, result: Any, *values: Any) -> Any:
    """One of LLVM's intrinsics."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


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


def _emit_store_small(dtype: Any, offset: int) -> Callable[..., None]:
    """The integers of `x + MAGIC`, less `offset`, as numbers of fewer bits."""
    element = ir.IntType(8 * np.dtype(dtype).itemsize)

    def emit(builder: Any, address: Any, index: Any, shifted: Any, count: Any) -> None:
        whole_numbers = builder.bitcast(shifted, INTS)
        if offset:
            whole_numbers = builder.sub(whole_numbers, ir.Constant(INTS, [offset] * LANES))
        small = builder.trunc(whole_numbers, ir.VectorType(element, LANES))
        with builder.if_else(_is_whole(builder, count), likely=True) as (whole, part):
            with whole:
                write(builder, small, address, index, element)
            with part:
                place = builder.bitcast(pointer(builder, address, index, element), small.type.as_pointer())
                name = f"llvm.masked.store.v{LANES}i{element.width}.p0"
                call(builder, name, ir.VoidType(), small, place, ir.Constant(I32, 1), _is_inside(builder, count))

    return emit


KIND = INT8[TIER.int8]


@operation(types.void, (types.intp, types.intp, VECTOR, types.intp), _emit_store_small(KIND.activation, KIND.offset))
def store_quantized(address: Address, index: Integer, shifted: Vector, count: Integer) -> None:
    """Write the first `count` of sixteen numbers from 0 to 255, to which MAGIC has been added, as the int8 product wants them."""
    whole_numbers = (shifted - MAGIC).astype(np.int32) - KIND.offset
    address[index : index + min(count, LANES)] = whole_numbers[:count]


@operation(types.void, (types.intp, types.intp, VECTOR, types.intp), _emit_store_small(np.int16, 0))
def store_int16(address: Address, index: Integer, shifted: Vector, count: Integer) -> None:
    """Write the first `count` of sixteen numbers, to which MAGIC has been added, as int16."""
    address.view(np.int16)[index : index + min(count, LANES)] = (shifted - MAGIC).astype(np.int16)[:count]


def _emit_store_pairs(builder: Any, address: Any, index: Any, even: Any, odd: Any) -> None:
    low = builder.and_(builder.bitcast(even, INTS), ir.Constant(INTS, [0xFFFF] * LANES))
    high = builder.shl(builder.bitcast(odd, INTS), ir.Constant(INTS, [16] * LANES))
    write(builder, builder.or_(low, high), address, index, I32)


@operation(types.void, (types.intp, types.intp, VECTOR, VECTOR), _emit_store_pairs)
def store_pairs(address: Address, index: Integer, even: Vector, odd: Vector) -> None:
    """Write two times sixteen numbers, to which MAGIC has been added, as int16 by turns; `index` counts pairs."""
    pairs = address.view(np.int16)[2 * index : 2 * (index + LANES)].reshape(LANES, 2)
    pairs[:, 0], pairs[:, 1] = even - MAGIC, odd - MAGIC


@operation(VECTOR, (types.float32,), lambda builder, x: spread(builder, x, FLOATS))
def splat(x: Float) -> Vector:
    """The same number sixteen times."""
    return np.full(LANES, x, np.float32)


def _emit_fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    # a processor without the instruction would call a function for every lane
    return call(builder, f"llvm.fma.v{LANES}f32", FLOATS, a, b, c) if TIER.fma else builder.fadd(builder.fmul(a, b), c)


@operation(VECTOR, (VECTOR, VECTOR, VECTOR), _emit_fma)
def fma(a: Vector, b: Vector, c: Vector) -> Vector:
    """Fused multiply-add: a * b + c, rounded once (twice where nothing is compiled and on processors that cannot)."""
    return a * b + c


def _select(builder: Any, comparison: str, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    return builder.select(builder.fcmp_ordered(comparison, a, b), then, otherwise)


@operation(VECTOR, (VECTOR, VECTOR), lambda builder, a, b: _select(builder, ">", a, b, a, b))
def maximum(a: Vector, b: Vector) -> Vector:
    """The greater of each pair; b where a is NaN."""
    return np.where(a > b, a, b)


@operation(VECTOR, (VECTOR, VECTOR), lambda builder, a, b: _select(builder, "<", a, b, a, b))
def minimum(a: Vector, b: Vector) -> Vector:
    """The lesser of each pair; b where a is NaN."""
    return np.where(a < b, a, b)


def _emit_farther(builder: Any, x: Any, most: Any) -> Any:
    # what is farther from 0 has the greater bits, infinity more than any number, and NaN more than infinity
    bits = builder.and_(builder.bitcast(x, INTS), ir.Constant(INTS, [0x7FFFFFFF] * LANES))
    others = builder.bitcast(most, INTS)
    return builder.bitcast(builder.select(builder.icmp_unsigned(">", bits, others), bits, others), FLOATS)


@operation(VECTOR, (VECTOR, VECTOR), _emit_farther)
def farther(x: Vector, most: Vector) -> Vector:
    """The greater of each |x| and `most`, which is not negative; NaN where there was one."""
    return np.maximum(np.abs(x), most)


@operation(VECTOR, (VECTOR, VECTOR, VECTOR), lambda builder, x, least, y: _select(builder, "<", x, least, ir.Constant(FLOATS, None), y))
def zero_below(x: Vector, least: Vector, y: Vector) -> Vector:
    """0 where x lies below `least`, y elsewhere."""
    return np.where(x < least, np.float32(0), y)


def _emit_times_power_of_two(builder: Any, x: Any, rounded: Any) -> Any:
    exponent = builder.shl(builder.bitcast(rounded, INTS), ir.Constant(INTS, [23] * LANES))
    return builder.bitcast(builder.add(builder.bitcast(x, INTS), exponent), FLOATS)


@operation(VECTOR, (VECTOR, VECTOR), _emit_times_power_of_two)
def times_power_of_two(x: Vector, rounded: Vector) -> Vector:
    """`x` * 2**n, where `rounded` is n + MAGIC: n is added to the exponent among the bits of x."""
    return np.ldexp(x, (rounded - MAGIC).astype(np.int32))


def _fold(combine: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Lane 0 of: the halves of a vector combined, then their halves, and so on: four steps."""

    def emit(builder: Any, vector: Any) -> Any:
        for distance in (8, 4, 2, 1):
            order = [(lane + distance) % LANES for lane in range(LANES)]
            moved = builder.shuffle_vector(vector, vector, ir.Constant(INTS, order))
            vector = combine(builder, vector, moved)
        return builder.extract_element(vector, ir.Constant(I32, 0))

    return emit


@operation(types.float32, (VECTOR,), _fold(lambda builder, a, b: builder.fadd(a, b)))
def total(vector: Vector) -> Float:
    """The sum of the lanes, always in the same order: i and i + 8, of these i and i + 4, ..."""
    for distance in (8, 4, 2, 1):
        vector = vector[:distance] + vector[distance : 2 * distance]
    return vector[0]


@operation(types.float32, (VECTOR,), _fold(lambda builder, a, b: _select(builder, ">", a, b, a, b)))
def greatest(vector: Vector) -> Float:
    """The greatest of the lanes."""
    return vector.max()


@operation(types.float32, (VECTOR,), _fold(lambda builder, a, b: _select(builder, "<", a, b, a, b)))
def least(vector: Vector) -> Float:
    """The least of the lanes."""
    return vector.min()


def _define(symbol: Callable[..., Any], emit: Callable[[Any, Any, Any], Any]) -> None:
    """An operator of Python between two Vectors."""

    @infer_global(symbol)
    class _Typing(ConcreteTemplate):  # type: ignore[misc]
        cases = (signature(VECTOR, VECTOR, VECTOR),)

    lower_builtin(symbol, VECTOR, VECTOR)(lambda context, builder, signature, values: emit(builder, *values))


_define(operator.add, lambda builder, a, b: builder.fadd(a, b))
_define(operator.sub, lambda builder, a, b: builder.fsub(a, b))
_define(operator.mul, lambda builder, a, b: builder.fmul(a, b))
_define(operator.truediv, lambda builder, a, b: builder.fdiv(a, b))
