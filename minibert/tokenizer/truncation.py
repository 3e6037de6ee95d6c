"""How one text, or a pair of texts, is cut so that it fits into a number of tokens.

Source: `truncate_encodings` and `Encoding::truncate` of Hugging Face tokenizers, here "the
original".
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..arrays import Array, Bools, Int64
from .encoding import PackedEncoding

TruncationStrategy = Literal["longest_first", "only_first", "only_second"]
Window = tuple[int, int]  # a range of the pieces of a text: from, to
STRATEGIES: tuple[TruncationStrategy, ...] = ("longest_first", "only_first", "only_second")


def check_max_length(max_length: int | None, num_special: int = 2) -> None:
    """Raise TypeError or ValueError unless `max_length` is None or holds the special tokens."""
    if max_length is None:
        return
    if isinstance(max_length, bool) or not isinstance(max_length, int | np.integer):
        raise TypeError(f"max_length: expected a whole number, found {max_length!r:.80}")
    if max_length < num_special:
        raise ValueError(f"expected max_length of at least {num_special}, the number of special tokens, found {max_length}")


def truncate(lengths: Sequence[int], max_length: int | None, truncation: TruncationStrategy = "longest_first") -> list[int]:
    """How many pieces of one or two texts stay so that they fit into `max_length`.

    The special tokens count too.

    >>> truncate([10, 3], max_length=9)
    [3, 3]

    Raises ValueError if `max_length` does not hold the special tokens, or if the strategy would cut
    a text to nothing.
    """
    if truncation not in STRATEGIES:
        raise ValueError(f"truncation: expected {' or '.join(map(repr, STRATEGIES))}, found {truncation!r}")
    num_special = len(lengths) + 1
    check_max_length(max_length, num_special)
    if max_length is None or sum(lengths) + num_special <= max_length:
        return list(lengths)
    capacity = max_length - num_special
    if capacity == 0:  # here the original does not look at the strategy
        return [0] * len(lengths)
    if truncation == "longest_first":
        return _longest_first(lengths, capacity)
    cut = 0 if truncation == "only_first" else 1  # the number of the text that is cut
    excess = sum(lengths) - capacity
    if cut >= len(lengths):
        raise ValueError(f"truncation: {truncation!r} needs a text_pair, found one text")
    if lengths[cut] <= excess:
        raise ValueError(
            f"truncation: {truncation!r} cannot cut {excess} of the {lengths[cut]} pieces of that text and leave one; "
            "raise max_length, or cut the longest text first ('longest_first')"
        )
    return [length - excess * (index == cut) for index, length in enumerate(lengths)]


def _longest_first(lengths: Sequence[int], capacity: int) -> list[int]:
    if len(lengths) == 1:
        return [capacity]
    shorter = min(lengths)
    if 2 * shorter > capacity:
        # An odd piece goes to the longer text. If both are equal, it goes to the second.
        halves = [capacity // 2, capacity - capacity // 2]
        return halves if lengths[0] <= lengths[1] else halves[::-1]
    return [shorter, capacity - shorter] if lengths[0] <= lengths[1] else [capacity - shorter, shorter]


def windows(length: int, size: int, stride: int) -> list[Window]:
    """The windows of `size` pieces that cover a text of `length` pieces.

    Each window begins with the last `stride` pieces of the window before it.

    >>> windows(7, 4, 2)
    [(0, 4), (2, 6), (4, 7)]

    If nothing of the text fits, the first window is empty and the second is the whole text. Raises
    ValueError for a stride of `size` or more.
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


def overflow(windows_of: Sequence[Sequence[Window]]) -> list[list[Window]]:
    """The windows of each overflowing encoding of one or two texts, the first windows left out.

    For two texts, first come all combinations of a later window of A with a window of B. Then comes
    the first window of A with each later window of B.
    """
    if len(windows_of) == 1:
        return [[window] for window in windows_of[0][1:]]
    first, second = windows_of
    return [[a, b] for a in first[1:] for b in second] + [[first[0], b] for b in second[1:]]


def join_pairs(single: PackedEncoding, are_second: Bools, max_length: int | None, second_type: int) -> PackedEncoding:
    """Texts that were encoded one by one and whole -> texts and pairs, cut to `max_length`.

    A second text loses its [CLS] and has the token type `second_type`. Each text keeps its first
    pieces and its [SEP].

    Args:
        single: all texts, the texts of a pair one after the other.
        are_second: (num_texts,): whether a text is the second of a pair.
    """
    lengths, is_first = np.diff(single.cu_seqlens) - 2, ~are_second
    kept = _kept(lengths, np.flatnonzero(is_first), max_length)
    sizes = kept + 2 - are_second
    ends = np.cumsum(sizes)
    # The place in `single` of each token: tokens of a text are neighbours, except for [SEP] after a
    # cut.
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


def _kept(lengths: Int64, firsts: Array, max_length: int | None) -> Int64:
    """How many pieces of each text stay. `firsts` are the texts that are not second in a pair."""
    kept = lengths.copy()
    if max_length is not None:
        numbers = np.diff(firsts, append=len(lengths))
        totals = np.add.reduceat(lengths, firsts) + numbers + 1
        for index in np.flatnonzero(totals > max_length):
            part = slice(firsts[index], firsts[index] + numbers[index])
            kept[part] = truncate(lengths[part].tolist(), max_length)
    return kept
