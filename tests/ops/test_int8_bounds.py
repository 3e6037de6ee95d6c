"""Where the integers of int8 models end. Each bound at its edge and beyond, beside integers of Python or float64."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from minibert.bert.checkpoint import from_arrays, to_arrays
from minibert.bert.int8 import MAX_INT8_INPUTS, MAX_PAIR_SUM, max_pair_sums
from minibert.bert.quantize import LEAST_SCALE, quantize
from minibert.bert.weights import BertWeights, Int8Linear
from minibert.ops import INT16_TOKENS, LEAST_SPAN, numpy_ops
from tests.support.backends import BACKENDS, backend_module, needs_numba
from tests.support.models import make_config, make_weights

SMALL = make_config(1, 16, 2, vocab_size=20, max_position_embeddings=8)
GREATEST, INT32 = np.finfo(np.float32).max, 2**31 - 1
random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(np.float32)


def product(backend: str, x: np.ndarray, linear: Any) -> np.ndarray:
    with np.errstate(all="ignore"):
        if backend == "numpy":
            return numpy_ops.linear(x, linear)
        from minibert.ops.compiled import kernels, packed

        parameters = kernels.prepare(from_arrays(make_weights(SMALL), SMALL))
        config = make_config(1, x.shape[1], 1)
        roomy = dataclasses.replace(parameters, config=config, is_int8=isinstance(linear, Int8Linear))
        return kernels.linear_activation(roomy, x, packed.pack(linear), kernels.NO_ACTIVATION)


def attention(backend: str, qkv: np.ndarray, seqlens: list[int], num_heads: int) -> np.ndarray:
    """That of int8 models."""
    cu_seqlens = np.cumsum([0, *seqlens]).astype(np.int32)
    if backend == "numpy":
        return numpy_ops.int16_attention(qkv, cu_seqlens, num_heads)
    from tests.ops.test_kernels import int16_attention

    return int16_attention(qkv, cu_seqlens, num_heads)


# Sums of products, int32


def test_the_most_inputs_are_the_least_of_the_three_bounds() -> None:
    pairs = MAX_INT8_INPUTS // 2
    assert 255 * MAX_PAIR_SUM * pairs <= INT32 < 255 * MAX_PAIR_SUM * (pairs + 1)
    assert 128 * MAX_PAIR_SUM * pairs <= INT32  # what undoes the offset of sdot
    assert MAX_PAIR_SUM * pairs <= 2**24  # whole numbers of float32


@needs_numba
@pytest.mark.parametrize("kind", ["vnni", "dot", "pairs", "single"])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_greatest_sum_fits_into_each_kind_of_instruction(kind: str, sign: int) -> None:
    """In int32 that wraps, as the processor's does: what counts is that the sum at the end fits."""
    from minibert.ops.compiled.tiers import INT8

    offset = INT8[kind].offset
    weight = np.tile(np.array([sign, sign * 127], np.int64), MAX_INT8_INPUTS // 2)
    initial = offset * int(weight.sum())
    assert abs(initial) <= INT32
    sums = np.cumsum(((255 - offset) * weight).astype(np.int32), dtype=np.int32)
    assert int(np.array([initial], np.int32)[0] + sums[-1]) == 255 * int(weight.sum())
    beyond = 255 * (int(weight.sum()) + sign * MAX_PAIR_SUM)
    assert int(np.array([beyond]).astype(np.int32)[0]) != beyond


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_product_with_the_most_inputs_is_exact(backend: str) -> None:
    x = np.full((2, MAX_INT8_INPUTS), 255, np.float32)
    x[:, 0] = 0  # so that a number is its own quantised value
    weight = np.full((3, MAX_INT8_INPUTS), 64, np.int8)
    weight[1] = -64
    weight[2, ::2], weight[2, 1::2] = 1, 127
    linear = Int8Linear(weight, np.ones(3, np.float32), np.zeros(3, np.float32))
    expected = x.astype(np.int64) @ weight.T.astype(np.int64)
    assert np.abs(expected).max() > INT32 - 2 * 255 * MAX_PAIR_SUM
    np.testing.assert_array_equal(product(backend, x, linear), (np.float32(255) * np.float32(1 / 255)) * expected.astype(np.float32))


@pytest.mark.parametrize("field", ["hidden_size", "intermediate_size"])
def test_a_wider_model_is_no_int8_model(field: str) -> None:
    config = dataclasses.replace(SMALL, **{field: MAX_INT8_INPUTS + 2})
    expected = f"{field}: expected at most 131586 for int8"
    with pytest.raises(ValueError, match=expected):
        quantize(from_arrays(make_weights(SMALL), SMALL)._replace(config=config))
    with pytest.raises(ValueError, match=expected):
        from_arrays(dict(to_arrays(quantize(from_arrays(make_weights(SMALL), SMALL)))), config)


def test_the_widest_model_of_int8_loads() -> None:
    config = make_config(1, 2, 1, vocab_size=3, max_position_embeddings=4, intermediate_size=MAX_INT8_INPUTS)
    assert quantize(from_arrays(make_weights(config), config)).config.intermediate_size == MAX_INT8_INPUTS


# Rows of activations


def test_numbers_round_to_whole_ones_beside_magic() -> None:
    """Of the greatest range that is needed, int16."""
    magic = np.float32(1.5 * 2**23)
    x = np.linspace(-32767.4, 32767.4, 262_141).astype(np.float32)
    np.testing.assert_array_equal((x + magic) - magic, np.rint(x))
    np.testing.assert_array_equal((x + magic).view(np.int32).astype(np.int16), np.rint(x))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [1, 7, 40])
