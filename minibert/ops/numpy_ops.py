"""The mathematics of a BERT encoder in float32: one NumPy function for each equation.

First come the norm and the linear layer, then attention and its parts, then GELU. Shapes and names
are those of the contract in `ops/__init__.py`. `numpy_int8.py` has the functions of an int8 model,
and `numpy_encoder.py` puts them together. The compiled backend is tested against these functions.
"""

from collections.abc import Callable, Iterator

import numpy as np

from ..bert.weights import LayerNorm, Linear
from . import Float32, GeluForm, Int64

# float32 values that a chain of elementwise operations takes at a time: 256 kB. They and their
# temporaries stay in the second-level cache. Over 4 MB at once, GELU takes 3.9 ns a value; in
# such blocks, 1.8 ns.
BLOCK = 65_536


def layer_norm(hidden_states: Float32, norm: LayerNorm) -> Float32:
    """Overwrite each row: mean 0 and variance 1, then scale and shift. Return the argument.

        y = (x - mean) / sqrt(variance + eps) * weight + bias

    A variance that overflows gives NaN. Its inverse would be 0 and would hide the overflow.
    Source: Ba et al. 2016; google-research/bert, modeling.py, `layer_norm`.
    """
    hidden_size = hidden_states.shape[-1]
    for rows in _blocks(hidden_states):
        rows -= rows.mean(axis=-1, keepdims=True)
        variance = np.einsum("td,td->t", rows, rows)[:, np.newaxis] / np.float32(hidden_size)
        variance[np.isinf(variance)] = np.nan
        rows *= 1 / np.sqrt(variance + np.float32(norm.eps))
        rows *= norm.weight
        rows += norm.bias
    return hidden_states


def add_layer_norm(output: Float32, residual: Float32, norm: LayerNorm) -> Float32:
    """Overwrite the first argument with LayerNorm(output + residual), and return it.

    Both halves of a layer end with this. BERT normalises after the sum ("post-norm").
    Source: Vaswani et al. 2017, section 3.1.
    """
    output += residual
    return layer_norm(output, norm)


def linear(hidden_states: Float32, weights: Linear) -> Float32:
    """Return x weight^T + bias, (num_rows, out_features)."""
    result: Float32 = hidden_states @ weights.weight.T
    result += weights.bias
    return result


def attention(query_key_value: Float32, cu_seqlens: Int64, num_heads: int) -> Float32:
    """Return softmax(query key^T / sqrt(head_dim)) value for each head of each text.

    This is the only place where tokens of a text meet. It needs no mask: tokens of other texts and
    padding are not in the arrays. Source: Vaswani et al. 2017, equation 1 and section 3.2.2.
    """
    context = np.empty((len(query_key_value), query_key_value.shape[1] // 3), np.float32)
    for tokens, query, key, value in split_heads(query_key_value, cu_seqlens, num_heads):
        np.matmul(attention_probs(query, key), value, out=heads_of(context[tokens], query.shape))
    return context


def attention_probs(query: Float32, key: Float32) -> Float32:
    """Return softmax(query key^T / sqrt(head_dim)), (..., seq_len, seq_len)."""
    head_dim: int = query.shape[-1]
    scale: np.float32 = np.float32(head_dim**-0.5)
    scores: Float32 = np.matmul(query * scale, key.swapaxes(-1, -2))
    # -infinity means that a sum has overflowed. softmax would turn it into 0 and hide it.
    if scores.min() == -np.inf:
        scores[(scores == -np.inf).any(axis=-1)] = np.nan
    return softmax(scores)


def softmax(scores: Float32) -> Float32:
    """Overwrite the scores with exp(x) / sum(exp(x)) over the last axis, and return them.

    The maximum is subtracted first. The quotient stays the same, and exp cannot overflow.
    """
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def split_heads(query_key_value: Float32, cu_seqlens: Int64, num_heads: int) -> Iterator[tuple[slice, Float32, Float32, Float32]]:
    """Yield (tokens, query, key, value) for each run of texts of equal length.

    `tokens` is a slice of the token axis. The others are (num_texts, num_heads, seq_len, head_dim).
    One batched product serves a whole run. `encode` sorts texts by length, so runs are long. A run
    ends where its scores would leave the cache.
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
        query, key, value = split.transpose(2, 0, 3, 1, 4)  # each (num_texts, num_heads, seq_len, head_dim)
        yield tokens, query, key, value
        first = last


def heads_of(context: Float32, shape: tuple[int, ...]) -> Float32:
    """Return a view (num_texts, num_heads, seq_len, head_dim) of rows (num_tokens, hidden_size).

    A product that writes into the view writes into its place in the rows.
    """
    num_texts, num_heads, seq_len, head_dim = shape
    return context.reshape(num_texts, seq_len, num_heads, head_dim).swapaxes(1, 2)


# GELU(x) = x Φ(x), and Φ(x) = (1 + tanh(x P(x²))) / 2 with a power series P. The two terms of
# TANH_SERIES are Hendrycks and Gimpel's approximation, sqrt(2/π) (1 + 0.044715 x²). The seven
# terms of ERF_SERIES are a minimax fit by benchmarks/fit_polynomials.py. They give the erf form to
# the last bits of float32. NumPy has a vectorised tanh and no erf.
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


def gelu(x: Float32, approximate: GeluForm) -> Float32:
    """Overwrite x with GELU(x) = x Φ(x), and return it."""
    for rows in _blocks(x):
        rows *= gelu_gate(rows, approximate)
    return x


def gelu_gate(x: Float32, approximate: GeluForm) -> Float32:
    """Return Φ(x), the probability that a standard normal variable is below x.

        Φ(x) = (1 + erf(x / sqrt(2))) / 2 = (1 + tanh(x P(x²))) / 2

    `approximate` is PyTorch's argument: "none" is the erf form, by the seven terms of ERF_SERIES.
    "tanh" is the approximation of the paper, by the two terms of TANH_SERIES. The two forms of GELU
    differ by up to 4.7e-4, at |x| near 2.7.
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
    """Return 1 / (1 + e^-x)."""
    return np.float32(1) / (np.float32(1) + np.exp(-x))


# What may follow a linear layer, by the names of PyTorch's classes, each with the default options
# of its class
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


def activated(linear_output: Float32, activation: str) -> Float32:
    """Return the activation of a linear layer's output, and NaN wherever that output is not finite.

    A sum that has overflowed may have the wrong sign, and an activation could make it finite again.
    """
    return np.where(np.isfinite(linear_output), ACTIVATIONS[activation](linear_output), np.float32(np.nan))


def _blocks(array: Float32) -> Iterator[Float32]:
    """Yield views of some rows at a time."""
    num_rows = max(1, BLOCK // array.shape[-1])
    for start in range(0, len(array), num_rows):
        yield array[start : start + num_rows]
