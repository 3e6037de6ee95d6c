"""The data of the loops: tables of the vocabulary, memory of calls, and arrays of one call.

The loops check no index and allocate nothing. tables.py, known.py and batch.py make these arrays.
"""

from typing import Annotated, Any, TypeAlias

import numpy as np

from ...arrays import Bools, Bytes, Int32, Int64, UInt16, UInt64
from ...runtime.tuples import FieldTuple

Spans = Annotated[Int32, 2]  # (n, 2): start and end
Keys = Annotated[UInt64, 2]
Integer: TypeAlias = Any  # an int64 in a loop: Numba infers the type, mypy does not
Word: TypeAlias = Any  # a uint64 in a loop

SPACES = np.uint64(0x2020202020202020)  # a space in each byte; it is also the bit that makes an ASCII letter small
KNOWN_BYTES = 15  # of a known chunk or word: 98.6 % of the chunks of English prose have no more
ID_BITS = 20  # of a known id
ID_MASK = np.uint64((1 << ID_BITS) - 1)
PROBES = 32  # slots that a search for a known chunk or word looks at
MIX, MIX_TOO = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)  # odd, with random bits: golden ratio, and a prime of xxHash
AHEAD = 64  # chunks whose slots are fetched before the first of them is looked up

# The entry of a character. Its low three bits say what happens to it. The rest is, for ALONE and
# WORD, the distance to the character that replaces it, and for SEVERAL and SORTED, an index into
# Tables.several. BREAK and NOTHING both vanish. BREAK ends a run of marks. FALLBACK leaves the text
# to the readable encoder. The first two end a word, and the first five end a run of marks.
ALONE, SPACE, WORD, SEVERAL, BREAK, NOTHING, SORTED, FALLBACK = range(8)

FIRST, FOLLOWING, ADDED = range(3)  # roots of the trie: pieces that begin a word, pieces that continue it, added tokens
SYMBOL_BITS = 21  # of a code point

u64 = np.uint64
ZERO, ONE, ALL = u64(0), u64(1), u64(0xFFFFFFFFFFFFFFFF)


class Tables(FieldTuple):
    """Made from the vocabulary and the settings, then only read.

    A symbol is a code point after cleaning.
    """

    page_of: UInt16  # code point >> 8 -> page
    pages: Int32  # page * 256 + the low 8 bits -> entry
    several: Int32  # for SEVERAL and SORTED: the number of symbols, then symbol and combining class of each
    first_child: Int32  # node of the trie -> its first child; its last child stands before the first child of the next node
    symbol_of: Int32  # node -> the symbol that leads to it, ascending among the children of one node
    piece_of: Int32  # node -> id, or -1
    ends_word: Bools  # byte -> whether a word of ASCII ends before it for certain
    mark_ids: Int32  # byte -> id of ASCII punctuation; -1 for other bytes, and for the first byte of an added token


class Known(FieldTuple):
    """A hash table of known chunks or words."""

    slots: Keys  # (slots, 4): bytes, bytes and their number, number of ids and three ids, three ids
    counts: Int64  # (2,): how many more it may learn, how many searches failed


class Memory(FieldTuple):
    """What earlier calls have learnt. One call at a time uses it and adds to it."""

    chunks: Known
    words: Known  # by their cleaned spelling, if that is ASCII


class Options(FieldTuple):
    """What the settings and the arguments of a call say."""

    fold: np.uint64  # the bit that makes an ASCII letter small, in each byte; or 0
    cls_id: int
    sep_id: int
    unk_id: int
    added_root: int  # ADDED, or -1 where no added token is looked for
    max_word_chars: int
    max_pieces: int  # of a text


class Prepared(FieldTuple):
    """What a CompiledEncoder is made of: from the rules of a tokenizer, or from a file."""

    tables: Tables
    options: Options
    leaves: tuple[bool, bool]  # whether only the fallback finds some added tokens; the same with `split_special_tokens`


class Output(FieldTuple):
    """The arrays of a PackedEncoding, filled from the left."""

    input_ids: Int32
    offsets: Spans  # (tokens, 2), or (0, 2) where no offsets are wanted
    word_ids: Int32
    cu_seqlens: Int64
    num_truncated: Int32
    needs_fallback: Bools  # whether the readable encoder has to encode a text


class Scratch(FieldTuple):
    """The edges of all chunks, and the symbols of one word."""

    edges: Int32
    keys: Keys  # (AHEAD, 3): bytes, bytes and their number or 0 if there are too many, slot
    ahead: Int64  # (2,): number of the chunk that the first of these keys belongs to, number of edges
    symbols: Int32
    classes: Int32  # canonical combining class of a mark among the symbols
    places: Spans  # (symbols, 2): start and end in the text


class Work(FieldTuple):
    """What `encode` is given, see runtime/records.py, and what its helpers receive.

    The helpers are pasted into the loop. A real call would copy every field. The fields that change
    from call to call come first.
    """

    data: Bytes  # UTF-8 of all texts, a byte apart from each other
    ends: Int64  # where each text ends
    options: Options
    output: Output
    scratch: Scratch
    tables: Tables
    memory: Memory
