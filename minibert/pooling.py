"""Hidden states of a packed batch -> one vector per text."""

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from .ops import Float32, Int64

Pooling = Literal["mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", "pooler", "mean_words"]
WordPooling = Literal["first", "mean"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


def pool(hidden_states: Float32, cu_seqlens: Int64, pooling: Pooling, prompt_length: int = 0) -> Float32:
    """Return one vector per text, (num_sequences, hidden_size).

    The first `prompt_length` positions of each text do not count.

    | pooling | vector, as sentence-transformers computes it |
    |---|---|
    | `mean` | mean of all positions, [CLS] and [SEP] included, as in Spark NLP 2.6 |
    | `cls` | the first position |
    | `max` | maximum of each dimension |
    | `mean_sqrt_len_tokens` | sum of all positions, divided by the square root of their number |
    | `weightedmean` | mean with weights 1, 2, 3, ... in the order of the positions |
    | `lasttoken` | the last position, which is [SEP] |
    | `pooler` | position 0, whatever the prompt; the caller applies the model's pooler |
    | `mean_words` | mean between [CLS] and [SEP]; sentence-transformers does not have it |

    A text without a position that counts has a vector of zeros, and position 0 for `cls`.
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


def _pool_rows(hidden_states: Float32, starts: Int64, firsts: Int64, ends: Int64, pooling: Pooling) -> Float32:
    """Pool rows `firsts` to `ends` - 1 of each text. An empty span has an arbitrary result."""
    counts = ends - firsts
    if firsts is not starts:  # some positions do not count, so a text may have none that do
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


def _reduce(function: np.ufunc, rows: Float32, starts: Int64, firsts: Int64, ends: Int64) -> Float32:
    """Apply a ufunc over the rows of each text.

    The order of its operations depends on the number of these rows alone.
    """
    if firsts is starts:
        return function.reduceat(rows, starts, axis=0)
    # every second result is from firsts[i] to ends[i]; of an empty span, reduceat gives a row
    bounds = np.stack([np.minimum(firsts, len(rows) - 1), ends], axis=1).ravel()
    return function.reduceat(rows, bounds[:-1] if bounds[-1] == len(rows) else bounds, axis=0)[::2]


def pool_words(vectors: Float32, offsets: npt.NDArray[Any], words: list[tuple[int, int]], pooling: WordPooling) -> Float32:
    """Return one vector per word, (num_words, hidden_size), from the vectors of pieces.

    `first` takes the first piece of each word, `mean` the mean of its pieces. A piece belongs to
    the word in which it ends, because an added token can include the space before a word. A
    word without pieces has a vector of zeros.

    Args:
        vectors: (num_pieces, hidden_size), in the order of the text.
        offsets: (num_pieces, 2): start and end of each piece in the text.
        words: start and end of each word.
        pooling: "first" or "mean".
    """
    result = np.zeros((len(words), vectors.shape[-1]), np.float32)
    if words and len(offsets):
        owners = np.searchsorted([start for start, _ in words], offsets[:, 1] - 1, side="right") - 1
        seen, first, num_pieces = np.unique(owners, return_index=True, return_counts=True)
        result[seen] = vectors[first] if pooling == "first" else np.add.reduceat(vectors, first, axis=0) / _column(num_pieces)
    return result


def _column(numbers: npt.NDArray[Any]) -> Float32:
    return numbers.astype(np.float32)[:, np.newaxis]


def finish(vectors: Float32, is_normalized: bool, truncate_dim: int | None, normalize: bool) -> Float32:
    """Return the vectors as `encode` gives them. This is its last step.

    `is_normalized` is the normalisation at the end of the folder's modules. It comes before the
    truncation to `truncate_dim` dimensions, and `normalize` comes after it.
    """
    if is_normalized:
        vectors = unit_length(vectors)
    vectors = vectors[:, :truncate_dim]
    return unit_length(vectors) if normalize else vectors


def unit_length(vectors: Float32) -> Float32:
    """Divide each row by its Euclidean length. A row of zeros stays."""
    lengths = np.sqrt(np.einsum("td,td->t", vectors, vectors, dtype=np.float64))  # the square of a float32 may overflow
    unit: Float32 = (vectors / np.maximum(lengths, 1e-12)[:, np.newaxis]).astype(np.float32)
    return unit
