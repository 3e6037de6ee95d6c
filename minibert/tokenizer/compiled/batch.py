"""The compiled twin's other half: makes the tables, hands over texts as bytes, and takes back encodings.

Memory: the tables are fixed, less than 1.5 MB for 30,522 entries. A call borrows what earlier calls have learnt, at most 16 MB of
stretches and, for that vocabulary, 4 MB of words; no two calls hold the same, so there is one for each call at a time. A table that is
full of other texts than the present ones forgets them (words: all but the vocabulary). No vocabulary makes more than 16 MB of words.

The loops check no index, so nothing that reaches them is looked up in the tokenizer again: sizes, ids and roots are taken from its
settings once, when the tables are made, and `_options` checks them.
"""

import sys
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..added import MAX_IDS, AddedToken, AddedTokens
from ..encoding import PackedEncoding, concatenate
from ..unicode import CAPITAL_SIGMA, HANGUL_FIRST, HANGUL_LAST, CharacterRanges
from ..wordpiece import COMPILED_LIMIT, WordPieceTokenizer
from . import loops
from .loops import (
    ADDED,
    ALONE,
    BREAK,
    BY_HAND,
    FIRST,
    FOLLOWING,
    NOTHING,
    SEVERAL,
    SORTED,
    SPACE,
    SYMBOL_BITS,
    WORD,
    Bytes,
    Int32,
    Int64,
    Known,
    Memory,
    Options,
    Output,
    Scratch,
    Tables,
    UInt64,
)

SHARD = 1 << 17  # bytes that one call of loops.encode sees, and up to one text more: they stay in the second-level cache
SLICE = 4096  # texts that are encoded to UTF-8 at a time
STRETCH_SLOTS = 1 << 19  # of the table of known stretches, 32 bytes each; half of them may be used
PADDING = b"\n" * 24  # sixteen bytes can be read from any place in the last text, and `_find_edges`, eight at a time, passes its end
ASCII_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
MOST_BYTES = 1 << 30  # of a shard: places are 32-bit numbers
MOST_WORDS = 1 << 17  # of the vocabulary, that the table of words begins with: the first ones are the frequent ones
MOST_SIMPLE = 32  # characters of an added token that loops.encode finds: it looks as far from each place of a text
u64 = np.uint64


class Shard(NamedTuple):
    """Texts from `start` to `stop` as UTF-8, each followed by a line feed, and more of them at the end."""

    start: int
    stop: int
    data: Bytes
    ends: Int64  # where each text ends


