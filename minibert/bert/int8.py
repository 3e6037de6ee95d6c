"""What the int8 products expect of a matrix: the bounds that keep their sums exact."""

import numpy as np

from ..arrays import Array, Int8
from .config import BertConfig

# Half of 127. The greatest number of a row, or the greatest sum of two, becomes 127.
HALF_RANGE = np.float32(63.5)
# The least normal float32. A smaller scale has too few digits, and its row could exceed 127.
LEAST_SCALE = np.float32(2.0**-126)
# The greatest |weight[2 i] + weight[2 i + 1]| in a row of an int8 matrix. Activations are 0..255,
# so the sum of two products fits in 16 bits. Without VNNI, ops/compiled/tiles.py adds in 16 bits.
MAX_PAIR_SUM = 128
# The most inputs of an int8 matrix. Three sums grow with each pair of inputs. The sum of products,
# an int32, grows by at most 255 * MAX_PAIR_SUM. The sum that undoes the offset of INT8["dot"], an
# int32 too, grows by at most 128 * MAX_PAIR_SUM. The sum of the weights, a whole number that
# float32 must hold, grows by at most MAX_PAIR_SUM.
MAX_INT8_INPUTS = 2 * min((2**31 - 1) // (255 * MAX_PAIR_SUM), (2**31 - 1) // (128 * MAX_PAIR_SUM), 2**24 // MAX_PAIR_SUM)


def check_int8_sizes(config: BertConfig, source: object) -> None:
    """Raise ValueError if a matrix has more inputs than an int8 product can add."""
    for name in ("hidden_size", "intermediate_size"):
        if (size := getattr(config, name)) > MAX_INT8_INPUTS:
            expected = f"expected at most {MAX_INT8_INPUTS} for int8, whose sums of products would overflow"
            raise ValueError(f"{source}: {name}: {expected}, found {size}; take float32 weights and precision='float32'")


def max_pair_sums(weight: Array) -> Array:
    """(out_features,): the greatest |weight[2 i] + weight[2 i + 1]| of each row of a matrix.

    A last column without a neighbour does not count.
    """
    even, odd = weight[:, 0::2], weight[:, 1::2]
    sums = np.add(even[:, : odd.shape[1]], odd, dtype=np.int16 if weight.dtype == np.int8 else np.float32)
    greatest: Array = np.maximum(sums.max(axis=1, initial=0), -sums.min(axis=1, initial=0))
    return greatest


def check_pair_sums(weight: Int8, where: str) -> None:
    """Raise ValueError if two neighbours in a row add up to more than MAX_PAIR_SUM."""
    if max_pair_sums(weight).max() > MAX_PAIR_SUM:
        expected = f"expected int8 neighbours that add up to {MAX_PAIR_SUM} at the most, as `minibert quantize` writes them"
        raise ValueError(f"{where}: {expected}, found more; quantise the model again")
