"""From a batch to vectors: the steps of `encode` and `encode_tokens` that need the encoder."""

from collections.abc import Sequence

import numpy as np

from .encoder import forward
from .ops import Encoder, Float32, Int64
from .packing import PackedBatch
from .pooling import Pooling, pool


def mean_hidden_states(encoder: Encoder, batch: PackedBatch, layers: list[int]) -> Float32:
    """Return the mean of the hidden states of some layers, (num_tokens, hidden_size)."""
    states = forward(encoder, batch, layers)
    if len(layers) == 1:
        return states[0]
    found = dict(zip(sorted({*layers}), states, strict=True))
    mean: Float32 = np.mean([found[layer] for layer in layers], axis=0, dtype=np.float32)
    return mean


def pool_all(encoder: Encoder, hidden_states: Float32, cu_seqlens: Int64, poolings: Sequence[Pooling], prompt_length: int) -> Float32:
    """Return one vector per text, those of several poolings side by side.

    The pooler gives NaN where one of its sums has overflowed; tanh alone would give 1 or -1.
    """
    parts = []
    for each in poolings:
        vectors = pool(hidden_states, cu_seqlens, each, prompt_length, encoder.sum_rows)
        parts.append(encoder.pooler(vectors) if each == "pooler" else vectors)
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
