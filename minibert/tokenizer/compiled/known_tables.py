"""The tables of known chunks and words before a loop uses them: empty, or with the vocabulary."""

from itertools import islice

import numpy as np

from .layout import ID_MASK, KNOWN_BYTES, MIX, MIX_TOO, ONE, PROBES, Int64, Known, UInt64, u64

MAX_WORDS = 1 << 17  # of the vocabulary, with which the table of words begins: the first ones are the frequent ones


def empty_table(slots: int) -> Known:
    """A table in which no slot lies across two cache lines. Half of its slots may be used."""
    memory = np.zeros(slots * 4 + 8, np.uint64)
    first = -memory.ctypes.data % 64 // 8
    return Known(memory[first : first + slots * 4].reshape(slots, 4), np.array([slots // 2, 0], np.int64))


def copy_table(known: Known) -> Known:
    copy = empty_table(len(known.slots))
    copy.slots[:], copy.counts[:] = known
    return copy


def vocabulary_table(first: dict[str, int]) -> Known:
    """The words of the vocabulary that a table can hold. At least half as many others fit in."""
    known = ((token, id) for token, id in first.items() if 0 < len(token) <= KNOWN_BYTES and token.isascii() and id <= ID_MASK)
    entries = dict(islice(known, MAX_WORDS))
    keys = np.frombuffer(b"".join(token.encode().ljust(15, b"\0") + bytes([len(token)]) for token in entries), np.uint64).reshape(-1, 2)
    table = empty_table(_power_of_two(max(3 * len(entries), 1 << 12)))
    slots = _settle(keys[:, 0] * MIX ^ keys[:, 1] * MIX_TOO, len(table.slots))  # as `home` of known.py, in NumPy
    settled = slots >= 0
    ids = np.fromiter(entries.values(), np.uint64, len(entries))
    table.slots[slots[settled], :2] = keys[settled]
    table.slots[slots[settled], 2] = ids[settled] << u64(4) | ONE
    table.counts[0] -= np.count_nonzero(settled)
    return table


def _settle(hashes: UInt64, size: int) -> Int64:
    """The slot of each key in a table.

    All keys try their slot at once. The first gets it, and the others try the next slot. A
    vocabulary begins with the frequent words, so most searches end where they begin. A key whose
    first PROBES slots are all taken gets -1, since no search goes that far. Such words are left to
    the trie.
    """
    slots = (hashes >> u64(65 - size.bit_length())).astype(np.int64)
    owner = np.full(size, -1)
    waiting = np.arange(len(slots))
    for _ in range(PROBES):
        trying = waiting[owner[slots[waiting]] < 0][::-1]
        owner[slots[trying]] = trying  # the last one written stays
        waiting = waiting[owner[slots[waiting]] != waiting]
        slots[waiting] = (slots[waiting] + 1) & (size - 1)
    slots[waiting] = -1
    return slots


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
