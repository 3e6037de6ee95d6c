"""Hidden states of a packed batch -> one vector per text."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Pooling = Literal["mean", "cls", "max", "pooler", "mean_words"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


def pool(hidden_states: Float32, cu_seqlens: Int32, pooling: Pooling) -> Float32:
    """One vector per text, (num_sequences, hidden_size).

    `mean` of all positions, [CLS] and [SEP] included, as sentence-transformers and Spark NLP 2.6 do; `cls` position 0; `max` of each
    dimension; `mean_words` of the positions between [CLS] and [SEP], zeros where there are none. `pooler` takes position 0, like `cls`:
    the layer that follows belongs to the model.
    """
    starts, ends = cu_seqlens[:-1], cu_seqlens[1:]
    if pooling in ("cls", "pooler"):
        return hidden_states[starts]
    if pooling == "max":
        return np.maximum.reduceat(hidden_states, starts, axis=0)
    if pooling == "mean":
        return np.add.reduceat(hidden_states, starts, axis=0) / np.float32(ends - starts)[:, np.newaxis]
    # reduceat gives the sum from starts[i] + 1 to ends[i] - 1 at every second place, and stops at the end of the array by itself
    bounds = np.stack([starts + 1, ends - 1], axis=1).ravel()
    sums = np.add.reduceat(hidden_states, bounds, axis=0)[::2]
    num_words = ends - starts - 2
    sums[num_words <= 0] = 0
    return sums / np.maximum(num_words, 1).astype(np.float32)[:, np.newaxis]


def unit_length(vectors: Float32) -> Float32:
    """Each row divided by its Euclidean length; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(lengths, np.float32(1e-12))
