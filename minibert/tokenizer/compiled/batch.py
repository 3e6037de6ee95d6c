"""The compiled encoder: texts as UTF-8 bytes into the loops, and encodings out of them.

Memory: the tables are fixed, less than 1.5 MB for 30,522 entries. A call borrows what earlier calls
have learnt: at most 16 MB of chunks and, for that vocabulary, 4 MB of words. It also borrows arrays
of at most 0.4 MB. No two calls hold the same memory, so there is one for each call at a time. A
table that is full of other texts than the present ones is emptied (words: except the vocabulary).
No vocabulary makes more than 16 MB of words.

The loops check no index, so nothing that reaches them is read again from the settings. Sizes, ids
and roots are taken from the rules once, when the tables are made, and `_options` checks them.
"""

import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...runtime.records import Loop, Record
from ..added import MAX_IDS, AddedTokens
from ..encoding import BatchEncoder, PackedEncoding, concatenate
from ..wordpiece import Rules
from . import MAX_WORD_CHARS
from .known_tables import copy_table, empty_table, vocabulary_table
from .layout import ADDED, AHEAD, SPACES, ZERO, Bytes, Int64, Memory, Options, Output, Scratch, Tables, Work
from .tables import is_simple, make_tables

BLOCK_BYTES = 1 << 17  # in one call of the loop, and up to one text more: they stay in the second-level cache
SLICE = 4096  # texts that are encoded to UTF-8 at a time
CHUNK_SLOTS = 1 << 19  # of the table of known chunks, 32 bytes each; half of them may be used
KEPT_BYTES = 1 << 14  # of text, for which a call leaves its arrays to later calls; they take 20 bytes each
PADDING = b"\n" * 24  # sixteen bytes can be read from any place in the last text; `find_edges`, eight at a time, passes its end
MAX_BYTES = 1 << 30  # of a block: places are 32-bit numbers


class Block(NamedTuple):
    """Texts from `start` to `stop` as UTF-8, each followed by a line feed, then more line feeds."""

    start: int
    stop: int
    data: Bytes
    ends: Int64  # where each text ends


class Workspace:
    """What one call at a time uses: what earlier calls have learnt, and the arrays of a block."""

    def __init__(self, tables: Tables, memory: Memory, max_word_chars: int) -> None:
        self.memory = memory
        self._tables, self._max_word_chars = tables, max_word_chars
        self._allocate(0, 0, False)

    def _allocate(self, num_bytes: int, num_texts: int, return_offsets: bool) -> None:
        self.output, self.scratch = _buffers(num_bytes, num_texts, self._max_word_chars, return_offsets)
        self._return_offsets = return_offsets
        self._record: Record | None = None  # with the addresses of these arrays

    def record(self, data: Bytes, ends: Int64, options: Options, return_offsets: bool) -> Record:
        """The record of a call with a block. Addresses that stay are taken once."""
        fits = len(self.scratch.edges) >= data.size + 2 * len(ends) and len(self.output.needs_fallback) >= len(ends)
        if not fits or return_offsets != self._return_offsets:
            self._allocate(data.size, len(ends), return_offsets)
        if self._record is None:
            self._record = Record(Work(data, ends, options, self.output, self.scratch, self._tables, self.memory))
        else:
            self._record.begin(data, ends, options)
        return self._record

    def release(self) -> None:
        """Free large arrays, so that no idle memory is kept for them."""
        if len(self.scratch.edges) > KEPT_BYTES:
            self._allocate(0, 0, False)


