"""File -> {name: array}. Each module knows one file format; none knows BERT."""

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
