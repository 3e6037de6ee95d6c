"""The encoder in NumPy: the functions of `numpy_ops.py` and `numpy_int8.py`, put together."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import widen
from ..bert.weights import BertWeights, Int8Linear, LayerNorm, Linear, Matrix, side_by_side
from ..tokenizer import WordPieceTokenizer
from . import INT16_TOKENS, Dense, Float32, Int32, Int64, numpy_int8, numpy_ops
from .parameters import Layer, Parameters, arrange, check_ids, look_up
from .sums import sum_rows


def prepare(weights: BertWeights, is_int8: bool = False) -> "NumpyEncoder":
    """Return an encoder with these weights. What is float32 already is not copied."""
    if is_int8:
        from ..bert.quantize import quantize

        weights = quantize(weights)
    return NumpyEncoder(weights)


class NumpyEncoder:
    """The `Encoder` of the contract, in NumPy."""

    backend = "numpy"
    uses_blas = True
    # The fastest from 512 to 4,096, or within 7 % of it, for 8 x 128 and 6 x 768 and for texts of
    # 20, 130 and mixed numbers of tokens
    batch_tokens = 1024

    def __init__(self, weights: BertWeights) -> None:
        self.parameters: Parameters = arrange(weights, _widened, _widened_norm, widen)
        self.config = self.parameters.config
        self.precision = "int8" if weights.is_int8 else "float32"
        self.num_parameters = weights.num_parameters
        self.has_pooler = self.parameters.pooler is not None
        self._linear: Callable[[Float32, Any], Float32] = numpy_int8.int8_linear if weights.is_int8 else numpy_ops.linear
        self._attention = numpy_int8.int16_attention if weights.is_int8 else numpy_ops.attention

    def embed(self, input_ids: Int32, position_ids: Int32, token_type_ids: Int32) -> Float32:
        """Return LayerNorm(word[input_ids] + position[position_ids] + token_type[token_type_ids]).

        Source: Devlin et al. 2018, figure 2.
        """
        parameters = self.parameters
        check_ids(input_ids, position_ids, token_type_ids)
        hidden_states = look_up("input_ids", parameters.word_embeddings, input_ids)
        hidden_states += look_up("position_ids", parameters.position_embeddings, position_ids)
        hidden_states += look_up("token_type_ids", parameters.token_type_embeddings, token_type_ids)
        return numpy_ops.layer_norm(hidden_states, parameters.embeddings_norm)

    def layers(self, hidden_states: Float32, cu_seqlens: Int64, first: int, last: int) -> Float32:
        """Return the hidden states after layers `first` to `last` - 1."""
        for layer in self.parameters.layers[first:last]:
            hidden_states = self._layer(hidden_states, cu_seqlens, layer)
        return hidden_states

    def _layer(self, hidden_states: Float32, cu_seqlens: Int64, layer: Layer) -> Float32:
        """Return the hidden states after one layer.

        Attention mixes the tokens of a text. The feed-forward network changes each one alone.

        Source: Vaswani et al. 2017, figure 1, left half.
        """
        query_key_value = self._linear(hidden_states, layer.query_key_value)
        context = self._attention(query_key_value, cu_seqlens, self.parameters.config.num_attention_heads)
        hidden_states = numpy_ops.add_layer_norm(self._linear(context, layer.attention_output), hidden_states, layer.attention_norm)
        intermediate = numpy_ops.gelu(self._linear(hidden_states, layer.intermediate), self.parameters.config.gelu)
        return numpy_ops.add_layer_norm(self._linear(intermediate, layer.output), hidden_states, layer.output_norm)

    def attention_probs(self, hidden_states: Float32, cu_seqlens: Int64, layer: int) -> list[Float32]:
        """Return softmax(query key^T / sqrt(head_dim)), (num_heads, seq_len, seq_len) per text."""
        longest = INT16_TOKENS if self.precision == "int8" else 0
        query_key_value = self._linear(hidden_states, self.parameters.layers[layer].query_key_value)
        every: list[Float32] = []
        for _, query, key, _ in numpy_ops.split_heads(query_key_value, cu_seqlens, self.parameters.config.num_attention_heads):
            probs = numpy_int8.int16_attention_probs if key.shape[2] <= longest else numpy_ops.attention_probs
            every.extend(probs(query, key))
        return every

    def sum_rows(self, rows: Float32, firsts: Int64, ends: Int64) -> Float32:
        """Return the sum of rows `firsts` to `ends` - 1 of each span; see sums.py."""
        return sum_rows(rows, firsts, ends)

    def short_texts(self, tokenizer: WordPieceTokenizer, num_threads: int) -> None:
        """Return None: NumPy has no faster path for short texts."""

    def pooler(self, hidden_states: Float32) -> Float32:
        """Return tanh(x weight^T + bias) of vectors of position 0, which is [CLS].

        Source: google-research/bert, modeling.py, `pooler`.
        """
        with np.errstate(all="ignore"):
            return numpy_ops.activated(self._linear(hidden_states, self.parameters.pooler), "Tanh")

    def dense(self, linear: Linear, activation: str) -> Dense:
        """Return the function activation(x weight^T + bias), NaN wherever a sum is not finite."""
        weights = _widened(linear)

        def apply(vectors: Float32) -> Float32:
            with np.errstate(all="ignore"):
                return numpy_ops.activated(numpy_ops.linear(vectors, weights), activation)

        return apply


def _widened_norm(norm: LayerNorm) -> LayerNorm:
    return LayerNorm(widen(norm.weight), widen(norm.bias), norm.eps)


def _widened(*parts: Matrix) -> Any:
    matrix = side_by_side(*parts)
    if isinstance(matrix, Int8Linear):
        return Int8Linear(matrix.weight, widen(matrix.scale), widen(matrix.bias))
    return Linear(widen(matrix.weight), widen(matrix.bias))
