"""The maths of a BERT encoder: one NumPy function per equation. The truth that any faster backend is tested against.

Read it top to bottom: it is the order in which a text meets the functions. Shapes and names are in the contract, ops/__init__.py.
Where something is written in two steps or block by block, a comment says what that saved.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import widen
from ..bert.weights import BertWeights, Int8Linear, LayerNorm, Linear, Matrix
from ..runtime.threads import blas_threads
from . import (
    INT16_TOKENS,
    LEAST_SPAN,
    Float32,
    GeluForm,
    Int32,
    Parameters,
    arrange,
    check_ids,
    look_up,
)

BATCH_TOKENS = 1024  # of 512 to 4,096 the fastest, or within 7 % of it, for 8 x 128 and 6 x 768 and texts of 20, 130 and mixed tokens
BLOCK = 65_536  # float32 values that a chain of elementwise steps takes at a time, 256 kB: they and their temporaries stay in the L2 cache


def limit_threads(number: int, calls: list[Any]) -> AbstractContextManager[None]:
    """BLAS takes so many threads; nothing is ever put into `calls`."""
    return blas_threads(number)


def join(calls: list[Any]) -> None:
    """Nothing: BLAS lets nobody in."""


def prepare(weights: BertWeights) -> Parameters:
    """Everything float32, integers as they are stored. What is float32 already is not copied."""

    def matrix(stored: Matrix) -> Matrix:
        if isinstance(stored, Int8Linear):
            return Int8Linear(stored.weight, widen(stored.scale), widen(stored.bias))
        return prepare_linear(stored)

    return arrange(weights, matrix, lambda norm: LayerNorm(widen(norm.weight), widen(norm.bias), norm.eps), widen)


def embed(parameters: Parameters, input_ids: Int32, position_ids: Int32, token_type_ids: Int32) -> Float32:
    """LayerNorm(word[input_ids] + position[position_ids] + token_type[token_type_ids]).

    Source: Devlin et al. 2018, figure 2.
    """
    check_ids(input_ids, position_ids, token_type_ids)
    hidden_states = look_up("input_ids", parameters.word_embeddings, input_ids)
    hidden_states += look_up("position_ids", parameters.position_embeddings, position_ids)
    hidden_states += look_up("token_type_ids", parameters.token_type_embeddings, token_type_ids)
    return layer_norm(hidden_states, parameters.embeddings_norm)


def layers(parameters: Parameters, hidden_states: Float32, cu_seqlens: Int32, first: int, last: int) -> Float32:
    """Layers `first` to before `last`. In each, a token first looks at the others of its text, then is worked on by itself.

    Both times the result is added to what there was and normalised. Source: Vaswani et al. 2017, figure 1, left half.
    """
    num_heads, gelu = parameters.config.num_attention_heads, parameters.config.gelu
    hidden = hidden_states
    for layer in parameters.layers[first:last]:
        qkv = linear(hidden, layer.query_key_value)
        attend = int16_attention if isinstance(layer.query_key_value, Int8Linear) else attention
        context = attend(qkv, cu_seqlens, num_heads)
        hidden = linear_add_layer_norm(context, layer.attention_output, hidden, layer.attention_norm)
        inner = linear_gelu(hidden, layer.intermediate, gelu)
        hidden = linear_add_layer_norm(inner, layer.output, hidden, layer.output_norm)
    return hidden


def layer_norm(hidden_states: Float32, norm: LayerNorm) -> Float32:
    """Each token's vector brought to mean 0 and variance 1, then scaled and shifted. Overwrites its argument.

        y = (x - mean) / sqrt(variance + eps) * weight + bias

    A variance that overflows gives NaN; its inverse would be 0, and hide it.
    Source: Ba et al. 2016; google-research/bert, modeling.py, `layer_norm`.
    """
    size = hidden_states.shape[-1]
    for rows in _blocks(hidden_states):
        rows -= rows.mean(axis=-1, keepdims=True)
        variance = np.einsum("td,td->t", rows, rows)[:, np.newaxis] / np.float32(size)
        variance[np.isinf(variance)] = np.nan
        rows *= 1 / np.sqrt(variance + np.float32(norm.eps))
        rows *= norm.weight
        rows += norm.bias
    return hidden_states


def linear(hidden_states: Float32, weights: Matrix) -> Float32:
    """The matrix product: y = x weight^T + bias."""
    if isinstance(weights, Int8Linear):
        return int8_linear(hidden_states, weights)
    result: Float32 = hidden_states @ weights.weight.T
    result += weights.bias
    return result


def int8_linear(hidden_states: Float32, weights: Int8Linear) -> Float32:
    """The same with rows of 0..255 and weights of -127..127, whose products are added without rounding.

        x = low + step q,    y = (step (q weight^T) + low sums) scale + bias,    sums the sum of each output's weights

    Source: Jacob et al. 2018, *Quantization and training of neural networks for efficient integer-arithmetic-only inference*, section 2.2;
    here `low` stays a float, so that nothing is lost by rounding a zero point.
    """
    low, step, quantized = quantize_rows(hidden_states)
    sums = weights.weight.sum(axis=1, dtype=np.int32).astype(np.float32)
    result: Float32 = step * _exact_product(quantized, weights.weight.T) + low * sums
    result *= weights.scale
    result += weights.bias
    return result


def quantize_rows(rows: Float32) -> tuple[Float32, Float32, npt.NDArray[np.uint8]]:
    """(low, step, q): each row as low + step q, with q from 0 to 255. A row that is not finite gets a step that is NaN."""
    low, high = rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True)
    span = high - low
    factor = np.divide(np.float32(255), span, out=np.zeros_like(span), where=span >= LEAST_SPAN)
    quantized = np.rint((rows - low) * factor)
    step = np.where(np.isfinite(span), span * np.float32(1 / 255), np.float32(np.nan))
    return low, step, np.where(np.isfinite(quantized), quantized, 0).astype(np.uint8)


def attention(query_key_value: Float32, cu_seqlens: Int32, num_heads: int) -> Float32:
    """softmax(query key^T / sqrt(head_dim)) value, for each head, each text for itself.

    The only place where tokens meet. No mask: a token of another text, or padding, is simply not there.
    Source: Vaswani et al. 2017, equation 1 and section 3.2.2.
    """
    context = np.empty((len(query_key_value), query_key_value.shape[1] // 3), np.float32)
    for tokens, query, key, value in _texts_of_equal_length(query_key_value, cu_seqlens, num_heads):
        num_texts, _, seq_len, head_dim = query.shape
        # a view, so that the product is written into its place in `context`
        target = context[tokens].reshape(num_texts, seq_len, num_heads, head_dim).swapaxes(1, 2)
        np.matmul(_probs(query, key), value, out=target)
    return context


def int16_attention(query_key_value: Float32, cu_seqlens: Int32, num_heads: int) -> Float32:
    """The same with integers of sixteen bits, whose products are added without rounding: what int8 models do.

    Of each head of each text, the greatest number of value becomes 32767, those of query and key 32767 / sqrt(head_dim), and a token's
    probabilities are shares of 32767: so no sum is beyond 2^31. Rounded, the shares have another sum, by which the result is divided.
    A text of more than INT16_TOKENS has float32 attention.
    """
    context = np.empty((len(query_key_value), query_key_value.shape[1] // 3), np.float32)
    for tokens, query, key, value in _texts_of_equal_length(query_key_value, cu_seqlens, num_heads):
        num_texts, _, seq_len, head_dim = query.shape
        if seq_len > INT16_TOKENS:  # and then it is alone in its group
            context[tokens] = attention(query_key_value[tokens], np.array([0, seq_len], np.int32), num_heads)
            continue
        unit, integers = _to_int16(value, np.float32(32767))
        shares = np.rint(_int16_probs(query, key) * np.float32(32767))
        target = context[tokens].reshape(num_texts, seq_len, num_heads, head_dim).swapaxes(1, 2)
        np.multiply(_exact_product(shares, integers), unit / shares.sum(axis=-1, keepdims=True), out=target)
    return context


def attention_probs(parameters: Parameters, hidden_states: Float32, cu_seqlens: Int32, layer: int) -> list[Float32]:
    """softmax(query key^T / sqrt(head_dim)): (num_heads, seq_len, seq_len) for each text."""
    weights = parameters.layers[layer].query_key_value
    longest = INT16_TOKENS if isinstance(weights, Int8Linear) else 0
    groups = _texts_of_equal_length(linear(hidden_states, weights), cu_seqlens, parameters.config.num_attention_heads)
    return [probs for _, query, key, _ in groups for probs in (_int16_probs if key.shape[2] <= longest else _probs)(query, key)]


def _probs(query: Float32, key: Float32) -> Float32:
    head_dim: int = query.shape[-1]
    scale: np.float32 = np.float32(head_dim**-0.5)
    scores: Float32 = np.matmul(query * scale, key.swapaxes(-1, -2))
    if scores.min() == -np.inf:  # a sum has overflowed, maybe to the wrong side; softmax would make 0 of it, and hide it
        scores[(scores == -np.inf).any(axis=-1)] = np.nan
    return softmax(scores)


def _int16_probs(query: Float32, key: Float32) -> Float32:
    root = query.shape[-1] ** 0.5
    (query_unit, queries), (key_unit, keys) = (_to_int16(each, np.float32(32767 / root)) for each in (query, key))
    return softmax(_exact_product(queries, keys.swapaxes(-1, -2)) * (query_unit * key_unit * np.float32(1 / root)))


def _to_int16(vectors: Float32, limit: np.float32) -> tuple[Float32, Float32]:
    """(unit, integers): the vectors of each head of each text as unit * integers of -limit..limit; NaN where one is not finite.

    Where the unit would be below the normal float32 numbers, all count as 0: values below 32767 * 1.2e-38, for one.
    """
    unit = np.abs(vectors).max(axis=(-2, -1), keepdims=True) / limit
    integers = np.rint(vectors * np.divide(1, unit, out=np.zeros_like(unit), where=unit >= np.finfo(np.float32).tiny))
    return np.where(np.isfinite(unit), unit, np.float32(np.nan)), integers


def _exact_product(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Float32:
    """A product of integers. float64 holds every sum exactly, and BLAS knows it; NumPy's integer product is a hundred times as slow."""
    product: Float32 = (a.astype(np.float64) @ b.astype(np.float64)).astype(np.float32)
    return product


