"""Many texts on one token axis, without padding, and the way back.

    padded   [CLS] I   hate cancer [SEP]  -     -          packed   [CLS] I hate cancer [SEP] [CLS] hello [SEP]
             [CLS] hello [SEP] -   -      -     -          cu_seqlens  0                         5              8

What is not there costs nothing: linear layers and norms see useful tokens only, and attention needs no mask. A token that a mask hides
is left out in the same way and its neighbours keep their positions, so masks with holes and padding on the left need no other code.
(FlashAttention and transformers call this unpadding.)
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SMALL_BATCH = 64  # tokens
Int32 = npt.NDArray[np.int32]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PackedBatch:
    """Texts side by side on one axis of num_tokens."""

    input_ids: Int32  # (num_tokens,)
    position_ids: Int32  # (num_tokens,)
    token_type_ids: Int32  # (num_tokens,)
    cu_seqlens: Int32  # (num_sequences + 1,): where each text begins, then num_tokens


def pack(texts: Sequence[npt.ArrayLike], token_type_ids: Sequence[Int32] | None = None) -> PackedBatch:
    """Pack texts, given as ids, with token types of 0 unless told otherwise.

    >>> pack([[101, 7592, 102], [101, 102]]).cu_seqlens
    array([0, 3, 5], dtype=int32)
    """
    arrays = [np.asarray(ids, np.int32) for ids in texts]
    seqlens = np.fromiter(map(len, arrays), np.int32, len(arrays))
    cu_seqlens = _cumulate(seqlens)
    num_tokens = int(cu_seqlens[-1])
    input_ids = np.concatenate([np.zeros(0, np.int32), *arrays])
    position_ids = np.arange(num_tokens, dtype=np.int32) - np.repeat(cu_seqlens[:-1], seqlens)
    types = np.zeros(num_tokens, np.int32) if token_type_ids is None else np.concatenate(token_type_ids)
    return PackedBatch(input_ids, position_ids, types, cu_seqlens)


def pack_padded(input_ids: Int32, attention_mask: npt.NDArray[np.bool_], token_type_ids: Int32) -> PackedBatch:
    """Pack a rectangle (num_sequences, seq_len), leaving out what the mask hides. Positions are column numbers."""
    _, columns = np.nonzero(attention_mask)
    seqlens = attention_mask.sum(axis=1, dtype=np.int32)
    return PackedBatch(input_ids[attention_mask], columns.astype(np.int32), token_type_ids[attention_mask], _cumulate(seqlens))


def unpack(hidden_states: Float32, attention_mask: npt.NDArray[np.bool_]) -> Float32:
    """(num_tokens, hidden_size) back to (num_sequences, seq_len, hidden_size), zeros where the mask hides."""
    padded = np.zeros((*attention_mask.shape, hidden_states.shape[-1]), np.float32)
    padded[attention_mask] = hidden_states
    return padded


def unpack_attentions(probs: Sequence[Float32], attention_mask: npt.NDArray[np.bool_]) -> Float32:
    """(num_heads, n, n) of each text, n its tokens, to (num_sequences, num_heads, seq_len, seq_len), zeros where the mask hides."""
    num_sequences, seq_len = attention_mask.shape
    padded = np.zeros((num_sequences, len(probs[0]), seq_len, seq_len), np.float32)
    for target, each, mask in zip(padded, probs, attention_mask, strict=True):
        columns = np.flatnonzero(mask)
        target[:, columns[:, np.newaxis], columns] = each
    return padded


def plan_batches(seqlens: Sequence[int], batch_tokens: int, num_threads: int = 1) -> Iterator[list[int]]:
    """Indices of texts for one batch after the other, longest first, each of at most `batch_tokens` tokens or a single text.

    Where several threads take them in turn, there are as many for each, about equally long, so that all end together; and two at least, so
    that one that is slower can leave one to the others, unless that makes them too small to be worth their while.

    >>> list(plan_batches([3, 9, 4, 2], batch_tokens=9))
    [[1], [2, 0, 3]]
    >>> [len(batch) for batch in plan_batches([20] * 40, batch_tokens=150, num_threads=2)]
    [6, 6, 6, 6, 6, 6, 4]
    """
    if num_threads > 1:
        turns = max(2, math.ceil(sum(seqlens) / (num_threads * batch_tokens)))
        batch_tokens = min(batch_tokens, max(SMALL_BATCH, math.ceil(sum(seqlens) / (num_threads * turns))))
    batch: list[int] = []
    num_tokens = 0
    for index in sorted(range(len(seqlens)), key=lambda index: -seqlens[index]):
        if batch and num_tokens + seqlens[index] > batch_tokens:
            yield batch
            batch, num_tokens = [], 0
        batch.append(index)
        num_tokens += seqlens[index]
    if batch:
        yield batch


def _cumulate(seqlens: Int32) -> Int32:
    return np.concatenate([np.zeros(1, np.int32), np.cumsum(seqlens, dtype=np.int32)])
