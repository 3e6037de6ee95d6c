"""Words that are not known: the trie of the vocabulary is walked from left to right.

The last piece met on a walk counts, which is the longest. A walk ends at the longest entry of the
vocabulary, so time is linear in the text.

Source: Song et al. 2021, *Fast WordPiece tokenization*. Its failure links save a second look at a
few characters. They are left out, because most words never reach the trie.
"""

import numpy as np

from ...arrays import Bytes
from ...runtime.jit import inlined, jit, pasted
from .layout import FIRST, FOLLOWING, Integer, Tables, Work


@inlined
def child_of(node: Integer, symbol: Integer, tables: Tables) -> Integer:
    """Where a symbol leads in the trie, or -1.

    A binary search without branches, which no processor could predict.
    """
    child = np.int64(tables.first_child[node])
    number = np.int64(tables.first_child[node + 1]) - child
    if number == 0:
        return -1
    while number > 1:
        half = number >> 1
        child += half if tables.symbol_of[child + half] <= symbol else 0
        number -= half
    return child if tables.symbol_of[child] == symbol else -1


@inlined
def decode(data: Bytes, at: Integer) -> tuple[Integer, Integer]:
    """(code point, its bytes) of the UTF-8 character at a place.

    Python made the UTF-8: it is well-formed, or a lone surrogate in three bytes.
    """
    first = np.int64(data[at])
    if first < 0x80:
        return first, 1
    second = np.int64(data[at + 1]) & 0x3F
    if first < 0xE0:
        return (first & 0x1F) << 6 | second, 2
    third = np.int64(data[at + 2]) & 0x3F
    if first < 0xF0:
        return (first & 0x0F) << 12 | second << 6 | third, 3
    return (first & 0x07) << 18 | second << 12 | third << 6 | np.int64(data[at + 3]) & 0x3F, 4


@jit
def added_token(data: Bytes, at: Integer, end: Integer, root: Integer, tables: Tables) -> tuple[Integer, Integer]:
    """(id, end) of the longest added token that begins at a place, or (-1, at)."""
    id: Integer = -1
    node, after = root, at
    while at < end:
        code, size = decode(data, at)
        node = child_of(node, code, tables)
        if node < 0:
            break
        at += size
        if tables.piece_of[node] >= 0:
            id, after = np.int64(tables.piece_of[node]), at
    return id, after


@pasted
def match(work: Work, count: Integer, number: Integer, n: Integer) -> Integer:
    """Write the pieces of the word in the scratch buffer, or one [UNK].

    They are the longest pieces from left to right.

    Args:
        count: symbols of the word; of those beyond the limit only the last is in the buffer.
        number: the number of the word in its text.
        n: the place of its first token.

    Returns the next token's place.
    """
    tables, output, scratch, limit = work.tables, work.output, work.scratch, work.options.max_word_chars
    has_offsets = output.offsets.shape[0] > 0
    first, start, root = n, 0, FIRST
    while start < min(count, limit + 1):
        id: Integer = -1
        node, end = root, start
        for index in range(start, count if count <= limit else 0):
            node = child_of(node, np.int64(scratch.symbols[index]), tables)
            if node < 0:
                break
            if tables.piece_of[node] >= 0:
                id, end = np.int64(tables.piece_of[node]), index + 1
        if id < 0:  # no piece, or the word is beyond the limit: one [UNK] from the first place to the last, in slot `limit`
            n, start, end, id = first, 0, min(count, limit + 1), work.options.unk_id
        output.input_ids[n] = id
        if has_offsets:
            output.offsets[n, 0], output.offsets[n, 1] = scratch.places[start, 0], scratch.places[end - 1, 1]
            output.word_ids[n] = number
        n += 1
        start, root = end, FOLLOWING
    return n
