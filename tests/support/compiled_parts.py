"""A product of the compiled encoder by itself."""

from typing import Any

import numpy as np

from minibert.bert.checkpoint import from_arrays
from minibert.bert.weights import Int8Linear, Linear
from minibert.ops.compiled.encoder import CompiledEncoder
from minibert.ops.compiled.packed import pack
from minibert.ops.compiled.storage import Storage
from tests.support.backends import COMPILED, prepare
from tests.support.models import make_config, make_weights

SMALL = make_config(1, 16, 2, vocab_size=20, max_position_embeddings=8)


def small_encoder() -> CompiledEncoder:
    encoder = prepare(COMPILED, from_arrays(make_weights(SMALL), SMALL))
    assert isinstance(encoder, CompiledEncoder)
    return encoder


def product(x: np.ndarray, linear: Linear | Int8Linear, activation: Any) -> np.ndarray:
    """activation(x weight^T + bias) of an encoder whose workspace is large enough."""
    encoder = small_encoder()
    encoder._idle.append(Storage(encoder.loops.tier, make_config(1, x.shape[1], 1), isinstance(linear, Int8Linear)))
    return encoder._linear(x, pack(linear, encoder.loops.tier), activation)
