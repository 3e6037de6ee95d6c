"""Arrays beside a page that traps: a read or write one byte outside kills the process (SIGSEGV).

For Linux and macOS.

    guarded(array, at_end=True)    a copy that ends exactly where such a page begins
    guarded(array, at_end=False)   a copy that begins exactly where such a page ends

guard_sweeps.py uses it, in a process that may be killed.
"""

import ctypes
import mmap
from typing import Any

import numpy as np

from minibert.runtime.records import Loop, Record

_mprotect = ctypes.CDLL(None, use_errno=True).mprotect
_mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
NO_ACCESS = 0


def empty(shape: int | tuple[int, ...], dtype: Any, at_end: bool) -> np.ndarray:
    """Zeros between two pages that trap, beside one of them.

    The memory is given back with the array.
    """
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    capacity = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    pages = np.frombuffer(mmap.mmap(-1, capacity + 2 * mmap.PAGESIZE), np.uint8)
    for page in (pages.ctypes.data, pages.ctypes.data + mmap.PAGESIZE + capacity):
        if _mprotect(page, mmap.PAGESIZE, NO_ACCESS):
            raise OSError(ctypes.get_errno(), "mprotect")
    start = mmap.PAGESIZE + (capacity - size if at_end else 0)
    return pages[start : start + size].view(dtype).reshape(shape)


def guarded(array: np.ndarray, at_end: bool) -> np.ndarray:
    """A copy, as writable as the array."""
    copy = empty(array.shape, array.dtype, at_end)
    copy[...] = array
    copy.flags.writeable = array.flags.writeable
    return copy


class GuardedRecord:
    """A record for `between_pages`: the arguments themselves."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self.arguments = [*arguments]

    def begin(self, *arguments: Any) -> None:
        self.arguments[: len(arguments)] = arguments


def between_pages(loop: Loop, at_end: bool) -> Any:
    """The loop, but with a guarded copy of each array in its record. Results are copied back."""

    def call(record: GuardedRecord) -> int:
        pairs: list[tuple[np.ndarray, np.ndarray]] = []

        def copied(argument: Any) -> Any:
            if isinstance(argument, np.ndarray):
                pairs.append((argument, guarded(argument, at_end)))
                return pairs[-1][1]
            return tuple(map(copied, argument)) if isinstance(argument, tuple) else argument

        result = loop(Record(tuple(map(copied, record.arguments))))
        for array, copy in pairs:
            if array.flags.writeable:
                array[...] = copy
        return result

    return call


class GuardedNumPy:
    """NumPy for a module under test: arrays that it makes anew are guarded."""

    def __init__(self, at_end: bool) -> None:
        self.at_end = at_end

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if name not in ("zeros", "empty", "full", "array", "stack"):
            return found
        return lambda *arguments, **options: guarded(found(*arguments, **options), self.at_end)
