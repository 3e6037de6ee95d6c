"""Compile all loops with Numba once: in the build of an image, or before a service gets requests.

Where a library runs, this is not needed. The compiled code does not depend on the sizes of a model.
So a very small model with zeros for weights is enough.
"""

import numpy as np

from .bert.checkpoint import from_arrays
from .bert.config import BertConfig
from .bert.tensors import expected_shapes
from .bert.weights import BertWeights
from .encoder import forward
from .ops import backends
from .packing import pack
from .tokenizer import TokenizerSettings, make_tokenizer

CONFIG = BertConfig(
    vocab_size=4, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, max_position_embeddings=8,
    type_vocab_size=2, hidden_act="gelu", layer_norm_eps=1e-12,
)  # fmt: skip


def warm_up() -> None:
    """Compile Numba's loops for both precisions, and those of the tokenizer.

    Raises ImportError without Numba.
    """
    prepare = backends.choose("numba").load()
    zeros = {name: np.zeros(shape, np.float32) for name, shape in expected_shapes(CONFIG)}
    weights: BertWeights = from_arrays(zeros, CONFIG)
    tokenizer = make_tokenizer(TokenizerSettings({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3}), backend="numba")
    tokenizer.encode_batch(["a"])
    batch = pack([[1, 2, 3]])
    for is_int8 in (False, True):
        encoder = prepare(weights, is_int8)
        (hidden_states,) = forward(encoder, batch, [1], attentions=[])
        encoder.pooler(hidden_states)
        encoder.sum_rows(hidden_states, batch.cu_seqlens[:-1], batch.cu_seqlens[1:])
        if short_texts := encoder.short_texts(tokenizer, num_threads=1):
            short_texts(["a"], "mean", CONFIG.max_position_embeddings, False)
