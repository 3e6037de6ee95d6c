"""Many texts on one token axis, without padding, and the way back.

    padded   [CLS] I   hate cancer [SEP]    packed      [CLS] I hate cancer [SEP] [CLS] hello [SEP]
             [CLS] hello [SEP] -   -        cu_seqlens  0                         5              8

Padding costs nothing because it is not there. Linear layers and norms see useful tokens only, and
attention needs no mask. A token that a mask hides is left out in the same way. Its neighbours keep
their positions, so masks with holes and padding on the left need no other code.
FlashAttention and transformers call this unpadding.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .arrays import Bools, Float32, Int32, Int64
from .runtime.tuples import FieldTuple

if TYPE_CHECKING:
    import numpy.typing as npt


class PackedBatch(FieldTuple):
    """Texts side by side on one axis of num_tokens."""

    input_ids: Int32  # (num_tokens,)
    position_ids: Int32  # (num_tokens,)
    token_type_ids: Int32  # (num_tokens,)
    cu_seqlens: Int64  # (num_sequences + 1,): where each text begins, then num_tokens


def pack(texts: Sequence["npt.ArrayLike"], token_type_ids: Sequence["npt.ArrayLike"] | None = None) -> PackedBatch:
    """Pack texts, given as ids. Token types are 0 unless they are given.

    >>> pack([[101, 7592, 102], [101, 102]]).cu_seqlens
    array([0, 3, 5])
    """
    arrays = [np.asarray(ids, np.int32) for ids in texts]
    cu_seqlens = cumulate([len(ids) for ids in arrays])
    input_ids = np.concatenate([np.zeros(0, np.int32), *arrays])
    types = np.zeros(len(input_ids), np.int32) if token_type_ids is None else np.concatenate(token_type_ids).astype(np.int32)
    return PackedBatch(input_ids, positions(cu_seqlens), types, cu_seqlens)


def pack_padded(input_ids: Int32, attention_mask: Bools, token_type_ids: Int32) -> PackedBatch:
    """Pack a rectangle (num_sequences, seq_len) without what the mask hides.

    Positions are column numbers.
    """
    _, columns = np.nonzero(attention_mask)
    cu_seqlens = cumulate(attention_mask.sum(axis=1))
    return PackedBatch(input_ids[attention_mask], columns.astype(np.int32), token_type_ids[attention_mask], cu_seqlens)


def unpack(hidden_states: Float32, attention_mask: Bools) -> Float32:
    """Return (num_tokens, hidden_size) as (num_sequences, seq_len, hidden_size), 0 where hidden."""
    padded = np.zeros((*attention_mask.shape, hidden_states.shape[-1]), np.float32)
    padded[attention_mask] = hidden_states
    return padded


def unpack_attentions(probs: Sequence[Float32], attention_mask: Bools) -> Float32:
    """Return the probabilities as (num_sequences, num_heads, seq_len, seq_len), 0 where hidden.

    Each text has (num_heads, n, n), where n is the number of its tokens.
    """
    num_sequences, seq_len = attention_mask.shape
    padded = np.zeros((num_sequences, len(probs[0]), seq_len, seq_len), np.float32)
    for target, each, mask in zip(padded, probs, attention_mask, strict=True):
        columns = np.flatnonzero(mask)
        target[:, columns[:, np.newaxis], columns] = each
    return padded


def cumulate(seqlens: "npt.ArrayLike") -> Int64:
    """Return where each text begins, and the total at the end, (num_sequences + 1,) int64.

    >>> cumulate([3, 2])
    array([0, 3, 5])
    """
    ends: Int64 = np.cumsum(np.asarray(seqlens, np.int64))
    return np.concatenate([np.zeros(1, np.int64), ends])


def positions(cu_seqlens: Int64) -> Int32:
    """Return the position of each token in its text, (num_tokens,) int32.

    >>> positions(np.array([0, 3, 5]))
    array([0, 1, 2, 0, 1], dtype=int32)
    """
    starts = np.repeat(cu_seqlens[:-1], np.diff(cu_seqlens))
    return (np.arange(cu_seqlens[-1]) - starts).astype(np.int32)