def softmax(scores: Float32) -> Float32:
    """exp(x) / sum(exp(x)) over the last axis. Overwrites its argument.

    The greatest score is taken off first: the quotient stays the same, and exp cannot overflow.
    """
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def _texts_of_equal_length(
    query_key_value: Float32, cu_seqlens: Int32, num_heads: int
) -> Iterator[tuple[slice, Float32, Float32, Float32]]:
    """(tokens, query, key, value) of neighbours of equal length; the last three are (num_texts, num_heads, seq_len, head_dim).

    A batched product instead of one per text: `encode` sorts by length, so such runs are long. They end where the scores leave the cache.
    """
    head_dim = query_key_value.shape[1] // 3 // num_heads
    seqlens = np.diff(cu_seqlens)
    first = 0
    while first < len(seqlens):
        seq_len = int(seqlens[first])
        most = max(1, BLOCK // (num_heads * seq_len * seq_len))
        differs = np.flatnonzero(seqlens[first : first + most] != seq_len)
        last = first + (int(differs[0]) if len(differs) else min(most, len(seqlens) - first))
        tokens = slice(cu_seqlens[first], cu_seqlens[last])
        split = query_key_value[tokens].reshape(last - first, seq_len, 3, num_heads, head_dim)
        query, key, value = split.transpose(2, 0, 3, 1, 4)
        yield tokens, query, key, value
        first = last


def linear_add_layer_norm(hidden_states: Float32, weights: Matrix, residual: Float32, norm: LayerNorm) -> Float32:
    """LayerNorm(x weight^T + bias + residual): both halves of a layer end like this.

    BERT normalises after the sum ("post-norm"). Source: Vaswani et al. 2017, section 3.1.
    """
    result = linear(hidden_states, weights)
    result += residual
    return layer_norm(result, norm)


def linear_gelu(hidden_states: Float32, weights: Matrix, approximate: GeluForm) -> Float32:
    """GELU(x weight^T + bias): the expanding half of the feed-forward network."""
    intermediate = linear(hidden_states, weights)
    for rows in _blocks(intermediate):
        rows *= gelu_gate(rows, approximate)
    return intermediate


# GELU(x) = x Φ(x), and Φ(x) = (1 + tanh(x P(x²))) / 2 with P a power series. Two terms are Hendrycks and Gimpel's approximation,
# sqrt(2/π) (1 + 0.044715 x²). Seven, fitted to the least greatest error by benchmarks/fit_polynomials.py, are the erf form to the last
# bits of float32. NumPy has a vectorised tanh and no erf: this is the short way.
TANH_SERIES = (0.7978845608028654, 0.035677408136300125)
ERF_SERIES = (
    0.7978842161142868,
    0.03633428351670631,
    -3.312999495960729e-05,
    -5.52401581945405e-05,
    3.9691094220135884e-06,
    -1.3344640679964262e-07,
    1.805616350018788e-09,
)


def gelu_gate(x: Float32, approximate: GeluForm) -> Float32:
    """Φ(x), the share of x that GELU lets through: the probability that a standard normal variable is below x.

        GELU(x) = x Φ(x),    Φ(x) = (1 + erf(x / sqrt(2))) / 2 = (1 + tanh(x P(x²))) / 2

    `approximate`, as in PyTorch: "none" is this; "tanh" has the original's two coefficients instead of the series, which makes a
    difference of up to 4.7e-4 in GELU, at |x| near 2.7.
    Source: Hendrycks and Gimpel 2016; google-research/bert, modeling.py, `gelu` (the tanh form).
    """
    series = TANH_SERIES if approximate == "tanh" else ERF_SERIES
    square = x * x
    power_series = square * np.float32(series[-1])
    for coefficient in series[-2:0:-1]:
        power_series += np.float32(coefficient)
        power_series *= square
    power_series += np.float32(series[0])
    power_series *= x
    gate: Float32 = np.tanh(power_series, out=power_series)
    gate += np.float32(1)
    gate *= np.float32(0.5)
    return gate


def sigmoid(x: Float32) -> Float32:
    """1 / (1 + e^-x)."""
    return np.float32(1) / (np.float32(1) + np.exp(-x))


# What may follow a linear, by the names of PyTorch's classes, each with that class's default options
ACTIVATIONS: dict[str, Callable[[Float32], Float32]] = {
    "Identity": lambda x: x,
    "Tanh": np.tanh,
    "ReLU": lambda x: np.maximum(x, np.float32(0)),
    "ReLU6": lambda x: np.clip(x, np.float32(0), np.float32(6)),
    "LeakyReLU": lambda x: np.where(x > 0, x, np.float32(0.01) * x),
    "ELU": lambda x: np.where(x > 0, x, np.expm1(x)),
    "GELU": lambda x: x * gelu_gate(x, "none"),
    "SiLU": lambda x: x * sigmoid(x),
    "Sigmoid": sigmoid,
}


def prepare_linear(stored: Linear) -> Linear:
    """Everything float32. What is float32 already is not copied."""
    return Linear(widen(stored.weight), widen(stored.bias))


def dense(parameters: Parameters, hidden_states: Float32, weights: Matrix, activation: str) -> Float32:
    """activation(x weight^T + bias).

    Where x weight^T + bias is not finite, the result is NaN: a sum that has overflowed may even have the wrong sign, and an activation
    could make a finite number of it.
    """
    with np.errstate(all="ignore"):
        return activated(linear(hidden_states, weights), activation)


def activated(linear_output: Float32, activation: str) -> Float32:
    """What follows a product: NaN wherever the product is not finite."""
    return np.where(np.isfinite(linear_output), ACTIVATIONS[activation](linear_output), np.float32(np.nan))


def pooler(parameters: Parameters, hidden_states: Float32) -> Float32:
    """tanh(x weight^T + bias), for vectors of position 0 ([CLS]).

    Source: google-research/bert, modeling.py, `pooler`.
    """
    return dense(parameters, hidden_states, parameters.pooler, "Tanh")


def _blocks(array: Float32) -> Iterator[Float32]:
    """Views of some rows at a time. The chain of GELU takes 3.9 ns a value over 4 MB at once and 1.8 ns in such blocks."""
    step = max(1, BLOCK // array.shape[-1])
    for start in range(0, len(array), step):
        yield array[start : start + step]
