"""The compiled twin of wordpiece.py: the loops. batch.py hands them tables and texts.

All texts lie one after another in one array of UTF-8 bytes, and there are three ways through it, each for what the one before leaves.

1. A stretch between spaces that was seen before is looked up instead of taken apart, as in the readable tokenizer. Eight bytes fit into
   a register, so a few integer operations look at eight characters at once (SWAR, "SIMD within a register"). `_find_edges` marks where
   stretches begin and end; a stretch of up to 15 bytes, as two integers, is the key of a hash table that holds up to six ids.
2. `_token` takes a stretch apart. A word of up to 15 ASCII letters and digits, made small, is the key of a second table, which begins
   with the words of the vocabulary; an ASCII punctuation mark has its id in a third.
3. Any other character is looked up in a table that knows the result of all of unicode.py's rules; the symbols of one word gather in a
   buffer; then a trie of the vocabulary is walked from left to right, and the last piece met on the way counts (`_match`). A walk ends
   at the longest entry of the vocabulary, so time is linear in the text.

The first two remember ids and no places: where offsets are asked for, everything goes the third way.

Left to the readable tokenizer, text by text: Google's Σ, whose lower case depends on its neighbours; where offsets are asked for, marks
that survive accent stripping and have to be sorted; and, as batch.py sees, texts with added tokens that the trie cannot find.

Nothing is allocated here and nothing is raised: arrays in, `output` filled. Helpers on the common path are inlined: a call copies every
field of every array, some 180 words, and cost 40 ns. Only `_learn` and `_added_token`, which are rare, are called.

Measured by benchmarks/tokenizer.py. Sources: Song et al. 2021, *Fast WordPiece tokenization*, for the trie (its failure links save a
second look at a few characters; here most words never reach the trie); Langdale and Lemire 2019, *Parsing gigabytes of JSON per
second*, for finding all edges before looking at any stretch.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types

from ...runtime.jit import inlined, intrinsic, jit, pasted

Bytes = npt.NDArray[np.uint8]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
Integer: TypeAlias = Any  # an int64: Numba knows its type, and mypy need not
Word: TypeAlias = Any  # a uint64

KNOWN_BYTES = 15  # of a known stretch or word; 98.6 % of the stretches of English prose are no longer
KNOWN_IDS = 6
PROBES = 32  # slots that a search looks at: a text made of colliding words is taken apart, not slow
AHEAD = 64  # stretches whose slots are asked for before the first of them is looked at

# The entry of a character: what happens to it in the low three bits; the rest is, for ALONE and WORD, the distance to the character that
# replaces it, for SEVERAL and SORTED, an index into Tables.several. BREAK and NOTHING both vanish; BREAK ends a run of marks.
ALONE, SPACE, WORD, SEVERAL, BREAK, NOTHING, SORTED, BY_HAND = range(8)  # the first two end a word, the first five a run of marks

FIRST, FOLLOWING, ADDED = range(3)  # roots of the trie: where a word begins, where it goes on, added tokens
SYMBOL_BITS = 21  # of a code point
ID_BITS = 20  # of a known id

u64 = np.uint64
ZERO, ONE, ALL = u64(0), u64(1), u64(0xFFFFFFFFFFFFFFFF)
HIGH = u64(0x8080808080808080)  # the high bit of each byte: where the answers to questions about eight bytes stand
LOW7 = u64(0x7F7F7F7F7F7F7F7F)
SPACES, LINE_FEEDS = u64(0x2020202020202020), u64(0x0A0A0A0A0A0A0A0A)  # a space is also the bit that makes an ASCII letter small
FROM_A, TO_Z = u64(0x1F1F1F1F1F1F1F1F), u64(0x0505050505050505)  # added to a byte, these carry into its high bit from "a", above "z"
FROM_0, TO_9 = u64(0x5050505050505050), u64(0x4646464646464646)
MIX, MIX_TOO = u64(0x9E3779B97F4A7C15), u64(0xC2B2AE3D27D4EB4F)  # odd, with random bits: golden ratio, and a prime of xxHash
ID_MASK = u64((1 << ID_BITS) - 1)


class Tables(NamedTuple):
    """Made from the vocabulary and the settings, then only read."""

    page_of: npt.NDArray[np.uint16]  # code point >> 8 -> page
    pages: Int32  # page * 256 + the low 8 bits -> entry
    several: Int32  # for SEVERAL and SORTED: their number, then symbol and combining class of each
    first_child: Int32  # node of the trie -> its first child; children stand side by side, up to the first child of the next node
    symbol_of: Int32  # node -> the symbol that leads to it, ascending among the children of one node
    piece_of: Int32  # node -> id, or -1
    ends_word: npt.NDArray[np.bool_]  # byte -> whether a word of ASCII ends before it for certain
    mark_ids: Int32  # byte -> id of ASCII punctuation; -1 for other bytes, and for what begins an added token


class Known(NamedTuple):
    """Known stretches or words: a hash table."""

    slots: UInt64  # (slots, 4): bytes, bytes and their number, number of ids and three ids, three ids
    counts: Int64  # (2,): how many more it may learn, how many it did not know


class Memory(NamedTuple):
    """What one call at a time may use and add to."""

    stretches: Known
    words: Known  # by their cleaned spelling, if that is ASCII; to begin with, those of the vocabulary


class Options(NamedTuple):
    """What a call asks for."""

    fold: np.uint64  # the bit that makes an ASCII letter small, in each byte; or 0
    cls_id: int
    sep_id: int
    unk_id: int
    added: int  # root of the added tokens, or -1
    limit: int  # characters of a word
    room: int  # pieces of a text


class Output(NamedTuple):
    """Filled from the left."""

    ids: Int32
    spans: Int32  # (tokens, 2), or (0, 2) if nobody asks
    words: Int32
    cu_seqlens: Int64
    num_truncated: Int32
    is_by_hand: npt.NDArray[np.bool_]


class Scratch(NamedTuple):
    """Room for the edges of all stretches, and for one word."""

    edges: Int32
    keys: UInt64  # (AHEAD, 3): bytes, bytes and their number or 0 if there are too many, slot
    ahead: Int64  # (2,): the stretch that the first of these keys belongs to, number of edges
    symbols: Int32
    classes: Int32  # canonical combining class of a mark among the symbols
    places: Int32  # (symbols, 2): start and end in the text


@intrinsic
def _eight_bytes(typing_context: Any, data: Any, index: Any) -> Any:
    """The eight bytes at an index, which need not be aligned, as one integer; the first byte is its lowest."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(64).as_pointer())
        value = builder.load(pointer)
        value.align = 1
        return value

    return types.uint64(data, types.intp), code


@intrinsic
def _trailing_zeros(typing_context: Any, value: Any) -> Any:
    """How many low bits are zero; 64 for zero."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), code


@intrinsic
def _ones(typing_context: Any, value: Any) -> Any:
    """How many bits are one."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), code


@intrinsic
def _fetch(typing_context: Any, rows: Any, index: Any) -> Any:
    """Ask for a row of a table to be brought near; do not wait."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte, int32 = ir.IntType(8), ir.IntType(32)
        offset = builder.mul(arguments[1], builder.extract_value(array.strides, 0))
        pointer = builder.gep(builder.bitcast(array.data, byte.as_pointer()), [offset])
        prefetch = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte.as_pointer()], ir.FunctionType(ir.VoidType(), [byte.as_pointer(), int32, int32, int32])
        )
        builder.call(prefetch, [pointer, int32(0), int32(3), int32(1)])  # to read, to keep, data
        return context.get_dummy_value()

    return types.void(rows, types.intp), code


@jit
def _find_edges(data: Bytes, edges: Int32) -> Integer:
    """Fill `edges` with the places where stretches begin and end, in turns. What parts them is spaces and line feeds.

    Seven bits and an addend below 128 cannot carry into the next byte, so eight comparisons are one addition. Eight places are written
    whatever their number, and counted after: no branch to mispredict.
    """
    count, before = 0, ZERO
    for at in range(0, data.shape[0] - 7, 8):
        eight = _eight_bytes(data, at)
        no_space, no_feed = eight ^ SPACES, eight ^ LINE_FEEDS
        solid = (((no_space & LOW7) + LOW7) | no_space) & (((no_feed & LOW7) + LOW7) | no_feed) & HIGH
        marked = solid ^ (solid << u64(8) | before)
        before = solid >> u64(56)
        number = _ones(marked)
        for index in range(8):
            edges[count + index] = at + np.int64(_trailing_zeros(marked) >> u64(3))
            marked &= marked - ONE
        count += number
    return count


@inlined
def _key(data: Bytes, at: Integer, size: Integer, fold: Word) -> tuple[Word, Word]:
    """A stretch of 1 to 15 bytes as two integers, its size in the top byte of the second. `fold` is set in each of its bytes."""
    key = (_eight_bytes(data, at) | fold) & ALL >> u64(64 - 8 * min(size, 8))
    more = (_eight_bytes(data, at + 8) | fold) & (ONE << u64(8 * max(size - 8, 0))) - ONE
    return key, more | u64(size) << u64(56)


@inlined
def _letters(eight: Word) -> Word:
    """High bits of the bytes that are ASCII letters or digits.

    Seven bits and an addend below 128 cannot carry into the next byte, so eight comparisons are one addition.
    """
    small, seven = (eight | SPACES) & LOW7, eight & LOW7
    is_letter = (small + FROM_A) & ~(small + TO_Z)
    is_digit = (seven + FROM_0) & ~(seven + TO_9)
    return (is_letter | is_digit) & ~eight & HIGH


@pasted
def _known_word(
    data: Bytes, at: Integer, n: Integer, tables: Tables, words: Known, options: Options, output: Output
) -> tuple[Integer, Integer]:
    """Write the ids of a known word of ASCII letters and digits. Returns (place in the data after it, next token's place or -1)."""
    other = _letters(_eight_bytes(data, at)) ^ HIGH
    size = np.int64(_trailing_zeros(other) >> u64(3))
    if size == 8:
        other = _letters(_eight_bytes(data, at + 8)) ^ HIGH
        size += np.int64(_trailing_zeros(other) >> u64(3))
    if size == 0 or size > KNOWN_BYTES or not tables.ends_word[data[at + size]]:
        return at, -1
    key, more = _key(data, at, size, options.fold)
    found, _ = _recall(key, more, _home(key, more, words.slots), n, words, output)
    return at + size, found


@inlined
def _home(key: Word, more: Word, slots: UInt64) -> Word:
    """The slot where the search for a stretch begins. Only the top bits of a product depend on all bits of the key."""
    return (key * MIX ^ more * MIX_TOO) >> u64(64 - _ones(u64(slots.shape[0] - 1)))


@pasted
def _look_ahead(data: Bytes, edge: Integer, edges: Integer, slots: UInt64, scratch: Scratch) -> None:
    """Make the keys of the next stretches and ask for their slots, so that the waits for memory overlap."""
    for index in range(min(AHEAD, (edges - edge) >> 1)):
        at = np.int64(scratch.edges[edge + 2 * index])
        size = np.int64(scratch.edges[edge + 2 * index + 1]) - at
        scratch.keys[index, 1] = ZERO
        if size <= KNOWN_BYTES:
            key, more = _key(data, at, size, ZERO)
            slot = _home(key, more, slots)
            scratch.keys[index, 0], scratch.keys[index, 1], scratch.keys[index, 2] = key, more, slot
            _fetch(slots, np.int64(slot))


@inlined
def _recall(key: Word, more: Word, slot: Word, n: Integer, known: Known, output: Output) -> tuple[Integer, Word]:
    """Write the ids of a known stretch. Returns (next token's place or -1, the slot where it is or belongs, ALL if that is too far)."""
    probes = 0
    while (known.slots[slot, 0] ^ key) | (known.slots[slot, 1] ^ more) != ZERO:
        if known.slots[slot, 1] == ZERO:
            return -1, slot
        probes += 1
        if probes == PROBES:
            return -1, ALL
        slot = (slot + ONE) & u64(known.slots.shape[0] - 1)
    low, high = known.slots[slot, 2], known.slots[slot, 3]
    # Six are written whatever their number, and one comparison looks at all of the key: 8.6 ns a stretch; with branches, 14.8.
    output.ids[n] = np.int32(low >> u64(4) & ID_MASK)
    output.ids[n + 1] = np.int32(low >> u64(4 + ID_BITS) & ID_MASK)
    output.ids[n + 2] = np.int32(low >> u64(4 + 2 * ID_BITS))
    output.ids[n + 3] = np.int32(high & ID_MASK)
    output.ids[n + 4] = np.int32(high >> u64(ID_BITS) & ID_MASK)
    output.ids[n + 5] = np.int32(high >> u64(2 * ID_BITS))
    count = np.int64(low & u64(15))
    return n + count, slot


@jit
def _learn(key: Word, more: Word, slot: Word, first: Integer, n: Integer, known: Known, output: Output) -> None:
    """Remember that the ids from `first` to `n` are those of a stretch, if there is room."""
    known.counts[1] += 1
    if known.counts[0] == 0 or n - first > KNOWN_IDS or slot == ALL:
        return
    low, high = u64(n - first), ZERO
    for index in range(n - first):
        id = u64(output.ids[first + index])
        if id > ID_MASK:
            return
        if index < 3:
            low |= id << u64(4 + ID_BITS * index)
        else:
            high |= id << u64(ID_BITS * (index - 3))
    known.slots[slot, 0], known.slots[slot, 1], known.slots[slot, 2], known.slots[slot, 3] = key, more, low, high
    known.counts[0] -= 1


@inlined
def _child(node: Integer, symbol: Integer, tables: Tables) -> Integer:
    """Where a symbol leads in the trie, or -1: binary search without branches, since nobody could predict them."""
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
def _decode(data: Bytes, at: Integer) -> tuple[Integer, Integer]:
    """(code point, its bytes) of the UTF-8 character at a place. Python wrote it: well-formed, or a lone surrogate in three bytes."""
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
def _added_token(data: Bytes, at: Integer, end: Integer, root: Integer, tables: Tables) -> tuple[Integer, Integer]:
    """(id, end) of the longest added token that begins at a place, or (-1, at)."""
    id: Integer = -1
    node, after = root, at
    while at < end:
        code, size = _decode(data, at)
        node = _child(node, code, tables)
        if node < 0:
            break
        at += size
        if tables.piece_of[node] >= 0:
            id, after = np.int64(tables.piece_of[node]), at
    return id, after


@pasted
def _match(count: Integer, number: Integer, n: Integer, tables: Tables, options: Options, output: Output, scratch: Scratch) -> Integer:
    """Write the pieces of the word in the scratch buffer: the longest from left to right, or one [UNK]. Returns the next token's place."""
    has_spans = output.spans.shape[0] > 0
    first, start, root = n, 0, FIRST
    while start < min(count, options.limit + 1):
        id: Integer = -1
        node, end = root, start
        for index in range(start, count if count <= options.limit else 0):
            node = _child(node, np.int64(scratch.symbols[index]), tables)
            if node < 0:
                break
            if tables.piece_of[node] >= 0:
                id, end = np.int64(tables.piece_of[node]), index + 1
        if id < 0:  # nothing matched, or the word is beyond the limit: one [UNK] from the first place to the last, in slot `limit`
            n, start, end, id = first, 0, min(count, options.limit + 1), options.unk_id
        output.ids[n] = id
        if has_spans:
            output.spans[n, 0], output.spans[n, 1] = scratch.places[start, 0], scratch.places[end - 1, 1]
            output.words[n] = number
        n += 1
        start, root = end, FOLLOWING
    return n


@pasted
def _alone(
    data: Bytes,
    at: Integer,
    end: Integer,
    code: Integer,
    place: Integer,
    number: Integer,
    n: Integer,
    tables: Tables,
    options: Options,
    output: Output,
) -> Integer:
    """Write the token of a character that stands alone, or of the added token that begins with it. Returns its bytes."""
    id: Integer = -1
    size, length = 0, 1
    if code < 128 and options.added >= 0:
        id, after = _added_token(data, at, end, options.added, tables)
        size = length = after - at  # an added token is ASCII
    if id < 0:
        node = _child(FIRST, code, tables)
        id = tables.piece_of[node] if node >= 0 else -1
        id = id if id >= 0 else options.unk_id
        size, length = _decode(data, at)[1], 1
    output.ids[n] = id
    if output.spans.shape[0] > 0:
        output.spans[n, 0], output.spans[n, 1], output.words[n] = place, place + length, number
    return size


@pasted
def _word(
    count: Integer,
    ascii: Integer,
    number: Integer,
    n: Integer,
    tables: Tables,
    words: Known,
    options: Options,
    output: Output,
    scratch: Scratch,
) -> Integer:
    """Write the pieces of the word in the scratch buffer, known or not. Returns the next token's place."""
    if count > min(KNOWN_BYTES, options.limit) or ascii >= 128 or output.spans.shape[0] > 0:
        return _match(count, number, n, tables, options, output, scratch)
    key, more = ZERO, u64(count) << u64(56)
    for index in range(min(count, 8)):
        key |= u64(scratch.symbols[index]) << u64(8 * index)
    for index in range(8, count):
        more |= u64(scratch.symbols[index]) << u64(8 * (index - 8))
    after, slot = _recall(key, more, _home(key, more, words.slots), n, words, output)
    if after < 0:
        after = _match(count, number, n, tables, options, output, scratch)
        _learn(key, more, slot, n, after, words, output)
    return after


@pasted
def _sorted_slot(mark_class: Integer, run: Integer, count: Integer, scratch: Scratch) -> Integer:
    """Make room for a mark behind those of its run with the same class or a lower one (canonical order: The Unicode Standard, 3.11)."""
    slot = count
    while slot > run and scratch.classes[slot - 1] > mark_class:
        scratch.symbols[slot], scratch.classes[slot] = scratch.symbols[slot - 1], scratch.classes[slot - 1]
        slot -= 1
    return slot


@pasted
def _token(
    data: Bytes,
    at: Integer,
    begin: Integer,
    end: Integer,
    continuations: Integer,
    number: Integer,
    n: Integer,
    tables: Tables,
    words: Known,
    options: Options,
    output: Output,
    scratch: Scratch,
) -> tuple[Integer, Integer, Integer, bool]:
    """At most one token, character by character, from a place where one begins.

    `begin` is the start of the text, `continuations` how many of its bytes so far were not the first of their character, so that a place
    in the text is at - begin - continuations. Returns (place in the data after it, continuations, next token's place, whether the text
    must be done by hand).
    """
    if output.spans.shape[0] == 0:
        output.ids[n] = tables.mark_ids[data[at]]
        if tables.mark_ids[data[at]] >= 0:
            return at + 1, continuations, n + 1, False
        after, found = _known_word(data, at, n, tables, words, options, output)
        if found >= 0:
            return after, continuations, found, False
    count: Integer = 0  # symbols in the buffer; beyond the limit they are counted and overwrite each other
    ascii: Integer = 0  # below 128 if all symbols are
    run: Integer = 0  # where the marks begin that the next one may have to go before
    while at < end:
        code, size = _decode(data, at)
        page = np.int64(tables.page_of[code >> 8]) if code > 255 else 0
        entry = np.int64(tables.pages[page << 8 | code & 255])
        kind, rest = entry & 7, entry >> 3
        place = at - begin - continuations
        if kind == BY_HAND or (kind == SORTED and output.spans.shape[0] > 0):
            return at, continuations, n, True
        if kind <= SPACE:
            if count > 0:
                break
            continuations += size - 1
            if kind == SPACE:
                return at + size, continuations, n, False
            return at + _alone(data, at, end, code + rest, place, number, n, tables, options, output), continuations, n + 1, False
        several = kind in (SEVERAL, SORTED)
        for index in range(tables.several[rest] if several else kind == WORD):
            symbol = np.int64(tables.several[rest + 1 + 2 * index]) if several else code + rest
            mark_class = np.int64(tables.several[rest + 2 + 2 * index]) if several else 0
            slot = _sorted_slot(mark_class, run, count, scratch) if mark_class > 0 and count < options.limit else min(count, options.limit)
            scratch.symbols[slot], scratch.classes[slot] = symbol, mark_class
            scratch.places[slot, 0], scratch.places[slot, 1] = place, place + 1
            ascii |= symbol
            count += 1
            run = run if mark_class > 0 else count
        run = count if kind <= BREAK else run
        at += size
        continuations += size - 1
    return at, continuations, _word(count, ascii, number, n, tables, words, options, output, scratch), False


@pasted
def _text(
    data: Bytes,
    begin: Integer,
    end: Integer,
    edge: Integer,
    n: Integer,
    tables: Tables,
    stretches: Known,
    words: Known,
    options: Options,
    output: Output,
    scratch: Scratch,
) -> tuple[Integer, Integer, bool]:
    """All tokens of one text. Returns (index of the first edge behind it, next token's place, whether it must be done by hand)."""
    has_spans = output.spans.shape[0] > 0
    continuations, number, is_by_hand = 0, 0, False
    while scratch.edges[edge] < end:
        index = (edge >> 1) - scratch.ahead[0]
        if index >= AHEAD:
            _look_ahead(data, edge, scratch.ahead[1], stretches.slots, scratch)
            scratch.ahead[0] += index
            index = 0
        at, stop = np.int64(scratch.edges[edge]), np.int64(scratch.edges[edge + 1])
        edge += 2
        if is_by_hand:
            continue
        key, more, slot = scratch.keys[index, 0], scratch.keys[index, 1], scratch.keys[index, 2]
        is_short = more != ZERO and not has_spans
        if is_short:
            found, slot = _recall(key, more, slot, n, stretches, output)
            if found >= 0:
                n = found
                continue
        first = n
        while at < stop and not is_by_hand:
            before = n
            at, continuations, n, is_by_hand = _token(
                data, at, begin, stop, continuations, number, n, tables, words, options, output, scratch
            )
            number += n - before > 0
        if is_short and not is_by_hand:
            _learn(key, more, slot, first, n, stretches, output)
    return edge, n, is_by_hand


@jit
def encode(data: Bytes, ends: Int64, tables: Tables, memory: Memory, options: Options, output: Output, scratch: Scratch) -> Integer:
    """Encode the texts that end at `ends`, a byte apart from each other. Returns the number of tokens."""
    has_spans = output.spans.shape[0] > 0
    edges = _find_edges(data, scratch.edges)
    scratch.edges[edges] = data.shape[0]
    scratch.ahead[0], scratch.ahead[1] = -AHEAD, edges
    edge, n, begin = 0, 0, 0
    output.cu_seqlens[0] = 0
    for text in range(ends.shape[0]):
        end = ends[text]
        if has_spans:
            output.spans[n, 0], output.spans[n, 1], output.words[n] = 0, 0, -1
        output.ids[n] = options.cls_id
        first = n + 1
        edge, n, is_by_hand = _text(data, begin, end, edge, first, tables, memory.stretches, memory.words, options, output, scratch)
        found = 0 if is_by_hand else n - first
        kept = min(found, options.room)
        output.is_by_hand[text] = is_by_hand
        output.num_truncated[text] = found - kept
        n = first + kept
        if has_spans:
            output.spans[n, 0], output.spans[n, 1], output.words[n] = 0, 0, -1
        output.ids[n] = options.sep_id
        n += 1
        output.cu_seqlens[text + 1] = n
        begin = end + 1
    return n
