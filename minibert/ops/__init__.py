"""The contract between the encoder and its arithmetic.

A backend is a module with the functions below; the encoder is handed one and never asks which. `reference` is NumPy, one function
per equation. Between ops there are C-contiguous float32 arrays only, and every op returns a new one.

| op | result | what it is |
|---|---|---|
| `prepare(weights)` | `Parameters` | the backend's own layout of the parameters, made once at load |
| `embed(parameters, input_ids, position_ids, token_type_ids)` | (num_tokens, hidden_size) | sum of three rows, LayerNorm |
| `linear(hidden_states, weights)` | (num_tokens, out_features) | the matrix product |
| `linear_gelu(hidden_states, weights, approximate)` | (num_tokens, intermediate_size) | the product, GELU: erf (`"none"`) or `"tanh"` |
| `linear_add_layer_norm(hidden_states, weights, residual, norm)` | (num_tokens, hidden_size) | the product, residual added, LayerNorm |
| `attention(query_key_value, cu_seqlens, num_heads)` | (num_tokens, hidden_size) | scores, softmax, weighted sum, each text for itself |
| `attention_probs(query_key_value, cu_seqlens, num_heads)` | list of (num_heads, seq_len, seq_len) | the softmax alone |
| `pooler(hidden_states, weights)` | (num_rows, hidden_size) | tanh of a linear |

All texts of a batch lie on one token axis without padding. `cu_seqlens` (num_sequences + 1,) int32 has the place where each text
begins, and the total at the end (the name is FlashAttention's). `query_key_value` is (num_tokens, 3 * hidden_size): query, key, value
side by side, heads side by side in each.

Dimensions, everywhere: `num_sequences`, `num_tokens` (of the whole batch), `seq_len`, `hidden_size`, `num_heads`, `head_dim`,
`intermediate_size`, `vocab_size`, `num_layers`.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ..config import BertConfig
from ..weights import BertWeights, LayerNorm, Linear

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
GeluForm = Literal["none", "tanh"]


@dataclass(frozen=True)
class Layer:
    """One encoder layer as the ops take it."""

    query_key_value: Linear  # hidden_size -> 3 * hidden_size
    attention_output: Linear
    attention_norm: LayerNorm
    intermediate: Linear
    output: Linear
    output_norm: LayerNorm


@dataclass(frozen=True)
class Parameters:
    """What `prepare` makes of BertWeights. The word embeddings stay as they are stored: a lookup widens the rows it takes."""

    config: BertConfig
    word_embeddings: npt.NDArray[Any]
    position_embeddings: Float32
    token_type_embeddings: Float32
    embeddings_norm: LayerNorm
    layers: tuple[Layer, ...]
    pooler: Linear | None


class Backend(Protocol):
    """A module that keeps the contract."""

    def prepare(self, weights: BertWeights) -> Parameters: ...
    def embed(self, parameters: Parameters, input_ids: Int32, position_ids: Int32, token_type_ids: Int32) -> Float32: ...
    def linear(self, hidden_states: Float32, weights: Linear) -> Float32: ...
    def linear_gelu(self, hidden_states: Float32, weights: Linear, approximate: GeluForm) -> Float32: ...
    def linear_add_layer_norm(self, hidden_states: Float32, weights: Linear, residual: Float32, norm: LayerNorm) -> Float32: ...
    def attention(self, query_key_value: Float32, cu_seqlens: Int32, num_heads: int) -> Float32: ...
    def attention_probs(self, query_key_value: Float32, cu_seqlens: Int32, num_heads: int) -> list[Float32]: ...
    def pooler(self, hidden_states: Float32, weights: Linear) -> Float32: ...
