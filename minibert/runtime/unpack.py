"""Unpacking of records, inside a loop. Needs Numba.

    call = unpack(record, LayersCall)

`record` is the address of a record, and `call` the NamedTuple that it holds. The annotation of a
field says what it is:

* `int` or `Any`: an int64
* `np.uint64`: a uint64
* an array type of `arrays.py`: a C-contiguous array of one dimension
* `Annotated[type, 2]`: one of two dimensions
"""

from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.np.arrayobj import make_array, populate_array

from .jit import intrinsic

Record: TypeAlias = Any  # its address, or an array of objects where nothing is compiled
WORD = ir.IntType(64)


def hints_of(kind: Any) -> dict[str, Any]:
    """The fields of a NamedTuple with their annotations."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind._fields}


def dimensions(hint: Any) -> int:
    """The number of dimensions of an annotated array; 0 for a number."""
    if get_origin(hint) is Annotated:
        return int(hint.__metadata__[0])
    return 1 if get_origin(hint) is np.ndarray else 0


def dtype_of(hint: Any) -> Any:
    """The dtype of an annotated array."""
    _, dtype = get_args(hint.__origin__ if get_origin(hint) is Annotated else hint)
    return np.dtype(get_args(dtype)[0])


def type_of(kind: Any) -> Any:
    """Numba's type of a NamedTuple."""

    def field(hint: Any) -> Any:
        if hasattr(hint, "_fields"):
            return type_of(hint)
        if number := dimensions(hint):
            return types.Array(numba.from_dtype(dtype_of(hint)), number, "C")
        return types.uint64 if hint is np.uint64 else types.intp

    return types.NamedTuple([field(hint) for hint in hints_of(kind).values()], kind)


def _emit(context: Any, builder: Any, kind: Any, record: Any) -> Any:
    numbers, place = builder.inttoptr(record, WORD.as_pointer()), 0

    def take() -> Any:
        nonlocal place
        place += 1
        return builder.load(builder.gep(numbers, [WORD(place - 1)]))

    def value(kind: Any) -> Any:
        if isinstance(kind, types.BaseTuple):
            return context.make_tuple(builder, kind, [value(each) for each in kind])
        if not isinstance(kind, types.Array):
            return take()
        array = make_array(kind)(context, builder)
        item_size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
        data = builder.inttoptr(take(), array.data.type)
        shape = [take() for _ in range(kind.ndim)]
        strides = [WORD(item_size)]
        for size in shape[:0:-1]:
            strides.insert(0, builder.mul(strides[0], size))
        populate_array(array, data, shape, strides, WORD(item_size), None)
        return array._getvalue()

    return value(kind)


def _emulated(record: Any, kind: Any) -> Any:
    """`unpack` where nothing is compiled: an array stands in the place of its address."""
    rest = iter(record)

    def fields(kind: Any) -> Any:
        found = []
        for hint in hints_of(kind).values():
            found.append(fields(hint) if hasattr(hint, "_fields") else next(rest))
            for _ in range(dimensions(hint)):
                next(rest)
        return kind(*found)

    return fields(kind)


@intrinsic
def _compiled(typing_context: Any, record: Any, kind: Any) -> Any:
    result = type_of(kind.instance_class)
    return result(types.intp, kind), lambda context, builder, _, arguments: _emit(context, builder, result, arguments[0])


unpack: Any = _emulated if numba.config.DISABLE_JIT else _compiled
