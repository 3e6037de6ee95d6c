"""Hidden states of a packed batch -> one vector per text."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Span = tuple[int, int]
Pooling = Literal["mean", "cls", "max", "pooler", "mean_words"]
WordPooling = Literal["first", "mean"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


def pool(hidden_states: Float32, cu_seqlens: Int32, pooling: Pooling) -> Float32:
    """One vector per text, (num_sequences, hidden_size).

    `mean` of all positions, [CLS] and [SEP] included, as sentence-transformers and Spark NLP 2.6 do; `cls` position 0; `max` of each
    dimension; `mean_words` of the positions between [CLS] and [SEP], zeros where there are none. `pooler` takes position 0, like `cls`:
    the layer that follows belongs to the model.
    """
    starts, ends = cu_seqlens[:-1], cu_seqlens[1:]
    result: Float32
    if pooling in ("cls", "pooler"):
        result = hidden_states[starts]
    elif pooling == "max":
        result = np.maximum.reduceat(hidden_states, starts, axis=0)
    elif pooling == "mean":
        result = np.add.reduceat(hidden_states, starts, axis=0)
        result /= _column(ends - starts)
    else:
        # from starts[i] + 1 to ends[i] - 1 at every second place; where that is empty, reduceat gives a row, not zero
        bounds = np.stack([starts + 1, ends - 1], axis=1).ravel()
        num_words = ends - starts - 2
        result = np.add.reduceat(hidden_states, bounds, axis=0)[::2]
        result *= _column(num_words > 0) / _column(np.maximum(num_words, 1))
    return result


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
