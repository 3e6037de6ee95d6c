"""The contract between the encoder and its arithmetic.

A backend is a module with the functions below; the encoder is handed one and never asks which. `reference` is NumPy, one function
per equation; `kernels` is compiled. Between them and the encoder there are C-contiguous float32 arrays only.

| op | result | what it is |
|---|---|---|
| `BATCH_TOKENS` | int | tokens of a batch that are best for speed |
| `prepare(weights)` | `Parameters` | the backend's own layout of the parameters, made once at load |
| `limit_threads(number, calls)` | a context | how many threads the ops below may use in it; what is at work stands in the list `calls` |
| `join(calls)` | | lends this thread to what is at work, until it is done |
| `embed(parameters, input_ids, position_ids, token_type_ids)` | hidden states | sum of three rows, LayerNorm |
| `layers(parameters, hidden_states, cu_seqlens, first, last)` | hidden states | layers `first` to before `last`; spends its argument |
| `attention_probs(parameters, hidden_states, cu_seqlens, layer)` | a list | the softmax of a layer alone, from what goes into it |
| `pooler(parameters, hidden_states)` | (num_rows, hidden_size) | tanh of a linear |
| `prepare_linear(stored)` | `Prepared` | the backend's own layout of one more matrix, made once at load |
| `dense(parameters, hidden_states, weights, activation)` | (num_rows, out_features) | a linear, then one of `ACTIVATIONS` |

Hidden states are (num_tokens, hidden_size), the probabilities of each text (num_heads, seq_len, seq_len).

All texts of a batch lie on one token axis without padding. `cu_seqlens` (num_sequences + 1,) int32 has the place where each text
begins, and the total at the end (the name is FlashAttention's). `query_key_value` is (num_tokens, 3 * hidden_size): query, key, value
side by side, heads side by side in each.

Dimensions, everywhere: `num_sequences`, `num_tokens` (of the whole batch), `seq_len`, `hidden_size`, `num_heads`, `head_dim`,
`intermediate_size`, `vocab_size`, `num_layers`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ..arrays import widen
from ..bert.config import BertConfig
from ..bert.weights import (
    BertWeights,
    FloatArray,
    Int8Rows,
    LayerNorm,
    LayerWeights,
    Linear,
    Matrix,
    checked_layers,
)

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
GeluForm = Literal["none", "tanh"]
# Tokens of the longest text whose attention int8 models compute in int16. A share of a row's probability below 1/65534 is rounded to 0;
# n of them together are at the most n / 65534 of it, 3.2 % here. A longer text has float32 attention, whatever stands beside it.
INT16_TOKENS = 2048
# Least difference between the numbers of a row of activations that int8 keeps: 255 / 2^-120 is still a float32. A row with less is
# taken for constant, at its least number.
LEAST_SPAN = np.float32(2**-120)
Prepared: TypeAlias = Any  # a Linear or Int8Linear, or a backend's own form of one


@dataclass(frozen=True)
class Layer:
    """One encoder layer as the ops take it."""

    query_key_value: Prepared  # hidden_size -> 3 * hidden_size
    attention_output: Prepared
    attention_norm: LayerNorm
    intermediate: Prepared
    output: Prepared
    output_norm: LayerNorm


@dataclass(frozen=True)
class Parameters:
    """What `prepare` makes of BertWeights. The word embeddings stay as they are stored: a lookup widens the rows it takes."""

    config: BertConfig
    word_embeddings: FloatArray | Int8Rows
    position_embeddings: Float32
    token_type_embeddings: Float32
    embeddings_norm: LayerNorm
    layers: tuple[Layer, ...]
    pooler: Prepared  # None without one


def arrange(
    weights: BertWeights, matrix: Callable[[Matrix], Any], norm: Callable[[LayerNorm], LayerNorm], table: Callable[[FloatArray], Float32]
) -> Parameters:
    """What `prepare` returns, given how a backend keeps matrices, norms and small tables.

    Raises ValueError for weights that are not as their config says.
    """

    def layer(stored: LayerWeights) -> Layer:
        return Layer(
            query_key_value=matrix(stored.query_key_value),
            attention_output=matrix(stored.attention_output),
            attention_norm=norm(stored.attention_norm),
            intermediate=matrix(stored.intermediate),
            output=matrix(stored.output),
            output_norm=norm(stored.output_norm),
        )

    return Parameters(
        config=replace(weights.config),  # a copy: the sizes in it must stay those of the arrays
        word_embeddings=weights.word_embeddings,
        position_embeddings=table(weights.position_embeddings),
        token_type_embeddings=table(weights.token_type_embeddings),
        embeddings_norm=norm(weights.embeddings_norm),
        layers=tuple(map(layer, checked_layers(weights))),
        pooler=matrix(weights.pooler) if weights.pooler else None,
    )


def look_up(name: str, table: FloatArray | Int8Rows, ids: Int32) -> Float32:
    """Rows of a table of embeddings, (len(ids), hidden_size), a new array.

    Raises ValueError with `name` for an id outside the table. NumPy checks the numbers that it uses: they are a copy that no other
    thread can change, and unsigned, so that one below 0 lies behind the table instead of counting from its end.
    """
    unsigned = ids.astype(np.uint32)
    try:
        if isinstance(table, Int8Rows):
            return table.weight[unsigned] * widen(table.scale)[unsigned, np.newaxis]
        return widen(table[unsigned])
    except IndexError:
        size = len(table.weight if isinstance(table, Int8Rows) else table)
        found = unsigned.view(np.int32)
        raise outside(name, size, int(found.min()), int(found.max())) from None


def check_ids(input_ids: Int32, position_ids: Int32, token_type_ids: Int32) -> None:
    """ValueError unless each of the three has one int32 for each token, side by side."""
    shape = (input_ids.size,)
    for name, ids in (("input_ids", input_ids), ("position_ids", position_ids), ("token_type_ids", token_type_ids)):
        if ids.dtype != np.int32 or ids.shape != shape or not ids.flags.c_contiguous:
            raise ValueError(f"{name}: expected contiguous int32 {shape}, found {ids.dtype} {ids.shape}, strides {ids.strides}")


def outside(name: str, size: int, least: int, greatest: int) -> ValueError:
    """The error for numbers of which some are outside a table of `size` rows."""
    return ValueError(f"{name}: expected 0 to {size - 1}, found {least} to {greatest}")


class Backend(Protocol):
    """A module that keeps the contract."""

    BATCH_TOKENS: int

    def prepare(self, weights: BertWeights) -> Any: ...
    def limit_threads(self, number: int, calls: list[Any]) -> AbstractContextManager[None]: ...
    def join(self, calls: list[Any]) -> None: ...
    def embed(self, parameters: Any, input_ids: Int32, position_ids: Int32, token_type_ids: Int32) -> Float32: ...
    def layers(self, parameters: Any, hidden_states: Float32, cu_seqlens: Int32, first: int, last: int) -> Float32: ...
    def attention_probs(self, parameters: Any, hidden_states: Float32, cu_seqlens: Int32, layer: int) -> list[Float32]: ...
    def pooler(self, parameters: Any, hidden_states: Float32) -> Float32: ...
    def prepare_linear(self, stored: Linear) -> Any: ...
    def dense(self, parameters: Any, hidden_states: Float32, weights: Any, activation: str) -> Float32: ...
