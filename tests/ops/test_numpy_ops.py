"""The maths against closed forms and against the equation written as a loop."""

import itertools
import math

import numpy as np
import pytest

from minibert.bert.checkpoint import from_arrays
from minibert.bert.weights import LayerNorm, Linear
from minibert.ops import numpy_int8, numpy_ops
from tests.support.backends import prepare
from tests.support.models import make_config, make_weights


def test_erf_gelu_is_exact_to_float32() -> None:
    x = np.linspace(-12, 12, 200_001).astype(np.float32)
    expected = np.array([0.5 * value * math.erfc(-value / math.sqrt(2)) for value in x.astype(np.float64)])
    actual = x * numpy_ops.gelu_gate(x, "none")
    assert np.abs(actual - expected).max() <= 6e-7  # a unit in the last place of 12 is 9.5e-7


def test_erf_gelu_far_out() -> None:
    x = np.array([-1e30, -1e4, -50, -0.0, 0, 50, 1e4, 1e30], np.float32)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(x * numpy_ops.gelu_gate(x, "none"), np.where(x > 0, x, 0))


def test_tanh_gelu_is_its_formula() -> None:
    x = np.linspace(-12, 12, 20_001).astype(np.float32)
    wide = x.astype(np.float64)
    expected = 0.5 * wide * (1 + np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))
    assert np.abs(x * numpy_ops.gelu_gate(x, "tanh") - expected).max() <= 1.5e-6


def test_layer_norm_gives_mean_and_variance_of_weight_and_bias() -> None:
    x = np.random.default_rng(0).standard_normal((700, 128)).astype(np.float32) * 30 + 100
    norm = LayerNorm(np.full(128, 2, np.float32), np.full(128, -1, np.float32), 1e-12)
    result = numpy_ops.layer_norm(x, norm)
    np.testing.assert_allclose(result.mean(axis=1), -1, atol=1e-5)
    np.testing.assert_allclose(result.std(axis=1), 2, atol=1e-5)


def test_layer_norm_of_a_constant_row_is_its_bias() -> None:
    bias = np.arange(5, dtype=np.float32)
    result = numpy_ops.layer_norm(np.full((1, 5), 7, np.float32), LayerNorm(np.ones(5, np.float32), bias, 1e-12))
    np.testing.assert_array_equal(result, bias[np.newaxis])


def test_softmax_of_huge_scores() -> None:
    scores = np.array([[1e4, -1e4, 1e4]], np.float32)
    np.testing.assert_array_equal(numpy_ops.softmax(scores), [[0.5, 0, 0.5]])


@pytest.mark.parametrize("seqlens", [[1], [3, 3, 3, 1, 3], [2, 40, 40, 7], [600]])
def test_attention_is_its_equation(seqlens: list[int]) -> None:
    num_heads, head_dim = 3, 8
    cu_seqlens = np.cumsum([0, *seqlens])
    query_key_value = np.random.default_rng(1).standard_normal((cu_seqlens[-1], 3 * num_heads * head_dim)).astype(np.float32) * 2
    query, key, value = query_key_value.astype(np.float64).reshape(-1, 3, num_heads, head_dim).swapaxes(0, 1)
    expected = np.empty((cu_seqlens[-1], num_heads, head_dim))
    groups = numpy_ops.split_heads(query_key_value, cu_seqlens, num_heads)
    probs = [each for _, query_, key_, _ in groups for each in numpy_ops.attention_probs(query_, key_)]
    for text, (start, end) in enumerate(itertools.pairwise(cu_seqlens)):
        for head in range(num_heads):
            weights = np.exp(query[start:end, head] @ key[start:end, head].T / math.sqrt(head_dim))
            weights /= weights.sum(axis=1, keepdims=True)
            np.testing.assert_allclose(probs[text][head], weights, atol=1e-5)
            expected[start:end, head] = weights @ value[start:end, head]
    actual = numpy_ops.attention(query_key_value, cu_seqlens, num_heads)
    np.testing.assert_allclose(actual, expected.reshape(actual.shape), atol=1e-5)
    integers = numpy_int8.int16_attention(query_key_value, cu_seqlens, num_heads)
    np.testing.assert_allclose(integers, expected.reshape(actual.shape), atol=0.01)  # of values up to 8, in shares of 1 / 32767
    assert np.abs(integers - actual).mean() <= 1e-3


def test_linear_is_its_equation() -> None:
    weights = Linear(np.array([[1, 2], [3, 4], [5, 6]], np.float32), np.array([0.5, 0, -1], np.float32))
    x = np.array([[1, -1]], np.float32)
    np.testing.assert_array_equal(numpy_ops.linear(x, weights), [[-0.5, -1, -2]])


def test_the_pooler_is_tanh_of_a_linear_layer() -> None:
    config = make_config(1, 4, 1, vocab_size=5, max_position_embeddings=8)
    tensors = make_weights(config)
    x = np.random.default_rng(2).standard_normal((3, 4)).astype(np.float32)
    expected = np.tanh(x @ tensors["pooler.dense.weight"].T + tensors["pooler.dense.bias"])
    np.testing.assert_allclose(prepare("numpy", from_arrays(tensors, config)).pooler(x), expected, atol=1e-6)