class CompiledTokenizer:
    """`encode_batch` of a WordPieceTokenizer, compiled. Threads may share one."""

    def __init__(self, tokenizer: WordPieceTokenizer) -> None:
        self._encode_each = tokenizer.encode_each
        settings = tokenizer.settings
        added = [token for token in settings.added_tokens if _is_simple(token)]
        others = AddedTokens(token for token in settings.added_tokens if not _is_simple(token))
        are_all_special = all(token.special for token in settings.added_tokens)
        # Texts that hold one of these are done by hand: added tokens that are not simple; with `split_special_tokens`, any, if some remain.
        self._by_hand_tokens = {False: others, True: AddedTokens(() if are_all_special else settings.added_tokens)}
        self._tables = _tables(tokenizer, added)
        self._options = _options(tokenizer, ADDED if added else -1)
        self._words = _words(tokenizer)
        # What calls have learnt and no call holds, for each value of `split_special_tokens`; `append` and `pop` are atomic.
        self._idle: dict[bool, list[Memory]] = {False: [], True: []}

    def encode_batch(self, texts: list[str], max_length: int | None, split_special_tokens: bool, return_offsets: bool) -> PackedEncoding:
        """As `WordPieceTokenizer.encode_batch`, for a list of str."""
        split_special_tokens = bool(split_special_tokens)
        options = self._options._replace(
            added=-1 if split_special_tokens else self._options.added,
            room=sys.maxsize if max_length is None else min(int(max_length) - 2, sys.maxsize),
        )
        idle, by_hand_tokens = self._idle[split_special_tokens], self._by_hand_tokens[split_special_tokens]
        try:
            memory = idle.pop()
        except IndexError:
            memory = Memory(_empty(STRETCH_SLOTS), _copy(self._words))
        parts: list[PackedEncoding] = []
        output, scratch = _room(0, 0, options.limit, return_offsets)
        for start, stop, data, ends in _shards(texts):
            if data.size > MOST_BYTES:
                parts.append(self._encode_each(texts[start:stop], max_length, split_special_tokens, return_offsets))
                continue
            if len(scratch.edges) < data.size + 2 * len(ends) or len(output.is_by_hand) < len(ends):
                output, scratch = _room(data.size, len(ends), options.limit, return_offsets)
            n = loops.encode(data, ends, self._tables, memory, options, output, scratch)
            self._forget(memory, int(scratch.ahead[1]) // 2)
            encoding, by_hand = _copied(output, n, len(ends), return_offsets), output.is_by_hand[: len(ends)]
            if by_hand_tokens:
                by_hand |= np.fromiter(map(by_hand_tokens.are_in, texts[start:stop]), np.bool_, len(ends))
            changes = np.flatnonzero(np.diff(by_hand)) + 1
            for first, last in pairwise([0, *changes.tolist(), len(ends)]):
                if by_hand[first]:
                    mine = texts[start + first : start + last]
                    parts.append(self._encode_each(mine, max_length, split_special_tokens, return_offsets))
                else:
                    parts.append(encoding.between(first, last))
        idle.append(memory)
        return concatenate(parts, return_offsets)

    def _forget(self, memory: Memory, num_stretches: int) -> None:
        """Empty a table that is full of other texts than these: it missed more than once for every four stretches of the shard."""
        for table in memory:
            if table.counts[0] == 0 and 4 * table.counts[1] > num_stretches:
                fresh = self._words if table is memory.words else _empty(STRETCH_SLOTS)
                table.slots[:], table.counts[:] = fresh
            table.counts[1] = 0


def _options(tokenizer: WordPieceTokenizer, added: int) -> Options:
    """What is the same for every call. Raises ValueError for what the loops have no room for."""
    settings, frame = tokenizer.settings, tokenizer.frame
    limit, ids = settings.max_input_chars_per_word, (frame.cls_id, frame.sep_id, tokenizer.unk_id)
    if not 1 <= limit <= COMPILED_LIMIT:
        raise ValueError(f"max_input_chars_per_word: expected 1 to {COMPILED_LIMIT}, found {limit}")
    if not all(0 <= id < MAX_IDS for id in ids):
        raise ValueError(f"expected ids from 0 to 2^31 - 1, found {ids}")
    return Options(loops.SPACES if settings.lowercase else loops.ZERO, *ids, added, limit, sys.maxsize)


def _room(num_bytes: int, num_texts: int, limit: int, return_offsets: bool) -> tuple[Output, Scratch]:
    """Arrays for a shard. No character has more pieces than bytes. Half as much again, so that the next ones fit too."""
    num_texts += num_texts // 2
    most = num_bytes + num_bytes // 2 + 2 * num_texts + len(PADDING)
    spans = most if return_offsets else 0
    output = Output(
        np.empty(most, np.int32),
        np.empty((spans, 2), np.int32),
        np.empty(spans, np.int32),
        np.empty(num_texts + 1, np.int64),
        np.empty(num_texts, np.int32),
        np.empty(num_texts, np.bool_),
    )
    scratch = Scratch(
        np.empty(most, np.int32),
        np.empty((loops.AHEAD, 3), np.uint64),
        np.empty(2, np.int64),
        np.empty(limit + 1, np.int32),
        np.empty(limit + 1, np.int32),
        np.empty((limit + 1, 2), np.int32),
    )
    return output, scratch


def _copied(output: Output, num_tokens: int, num_texts: int, return_offsets: bool) -> PackedEncoding:
    return PackedEncoding(
        output.ids[:num_tokens].copy(),
        output.cu_seqlens[: num_texts + 1].copy(),
        output.num_truncated[:num_texts].copy(),
        output.spans[:num_tokens].copy() if return_offsets else None,
        output.words[:num_tokens].copy() if return_offsets else None,
    )


def _is_simple(token: AddedToken) -> bool:
    """Whether loops.encode finds an added token: ASCII, in one stretch, with punctuation at both ends, whatever stands beside it."""
    ends = token.content[0] + token.content[-1]
    looks_around = token.lstrip or token.rstrip or token.single_word
    if len(token.content) > MOST_SIMPLE:
        return False
    return token.content.isascii() and not {" ", "\n"} & {*token.content} and {*ends} <= {*ASCII_PUNCTUATION} and not looks_around


def _shards(texts: list[str]) -> Iterator[Shard]:
    """Texts in groups of about SHARD bytes. One at a time: what is in the cache stays there."""
    for first in range(0, len(texts), SLICE):
        encoded = _utf8(texts[first : first + SLICE])
        ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)) + 1) - 1
        starts = np.unique(ends // SHARD, return_index=True)[1].tolist()
        for start, stop in pairwise([*starts, len(encoded)]):
            data = np.frombuffer(b"\n".join([*encoded[start:stop], PADDING]), np.uint8)
            yield Shard(first + start, first + stop, data, ends[start:stop] - (ends[start - 1] + 1 if start else 0))


def _utf8(texts: list[str]) -> list[bytes]:
    """UTF-8 of each text, lone surrogates included."""
    try:
        return list(map(str.encode, texts))
    except UnicodeEncodeError:
        return [text.encode("utf-8", "surrogatepass") for text in texts]


def _tables(tokenizer: WordPieceTokenizer, added: list[AddedToken]) -> Tables:
    punctuation = tokenizer.referent.characters("PUNCTUATION")
    entries = [
        (root, token, id)
        for root, pieces in ((FIRST, tokenizer._first), (FOLLOWING, tokenizer._following))
        for token, id in pieces.items()
        if token and (len(token) == 1 or punctuation.isdisjoint(token))  # punctuation is always a token of its own
    ]
    entries += [(ADDED, token.content, token.id) for token in added]
    ends_word = np.zeros(256, np.bool_)
    ends_word[[ord(character) for character in f"{ASCII_PUNCTUATION} \t\n\r"]] = True
    openers = {token.content[0] for token in added}
    mark_ids = np.full(256, -1, np.int32)
    for mark in ASCII_PUNCTUATION:
        if mark not in openers:
            mark_ids[ord(mark)] = tokenizer._first.get(mark, tokenizer.unk_id)
    several = [0]
    pages = np.stack([*_pages(tokenizer, several)])
    distinct = {page.tobytes(): index for index, page in reversed([*enumerate(pages)])}
    numbers = {index: number for number, index in enumerate(sorted(distinct.values()))}
    return Tables(
        np.array([numbers[distinct[page.tobytes()]] for page in pages], np.uint16),
        pages[list(numbers)].reshape(-1),
        np.array(several, np.int32),
        *_trie(entries or [(FIRST, "\0", -1)]),
        ends_word,
        mark_ids,
    )


def _pages(tokenizer: WordPieceTokenizer, several: list[int]) -> npt.NDArray[np.int32]:
    """The entry of every code point, (pages, 256). What becomes several symbols is added to `several`."""
    settings, referent, normalize = tokenizer.settings, tokenizer.referent, tokenizer.normalize
    entries = np.full(0x110000, WORD, np.int32)

    def mark(table: CharacterRanges, kind: int) -> None:
        for first, last in table.pairs:
            entries[first : last + 1] = kind

    mark(referent.ranges("PUNCTUATION"), ALONE)
    mark(referent.ranges("WHITESPACE"), SPACE)
    if settings.strip_accents:
        mark(referent.ranges("NONSPACING_MARKS"), BREAK)  # those without a combining class; the others do not end a run
        entries[[ord(character) for character in referent.combining_classes if character in referent.ranges("NONSPACING_MARKS")]] = NOTHING
    if settings.handle_chinese_chars:
        mark(referent.ranges("CHINESE"), ALONE)
    if settings.clean_text:
        mark(referent.ranges("REMOVED"), NOTHING)
        mark(referent.ranges("CLEANED_TO_SPACE"), SPACE)
    changed = set(map(chr, range(0xD800, 0xE000)))
    if settings.strip_accents:
        changed.update(referent.decompositions, referent.surviving_marks, map(chr, range(HANGUL_FIRST, HANGUL_LAST + 1)))
    if settings.lowercase:
        changed.update(referent.lowercase)
    for character in changed:
        entries[ord(character)] = _entry(ord(character), normalize[character], tokenizer, several)
    if referent.is_google and settings.lowercase:
        entries[ord(CAPITAL_SIGMA)] = BY_HAND
    return entries.reshape(-1, 256)


def _entry(code: int, replacement: str, tokenizer: WordPieceTokenizer, several: list[int]) -> int:
    """The entry of a code point that is replaced by a text."""
    symbols, classes = replacement.strip(" "), tokenizer.referent.combining_classes
    whitespace, punctuation = (tokenizer.referent.characters(name) for name in ("WHITESPACE", "PUNCTUATION"))
    if not symbols:
        parts = tokenizer.normalize.parts(chr(code))
        return SPACE if replacement else BREAK if parts and parts[0] not in classes else NOTHING
    if symbols in whitespace:
        return SPACE
    is_sorted = tokenizer.settings.strip_accents and chr(code) in tokenizer.referent.surviving_marks
    if len(symbols) == 1 and not is_sorted:
        is_alone = symbols in punctuation or len(replacement) > 1
        return (ord(symbols) - code) << 3 | (ALONE if is_alone else WORD)
    if not (punctuation | whitespace).isdisjoint(symbols) or len(symbols) > len(chr(code).encode()) or len(replacement) > len(symbols):
        return BY_HAND
    # the rest of the entry: where in `several` the number of symbols stands, with symbol and class of each behind it
    several += [len(symbols), *(number for symbol in symbols for number in (ord(symbol), classes.get(symbol, 0) if is_sorted else 0))]
    return (len(several) - 2 * len(symbols) - 1) << 3 | (SORTED if is_sorted else SEVERAL)


def _trie(entries: list[tuple[int, str, int]]) -> tuple[Int32, Int32, Int32]:
    """(first child, symbol, piece) of each node, from (root, token, id): one level at a time, all children of a node side by side."""
    roots, tokens, ids = zip(*entries, strict=True)
    lengths = np.array([len(token) for token in tokens])
    symbols = np.frombuffer("".join(tokens).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    node = np.array(roots, np.int64)
    levels, num_nodes = [np.zeros(3, np.int64)], 3
    longer = np.arange(len(lengths))
    for depth in range(lengths.max()):  # at most settings.MAX_PIECE_CHARS, and MOST_SIMPLE
        longer = longer[lengths[longer] > depth]
        edges, inverse = np.unique(node[longer] << SYMBOL_BITS | symbols[starts[longer] + depth], return_inverse=True)
        node[longer] = num_nodes + inverse
        levels.append(edges)
        num_nodes += len(edges)
    edges = np.concatenate(levels)
    first_child = 3 + np.searchsorted(edges[3:] >> SYMBOL_BITS, np.arange(num_nodes + 1))
    piece_of = np.full(num_nodes, -1, np.int32)
    piece_of[node] = ids
    return first_child.astype(np.int32), (edges & ((1 << SYMBOL_BITS) - 1)).astype(np.int32), piece_of


def _words(tokenizer: WordPieceTokenizer) -> Known:
    """The words of the vocabulary that the table can hold, with at least half as much room again for others."""
    known = (
        (token, id)
        for token, id in tokenizer._first.items()
        if 0 < len(token) <= loops.KNOWN_BYTES and token.isascii() and id <= loops.ID_MASK
    )
    entries = dict(islice(known, MOST_WORDS))
    keys = np.frombuffer(b"".join(token.encode().ljust(15, b"\0") + bytes([len(token)]) for token in entries), np.uint64).reshape(-1, 2)
    table = _empty(_power_of_two(max(3 * len(entries), 1 << 12)))
    # as loops._home, in NumPy
    hashes = keys[:, 0] * loops.MIX ^ keys[:, 1] * loops.MIX_TOO
    slots = _settle(hashes, len(table.slots))
    settled = slots >= 0
    ids = np.fromiter(entries.values(), np.uint64, len(entries))
    table.slots[slots[settled], :2] = keys[settled]
    table.slots[slots[settled], 2] = ids[settled] << u64(4) | loops.ONE
    table.counts[0] -= np.count_nonzero(settled)
    return table


def _empty(slots: int) -> Known:
    """A table in which no slot lies across two lines of the cache."""
    memory = np.zeros(slots * 4 + 8, np.uint64)
    first = -memory.ctypes.data % 64 // 8
    return Known(memory[first : first + slots * 4].reshape(slots, 4), np.array([slots // 2, 0], np.int64))


def _copy(known: Known) -> Known:
    copy = _empty(len(known.slots))
    copy.slots[:], copy.counts[:] = known
    return copy


def _settle(hashes: UInt64, size: int) -> Int64:
    """The slot of each key in a hash table with linear probing: all try their slot at once, the first gets it, the others go on.

    A vocabulary begins with the words that are frequent, so most searches end where they begin. A key whose first PROBES slots are all
    taken gets -1, since no search goes that far: words that are made to collide are left to the trie.
    """
    slots = (hashes >> u64(65 - size.bit_length())).astype(np.int64)
    owner = np.full(size, -1)
    waiting = np.arange(len(slots))
    for _ in range(loops.PROBES):
        trying = waiting[owner[slots[waiting]] < 0][::-1]
        owner[slots[trying]] = trying  # the last one written stays
        waiting = waiting[owner[slots[waiting]] != waiting]
        slots[waiting] = (slots[waiting] + 1) & (size - 1)
    slots[waiting] = -1
    return slots


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
