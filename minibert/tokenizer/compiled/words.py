"""A chunk is taken apart: one word, one punctuation mark or one added token at a time.

`token` first tries what is quick. An ASCII punctuation mark has its id in a table. A word of up to
15 ASCII letters and digits, in lower case, is looked up among the known words.

Any other character has an entry in a table that holds the result of all rules of unicode.py. The
symbols of one word gather in a buffer, and then the trie gives their pieces.
"""

import numpy as np

from ...runtime.jit import pasted
from .known import home, learn, recall, recall_ascii_word
from .layout import BREAK, FALLBACK, FIRST, KNOWN_BYTES, SEVERAL, SORTED, SPACE, WORD, ZERO, Integer, Scratch, Work, u64
from .trie import added_token, child_of, decode, match


@pasted
def token(
    work: Work, at: Integer, begin: Integer, end: Integer, continuations: Integer, number: Integer, n: Integer
) -> tuple[Integer, Integer, Integer, bool]:
    """Write at most one token, or one word's tokens, from a place in the data where one begins.

    Args:
        begin: where the text begins.
        end: where the chunk ends.
        continuations: how many bytes of the text so far were not the first of their character. The
            place in the text, in code points, is at - begin - continuations.
        number: the number of the next word in its text.
        n: the place of the next token in the output.

    Returns the place in the data after it, continuations, the next token's place, and whether the
    text needs the fallback.
    """
    data, tables, output = work.data, work.tables, work.output
    if output.offsets.shape[0] == 0:
        output.input_ids[n] = tables.mark_ids[data[at]]
        if tables.mark_ids[data[at]] >= 0:
            return at + 1, continuations, n + 1, False
        after, found = recall_ascii_word(work, at, n)
        if found >= 0:
            return after, continuations, found, False
    count: Integer = 0  # symbols in the buffer; beyond the limit they are counted and overwrite each other
    ascii: Integer = 0  # all symbols, combined by "or": below 128 if each of them is
    run: Integer = 0  # where the marks begin that may have to stand behind the next one
    while at < end:
        code, size = decode(data, at)
        page = np.int64(tables.page_of[code >> 8]) if code > 255 else 0
        entry = np.int64(tables.pages[page << 8 | code & 255])
        kind, rest = entry & 7, entry >> 3
        place = at - begin - continuations
        if kind == FALLBACK or (kind == SORTED and output.offsets.shape[0] > 0):
            return at, continuations, n, True
        if kind <= SPACE:
            if count > 0:
                break
            continuations += size - 1
            if kind == SPACE:
                return at + size, continuations, n, False
            return at + _alone(work, at, end, code + rest, place, number, n), continuations, n + 1, False
        count, ascii, run = _gather(work, code, entry, place, count, ascii, run)
        at += size
        continuations += size - 1
    return at, continuations, _word(work, count, ascii, number, n), False


@pasted
def _gather(
    work: Work, code: Integer, entry: Integer, place: Integer, count: Integer, ascii: Integer, run: Integer
) -> tuple[Integer, Integer, Integer]:
    """Put the symbols of a character into the buffer. Returns count, ascii and run after it."""
    tables, scratch, limit = work.tables, work.scratch, work.options.max_word_chars
    kind, rest = entry & 7, entry >> 3
    several = kind in (SEVERAL, SORTED)
    for index in range(tables.several[rest] if several else kind == WORD):
        symbol = np.int64(tables.several[rest + 1 + 2 * index]) if several else code + rest
        mark_class = np.int64(tables.several[rest + 2 + 2 * index]) if several else 0
        slot = _sorted_slot(mark_class, run, count, scratch) if mark_class > 0 and count < limit else min(count, limit)
        scratch.symbols[slot], scratch.classes[slot] = symbol, mark_class
        scratch.places[slot, 0], scratch.places[slot, 1] = place, place + 1
        ascii |= symbol
        count += 1
        run = run if mark_class > 0 else count
    return count, ascii, count if kind <= BREAK else run


@pasted
def _word(work: Work, count: Integer, ascii: Integer, number: Integer, n: Integer) -> Integer:
    """Write the pieces of the word in the scratch buffer, known or not.

    Returns the next token's place.
    """
    words, output, scratch = work.memory.words, work.output, work.scratch
    if count > min(KNOWN_BYTES, work.options.max_word_chars) or ascii >= 128 or output.offsets.shape[0] > 0:
        return match(work, count, number, n)
    key, more = ZERO, u64(count) << u64(56)
    for index in range(min(count, 8)):
        key |= u64(scratch.symbols[index]) << u64(8 * index)
    for index in range(8, count):
        more |= u64(scratch.symbols[index]) << u64(8 * (index - 8))
    after, slot = recall(key, more, home(key, more, words.slots), n, words, output)
    if after < 0:
        after = match(work, count, number, n)
        learn(key, more, slot, n, after, words, output)
    return after


@pasted
def _alone(work: Work, at: Integer, end: Integer, code: Integer, place: Integer, number: Integer, n: Integer) -> Integer:
    """Write the token of a character that stands alone, or of the added token that begins with it.

    Returns the number of its bytes.
    """
    data, tables, output, root = work.data, work.tables, work.output, work.options.added_root
    id: Integer = -1
    size, length = 0, 1
    if code < 128 and root >= 0:
        id, after = added_token(data, at, end, root, tables)
        size = length = after - at  # an added token is ASCII
    if id < 0:
        node = child_of(FIRST, code, tables)
        id = tables.piece_of[node] if node >= 0 else -1
        id = id if id >= 0 else work.options.unk_id
        size, length = decode(data, at)[1], 1
    output.input_ids[n] = id
    if output.offsets.shape[0] > 0:
        output.offsets[n, 0], output.offsets[n, 1], output.word_ids[n] = place, place + length, number
    return size


@pasted
def _sorted_slot(mark_class: Integer, run: Integer, count: Integer, scratch: Scratch) -> Integer:
    """The slot for a mark: behind those of its run with the same class or a lower one.

    Higher ones move up.

    Canonical order: The Unicode Standard, section 3.11.
    """
    slot = count
    while slot > run and scratch.classes[slot - 1] > mark_class:
        scratch.symbols[slot], scratch.classes[slot] = scratch.symbols[slot - 1], scratch.classes[slot - 1]
        slot -= 1
    return slot