class CompiledEncoder:
    """Texts -> ids, by compiled loops. Threads may share it."""

    def __init__(self, rules: Rules, fallback: BatchEncoder, loop: Loop) -> None:
        """`loop` is `encode` of loops.py. `fallback` encodes the texts that it leaves.

        The fallback has the same rules.
        """
        self._fallback, self._loop = fallback, loop
        all_added = rules.settings.added_tokens
        added = [token for token in all_added if is_simple(token)]
        others = AddedTokens(token for token in all_added if not is_simple(token))
        are_all_special = all(token.special for token in all_added)
        # Texts that hold one of these need the fallback: added tokens that are not simple. With
        # `split_special_tokens`, it is any added token, if some of them are not special.
        self._fallback_tokens = {False: others, True: AddedTokens(() if are_all_special else all_added)}
        self._tables = make_tables(rules, added)
        self.leaves_added_tokens = bool(self._fallback_tokens[False])  # whether only the fallback finds some of them
        self._options = _options(rules, ADDED if added else -1)
        self._words = vocabulary_table(rules.first)
        # What calls have learnt and no call holds, for each value of `split_special_tokens`.
        # `append` and `pop` are atomic.
        self._idle: dict[bool, list[Workspace]] = {False: [], True: []}

    def work_for(self, num_bytes: int, num_texts: int = 1, max_length: int | None = None) -> Work:
        """The arrays of a call of the loop, which a caller keeps for many calls, one at a time.

        The caller writes UTF-8 at the beginning of `data`, a line feed behind each text, and the
        place of that line feed to `ends`. Behind the last text, `data` goes on with line feeds: all
        of PADDING. Every text is whole where no text of the call needs the fallback.

        Args:
            num_bytes: most bytes of all texts together.
            num_texts: texts of a call.
            max_length: tokens that each text may have.
        """
        options = self._options._replace(max_pieces=_max_pieces(max_length))
        output, scratch = _buffers(num_bytes + num_texts + len(PADDING), num_texts, options.max_word_chars, False)
        data = np.full(num_bytes + num_texts + len(PADDING), PADDING[0], np.uint8)
        return Work(data, np.zeros(num_texts, np.int64), options, output, scratch, self._tables, self._new_memory())

    def renew(self, work: Work) -> Work:
        """The same Work after a call, or one with other tables where the call has filled them.

        It may be left out after a call. The tables are full then, and no text is wrong.
        """
        self._forget(work.memory, int(work.scratch.ahead[1]) // 2)
        return work

    def encode_batch(self, texts: list[str], max_length: int | None, split_special_tokens: bool, return_offsets: bool) -> PackedEncoding:
        """Encode each text, as BatchEncoder says."""
        split_special_tokens = bool(split_special_tokens)
        options = self._options._replace(
            added_root=-1 if split_special_tokens else self._options.added_root,
            max_pieces=_max_pieces(max_length),
        )
        idle, fallback_tokens = self._idle[split_special_tokens], self._fallback_tokens[split_special_tokens]
        try:
            workspace = idle.pop()
        except IndexError:
            workspace = Workspace(self._tables, self._new_memory(), options.max_word_chars)
        parts: list[PackedEncoding] = []
        for start, stop, data, ends in _blocks(texts):
            if data.size > MAX_BYTES:
                parts.append(self._fallback.encode_batch(texts[start:stop], max_length, split_special_tokens, return_offsets))
                continue
            n = self._loop(workspace.record(data, ends, options, return_offsets))
            memory, output = workspace.memory, workspace.output
            self._forget(memory, int(workspace.scratch.ahead[1]) // 2)
            encoding, needs_fallback = _copied(output, n, len(ends), return_offsets), output.needs_fallback[: len(ends)]
            if fallback_tokens:
                needs_fallback |= np.fromiter(map(fallback_tokens.are_in, texts[start:stop]), np.bool_, len(ends))
            changes = np.flatnonzero(np.diff(needs_fallback)) + 1
            for first, last in pairwise([0, *changes.tolist(), len(ends)]):
                if needs_fallback[first]:
                    mine = texts[start + first : start + last]
                    parts.append(self._fallback.encode_batch(mine, max_length, split_special_tokens, return_offsets))
                else:
                    parts.append(encoding.between(first, last))
        workspace.release()
        idle.append(workspace)
        return concatenate(parts, return_offsets)

    def _new_memory(self) -> Memory:
        return Memory(empty_table(CHUNK_SLOTS), copy_table(self._words))

    def _forget(self, memory: Memory, num_chunks: int) -> None:
        """Empty a table that is full of other texts than these.

        That is so if more than one search failed for every four chunks of the block.
        """
        for table in memory:
            if table.counts[0] == 0 and 4 * table.counts[1] > num_chunks:
                fresh = self._words if table is memory.words else empty_table(CHUNK_SLOTS)
                table.slots[:], table.counts[:] = fresh
            table.counts[1] = 0


def _options(rules: Rules, added_root: int) -> Options:
    """The options of every call. Raises ValueError for what does not fit into the arrays."""
    special, limit = rules.special_tokens, rules.max_word_chars
    ids = (special.cls_id, special.sep_id, rules.unk_id)
    if not 1 <= limit <= MAX_WORD_CHARS:
        raise ValueError(f"max_input_chars_per_word: expected 1 to {MAX_WORD_CHARS}, found {limit}")
    if not all(0 <= id < MAX_IDS for id in ids):
        raise ValueError(f"expected ids from 0 to 2^31 - 1, found {ids}")
    return Options(SPACES if rules.settings.lowercase else ZERO, *ids, added_root, limit, sys.maxsize)


def _max_pieces(max_length: int | None) -> int:
    """How many pieces of a text stay beside [CLS] and [SEP]."""
    return sys.maxsize if max_length is None else min(int(max_length) - 2, sys.maxsize)


def _buffers(num_bytes: int, num_texts: int, max_word_chars: int, return_offsets: bool) -> tuple[Output, Scratch]:
    """Arrays for a block, and half as much again, so that the next blocks fit too.

    No character has more pieces than bytes.
    """
    num_texts += num_texts // 2
    capacity = num_bytes + num_bytes // 2 + 2 * num_texts + len(PADDING)
    num_offsets = capacity if return_offsets else 0
    output = Output(
        np.empty(capacity, np.int32),
        np.empty((num_offsets, 2), np.int32),
        np.empty(num_offsets, np.int32),
        np.empty(num_texts + 1, np.int64),
        np.empty(num_texts, np.int32),
        np.empty(num_texts, np.bool_),
    )
    scratch = Scratch(
        np.empty(capacity, np.int32),
        np.empty((AHEAD, 3), np.uint64),
        np.empty(2, np.int64),
        np.empty(max_word_chars + 1, np.int32),
        np.empty(max_word_chars + 1, np.int32),
        np.empty((max_word_chars + 1, 2), np.int32),
    )
    return output, scratch


def _copied(output: Output, num_tokens: int, num_texts: int, return_offsets: bool) -> PackedEncoding:
    return PackedEncoding(
        output.input_ids[:num_tokens].copy(),
        output.cu_seqlens[: num_texts + 1].copy(),
        output.num_truncated[:num_texts].copy(),
        output.offsets[:num_tokens].copy() if return_offsets else None,
        output.word_ids[:num_tokens].copy() if return_offsets else None,
    )


def _blocks(texts: list[str]) -> Iterator[Block]:
    """Texts in blocks of about BLOCK_BYTES, made one at a time so that they stay in the cache."""
    for first in range(0, len(texts), SLICE):
        encoded = _utf8(texts[first : first + SLICE])
        ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)) + 1) - 1
        starts = np.unique(ends // BLOCK_BYTES, return_index=True)[1].tolist()
        for start, stop in pairwise([*starts, len(encoded)]):
            data = np.frombuffer(bytearray(b"\n").join([*encoded[start:stop], PADDING]), np.uint8)
            yield Block(first + start, first + stop, data, ends[start:stop] - (ends[start - 1] + 1 if start else 0))


def _utf8(texts: list[str]) -> list[bytes]:
    """UTF-8 of each text, lone surrogates included.

    The loops check no byte, so a method of a subclass of str may not make them.
    """
    try:
        return list(map(str.encode, texts))
    except UnicodeEncodeError:
        return [str.encode(text, "utf-8", "surrogatepass") for text in texts]
