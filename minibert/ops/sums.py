"""Sums of rows in one order of additions, the same in every ring.

A sum of floats depends on its order, and the inner order of NumPy's sums depends on its build. So
the order of pooling is written down here. The last half of the rows is added to the first half,
until one row is left. Of an odd number of rows, the middle one waits.

    rows      0  1  2  3  4  5  6        seven rows
    + 4 5 6   0  1  2  3                 0+4, 1+5, 2+6, 3
    + 2 3     0  1                       (0+4)+(2+6), (1+5)+3
    + 1       0                          ((0+4)+(2+6)) + ((1+5)+3)

Each number is a sum of a few others, so rounding errors stay small. A step adds whole rows, which
vector instructions do well. Source: Higham 1993, *The accuracy of floating point summation*
(pairwise summation).
"""

import numpy as np

from ..arrays import Float32, Float64, Int64


def sum_rows(rows: Float32, firsts: Int64, ends: Int64) -> Float32:
    """Return the sum of rows `firsts` to `ends` - 1 of each span, (num_spans, hidden_size).

    An empty span has zeros. Spans do not overlap.
    """
    return reduce_rows(np.add, rows, firsts, ends)


def reduce_rows(function: np.ufunc, rows: Float32, firsts: Int64, ends: Int64) -> Float32:
    """Apply a ufunc over the rows of each span, in the order of `sum_rows`."""
    rows, left = rows.copy(), np.maximum(ends - firsts, 0)
    while left.size and left.max() > 1:  # one step of every span that has more than one row
        halves = left // 2
        targets = np.repeat(firsts - np.cumsum(halves) + halves, halves) + np.arange(halves.sum())
        left -= halves
        rows[targets] = function(rows[targets], rows[targets + np.repeat(left, halves)])
    result = np.zeros((len(firsts), rows.shape[1]), np.float32)
    result[left > 0] = rows[firsts[left > 0]]
    return result


def add_halves(rows: Float64) -> None:
    """Overwrite the first row with the sum of all, in the order of `sum_rows`."""
    while len(rows) > 1:
        left = len(rows) - len(rows) // 2
        rows[: len(rows) - left] += rows[left:]
        rows = rows[:left]
