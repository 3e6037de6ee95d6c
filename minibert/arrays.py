"""Arrays of every floating type: what bfloat16 is, how an array becomes float32, and how a mapped file is let go of."""

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

# NumPy has no bfloat16. A field of that name makes an array say what its 16 bits are; `widen` reads them.
BFLOAT16 = np.dtype([("bfloat16", "<u2")])


def widen(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """float32 values of an array of any floating type; a float32 array comes back itself. What float32 cannot hold becomes infinite.

    >>> widen(np.array([(0x3FC0,)], BFLOAT16))
    array([1.5], dtype=float32)
    """
    if array.dtype == BFLOAT16:
        upper_half: npt.NDArray[np.uint32] = array["bfloat16"].astype(np.uint32)
        return (upper_half << 16).view(np.float32)  # a bfloat16 is the upper half of a float32
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def release_pages(array: npt.NDArray[Any]) -> None:
    """Let go of what has been read of the file behind an array; it is read again if it is asked for."""
    base: Any = array
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
