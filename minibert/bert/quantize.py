"""Eight bits for a weight: BertWeights -> BertWeights of a quarter of the size.

Each output of a matrix has a scale of its own, and so has each row of the word embeddings. A weight
is scale * integer, with integers of -127..127. One large weight costs precision in its own row
only. Norms, biases, positions and token types stay as they are, because they are small.

In a matrix, two neighbouring weights add up to at most 128 (`MAX_PAIR_SUM`). One instruction adds
the products of both. With activations of 0..255 that sum fits in 16 bits, and a processor without
VNNI needs three instructions instead of four. So the greatest sum of two neighbours becomes 127.
Each of the two may be rounded up by a half, so their integers add up to at most 128. This makes the
scales 1.3 times as large. The error of int8 hardly grows, as most of it comes from the activations
(benchmarks/quality_int8.py).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array, Float32, Int8, release_pages, widen
from .int8 import HALF_RANGE, LEAST_SCALE, check_int8_sizes, max_pair_sums
from .weights import BertWeights, Int8Linear, Int8Rows, LayerWeights, Linear, Matrix

# (a float matrix, whether neighbours are paired) -> (integers, scales) of its rows
Rows = Callable[[Array, bool], tuple[Int8, Float32]]


def int8_rows(stored: Array, are_paired: bool) -> tuple[Int8, Float32]:
    """(integers, scales) of the rows of a matrix.

    The greatest number of a row becomes 127, or the greatest sum of two neighbours if `are_paired`
    and that is more. Rounding changes no number by more than half a scale. A row that is not finite
    gets a scale that is not finite, and integers of 0.
    """
    rows, half = widen(stored), np.float32(0.5)
    with np.errstate(invalid="ignore"):
        greatest = np.abs(rows).max(axis=1)
        halved = np.where(greatest == 0, half, greatest * half)  # the sum of two float32 may overflow, the sum of halves may not
        if are_paired:
            halved = np.maximum(halved, max_pair_sums(rows * half))
        scale = np.maximum(halved / HALF_RANGE, LEAST_SCALE)
        integers = np.rint(rows / scale[:, np.newaxis])
    integers[~np.isfinite(scale)] = 0
    return integers.astype(np.int8), scale


def quantize(weights: BertWeights, rows: Rows = int8_rows) -> BertWeights:
    """The same encoder with Int8Linear for Linear, and Int8Rows for the word embeddings.

    What is int8 already stays as it is. `rows` does the arithmetic: `int8_rows`, or the loop of a
    backend with the same bits. Raises ValueError if a matrix is too wide for int8.
    """
    check_int8_sizes(weights.config, "weights")

    def released(stored: Array, are_paired: bool) -> tuple[Int8, Float32]:
        result = rows(stored, are_paired)
        release_pages(stored)
        return result

    def matrix(stored: Matrix) -> Int8Linear:
        return stored if isinstance(stored, Int8Linear) else Int8Linear(*released(stored.weight, True), stored.bias)

    def layer(stored: LayerWeights) -> LayerWeights:
        parts: dict[str, Any] = {name: matrix(part) for name, part in stored._asdict().items() if isinstance(part, Linear)}
        return stored._replace(**parts)

    table = weights.word_embeddings
    return weights._replace(
        word_embeddings=table if isinstance(table, Int8Rows) else Int8Rows(*released(table, False)),
        layers=tuple(map(layer, weights.layers)),
        pooler=matrix(weights.pooler) if weights.pooler else None,
    )
