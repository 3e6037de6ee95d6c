"""The types of arrays, the floating types that checkpoints have, and arrays over mapped files."""

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from mmap import mmap

# As `numpy.typing.NDArray` writes them, but that module takes half a millisecond to import.
Array = np.ndarray[Any, np.dtype[Any]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Float32 = np.ndarray[Any, np.dtype[np.float32]]
Float64 = np.ndarray[Any, np.dtype[np.float64]]
Int8 = np.ndarray[Any, np.dtype[np.int8]]
Int32 = np.ndarray[Any, np.dtype[np.int32]]
Int64 = np.ndarray[Any, np.dtype[np.int64]]
UInt16 = np.ndarray[Any, np.dtype[np.uint16]]
UInt64 = np.ndarray[Any, np.dtype[np.uint64]]

FLOAT32 = np.dtype(np.float32)
# NumPy has no bfloat16. A field of this name says what the 16 bits are, and `widen` reads them.
BFLOAT16 = np.dtype([("bfloat16", "<u2")])
FLOATS = (FLOAT32, np.dtype(np.float16), BFLOAT16, np.dtype(np.float64))  # that `widen` takes
FLOAT_WORDS = "float32, float16, bfloat16 or float64"


def widen(array: Array) -> Float32:
    """The float32 values of an array of any floating type, in the same shape.

    A float32 array is returned itself. A number that float32 cannot hold becomes infinite.

    >>> widen(np.array([(0x3FC0,)], BFLOAT16))
    array([1.5], dtype=float32)
    """
    if array.dtype == FLOAT32:
        return array
    if array.dtype == BFLOAT16:
        upper_half: Array = array["bfloat16"].astype(np.uint32)
        return (upper_half << 16).view(np.float32)  # a bfloat16 is the upper half of a float32
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def map_file(file: BinaryIO) -> "mmap | bytes":
    """The bytes of an open file, mapped read-only.

    An empty file cannot be mapped, so its bytes are `b""`. The map stays valid after the file is
    closed. If the file is overwritten, the bytes change. If it is cut, the process gets a SIGBUS.
    """
    import mmap  # in the function: most programs map no file

    is_empty = file.seek(0, 2) == 0
    return b"" if is_empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def release_pages(array: Array) -> None:
    """Give the pages of the mapped file behind an array back to the system.

    The array stays valid: its next use reads the file again. Other arrays are left alone.
    """
    base: Any = array
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    if hasattr(base, "madvise"):  # a map
        import mmap

        base.madvise(mmap.MADV_DONTNEED)
