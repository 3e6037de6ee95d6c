"""The tables of known chunks and words: they begin small, grow when they are full, and are bounded.

A table that grows begins anew without entries. A loop learns them again, and a search finds the
same ids before and after.
"""

import numpy as np

from .layout import Known, Memory

FIRST_SLOTS = 1 << 12  # 128 KB; a short text touches a few pages of it
GROWTH = 32
CHUNK_SLOTS = 1 << 19  # of the largest table of chunks, 32 bytes each; half of them may be used
WORD_SLOTS = 1 << 17  # of the largest table of words: an English vocabulary has 30,000 of them


def first_memory() -> Memory:
    """What a call begins with that has no earlier one."""
    return Memory(empty_table(FIRST_SLOTS), empty_table(FIRST_SLOTS))


def empty_table(slots: int) -> Known:
    """A table in which no slot lies across two cache lines. Half of its slots may be used."""
    memory = np.zeros(slots * 4 + 8, np.uint64)
    first = -memory.ctypes.data % 64 // 8
    return Known(memory[first : first + slots * 4].reshape(slots, 4), np.array([slots // 2, 0], np.int64))


def renewed(memory: Memory, num_chunks: int) -> Memory:
    """The same tables after a call with so many chunks, or others where they are full.

    Those are larger, or empty. The largest tables are emptied if they are full of other texts than
    these. That is so if more than one search failed for every four chunks.
    """
    chunks, words = _renewed(memory.chunks, num_chunks, CHUNK_SLOTS), _renewed(memory.words, num_chunks, WORD_SLOTS)
    return memory if chunks is memory.chunks and words is memory.words else Memory(chunks, words)


def _renewed(known: Known, num_chunks: int, most_slots: int) -> Known:
    can_learn, num_failed = known.counts.tolist()
    slots = len(known.slots)
    if num_failed:
        known.counts[1] = 0
        if can_learn == 0:
            if slots < most_slots:
                return empty_table(min(slots * GROWTH, most_slots))
            if 4 * num_failed > num_chunks:
                known.slots[:] = 0
                known.counts[0] = slots // 2
    return known
