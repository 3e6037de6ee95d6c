"""Sixteen float32 as one value, and what can be done with it.

Numba compiles a loop over single numbers. Whether that becomes vector code is up to LLVM, which
may not reorder a sum and has no vector exp. So this module teaches Numba a type, `Vector`: sixteen
float32 side by side. LLVM keeps a Vector in one register of AVX-512, two of AVX2, four of NEON or
SSE. The arithmetic is the same on all of them, to the bit. Every operation works lane by lane. The
only sum across lanes is `reduce_add`, which adds in one fixed order.

The body of each operation says in NumPy what it does. It also runs under NUMBA_DISABLE_JIT=1, where
a Vector is an array of sixteen and an address is an array. Otherwise Numba compiles the LLVM code
that `@operation` is given.

memory.py loads Vectors and stores them.
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

from ...runtime.jit import intrinsic
from .layout import LANES
from .tier_type import EMULATED, has_fma

MAGIC = np.float32(1.5 * 2**23)  # x + MAGIC is rounded to a whole number, halves to even; its low bits are the integer x

Vector: TypeAlias = Any
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
    """An intrinsic of Numba with the name and the arguments of a function."""
    first = inspect.Parameter("typing_context", inspect.Parameter.POSITIONAL_ONLY)
    arguments = inspect.signature(function).parameters.values()
    typed.__signature__ = inspect.Signature([first, *arguments])  # type: ignore[attr-defined]
    typed.__name__ = typed.__qualname__ = function.__name__
    return intrinsic(typed)  # type: ignore[return-value]


def operation(
    result: Any, arguments: tuple[Any, ...], emit: Callable[..., Any], *, for_target: bool = False
) -> Callable[[Function], Function]:
    """Make a function one that Numba compiles to the code that `emit(builder, *values)` writes.

    An argument `...` stands for an array of any kind. With `for_target`, `emit` is also given
    Numba's context, which names the processor that code is emitted for, as its first argument.
    """

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
                made = emit(context, builder, *values) if for_target else emit(builder, *values)
                return context.get_dummy_value() if result is types.void else made

            return result(*wanted), code

        return intrinsic_like(function, typed)

    return decorate


def emit_broadcast(builder: Any, value: Any, kind: Any) -> Any:
    """A scalar in every lane."""
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, kind.count), [0] * kind.count))


def emit_call(builder: Any, name: str, result: Any, *values: Any) -> Any:
    """A call of one of LLVM's intrinsics."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def emit_fma(builder: Any, is_fused: bool, a: Any, b: Any, c: Any) -> Any:
    """The multiply-add a * b + c of vectors, rounded once if the processor can do that."""
    if is_fused:
        return emit_call(builder, f"llvm.fma.v{a.type.count}f32", a.type, a, b, c)
    return builder.fadd(builder.fmul(a, b), c)


@operation(VECTOR, (types.float32,), lambda builder, x: emit_broadcast(builder, x, FLOATS))
def broadcast(x: Float) -> Vector:
    """The same number in all lanes."""
    return np.full(LANES, x, np.float32)


@operation(
    VECTOR, (VECTOR, VECTOR, VECTOR), lambda context, builder, a, b, c: emit_fma(builder, has_fma(context), a, b, c), for_target=True
)
def fma(a: Vector, b: Vector, c: Vector) -> Vector:
    """Fused multiply-add: a * b + c, rounded once.

    It is rounded twice on processors without the instruction, and where nothing is compiled.
    """
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


def _emit_max_abs(builder: Any, x: Any, most: Any) -> Any:
    # As integers, the bits of |x| are in the order of |x|: infinity lies above every number, and
    # NaN above infinity.
    bits = builder.and_(builder.bitcast(x, INTS), ir.Constant(INTS, [0x7FFFFFFF] * LANES))
    others = builder.bitcast(most, INTS)
    return builder.bitcast(builder.select(builder.icmp_unsigned(">", bits, others), bits, others), FLOATS)


@operation(VECTOR, (VECTOR, VECTOR), _emit_max_abs)
def max_abs(x: Vector, most: Vector) -> Vector:
    """The greater of |x| and `most` in each lane. `most` is not negative. NaN stays NaN."""
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
    """Combine the halves of a vector, then the halves of the result, until one lane is left."""

    def emit(builder: Any, vector: Any) -> Any:
        for distance in (8, 4, 2, 1):
            order = [(lane + distance) % LANES for lane in range(LANES)]
            moved = builder.shuffle_vector(vector, vector, ir.Constant(INTS, order))
            vector = combine(builder, vector, moved)
        return builder.extract_element(vector, ir.Constant(I32, 0))

    return emit


@operation(types.float32, (VECTOR,), _fold(lambda builder, a, b: builder.fadd(a, b)))
def reduce_add(vector: Vector) -> Float:
    """The sum of the lanes, in one order: i and i + 8, then of those sums i and i + 4, ..."""
    for distance in (8, 4, 2, 1):
        vector = vector[:distance] + vector[distance : 2 * distance]
    return vector[0]


@operation(types.float32, (VECTOR,), _fold(lambda builder, a, b: _select(builder, ">", a, b, a, b)))
def reduce_max(vector: Vector) -> Float:
    """The greatest of the lanes."""
    return vector.max()


@operation(types.float32, (VECTOR,), _fold(lambda builder, a, b: _select(builder, "<", a, b, a, b)))
def reduce_min(vector: Vector) -> Float:
    """The least of the lanes."""
    return vector.min()


@operation(types.float32, (VECTOR,), _fold(_emit_max_abs))
def reduce_max_abs(vector: Vector) -> Float:
    """The greatest |lane|. NaN stays NaN."""
    return np.abs(vector).max()


def _emit_swap_neighbours(builder: Any, x: Any) -> Any:
    return builder.shuffle_vector(x, x, ir.Constant(INTS, [lane ^ 1 for lane in range(LANES)]))


@operation(VECTOR, (VECTOR,), _emit_swap_neighbours)
def swap_neighbours(x: Vector) -> Vector:
    """Lanes 1, 0, 3, 2, ..."""
    return x.reshape(-1, 2)[:, ::-1].reshape(-1)


def _define(symbol: Callable[..., Any], emit: Callable[[Any, Any, Any], Any]) -> None:
    """Give two Vectors an operator of Python."""

    @infer_global(symbol)
    class _Typing(ConcreteTemplate):  # type: ignore[misc]
        cases = (signature(VECTOR, VECTOR, VECTOR),)

    lower_builtin(symbol, VECTOR, VECTOR)(lambda context, builder, signature, values: emit(builder, *values))


_define(operator.add, lambda builder, a, b: builder.fadd(a, b))
_define(operator.sub, lambda builder, a, b: builder.fsub(a, b))
_define(operator.mul, lambda builder, a, b: builder.fmul(a, b))
_define(operator.truediv, lambda builder, a, b: builder.fdiv(a, b))
