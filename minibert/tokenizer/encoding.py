"""From the pieces of one or two texts to what the model reads: frame, types, truncation, overflow.

Source: `truncate_encodings`, `Encoding::truncate` and `BertProcessing` of Hugging Face tokenizers.
"""

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from .. import habits
from ..files.fields import shown
from ..habits import explain_attributes
from ..packing import PackedBatch, pack

TruncationStrategy = Literal["longest_first", "only_first", "only_second"]
STRATEGIES: tuple[TruncationStrategy, ...] = ("longest_first", "only_first", "only_second")
Window = tuple[int, int]  # which pieces of a text: from, to


@explain_attributes(habits.ENCODING_ATTRIBUTES)
@dataclass(frozen=True)
class Encoding:
    """One text, or a pair of texts, as the model reads it. All lists but the last have one entry per token.

    Attributes:
        input_ids: ids, [CLS] and [SEP] included.
        token_type_ids: 0 for the first text and its frame, 1 for the second text and its [SEP]; 0 for all where the folder's tokenizer
            gives the model no types.
        tokens: the pieces as the vocabulary spells them.
        offsets: (start, end) of each piece in its text (in its word, if words were given), in code points; (0, 0) for [CLS] and [SEP].
        word_ids: number of the word or punctuation mark that a piece belongs to, from 0 in each text; None for [CLS] and [SEP].
        num_truncated: how many pieces were cut off to respect `max_length`.
        overflowing: what was cut off, as further encodings, if it was asked for.
    """

    input_ids: list[int]
    token_type_ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]
    word_ids: list[int | None]
    num_truncated: int
    overflowing: list["Encoding"] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.input_ids)

    if not TYPE_CHECKING:  # where there are no items

        def __getitem__(self, name: object) -> NoReturn:
            raise TypeError("an Encoding has attributes instead of items: write encoding.input_ids")


@explain_attributes(habits.PACKED_ATTRIBUTES)
@dataclass(frozen=True)
class PackedEncoding:
    """Many texts on one token axis, without padding.

    Attributes:
        input_ids: (num_tokens,) int32, [CLS] and [SEP] of each text included.
        cu_seqlens: (num_texts + 1,) int64: where each text begins, then num_tokens.
        num_truncated: (num_texts,) int32: how many pieces of each text were cut off to respect `max_length`.
        offsets: (num_tokens, 2) int32 as in Encoding, if asked for.
        word_ids: (num_tokens,) int32 as in Encoding, with -1 for [CLS] and [SEP], if asked for.
        token_type_ids: (num_tokens,) int32 as in Encoding, if there are pairs of texts; else all are 0.
    """

    input_ids: npt.NDArray[np.int32]
    cu_seqlens: npt.NDArray[np.int64]
    num_truncated: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int32] | None = None
    word_ids: npt.NDArray[np.int32] | None = None
    token_type_ids: npt.NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.num_truncated)

    def __getitem__(self, index: int) -> npt.NDArray[np.int32]:
        """The ids of one text."""
        try:
            index = operator.index(index)
        except TypeError:
            advice = "write batch.input_ids, or batch.between(start, stop) for some of the texts"
            raise TypeError(f"expected the number of a text, found {shown(index):.80}; {advice}") from None
        if not -len(self) <= index < len(self):
            raise IndexError(f"expected the number of one of {len(self)} texts, found {index}")
        index %= len(self)
        return self.between(index, index + 1).input_ids

    def seqlens(self) -> list[int]:
        """Return how many tokens each text has, [CLS] and [SEP] included."""
        lengths: list[int] = np.diff(self.cu_seqlens).tolist()
        return lengths

    def take(self, indices: Sequence[int]) -> PackedBatch:
        """Return the texts with these numbers, in this order, as the encoder reads them."""
        bounds = self.cu_seqlens
        spans = [slice(bounds[index], bounds[index + 1]) for index in indices]
        types = None if self.token_type_ids is None else [self.token_type_ids[span] for span in spans]
        return pack([self.input_ids[span] for span in spans], types)

    def between(self, start: int, stop: int) -> "PackedEncoding":
        """The texts from `start` to `stop`."""
        first, last = self.cu_seqlens[[start, stop]]
        return PackedEncoding(
            self.input_ids[first:last],
            self.cu_seqlens[start : stop + 1] - first,
            self.num_truncated[start:stop],
            None if self.offsets is None else self.offsets[first:last],
            None if self.word_ids is None else self.word_ids[first:last],
            None if self.token_type_ids is None else self.token_type_ids[first:last],
        )