@pytest.mark.parametrize("span", [0, 1e-45, 1e-38, 7e-37, float(LEAST_SPAN), 1e-30, 1.0, 1e30, 3.3e38])
def test_rows_of_any_span(backend: str, span: float, size: int) -> None:
    """Within a 510th of the span, or all of it below the least span."""
    x = np.linspace(0, span, 3 * size).astype(np.float32).reshape(3, size)
    unit = np.eye(size, dtype=np.int8)
    actual = product(backend, x, Int8Linear(unit, np.ones(size, np.float32), np.zeros(size, np.float32)))
    error = np.abs(actual.astype(np.float64) - x).max()
    spans = float(np.ptp(x.astype(np.float64), axis=1).max())
    assert error <= (spans if spans < LEAST_SPAN else spans / 500 + 1e-44)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "row", [[GREATEST, -GREATEST, 0, 0], [3e38, -3e38, 3e38, 1], [-3e38, -3e38, -3e38, -3.1e38], [1e38, 1e38, 1e38, 1.1e38]]
)
def test_what_overflows_is_not_finite_or_right(backend: str, row: list[float]) -> None:
    """A span, `low * sums`, and `unit * sum` beyond the greatest float32."""
    x = np.array([row], np.float32)
    weight = np.array([[64, 64, 64, 64], [64, -64, 1, 0], [0, 0, 0, 1], [127, 1, 127, 1]], np.int8)
    for scale in (1e-3, 0.0, 1.0):
        linear = Int8Linear(weight, np.full(4, scale, np.float32), np.ones(4, np.float32))
        actual = product(backend, x, linear)[0].astype(np.float64)
        expected = x[0].astype(np.float64) @ weight.T.astype(np.float64) * np.float64(np.float32(scale)) + 1
        size = np.abs(x[0].astype(np.float64)) @ np.abs(weight.T.astype(np.float64)) * scale
        finite = np.isfinite(actual)
        assert (np.abs(actual - expected)[finite] <= 0.01 * size[finite] + 1e-6).all()


# Int8 made of finite float weights


