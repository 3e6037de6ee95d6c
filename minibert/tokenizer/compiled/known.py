"""Known chunks and words: a hash table from up to 15 bytes to up to six ids, with linear probing.

The bytes are the key, as two integers. A search looks at no more than PROBES slots, so a text that
is made of colliding words is taken apart, and is not slow.
"""

import numpy as np

from ...arrays import UInt64
from ...runtime.jit import inlined, jit, pasted
from .eight_bytes import HIGH, eight_bytes, key_of, letters, ones, trailing_zeros
from .layout import ALL, ID_BITS, ID_MASK, KNOWN_BYTES, MIX, MIX_TOO, ONE, PROBES, ZERO, Integer, Known, Output, Word, Work, u64

KNOWN_IDS = 6


@inlined
def home(key: Word, more: Word, slots: UInt64) -> Word:
    """The slot where the search for a key begins.

    Only the top bits of a product depend on all bits of the key.
    """
    return (key * MIX ^ more * MIX_TOO) >> u64(64 - ones(u64(slots.shape[0] - 1)))


@inlined
def recall(key: Word, more: Word, slot: Word, n: Integer, known: Known, output: Output) -> tuple[Integer, Word]:
    """Write the ids of a known chunk or word at place `n` of the output.

    Returns the next token's place, or -1 for an unknown key, and the slot where the key is or
    belongs. That slot is ALL if it is beyond the last probe.
    """
    probes = 0
    while (known.slots[slot, 0] ^ key) | (known.slots[slot, 1] ^ more) != ZERO:
        if known.slots[slot, 1] == ZERO:
            return -1, slot
        probes += 1
        if probes == PROBES:
            return -1, ALL
        slot = (slot + ONE) & u64(known.slots.shape[0] - 1)
    low, high = known.slots[slot, 2], known.slots[slot, 3]
    # Six ids are written whatever their number, and one comparison looks at the whole key. A chunk
    # takes 8.6 ns; with branches it takes 14.8 ns.
    output.input_ids[n] = np.int32(low >> u64(4) & ID_MASK)
    output.input_ids[n + 1] = np.int32(low >> u64(4 + ID_BITS) & ID_MASK)
    output.input_ids[n + 2] = np.int32(low >> u64(4 + 2 * ID_BITS))
    output.input_ids[n + 3] = np.int32(high & ID_MASK)
    output.input_ids[n + 4] = np.int32(high >> u64(ID_BITS) & ID_MASK)
    output.input_ids[n + 5] = np.int32(high >> u64(2 * ID_BITS))
    count = np.int64(low & u64(15))
    return n + count, slot


@jit
def learn(key: Word, more: Word, slot: Word, first: Integer, n: Integer, known: Known, output: Output) -> None:
    """Remember the ids from `first` to `n` for a key, if the table has a slot for it."""
    known.counts[1] += 1
    if known.counts[0] == 0 or n - first > KNOWN_IDS or slot == ALL:
        return
    low, high = u64(n - first), ZERO
    for index in range(n - first):
        id = u64(output.input_ids[first + index])
        if id > ID_MASK:
            return
        if index < 3:
            low |= id << u64(4 + ID_BITS * index)
        else:
            high |= id << u64(ID_BITS * (index - 3))
    known.slots[slot, 0], known.slots[slot, 1], known.slots[slot, 2], known.slots[slot, 3] = key, more, low, high
    known.counts[0] -= 1


@pasted
def recall_ascii_word(work: Work, at: Integer, n: Integer) -> tuple[Integer, Integer]:
    """Write the ids of a known word of ASCII letters and digits.

    Returns the place in the data after it, and the next token's place or -1.
    """
    data, words = work.data, work.memory.words
    other = letters(eight_bytes(data, at)) ^ HIGH
    size = np.int64(trailing_zeros(other) >> u64(3))
    if size == 8:
        other = letters(eight_bytes(data, at + 8)) ^ HIGH
        size += np.int64(trailing_zeros(other) >> u64(3))
    if size == 0 or size > KNOWN_BYTES or not work.tables.ends_word[data[at + size]]:
        return at, -1
    key, more = key_of(data, at, size, work.options.fold)
    found, _ = recall(key, more, home(key, more, words.slots), n, words, work.output)
    return at + size, found