def concatenate(parts: Sequence[PackedEncoding], with_offsets: bool) -> PackedEncoding:
    """Texts of several parts on one axis."""
    num_tokens = np.cumsum([0, *(len(part.input_ids) for part in parts)])
    cu_seqlens = [part.cu_seqlens[1:] + before for part, before in zip(parts, num_tokens, strict=False)]
    none = np.zeros(0, np.int32)
    return PackedEncoding(
        np.concatenate([none, *(part.input_ids for part in parts)]),
        np.concatenate([np.zeros(1, np.int64), *cu_seqlens]),
        np.concatenate([none, *(part.num_truncated for part in parts)]),
        np.concatenate([none.reshape(0, 2), *(part.offsets for part in parts if part.offsets is not None)]) if with_offsets else None,
        np.concatenate([none, *(part.word_ids for part in parts if part.word_ids is not None)]) if with_offsets else None,
    )


def join_pairs(single: PackedEncoding, are_second: npt.NDArray[np.bool_], max_length: int | None, second_type: int) -> PackedEncoding:
    """Texts that were encoded one by one and whole -> texts and pairs, cut to `max_length`. `are_second` says which texts end a pair.

    A second text loses its [CLS] and gets `second_type`; each keeps its first pieces and its [SEP].
    """
    lengths, is_first = np.diff(single.cu_seqlens) - 2, ~are_second
    kept = _kept(lengths, np.flatnonzero(is_first), max_length)
    sizes = kept + 2 - are_second
    ends = np.cumsum(sizes)
    # where each token comes from: a text's tokens are neighbours, but for [SEP] behind what was cut
    sources = np.arange(ends[-1]) + np.repeat(single.cu_seqlens[:-1] + are_second - (ends - sizes), sizes)
    sources[ends - 1] = single.cu_seqlens[1:] - 1
    owners = np.cumsum(is_first) - 1
    return PackedEncoding(
        single.input_ids[sources],
        np.concatenate([np.zeros(1, np.int64), ends[np.append(is_first[1:], True)]]),
        np.bincount(owners, lengths - kept).astype(np.int32),
        None if single.offsets is None else single.offsets[sources],
        None if single.word_ids is None else single.word_ids[sources],
        np.repeat(are_second * np.int32(second_type), sizes),
    )


def _kept(lengths: npt.NDArray[np.int64], firsts: npt.NDArray[np.intp], max_length: int | None) -> npt.NDArray[np.int64]:
    """How many pieces of each text stay; a pair begins at each of `firsts` that has another text behind it."""
    kept = lengths.copy()
    if max_length is not None:
        numbers = np.diff(firsts, append=len(lengths))
        totals = np.add.reduceat(lengths, firsts) + numbers + 1
        for index in np.flatnonzero(totals > max_length):
            part = slice(firsts[index], firsts[index] + numbers[index])
            kept[part] = truncate(lengths[part].tolist(), max_length)
    return kept


