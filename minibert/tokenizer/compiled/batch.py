"""The compiled encoder: texts as UTF-8 bytes into the loops, and encodings out of them.

Memory: the tables are fixed, less than 1.5 MB for 30,522 entries. A call borrows what earlier calls
have learnt: at first 0.3 MB, and later at most 16 MB of chunks and 4 MB of words. It also borrows
arrays of at most 0.4 MB. No two calls hold the same memory, so there is one for each call at a
time. A table grows when it is full. A large one that is full of other texts is emptied.

The loops check no index. What reaches them is checked when it is made of rules (tables.py), or when
it comes from a file (checks.py).
"""

import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Bytes, Int64
from ...runtime.records import Record
from ...runtime.threads import forks_wait
from ..encoding import PackedEncoding, concatenate
from .known_tables import first_memory, renewed
from .layout import AHEAD, Memory, Options, Output, Prepared, Scratch, Tables, Work

if TYPE_CHECKING:
    from ...runtime.records import Loop
    from ..added import AddedTokens
    from ..readable import ReadableEncoder

BLOCK_BYTES = 1 << 17  # in one call of the loop, and up to one text more: they stay in the second-level cache
SLICE = 4096  # texts that are encoded to UTF-8 at a time
KEPT_BYTES = 1 << 14  # of text, for which a call leaves its arrays to later calls; they take 20 bytes each
PADDING = b"\n" * 24  # sixteen bytes can be read from any place in the last text; `find_edges`, eight at a time, passes its end
MAX_BYTES = 1 << 30  # of a block: places are 32-bit numbers


# Texts from `start` to `stop` as UTF-8, each followed by a line feed, then more line feeds; and
# where each text ends.
Block = tuple[int, int, Bytes, Int64]


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

    def renew(self) -> None:
        """Look after the tables that a call may have filled."""
        memory = renewed(self.memory, int(self.scratch.ahead[1]) // 2)
        if memory is not self.memory:
            self.memory, self._record = memory, None

    def release(self) -> None:
        """Free large arrays, so that no idle memory is kept for them."""
        if len(self.scratch.edges) > KEPT_BYTES:
            self._allocate(0, 0, False)


class CompiledEncoder:
    """Texts -> ids, by compiled loops. Threads may share it."""

    def __init__(self, prepared: Prepared, readable: Callable[[], "ReadableEncoder"], loop: "Loop") -> None:
        """`loop` is `encode` of loops.py. `readable` gives the encoder of the texts that it leaves.

        That encoder has the same rules. It is made when a text needs it.
        """
        self._readable, self._loop = readable, loop
        self._tables, self._options, self._leaves = prepared
        self._left: dict[bool, AddedTokens] = {}
        self.leaves_added_tokens = self._leaves[False]  # whether only the fallback finds some of them
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
        return Work(data, np.zeros(num_texts, np.int64), options, output, scratch, self._tables, first_memory())

    def renew(self, work: Work) -> Work:
        """The same Work after a call, or one with other tables where the call has filled them.

        It may be left out after a call. The tables are full then, and no text is wrong.
        """
        memory = renewed(work.memory, int(work.scratch.ahead[1]) // 2)
        return work if memory is work.memory else work._replace(memory=memory)

    def encode_batch(self, texts: list[str], max_length: int | None, split_special_tokens: bool, return_offsets: bool) -> PackedEncoding:
        """Encode each text, as BatchEncoder says."""
        split_special_tokens = bool(split_special_tokens)
        options = self._options._replace(
            added_root=-1 if split_special_tokens else self._options.added_root,
            max_pieces=_max_pieces(max_length),
        )
        idle, left = self._idle[split_special_tokens], self._left_tokens(split_special_tokens)
        try:
            workspace = idle.pop()
        except IndexError:
            workspace = Workspace(self._tables, first_memory(), options.max_word_chars)
        parts: list[PackedEncoding] = []
        for start, stop, data, ends in _blocks(texts):
            if data.size > MAX_BYTES:
                parts.append(self._readable().encode_batch(texts[start:stop], max_length, split_special_tokens, return_offsets))
                continue
            n = self._loop(workspace.record(data, ends, options, return_offsets))
            output = workspace.output
            workspace.renew()
            encoding, needs_fallback = _copied(output, n, len(ends), return_offsets), output.needs_fallback[: len(ends)]
            if left:
                needs_fallback |= np.fromiter(map(left.are_in, texts[start:stop]), np.bool_, len(ends))
            changes = np.flatnonzero(np.diff(needs_fallback)) + 1
            for first, last in pairwise([0, *changes.tolist(), len(ends)]):
                if needs_fallback[first]:
                    mine = texts[start + first : start + last]
                    parts.append(self._readable().encode_batch(mine, max_length, split_special_tokens, return_offsets))
                else:
                    parts.append(encoding.between(first, last))
        workspace.release()
        idle.append(workspace)
        return concatenate(parts, return_offsets)

    def _left_tokens(self, split_special_tokens: bool) -> "AddedTokens | None":
        """The added tokens that only the fallback finds, if there are any."""
        if not self._leaves[split_special_tokens]:
            return None
        if split_special_tokens not in self._left:
            with forks_wait():
                from .tables import left_tokens  # few models have such tokens

            self._left[split_special_tokens] = left_tokens(self._readable().rules, split_special_tokens)
        return self._left[split_special_tokens]


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
        is_one = ends[-1] < BLOCK_BYTES
        starts = [0] if is_one else np.unique(ends // BLOCK_BYTES, return_index=True)[1].tolist()
        for start, stop in pairwise([*starts, len(encoded)]):
            data = np.frombuffer(bytearray(b"\n").join([*encoded[start:stop], PADDING]), np.uint8)
            yield first + start, first + stop, data, ends[start:stop] - (ends[start - 1] + 1 if start else 0)


def _utf8(texts: list[str]) -> list[bytes]:
    """UTF-8 of each text, lone surrogates included.

    The loops check no byte, so a method of a subclass of str may not make them.
    """
    try:
        return list(map(str.encode, texts))
    except UnicodeEncodeError:
        return [str.encode(text, "utf-8", "surrogatepass") for text in texts]
