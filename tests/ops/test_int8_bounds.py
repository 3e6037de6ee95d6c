"""The limits of the integers of int8 models, each at its edge and beyond.

Python's integers or float64 give the expected results.
"""

from typing import Any

import numpy as np
import pytest

from minibert.bert.checkpoint import from_arrays, to_arrays
from minibert.bert.int8 import MAX_INT8_INPUTS, MAX_PAIR_SUM, max_pair_sums
from minibert.bert.quantize import LEAST_SCALE, quantize
from minibert.bert.weights import BertWeights, Int8Linear
from minibert.ops import LEAST_SPAN, numpy_int8
from tests.support.backends import BACKENDS
from tests.support.models import make_config, make_weights

SMALL = make_config(1, 16, 2, vocab_size=20, max_position_embeddings=8)
GREATEST, INT32 = np.finfo(np.float32).max, 2**31 - 1
random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(np.float32)


def product(backend: str, x: np.ndarray, linear: Any) -> np.ndarray:
    if backend == "numpy":
        with np.errstate(all="ignore"):
            return numpy_int8.int8_linear(x, linear)
    from minibert.ops.compiled.layout import NO_ACTIVATION
    from tests.support import compiled_parts

    with np.errstate(all="ignore"):
        return compiled_parts.product(x, linear, NO_ACTIVATION)


# Sums of products, int32


def test_the_most_inputs_are_the_least_of_the_three_bounds() -> None:
    pairs = MAX_INT8_INPUTS // 2
    assert 255 * MAX_PAIR_SUM * pairs <= INT32 < 255 * MAX_PAIR_SUM * (pairs + 1)
    assert 128 * MAX_PAIR_SUM * pairs <= INT32  # what undoes the offset of sdot
    assert MAX_PAIR_SUM * pairs <= 2**24  # whole numbers of float32


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
    config = SMALL._replace(**{field: MAX_INT8_INPUTS + 2})
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
    """Scales of 0, below 0, tiny and huge, and weights of -128, count as what they stand for."""
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
