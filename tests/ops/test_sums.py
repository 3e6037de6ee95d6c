"""Sums of rows: the order that ops/sums.py writes down, in every ring."""

from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from minibert.bert.checkpoint import from_arrays
from minibert.ops.sums import add_halves, reduce_rows
from minibert.pooling import unit_length
from tests.support.backends import BACKENDS, COMPILED, needs_compiled, prepare
from tests.support.models import make_config, make_weights

random = np.random.default_rng(0)


def in_halves(terms: list[Any]) -> Any:
    """The sum of numbers or rows, one by one."""
    while len(terms) > 1:
        half = len(terms) // 2
        middle = terms[half : len(terms) - half]
        terms = [a + b for a, b in zip(terms[:half], terms[len(terms) - half :], strict=True)] + middle
    return terms[0]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("hidden_size", "heads"), [(1, 1), (15, 3), (16, 2), (40, 5)])
def test_rows_are_added_in_halves(backend: str, hidden_size: int, heads: int) -> None:
    """Of spans with 0 to 40 rows and one of 512, also where spans leave rows out."""
    config = make_config(1, hidden_size, heads)
    encoder = prepare(backend, from_arrays(make_weights(config), config))
    ends = np.cumsum([0, *range(41), 512])
    rows = random.normal(size=(ends[-1], hidden_size)).astype(np.float32)
    before = rows.copy()
    for skipped in (0, 1, 50):
        firsts = ends[:-1] + skipped
        sums = encoder.sum_rows(rows, firsts, ends[1:])
        for actual, first, end in zip(sums, firsts, ends[1:], strict=True):
            expected = in_halves([*rows[first:end]]) if first < end else np.zeros(hidden_size, np.float32)
            np.testing.assert_array_equal(actual, expected)
    np.testing.assert_array_equal(rows, before)
    assert encoder.sum_rows(rows, ends[:0], ends[:0]).shape == (0, hidden_size)


def test_the_greatest_of_rows() -> None:
    ends = np.array([0, 3, 3, 10])
    rows = random.normal(size=(10, 4)).astype(np.float32)
    actual = reduce_rows(np.maximum, rows, ends[:-1], ends[1:])
    expected = [reduce(np.maximum, rows[start:end], np.full(4, -np.inf)) if start < end else np.zeros(4) for start, end in pairwise(ends)]
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 128, 384])
def test_squares_are_added_in_halves(size: int) -> None:
    vectors = random.normal(size=(5, size)).astype(np.float32)
    for unit, vector in zip(unit_length(vectors), vectors, strict=True):
        length = np.sqrt(in_halves([np.float64(x) ** 2 for x in vector]))
        np.testing.assert_array_equal(unit, (vector / length).astype(np.float32))
    squares = np.ones((size, 3))
    add_halves(squares)
    assert squares[0].tolist() == [size] * 3


def test_vectors_of_any_size_have_unit_length() -> None:
    vectors = np.array([[3e38, 3e38], [0, 0], [1e-30, 0], [np.nan, 1]], np.float32)
    with np.errstate(invalid="ignore"):
        unit = unit_length(vectors)
    np.testing.assert_allclose(unit[:2], [[0.5**0.5] * 2, [0, 0]], rtol=1e-7)
    assert np.isnan(unit[3]).all()
    assert unit[2].tolist() == [np.float32(np.float32(1e-30) / 1e-12), 0]


@needs_compiled
def test_spans_outside_of_the_rows_are_refused() -> None:
    config = make_config(1, 16, 2)
    encoder = prepare(COMPILED, from_arrays(make_weights(config), config))
    rows = np.zeros((4, 16), np.float32)
    for first, end in ((0, 5), (-1, 2), (3, 2**40)):
        with pytest.raises(ValueError, match="expected 0 to 4"):
            encoder.sum_rows(rows, np.array([first]), np.array([end]))
