"""Hidden states of a packed batch -> one vector per text."""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from .arrays import Array, Float32, Int64
from .ops.sums import add_halves, reduce_rows, sum_rows

Pooling = Literal["mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", "pooler", "mean_words"]
WordPooling = Literal["first", "mean"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
SumRows = Callable[[Float32, Int64, Int64], Float32]


def pool(hidden_states: Float32, cu_seqlens: Int64, pooling: Pooling, prompt_length: int = 0, sum_rows: SumRows = sum_rows) -> Float32:
    """Return one vector per text, (num_sequences, hidden_size).

    The first `prompt_length` positions of each text do not count. `sum_rows` is the encoder's.

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
    firsts = starts + (max(prompt_length, 1) if is_inner else prompt_length)
    ends = ends - is_inner
    if pooling == "cls":
        return hidden_states[np.where(firsts < ends, firsts, starts)]
    if pooling == "max":
        return reduce_rows(np.maximum, hidden_states, firsts, ends)
    if pooling == "lasttoken":
        return np.where(_column(firsts < ends), hidden_states[ends - 1], np.float32(0))
    counts = np.maximum(ends - firsts, 1)
    if pooling == "weightedmean":
        numbers = np.arange(1, len(hidden_states) + 1) - np.repeat(starts, np.diff(cu_seqlens))
        least = firsts - starts + 1
        result = sum_rows(hidden_states * _column(numbers), firsts, ends)
        result /= _column(counts * (2 * least + counts - 1) / 2)  # least + ... + greatest
        return result
    result = sum_rows(hidden_states, firsts, ends)
    result /= np.sqrt(_column(counts)) if pooling == "mean_sqrt_len_tokens" else _column(counts)
    return result


def pool_words(vectors: Float32, offsets: Array, words: list[tuple[int, int]], pooling: WordPooling) -> Float32:
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
        if pooling == "first":
            result[seen] = vectors[first]
        else:
            result[seen] = sum_rows(vectors, first, first + num_pieces) / _column(num_pieces)
    return result


def _column(numbers: Array) -> Float32:
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
    """Divide each row by its Euclidean length. A row of zeros stays.

    The squares are added in halves, in float64: the square of a float32 may overflow.
    """
    squares = vectors.astype(np.float64)
    squares *= squares
    add_halves(squares.T)
    lengths = np.sqrt(squares[:, :1])
    unit: Float32 = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit
