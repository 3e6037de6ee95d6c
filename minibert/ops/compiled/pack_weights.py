"""The weights of a model for the loops, made by loops: panels, and int8 of float weights."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arrays import FLOAT32, Array, Int8, release_pages, widen
from ...bert.weights import BertWeights, FloatArray, Int8Linear, LayerNorm, Matrix
from .. import Float32
from ..parameters import Parameters, arrange
from .layout import LANES, STORED_FORMS, Loops, PackCall, QuantizeCall
from .packed import CACHE_LINE, Packed, PackedInt8Linear, PackedLinear, aligned, rounded_up
from .tiers import Tier

if TYPE_CHECKING:
    from ...bert.quantize import Rows

INT8 = np.dtype(np.int8)


def pack_all(weights: BertWeights, loops: Loops) -> Parameters:
    """Every matrix in panels, and everything small as a float32 copy.

    The word embeddings stay as they are stored.
    """

    @cache
    def packer() -> Packer:
        """Made for the first matrix, because then `arrange` has checked the sizes of the config."""
        return Packer(loops, _capacity(weights, loops.tier))

    def pack_and_release(*parts: Matrix) -> Packed:
        packed = packer().pack(*parts)
        release_pages(weights.position_embeddings)  # any array of the file: what has been copied need not stay in memory
        return packed

    def copied(array: FloatArray) -> Float32:
        return np.array(widen(array), order="C")

    return arrange(weights, pack_and_release, lambda norm: LayerNorm(copied(norm.weight), copied(norm.bias), norm.eps), copied)


def pack_one(matrix: Matrix, loops: Loops) -> Packed:
    """One matrix in panels."""
    out_features, in_features = matrix.weight.shape
    return Packer(loops, panel_bytes(out_features, in_features, loops.tier, isinstance(matrix, Int8Linear))).pack(matrix)


class Packer:
    """Puts matrices into panels, one after the other in one block of memory.

    One large block may be of huge pages, which the system clears faster than many small ones.
    """

    def __init__(self, loops: Loops, capacity: int) -> None:
        """The capacity is the sum of `panel_bytes` of all matrices."""
        self._loops, self._used = loops, 0
        memory = np.empty(capacity + CACHE_LINE, np.int8)  # `pack_loop` writes every byte that a tile reads
        start = -memory.ctypes.data % CACHE_LINE
        self._memory = memory[start : start + capacity]
        self._scratch = aligned((2 * LANES * LANES,), FLOAT32)

    def pack(self, *parts: Matrix) -> Packed:
        """A matrix in panels, or several of one shape whose outputs become one matrix.

        The weights of each are (num_outputs, in_features), and the panels are those of packed.py.
        """
        tier, is_int8 = self._loops.tier, isinstance(parts[0], Int8Linear)
        num_outputs, in_features = parts[0].weight.shape
        out_features = len(parts) * num_outputs
        padded = rounded_up(out_features, tier.width)

        def joined(arrays: Sequence[Array]) -> Float32:
            result = np.zeros(padded, np.float32)
            for start, array in zip(range(0, out_features, num_outputs), arrays, strict=True):
                result[start : start + num_outputs] = widen(array)
            return result

        weights, panels = same_form([part.weight for part in parts]), self._panels(padded, in_features, is_int8)
        table, form = self._loops.addresses_of(*weights), STORED_FORMS[weights[0].dtype]
        sums = np.zeros(padded if is_int8 else 0, np.float32)
        call = PackCall(table, int(form), num_outputs, in_features, panels.reshape(-1), sums, self._scratch)
        self._loops.pack(self._loops.record(call))
        bias = joined([part.bias for part in parts])
        if not is_int8:
            return PackedLinear(panels, bias, in_features, out_features)
        scale = joined([part.scale for part in parts if isinstance(part, Int8Linear)])
        initial = tier.int8_offset * sums.astype(np.int32)
        return PackedInt8Linear(panels, bias, initial, scale, sums, in_features, out_features)

    def _panels(self, padded: int, in_features: int, is_int8: bool) -> Any:
        """Memory for the panels of a matrix."""
        tier = self._loops.tier
        start, group = self._used, tier.group if is_int8 else 1
        self._used += panel_bytes(padded, in_features, tier, is_int8)
        k_steps = rounded_up(in_features, group) // group
        found = self._memory[start : self._used].view(INT8 if is_int8 else FLOAT32)
        return found[: padded * k_steps * group].reshape(-1, k_steps, tier.width, group)


def _capacity(weights: BertWeights, tier: Tier) -> int:
    """How much memory the panels of all matrices need."""
    config = weights.config
    hidden, inner = config.hidden_size, config.intermediate_size
    shapes = [(3 * hidden, hidden), (hidden, hidden), (inner, hidden), (hidden, inner)] * config.num_hidden_layers
    if weights.pooler:
        shapes.append((hidden, hidden))
    return sum(panel_bytes(out_features, in_features, tier, weights.is_int8) for out_features, in_features in shapes)


def panel_bytes(out_features: int, in_features: int, tier: Tier, is_int8: bool) -> int:
    """How much memory the panels of a matrix need, in whole cache lines."""
    size = rounded_up(in_features, tier.group) if is_int8 else 4 * in_features
    return rounded_up(rounded_up(out_features, tier.width) * size, CACHE_LINE)


def rows_of(loops: Loops) -> "Rows":
    """`int8_rows` of bert/quantize.py by a loop.

    A float matrix (num_rows, size) gives int8 integers of the same shape and scales (num_rows,).
    """

    def int8_rows(stored: Array, are_paired: bool) -> tuple[Int8, Float32]:
        rows = loadable(stored)
        num_rows, size = rows.shape
        integers, scale = np.empty((num_rows, size), np.int8), np.empty(num_rows, np.float32)
        call = QuantizeCall(loops.addresses_of(rows), int(STORED_FORMS[rows.dtype]), int(are_paired), integers, scale)
        loops.quantize(loops.record(call))  # the call keeps its arrays alive
        return integers, scale

    return int8_rows


def same_form(arrays: list[Array]) -> list[Array]:
    """Arrays of one form that `load_stored` can read. They are the given ones, or copies."""
    if len({array.dtype for array in arrays}) > 1:
        arrays = [widen(array) for array in arrays]
    return [loadable(array) for array in arrays]


def loadable(array: Array) -> Array:
    """An array that `load_stored` can read: the given one, or a copy."""
    found = array if array.dtype in STORED_FORMS else widen(array)
    return found if found.flags.c_contiguous and found.flags.aligned else found.copy()
