"""Records: how the arguments of a loop lie in memory.

A loop that Python calls takes one number, the address of a record. The record holds the fields of a
NamedTuple in numbers of eight bytes. An integer stands there as it is, an array as its address and
its shape, and a NamedTuple as its own fields. `unpack.py` is the other side.

So a call is the same whether Numba compiled the loop or a library holds it. A record stays from
call to call, and a call overwrites the first numbers only.
"""

import ctypes
import struct
from collections.abc import Iterable
from functools import cache
from typing import Any, Protocol

import numpy as np

from ..arrays import Array

_addressof = ctypes.addressof
_from_buffer: Any = ctypes.c_char.from_buffer  # of an array too


def address_of(array: Array) -> int:
    """The address of the first element. It takes a third of the time of `array.ctypes.data`."""
    try:
        return _addressof(_from_buffer(array))
    except (TypeError, ValueError):  # the array is read-only or empty
        return array.ctypes.data


def addresses_of(*arrays: Array) -> Array:
    """The addresses of arrays, (len(arrays),) int64."""
    return np.array([address_of(array) for array in arrays], np.int64)


def numbers_of(arguments: Iterable[Any]) -> list[int]:
    """The numbers of integers, of arrays, and of tuples of them."""
    numbers: list[int] = []
    for each in arguments:
        if isinstance(each, np.ndarray):
            numbers.append(address_of(each))
            numbers += each.shape
        elif isinstance(each, tuple):
            numbers += numbers_of(each)
        else:
            numbers.append(each)
    return numbers


@cache
def _packer(size: int) -> Any:
    return struct.Struct(f"{size}q").pack_into


class Record:
    """The record of a call. One thread at a time uses it.

    The caller keeps the arrays alive until the loop returns.

    Attributes:
        address: where it begins.
        pointer: the same for ctypes.
    """

    __slots__ = ("_memory", "address", "pointer")

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        numbers = numbers_of(arguments)
        self._memory = bytearray(8 * len(numbers))
        self.address = _addressof(_from_buffer(self._memory))
        self.pointer = ctypes.c_void_p(self.address)
        self.write(*numbers)

    def begin(self, *arguments: Any) -> None:
        """Overwrite the first numbers with those of arguments."""
        self.write(*numbers_of(arguments))

    def write(self, *numbers: int) -> None:
        """Overwrite the first numbers."""
        _packer(len(numbers))(self._memory, 0, *numbers)


class Loop(Protocol):
    """A loop, whoever compiled it."""

    def __call__(self, record: Any) -> int: ...
    def is_compiled(self) -> bool: ...
