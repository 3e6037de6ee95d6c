"""The products of an int8 model in NumPy. Sums of integers are exact, so their order is free."""

import numpy as np

from ..arrays import Array, Bytes
from ..bert.weights import Int8Linear
from . import INT16_TOKENS, LEAST_SPAN, Float32, Int64
from .numpy_ops import attention, heads_of, softmax, split_heads

INT16_MAX = np.float32(32767)


def int8_linear(hidden_states: Float32, weights: Int8Linear) -> Float32:
    """Return x weight^T + bias with activations of 0..255 and weights of -127..127.

        x = minimum + unit q
        y = (unit (q weight^T) + minimum weight_sums) scale + bias

    `weight_sums` holds the sum of each output's weights. The minimum of a row stays a float, so no
    zero point is rounded. Source: Jacob et al. 2018, *Quantization and training of neural networks
    for efficient integer-arithmetic-only inference*, section 2.2.
    """
    minimum, unit, quantized = quantize_rows(hidden_states)
    weight_sums = weights.weight.sum(axis=1, dtype=np.int32).astype(np.float32)
    result: Float32 = unit * _exact_product(quantized, weights.weight.T) + minimum * weight_sums
    result *= weights.scale
    result += weights.bias
    return result


def quantize_rows(rows: Float32) -> tuple[Float32, Float32, Bytes]:
    """Return (minimum, unit, q) of each row, so that row = minimum + unit q with q from 0 to 255.

    A row that is not finite gets NaN as its unit.
    """
    minimum, maximum = rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True)
    span = maximum - minimum
    factor = np.divide(np.float32(255), span, out=np.zeros_like(span), where=span >= LEAST_SPAN)
    quantized = np.rint((rows - minimum) * factor)
    unit = np.where(np.isfinite(span), span * np.float32(1 / 255), np.float32(np.nan))
    return minimum, unit, np.where(np.isfinite(quantized), quantized, 0).astype(np.uint8)


def int16_attention(query_key_value: Float32, cu_seqlens: Int64, num_heads: int) -> Float32:
    """Return softmax(query key^T / sqrt(head_dim)) value, with products of 16-bit integers.

    In each head of each text the greatest |value| becomes 32767, and the greatest |query| and |key|
    become 32767 / sqrt(head_dim). Probabilities become multiples of 1 / 32767. So no sum exceeds
    2^31. The rounded probabilities have another sum, and the result is divided by it.
    A text of more than INT16_TOKENS tokens has float32 attention.
    """
    context = np.empty((len(query_key_value), query_key_value.shape[1] // 3), np.float32)
    for tokens, query, key, value in split_heads(query_key_value, cu_seqlens, num_heads):
        seq_len = query.shape[2]
        if seq_len > INT16_TOKENS:  # such a text is alone in its run
            context[tokens] = attention(query_key_value[tokens], np.array([0, seq_len], np.int64), num_heads)
            continue
        unit, integers = _to_int16(value, INT16_MAX)
        probs = np.rint(int16_attention_probs(query, key) * INT16_MAX)
        scale = unit / probs.sum(axis=-1, keepdims=True)
        np.multiply(_exact_product(probs, integers), scale, out=heads_of(context[tokens], query.shape))
    return context


def int16_attention_probs(query: Float32, key: Float32) -> Float32:
    """Return softmax(query key^T / sqrt(head_dim)) with a product of 16-bit integers."""
    root = query.shape[-1] ** 0.5
    (query_unit, queries), (key_unit, keys) = (_to_int16(each, np.float32(32767 / root)) for each in (query, key))
    return softmax(_exact_product(queries, keys.swapaxes(-1, -2)) * (query_unit * key_unit * np.float32(1 / root)))


def _to_int16(vectors: Float32, limit: np.float32) -> tuple[Float32, Float32]:
    """Return (unit, integers): each head of each text as unit * integers of -limit..limit.

    A head that is not finite gets NaN as its unit. A head whose unit would be below the normal
    float32 numbers counts as 0.
    """
    unit = np.abs(vectors).max(axis=(-2, -1), keepdims=True) / limit
    integers = np.rint(vectors * np.divide(1, unit, out=np.zeros_like(unit), where=unit >= np.finfo(np.float32).tiny))
    return np.where(np.isfinite(unit), unit, np.float32(np.nan)), integers


def _exact_product(a: Array, b: Array) -> Float32:
    """Return a product of integers as float32.

    float64 holds every sum exactly, and BLAS multiplies it. NumPy's integer product takes a hundred
    times as long.
    """
    product: Float32 = (a.astype(np.float64) @ b.astype(np.float64)).astype(np.float32)
    return product