class WordPieces(NamedTuple):
    """The pieces of one stretch of text; offsets and word numbers count from its start."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    words: list[int]

    def extend(self, ids: Iterable[int], offsets: Iterable[tuple[int, int]], words: Iterable[int]) -> None:
        self.ids.extend(ids)
        self.offsets.extend(offsets)
        self.words.extend(words)


class Frame(NamedTuple):
    """[CLS] and [SEP], and the token type of the second text."""

    cls_token: str
    cls_id: int
    sep_token: str
    sep_id: int
    second_type: int

    def around(self, texts: Sequence[WordPieces], windows: Sequence[Window], tokens: dict[int, str], num_truncated: int) -> Encoding:
        """`[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]` with the given window of each text."""
        encoding = Encoding([self.cls_id], [0], [self.cls_token], [(0, 0)], [None], num_truncated)
        for type_id, pieces, (start, end) in zip((0, self.second_type), texts, windows, strict=False):
            ids = pieces.ids[start:end]
            encoding.input_ids.extend([*ids, self.sep_id])
            encoding.token_type_ids.extend([type_id] * (len(ids) + 1))
            encoding.tokens.extend([*(tokens[id] for id in ids), self.sep_token])
            encoding.offsets.extend([*pieces.offsets[start:end], (0, 0)])
            encoding.word_ids.extend([*pieces.words[start:end], None])
        return encoding


def truncate(lengths: Sequence[int], max_length: int | None, truncation: TruncationStrategy = "longest_first") -> list[int]:
    """How many pieces of one or two texts stay so that they fit into `max_length` with their frame.

    >>> truncate([10, 3], max_length=9)
    [3, 3]

    Raises ValueError if `max_length` has no room for the frame, or the one text that may give has too little to give.
    """
    if truncation not in STRATEGIES:
        raise ValueError(f"truncation: expected {' or '.join(map(repr, STRATEGIES))}, found {truncation!r}")
    frame = len(lengths) + 1
    if max_length is not None and (isinstance(max_length, bool) or not isinstance(max_length, int | np.integer)):
        raise TypeError(f"max_length: expected a whole number, found {max_length!r:.80}")
    if max_length is not None and max_length < frame:
        raise ValueError(f"expected max_length of at least {frame}, the size of the frame of special tokens, found {max_length}")
    if max_length is None or sum(lengths) + frame <= max_length:
        return list(lengths)
    room = max_length - frame
    if room == 0:  # then the referent asks nobody to give
        return [0] * len(lengths)
    if truncation == "longest_first":
        return _longest_first(lengths, room)
    giver = 0 if truncation == "only_first" else 1
    excess = sum(lengths) - room
    if giver >= len(lengths):
        raise ValueError(f"truncation: {truncation!r} needs a text_pair, found one text")
    if lengths[giver] <= excess:
        raise ValueError(
            f"truncation: {truncation!r} would have to cut {excess} of the {lengths[giver]} pieces of that text and leave at least one; "
            "raise max_length or let the longest text give first ('longest_first')"
        )
    return [length - excess * (index == giver) for index, length in enumerate(lengths)]


def _longest_first(lengths: Sequence[int], room: int) -> list[int]:
    if len(lengths) == 1:
        return [room]
    shorter = min(lengths)
    if 2 * shorter > room:
        halves = [room // 2, room - room // 2]  # the odd one goes to the longer text, to the second if they are equal
        return halves if lengths[0] <= lengths[1] else halves[::-1]
    return [shorter, room - shorter] if lengths[0] <= lengths[1] else [room - shorter, shorter]


def windows(length: int, size: int, stride: int) -> list[Window]:
    """The windows of `size` pieces, each with the last `stride` pieces of the one before, that cover a text of `length` pieces.

    >>> windows(7, 4, 2)
    [(0, 4), (2, 6), (4, 7)]

    A text of which nothing fits is one window of nothing and then the whole of it. Raises ValueError for a stride of `size` or more.
    """
    if isinstance(stride, bool) or not isinstance(stride, int | np.integer):
        raise TypeError(f"stride: expected a whole number, found {stride!r:.80}")
    if stride < 0:
        raise ValueError(f"stride: expected 0 or more, found {stride}")
    if size >= length:
        return [(0, length)]
    if size == 0:
        return [(0, 0), (0, length)]
    if stride >= size:
        raise ValueError(f"stride: expected less than the {size} pieces of a text that max_length leaves, found {stride}")
    starts = range(0, length - size + (size - stride), size - stride)
    return [(start, min(start + size, length)) for start in starts]


def overflow(each: Sequence[Sequence[Window]]) -> list[list[Window]]:
    """What to show of one or two texts after their first windows: each other window of A with each of B, then the first with B's others."""
    if len(each) == 1:
        return [[window] for window in each[0][1:]]
    first, second = each
    return [[a, b] for a in first[1:] for b in second] + [[first[0], b] for b in second[1:]]
