"""Where float32 overflows, the result is NaN or right: in the pooler, softmax and LayerNorm."""

import numpy as np
import pytest

from minibert.bert.checkpoint import from_arrays
from minibert.bert.quantize import quantize
from tests.support.backends import BACKENDS, prepare
from tests.support.models import make_config, make_weights

SMALL = make_config(1, 16, 2, vocab_size=20, max_position_embeddings=8)
random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(np.float32)


# The pooler


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_pooler_hides_no_overflow(backend: str, precision: str) -> None:
    """NaN or the right value, for finite rows of any size.

    Sums overflow in one order of their terms and not in another.
    """
    config = make_config(1, 20, 2, vocab_size=20, max_position_embeddings=8)
    tensors = make_weights(config)
    weight = random.choice(np.array([-3e38, -1, 0, 1, 3e38], np.float32), (20, 20))
    weight[0], weight[1], weight[2] = 3e38, -3e38, 0
    tensors["pooler.dense.weight"] = weight
    weights = from_arrays(tensors, config)
    encoder = prepare(backend, quantize(weights) if precision == "int8" else weights)
    x = np.concatenate(
        [normal(30, 20) * np.float32(0.1), normal(10, 20) * np.float32(1e37), random.choice(np.array([-1, 1], np.float32), (10, 20))]
    )
    x[0] = 0
    actual = encoder.pooler(x).astype(np.float64)
    sums = x.astype(np.float64) @ weight.T.astype(np.float64)
    finite = np.isfinite(actual)
    assert finite[0].all()  # of zeros, only the bias is left
    assert not finite[:, :2][np.abs(sums[:, :2]) > 1e39].any()
    if precision == "float32":
        exact = np.tanh(sums + tensors["pooler.dense.bias"])
        sure = finite & (np.abs(sums) > 1e-5 * (np.abs(x.astype(np.float64)) @ np.abs(weight.T.astype(np.float64))))
        assert sure.sum() > 100
        np.testing.assert_allclose(actual[sure], exact[sure], rtol=0, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pooler_of_a_broken_row_or_bias(backend: str, value: float) -> None:
    tensors = make_weights(SMALL)
    tensors["pooler.dense.bias"][3] = value
    for stored in (weights := from_arrays(tensors, SMALL), quantize(weights)):
        encoder = prepare(backend, stored)
        actual = encoder.pooler(normal(2, 16))
        np.testing.assert_array_equal(np.isnan(actual), np.tile(np.arange(16) == 3, (2, 1)))
        x = normal(2, 16)
        x[1, 5] = value
        assert np.isnan(encoder.pooler(x)[1]).all()


# Softmax and LayerNorm


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [1e19, 1e20, 1e30, 3e38])
def test_a_score_that_overflows_is_not_taken_for_a_share_of_nothing(size: float, backend: str) -> None:
    """A sum may pass -infinity on its way to a great number: NaN, or the token that is right."""
    config = make_config(1, 4, 1, vocab_size=20, max_position_embeddings=8)
    tensors = make_weights(config)
    for part in ("query", "key", "value"):
        name = f"encoder.layer.0.attention.self.{part}"
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = np.eye(4, dtype=np.float32), np.zeros(4, np.float32)
    encoder = prepare(backend, from_arrays(tensors, config))
    hidden = (np.array([[1, 1, 0, 0], [-1, 0.9, 0.5, 0.5], [-0.9, 0.9, 0, 0], [0, 0, 0, 1]]) * size).astype(np.float32)
    with np.errstate(all="ignore"):
        ((probs,),) = encoder.attention_probs(hidden, np.array([0, 4]), 0)
    wide = hidden.astype(np.float64)
    finite = np.isfinite(probs).all(axis=1)
    assert np.isfinite(probs).any(axis=1).tolist() == finite.tolist()
    assert finite.all() == (size < 1.5e19)
    np.testing.assert_array_equal(probs.argmax(axis=1)[finite], (wide @ wide.T).argmax(axis=1)[finite])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_norm_whose_variance_overflows_gives_nan(backend: str) -> None:
    """1 / sqrt(infinity) is 0, and would leave nothing but the bias."""
    tensors = make_weights(SMALL)
    tensors["embeddings.word_embeddings.weight"][3:6] *= np.array([[1e17], [1e20], [1e37]], np.float32)
    zeros = np.zeros(6, np.int32)
    with np.errstate(all="ignore"):
        actual = prepare(backend, from_arrays(tensors, SMALL)).embed(np.arange(6, dtype=np.int32), zeros, zeros)
    np.testing.assert_array_equal(np.isnan(actual), np.tile(np.arange(6)[:, np.newaxis] >= 4, 16))
