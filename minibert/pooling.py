"""Hidden states of a packed batch -> one vector per text."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Span = tuple[int, int]
Pooling = Literal["mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", "pooler", "mean_words"]
WordPooling = Literal["first", "mean"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


def pool(hidden_states: Float32, cu_seqlens: Int32, pooling: Pooling, prompt_length: int = 0) -> Float32:
    """One vector per text, (num_sequences, hidden_size). The first `prompt_length` positions of each text do not count.

    | pooling | vector, as sentence-transformers makes it |
    |---|---|
    | `mean` | mean of all positions, [CLS] and [SEP] included; so does Spark NLP 2.6 |
    | `cls` | the first position |
    | `max` | maximum of each dimension |
    | `mean_sqrt_len_tokens` | sum of all positions, divided by the square root of their number |
    | `weightedmean` | mean, in which each position has its number in the text, from 1, as weight |
    | `lasttoken` | the last position, which is [SEP] |
    | `pooler` | position 0, whatever the prompt: the layer that follows belongs to the model |
    | `mean_words` | mean of the positions between [CLS] and [SEP]: not one of theirs |

    A text of which no position counts gets zeros, and position 0 for `cls`.
    """
    starts, ends = cu_seqlens[:-1], cu_seqlens[1:]
    if pooling == "pooler" or (pooling == "cls" and not prompt_length):
        return hidden_states[starts]
    is_inner = pooling == "mean_words"
    firsts = starts + max(prompt_length, 1) if is_inner else starts + prompt_length if prompt_length else starts
    ends = ends - 1 if is_inner else ends
    if pooling == "cls":
        return hidden_states[np.where(firsts < ends, firsts, starts)]
    result = _pool_rows(hidden_states, starts, firsts, ends, pooling)
    if firsts is not starts:
        result[firsts >= ends] = 0
    return result


def _pool_rows(hidden_states: Float32, starts: Int32, firsts: Int32, ends: Int32, pooling: Pooling) -> Float32:
    """Of each text, the rows from `firsts` to before `ends`; any numbers where there are none."""
    counts = ends - firsts
    if firsts is not starts:
        counts = np.maximum(counts, 1)
    result: Float32
    if pooling == "max":
        return _reduce(np.maximum, hidden_states, starts, firsts, ends)
    if pooling == "lasttoken":
        return hidden_states[ends - 1]
    if pooling == "weightedmean":
        seqlens = np.diff(starts, append=len(hidden_states))
        numbers = np.arange(1, len(hidden_states) + 1) - np.repeat(starts, seqlens)
        result = _reduce(np.add, hidden_states * _column(numbers), starts, firsts, ends)
        least = firsts - starts + 1
        result /= _column(counts * (2 * least + counts - 1) / 2)  # least + ... + greatest
        return result
    result = _reduce(np.add, hidden_states, starts, firsts, ends)
    result /= np.sqrt(_column(counts)) if pooling == "mean_sqrt_len_tokens" else _column(counts)
    return result


def _reduce(function: np.ufunc, rows: Float32, starts: Int32, firsts: Int32, ends: Int32) -> Float32:
    """A ufunc over the rows of each text. The order of its operations depends on the number of these rows alone."""
    if firsts is starts:
        return function.reduceat(rows, starts, axis=0)
    # from firsts[i] to ends[i] at every second place; where that is empty, reduceat gives a row
    bounds = np.stack([np.minimum(firsts, len(rows) - 1), ends], axis=1).ravel()
    return function.reduceat(rows, bounds[:-1] if bounds[-1] == len(rows) else bounds, axis=0)[::2]


def pool_words(vectors: Float32, offsets: Sequence[Span], words: Sequence[Span], pooling: WordPooling) -> Float32:
    """Vectors of pieces, in the order of the text, -> one per word, (num_words, hidden_size); zeros for a word without pieces.

    `first` piece of each word, or the `mean` of its pieces. A piece belongs to the word in which it ends: an added token may begin with
    the whitespace before it.
    """
    result = np.zeros((len(words), vectors.shape[-1]), np.float32)
    if words and offsets:
        owners = np.searchsorted([start for start, _ in words], [end - 1 for _, end in offsets], side="right") - 1
        seen, first, num_pieces = np.unique(owners, return_index=True, return_counts=True)
        result[seen] = vectors[first] if pooling == "first" else np.add.reduceat(vectors, first, axis=0) / _column(num_pieces)
    return result


def _column(numbers: npt.NDArray[Any]) -> Float32:
    return numbers.astype(np.float32)[:, np.newaxis]


def unit_length(vectors: Float32) -> Float32:
    """Each row divided by its Euclidean length; a row of zeros stays."""
    lengths = np.sqrt(np.einsum("td,td->t", vectors, vectors, dtype=np.float64))  # the square of a float32 may not be one
    unit: Float32 = (vectors / np.maximum(lengths, 1e-12)[:, np.newaxis]).astype(np.float32)
    return unit
