"""The encoder of the compiled loops."""

from contextlib import AbstractContextManager
from typing import Any

from ...bert.weights import BertWeights, Linear
from .. import Dense, Float32, Int32, Int64
from . import kernels


def prepare(weights: BertWeights) -> "CompiledEncoder":
    """Return an encoder with these weights in panels."""
    return CompiledEncoder(weights)


class CompiledEncoder:
    """The `Encoder` of the contract, compiled."""

    backend = "numba"
    uses_blas = False
    batch_tokens = kernels.BATCH_TOKENS

    def __init__(self, weights: BertWeights) -> None:
        self.parameters = kernels.prepare(weights)
        self.config = weights.config  # for others; what is computed uses the copy in `parameters`
        self.precision = "int8" if weights.is_int8 else "float32"
        self.num_parameters = weights.num_parameters
        self.has_pooler = self.parameters.pooler is not None

    def embed(self, input_ids: Int32, position_ids: Int32, token_type_ids: Int32) -> Float32:
        return kernels.embed(self.parameters, input_ids, position_ids, token_type_ids)

    def layers(self, hidden_states: Float32, cu_seqlens: Int64, first: int, last: int) -> Float32:
        return kernels.layers(self.parameters, hidden_states, cu_seqlens, first, last)

    def attention_probs(self, hidden_states: Float32, cu_seqlens: Int64, layer: int) -> list[Float32]:
        return kernels.attention_probs(self.parameters, hidden_states, cu_seqlens, layer)

    def pooler(self, hidden_states: Float32) -> Float32:
        return kernels.pooler(self.parameters, hidden_states)

    def dense(self, linear: Linear, activation: str) -> Dense:
        weights = kernels.prepare_linear(linear)
        return lambda vectors: kernels.dense(self.parameters, vectors, weights, activation)

    def limit_threads(self, number: int, calls: list[Any]) -> AbstractContextManager[None]:
        return kernels.limit_threads(number, calls)

    def join(self, calls: list[Any]) -> None:
        kernels.join(calls)
