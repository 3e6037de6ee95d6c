"""What a batch becomes: a PackedEncoding of many texts, and the special tokens around each text."""

import operator
from collections.abc import Sequence

import numpy as np

from .. import habits
from ..arrays import Int32, Int64
from ..habits import explain_attributes
from ..packing import PackedBatch
from ..runtime.tuples import FieldTuple


@explain_attributes(habits.PACKED_ATTRIBUTES)
class PackedEncoding:
    """Many texts on one token axis, without padding.

    Attributes:
        input_ids: (num_tokens,) int32, [CLS] and [SEP] of each text included.
        cu_seqlens: (num_texts + 1,) int64: where each text begins, then num_tokens.
        num_truncated: (num_texts,) int32: how many pieces of each text were cut off.
        offsets: (num_tokens, 2) int32 as in Encoding, with return_offsets=True.
        word_ids: (num_tokens,) int32 as in Encoding, -1 for [CLS] and [SEP], with
            return_offsets=True.
        token_type_ids: (num_tokens,) int32 as in Encoding, if there are pairs of texts. None means
            that all are 0.
    """

    __slots__ = ("cu_seqlens", "input_ids", "num_truncated", "offsets", "token_type_ids", "word_ids")

    def __init__(
        self,
        input_ids: Int32,
        cu_seqlens: Int64,
        num_truncated: Int32,
        offsets: Int32 | None = None,
        word_ids: Int32 | None = None,
        token_type_ids: Int32 | None = None,
    ) -> None:
        self.input_ids = input_ids
        self.cu_seqlens = cu_seqlens
        self.num_truncated = num_truncated
        self.offsets = offsets
        self.word_ids = word_ids
        self.token_type_ids = token_type_ids

    def __repr__(self) -> str:
        return f"PackedEncoding({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"

    def __len__(self) -> int:
        return len(self.num_truncated)

    def __getitem__(self, index: int) -> Int32:
        """The ids of one text."""
        try:
            index = operator.index(index)
        except TypeError:
            from ..files.fields import shown  # for errors only

            advice = "write batch.input_ids, or batch.between(start, stop) for some of the texts"
            raise TypeError(f"expected the number of a text, found {shown(index):.80}; {advice}") from None
        if not -len(self) <= index < len(self):
            raise IndexError(f"expected the number of one of {len(self)} texts, found {index}")
        index %= len(self)
        return self.between(index, index + 1).input_ids

    def seqlens(self) -> list[int]:
        """How many tokens each text has, [CLS] and [SEP] included."""
        lengths: list[int] = (self.cu_seqlens[1:] - self.cu_seqlens[:-1]).tolist()
        return lengths

    def between(self, start: int, stop: int) -> "PackedEncoding":
        """The texts from `start` to `stop`, as views."""
        first, last = self.cu_seqlens[[start, stop]]
        return PackedEncoding(
            self.input_ids[first:last],
            self.cu_seqlens[start : stop + 1] - first,
            self.num_truncated[start:stop],
            None if self.offsets is None else self.offsets[first:last],
            None if self.word_ids is None else self.word_ids[first:last],
            None if self.token_type_ids is None else self.token_type_ids[first:last],
        )

    def take(self, indices: Sequence[int]) -> PackedBatch:
        """The texts with these numbers, in this order, as the encoder reads them.

        Neighbours in their own order, such as a single text or all texts, are views of the arrays.

        >>> ids, cu_seqlens = np.arange(6, dtype=np.int32), np.array([0, 1, 3, 6])
        >>> batch = PackedEncoding(ids, cu_seqlens, np.zeros(3, np.int32)).take([2, 0])
        >>> batch.input_ids.tolist(), batch.position_ids.tolist(), batch.cu_seqlens.tolist()
        ([3, 4, 5, 0], [0, 1, 2, 0], [0, 3, 4])
        """
        number = len(indices)
        first, last = (indices[0], indices[-1]) if number else (0, -1)
        are_neighbours = last - first == number - 1 and list(indices) == list(range(first, last + 1))
        if are_neighbours and first >= 0 and last < len(self):
            return self._take_neighbours(first, last + 1)
        begins = self.cu_seqlens[:-1][indices]
        seqlens = self.cu_seqlens[1:][indices] - begins
        cu_seqlens = np.zeros(number + 1, np.int64)
        np.cumsum(seqlens, out=cu_seqlens[1:])
        positions = np.arange(cu_seqlens[-1]) - np.repeat(cu_seqlens[:-1], seqlens)
        sources = positions + np.repeat(begins, seqlens)
        types = np.zeros(len(sources), np.int32) if self.token_type_ids is None else self.token_type_ids[sources]
        return PackedBatch(self.input_ids[sources], positions.astype(np.int32), types, cu_seqlens)

    def _take_neighbours(self, start: int, stop: int) -> PackedBatch:
        cu_seqlens = self.cu_seqlens[start : stop + 1]
        first, last = int(cu_seqlens[0]), int(cu_seqlens[-1])
        if first:
            cu_seqlens = cu_seqlens - first
        positions = np.arange(last - first, dtype=np.int32)
        if stop - start > 1:
            positions -= np.repeat(cu_seqlens[:-1].astype(np.int32), np.diff(cu_seqlens))
        types = np.zeros(last - first, np.int32) if self.token_type_ids is None else self.token_type_ids[first:last]
        return PackedBatch(self.input_ids[first:last], positions, types, cu_seqlens)


def concatenate(parts: Sequence[PackedEncoding], with_offsets: bool) -> PackedEncoding:
    """The texts of several parts on one axis."""
    if len(parts) == 1:
        return parts[0]
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


class SpecialTokens(FieldTuple):
    """[CLS] and [SEP], which surround texts, and the token type of the second text of a pair."""

    cls_token: str
    cls_id: int
    sep_token: str
    sep_id: int
    second_type: int


class Facts(FieldTuple):
    """What a model needs of the settings of its tokenizer."""

    special_tokens: SpecialTokens
    unk_id: int
    last_id: int  # see TokenizerSettings
    model_max_length: int | None
    names_sep: bool
