"""Eight characters at a time: integer operations on eight bytes in one register.

This is SWAR, "SIMD within a register". The answer to a question about each byte stands in its high
bit. Seven bits and an addend below 128 cannot carry into the next byte, so eight comparisons are
one addition.
"""

from typing import Any

from llvmlite import ir
from numba import types

from ...arrays import Bytes
from ...runtime.jit import inlined, intrinsic
from .layout import ALL, ONE, SPACES, Integer, Word, u64

HIGH = u64(0x8080808080808080)  # the high bit of each byte
LOW7 = u64(0x7F7F7F7F7F7F7F7F)
LINE_FEEDS = u64(0x0A0A0A0A0A0A0A0A)
FROM_A, TO_Z = u64(0x1F1F1F1F1F1F1F1F), u64(0x0505050505050505)  # added to a byte, these carry into its high bit from "a", above "z"
FROM_0, TO_9 = u64(0x5050505050505050), u64(0x4646464646464646)


@intrinsic
def eight_bytes(typing_context: Any, data: Any, index: Any) -> Any:
    """The eight bytes at an index, which need not be aligned, as one integer.

    The first byte is its lowest.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(64).as_pointer())
        value = builder.load(pointer)
        value.align = 1
        return value

    return types.uint64(data, types.intp), code


@intrinsic
def trailing_zeros(typing_context: Any, value: Any) -> Any:
    """How many low bits are zero; 64 for zero."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), code


@intrinsic
def ones(typing_context: Any, value: Any) -> Any:
    """How many bits are one."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), code


@intrinsic
def prefetch(typing_context: Any, rows: Any, index: Any) -> Any:
    """Start to load a row of a table into the cache, without a wait."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte, int32 = ir.IntType(8), ir.IntType(32)
        offset = builder.mul(arguments[1], builder.extract_value(array.strides, 0))
        pointer = builder.gep(builder.bitcast(array.data, byte.as_pointer()), [offset])
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte.as_pointer()], ir.FunctionType(ir.VoidType(), [byte.as_pointer(), int32, int32, int32])
        )
        builder.call(function, [pointer, int32(0), int32(3), int32(1)])  # to read, to keep, data
        return context.get_dummy_value()

    return types.void(rows, types.intp), code


@inlined
def letters(eight: Word) -> Word:
    """High bits of the bytes that are ASCII letters or digits."""
    small, seven = (eight | SPACES) & LOW7, eight & LOW7
    is_letter = (small + FROM_A) & ~(small + TO_Z)
    is_digit = (seven + FROM_0) & ~(seven + TO_9)
    return (is_letter | is_digit) & ~eight & HIGH


@inlined
def solid(eight: Word) -> Word:
    """High bits of the bytes except spaces and line feeds."""
    no_space, no_feed = eight ^ SPACES, eight ^ LINE_FEEDS
    return (((no_space & LOW7) + LOW7) | no_space) & (((no_feed & LOW7) + LOW7) | no_feed) & HIGH


@inlined
def key_of(data: Bytes, at: Integer, size: Integer, fold: Word) -> tuple[Word, Word]:
    """1 to 15 bytes as two integers, their number in the top byte of the second.

    `fold` is set in each byte.
    """
    key = (eight_bytes(data, at) | fold) & ALL >> u64(64 - 8 * min(size, 8))
    more = (eight_bytes(data, at + 8) | fold) & (ONE << u64(8 * max(size - 8, 0))) - ONE
    return key, more | u64(size) << u64(56)
