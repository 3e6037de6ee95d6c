"""Where the chunks of all texts begin and end, and the keys of the next ones.

All edges are found before any chunk is looked at, as Langdale and Lemire do for JSON.
"""

import numpy as np

from ...arrays import Bytes, Int32
from ...runtime.jit import jit, pasted
from .eight_bytes import eight_bytes, key_of, ones, prefetch, solid, trailing_zeros
from .known import home
from .layout import AHEAD, KNOWN_BYTES, ONE, ZERO, Integer, Work, u64


@jit
def find_edges(data: Bytes, edges: Int32) -> Integer:
    """Fill `edges` with the places where chunks begin and end, in turns.

    Spaces and line feeds part chunks.

    Eight places are written whatever their number, and counted after, so there is no branch to
    mispredict.
    """
    count, before = 0, ZERO
    for at in range(0, data.shape[0] - 7, 8):
        now = solid(eight_bytes(data, at))
        marked = now ^ (now << u64(8) | before)
        before = now >> u64(56)
        number = ones(marked)
        for index in range(8):
            edges[count + index] = at + np.int64(trailing_zeros(marked) >> u64(3))
            marked &= marked - ONE
        count += number
    return count


@pasted
def look_ahead(work: Work, edge: Integer) -> None:
    """Make the keys of the next chunks and start to load their slots.

    So the waits for memory overlap.
    """
    scratch, slots = work.scratch, work.memory.chunks.slots
    for index in range(min(AHEAD, (scratch.ahead[1] - edge) >> 1)):
        at = np.int64(scratch.edges[edge + 2 * index])
        size = np.int64(scratch.edges[edge + 2 * index + 1]) - at
        scratch.keys[index, 1] = ZERO
        if size <= KNOWN_BYTES:
            key, more = key_of(work.data, at, size, ZERO)
            slot = home(key, more, slots)
            scratch.keys[index, 0], scratch.keys[index, 1], scratch.keys[index, 2] = key, more, slot
            prefetch(slots, np.int64(slot))
