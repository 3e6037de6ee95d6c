"""How stored numbers of 8 and 16 bits are loaded as Vectors of float32.

The address is that of an array of stored numbers, and the index counts those. Only the first
`count` are read; the other lanes are 0. As in simd.py, the body of each operation says in NumPy
what it does.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from ...arrays import BFLOAT16, widen
from ...runtime.jit import inlined
from .layout import LANES, STORED_BFLOAT16, STORED_FLOAT16, STORED_FLOAT32, Address, Integer
from .memory import emit_load, load
from .simd import FLOATS, I8, I16, INTS, VECTOR, Vector, operation

ZERO = np.float32(0)


def _ints(number: int) -> Any:
    return ir.Constant(INTS, [number] * LANES)


def _emit_small(element: Any, widened: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Load sixteen small numbers, or some of them and zeros, and make float32 of them."""
    zeros = ir.Constant(ir.VectorType(element, LANES), None)
    return lambda builder, address, index, count: widened(builder, emit_load(builder, address, index, count, element, zeros))


def _from_float16(builder: Any, loaded: Any) -> Any:
    """Make float32 of float16 without F16C, an instruction that not every tier has.

    The exponent of float16 has the bias 15, that of float32 127. Subnormal numbers are multiples of
    2^-24, so this never uses a subnormal float32.
    """
    bits = builder.zext(loaded, INTS)
    magnitude = builder.and_(bits, _ints(0x7FFF))
    shifted = builder.shl(magnitude, _ints(13))
    normal = builder.add(shifted, _ints((127 - 15) << 23))
    special = builder.or_(shifted, _ints(0x7F800000))  # infinity and NaN
    subnormal = builder.bitcast(builder.fmul(builder.uitofp(magnitude, FLOATS), ir.Constant(FLOATS, [2.0**-24] * LANES)), INTS)
    large = builder.select(builder.icmp_unsigned(">=", magnitude, _ints(0x7C00)), special, normal)
    absolute = builder.select(builder.icmp_unsigned("<", magnitude, _ints(0x0400)), subnormal, large)
    sign = builder.shl(builder.and_(bits, _ints(0x8000)), _ints(16))
    return builder.bitcast(builder.or_(absolute, sign), FLOATS)


def _from_bfloat16(builder: Any, loaded: Any) -> Any:
    return builder.bitcast(builder.shl(builder.zext(loaded, INTS), _ints(16)), FLOATS)


def _from_int8(builder: Any, loaded: Any) -> Any:
    return builder.sitofp(builder.sext(loaded, INTS), FLOATS)


@operation(VECTOR, (types.intp,) * 3, _emit_small(I16, _from_float16))
def load_float16(address: Address, index: Integer, count: Integer) -> Vector:
    """Sixteen float16."""
    return _padded(address.view(np.float16)[index : index + LANES], count)


@operation(VECTOR, (types.intp,) * 3, _emit_small(I16, _from_bfloat16))
def load_bfloat16(address: Address, index: Integer, count: Integer) -> Vector:
    """Sixteen bfloat16: each is the upper half of a float32."""
    return _padded(widen(address.view(BFLOAT16)[index : index + LANES]), count)


@operation(VECTOR, (types.intp,) * 3, _emit_small(I8, _from_int8))
def load_int8(address: Address, index: Integer, count: Integer) -> Vector:
    """Sixteen int8."""
    return _padded(address.view(np.int8)[index : index + LANES], count)


def _padded(numbers: Any, count: Integer) -> Vector:
    vector = np.zeros(LANES, np.float32)
    vector[: max(count, 0)] = numbers[:count]
    return vector


@inlined
def load_stored(address: Address, index: Integer, count: Integer, form: Integer) -> Vector:
    """Sixteen numbers of one of the forms STORED_..."""
    if form == STORED_FLOAT32:
        return load(address, index, count, ZERO)
    if form == STORED_FLOAT16:
        return load_float16(address, index, count)
    if form == STORED_BFLOAT16:
        return load_bfloat16(address, index, count)
    return load_int8(address, index, count)