def rows_of(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(integers, scale) of a matrix with these rows, and the same of a table."""
    config = make_config(1, weight.shape[1], 1, vocab_size=len(weight), intermediate_size=len(weight), max_position_embeddings=4)
    tensors = make_weights(config)
    tensors["encoder.layer.0.intermediate.dense.weight"] = tensors["embeddings.word_embeddings.weight"] = weight
    made: BertWeights = quantize(from_arrays(tensors, config))
    return made.layers[0].intermediate, made.word_embeddings


@pytest.mark.parametrize("size", [1e-45, 1e-43, 1e-40, 1e-37, 1.5e-36, 2e-36, 1e-30, 1, 1e30, 3e38, GREATEST])
def test_finite_weights_have_a_finite_int8_form(size: float) -> None:
    weight = (random.uniform(-1, 1, (30, 9)) * size).astype(np.float32)
    weight[0], weight[1], weight[2] = size, -np.float32(size), 0
    weight[3, 1::2] = -weight[3, 1::2]
    matrix, table = rows_of(weight)
    for made in (matrix, table):
        assert np.isfinite(made.scale).all()
        assert (made.scale >= LEAST_SCALE).all()
        assert made.weight.min() >= -127
        error = np.abs(made.weight * made.scale.astype(np.float64)[:, np.newaxis] - weight)
        assert (error <= made.scale[:, np.newaxis] * (0.5 + 1e-5)).all()
    assert max_pair_sums(matrix.weight).max() <= MAX_PAIR_SUM
    for made, most in ((matrix, 2), (table, 1)):  # scales are no larger than they need to be
        limit = np.maximum(most * np.abs(weight.astype(np.float64)).max(axis=1) / 127, LEAST_SCALE) * (1 + 1e-6)
        assert (made.scale.astype(np.float64) <= limit)[weight.any(axis=1)].all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_stays_so(value: float) -> None:
    weight = normal(5, 9)
    weight[2, 4] = value
    for made in rows_of(weight):
        np.testing.assert_array_equal(np.isfinite(made.scale), [True, True, False, True, True])
        assert not made.weight[2].any()


# Int8 as it is stored


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scale", [0, -0.0, -0.5, 1e-45, -1e-40, 3e30, 1])
def test_any_finite_scale_and_any_weight_that_fits(backend: str, scale: float) -> None:
    """Scales of 0, below 0, tiny and huge, and weights of -128 are computed as what they stand for."""
    pairs = np.array([(-128, 0), (-128, 127), (0, -128), (127, -128), (127, 1), (64, 64)], np.int8)
    weight = random.choice(pairs, (40, 11)).reshape(40, 22)
    x = random.choice(np.array([0, 1, 17, 255], np.float32), (7, 22))
    x[:, 0], x[:, 1] = 0, 255
    bias = normal(40)
    actual = product(backend, x, Int8Linear(weight, np.full(40, scale, np.float32), bias))
    expected = x.astype(np.float64) @ weight.T.astype(np.float64) * np.float64(np.float32(scale)) + bias
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_scale_that_is_too_large_gives_no_finite_number(backend: str) -> None:
    x = np.array([[0, 255]], np.float32)
    linear = Int8Linear(np.array([[1, 127], [1, -127]], np.int8), np.full(2, 3e38, np.float32), np.zeros(2, np.float32))
    assert not np.isfinite(product(backend, x, linear)).any()


@pytest.mark.parametrize("pair", [(127, 2), (-128, -1), (-64, -65)])
def test_two_neighbours_beyond_sixteen_bits_are_refused(pair: tuple[int, int]) -> None:
    tensors = dict(to_arrays(quantize(from_arrays(make_weights(SMALL), SMALL))))
    name = "encoder.layer.0.output.dense.weight"
    tensors[name] = tensors[name].copy()
    tensors[name][3, 4:6] = pair
    with pytest.raises(ValueError, match=r"output\.dense\.weight: expected int8 neighbours that add up to 128"):
        list(from_arrays(tensors, SMALL).layers)


# Attention in int16


@pytest.mark.parametrize("head_dim", [1, 64, 4096, MAX_INT8_INPUTS])
def test_scores_and_contexts_fit_into_int32(head_dim: int) -> None:
    greatest = round(32767 / math.sqrt(head_dim))
    assert head_dim * greatest**2 <= INT32
    assert (32767 + INT16_TOKENS // 2) * 32767 <= INT32


@pytest.mark.parametrize("backend", BACKENDS)
def test_heads_as_wide_as_they_can_be(backend: str) -> None:
    head_dim = MAX_INT8_INPUTS
    qkv = np.ones((4, 3 * head_dim), np.float32)
    qkv[::2, head_dim : 2 * head_dim] = -1
    qkv[:, 2 * head_dim :] = 3 * qkv[:, head_dim : 2 * head_dim]
    np.testing.assert_allclose(attention(backend, qkv, [4], 1), 3, rtol=1e-3)


def with_one_share(size: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """(qkv, expected context): one token has a share of every row, the others have the rest in equal parts."""
    score = math.log(share / (1 - share) * (size - 1))
    qkv = np.zeros((size, 3), np.float32)
    qkv[:, 0], qkv[0, 1] = 1, score
    qkv[:, 2] = 1
    qkv[0, 2] = -1
    return qkv, np.full((size, 1), 1 - 2 * share)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [512, INT16_TOKENS, INT16_TOKENS + 1, 20_000])
def test_small_shares_of_a_long_text_are_not_lost(backend: str, size: int) -> None:
    """The error of the mean is at the most twice what is lost of the shares, size / 65534, and a thousandth of that beyond."""
    if backend == "numpy" and size > 2 * INT16_TOKENS:
        size = 2 * INT16_TOKENS  # it keeps all scores
    most = 2 * size / 65534 if size <= INT16_TOKENS else size * 2**-24  # of float32, the rounding of a sum
    assert most < 0.07
    for share in (0.3, 0.9, 0.985):
        qkv, expected = with_one_share(size, share)
        assert np.abs(attention(backend, qkv, [size], 1) - expected).max() <= most


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_long_text_has_float32_attention_whatever_stands_beside_it(backend: str) -> None:
    long, short = INT16_TOKENS + 1, 40
    qkv = normal(long + short, 3 * 16)
    together = attention(backend, qkv, [long, short], 2)
    apart = [attention(backend, part, [len(part)], 2) for part in (qkv[:long], qkv[long:])]
    np.testing.assert_array_equal(together, np.concatenate(apart))
    exact = numpy_ops.attention(qkv, np.array([0, long, long + short], np.int32), 2)
    assert np.abs(together[:long] - exact[:long]).max() <= 1e-5
    assert np.abs(together[long:] - exact[long:]).max() >= 1e-5  # those are integers


@pytest.mark.parametrize("backend", BACKENDS)
def test_probabilities_take_the_same_decision(backend: str) -> None:
    """Beside those of a float32 model whose weights are what the integers stand for."""
    config = make_config(1, 8, 1, vocab_size=20, max_position_embeddings=8)
    weights = quantize(from_arrays(make_weights(config), config))
    long = INT16_TOKENS + 1
    hidden = random.integers(0, 256, (long + 30, 8)).astype(np.float32) / np.float32(64)
    ops = backend_module(backend)
    found = ops.attention_probs(ops.prepare(weights), hidden, np.array([0, long, long + 30], np.int32), 0)
    qkv = product(backend, hidden, weights.layers[0].query_key_value)
    for probs, part in zip(found, (qkv[:long], qkv[long:]), strict=True):
        query, key = part[:, :8].astype(np.float64), part[:, 8:16].astype(np.float64)
        scores = query @ key.T / math.sqrt(8)
        exact = np.exp(scores - scores.max(axis=1, keepdims=True))
        exact /= exact.sum(axis=1, keepdims=True)
        error = np.abs(probs[0] - exact).max()
        assert (error <= 2e-5) == (len(part) == long), error


def test_a_workspace_has_room_for_both_kinds_of_attention() -> None:
    pytest.importorskip("numba")
    from minibert.ops.compiled import packed

    for hidden, heads in ((8, 1), (24, 3), (320, 1)):
        for size in (1, 17, INT16_TOKENS, INT16_TOKENS + 1):
            workspace = packed.Workspace(make_config(1, hidden, heads), is_int8=True)
            workspace.make_room(size, size)
            head_dim, width = hidden // heads, -(-size // packed.WIDTH) * packed.WIDTH
            least = packed.TIER.rows * width + head_dim * width + size * -(-head_dim // packed.WIDTH) * packed.WIDTH
            assert workspace.for_thread(0).size >= least


# The pooler


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_pooler_hides_no_overflow(backend: str, precision: str) -> None:
    """NaN or the right value, for finite rows of any size. Sums overflow in one order of their terms and not in another."""
    config = make_config(1, 20, 2, vocab_size=20, max_position_embeddings=8)
    tensors = make_weights(config)
    weight = random.choice(np.array([-3e38, -1, 0, 1, 3e38], np.float32), (20, 20))
    weight[0], weight[1], weight[2] = 3e38, -3e38, 0
    tensors["pooler.dense.weight"] = weight
    weights = from_arrays(tensors, config)
    ops = backend_module(backend)
    parameters = ops.prepare(quantize(weights) if precision == "int8" else weights)
    x = np.concatenate(
        [normal(30, 20) * np.float32(0.1), normal(10, 20) * np.float32(1e37), random.choice(np.array([-1, 1], np.float32), (10, 20))]
    )
    x[0] = 0
    actual = ops.pooler(parameters, x).astype(np.float64)
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
    ops = backend_module(backend)
    for stored in (weights := from_arrays(tensors, SMALL), quantize(weights)):
        actual = ops.pooler(ops.prepare(stored), normal(2, 16))
        np.testing.assert_array_equal(np.isnan(actual), np.tile(np.arange(16) == 3, (2, 1)))
        x = normal(2, 16)
        x[1, 5] = value
        assert np.isnan(ops.pooler(ops.prepare(stored), x)[1]).all()


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
    ops = backend_module(backend)
    parameters = ops.prepare(from_arrays(tensors, config))
    hidden = (np.array([[1, 1, 0, 0], [-1, 0.9, 0.5, 0.5], [-0.9, 0.9, 0, 0], [0, 0, 0, 1]]) * size).astype(np.float32)
    with np.errstate(all="ignore"):
        ((probs,),) = ops.attention_probs(parameters, hidden, np.array([0, 4], np.int32), 0)
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
    ops = backend_module(backend)
    zeros = np.zeros(6, np.int32)
    with np.errstate(all="ignore"):
        actual = ops.embed(ops.prepare(from_arrays(tensors, SMALL)), np.arange(6, dtype=np.int32), zeros, zeros)
    np.testing.assert_array_equal(np.isnan(actual), np.tile(np.arange(6)[:, np.newaxis] >= 4, 16))
