"""Eight bits a weight: BertWeights -> BertWeights a quarter of the size.

Each output of a matrix and each row of the word embeddings has a scale of its own, w = scale * integer with integers of -127..127, so one
large weight spoils no more than its own row. Norms, biases, positions and token types stay as they are: they are small.

Of a matrix, no two neighbours that are multiplied together add up to more than 128: with activations of 0..255 their products then fit into
sixteen bits, and a processor without VNNI needs three instructions where it would need four. For that, scales are 1.3 times as large as
they would be; what int8 costs is hardly more, as most of it comes from the activations (benchmarks/quality_int8.py).
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import release_pages, widen
from .weights import (
    BertWeights,
    Int8Linear,
    Int8Rows,
    LayerWeights,
    Linear,
    Matrix,
    check_int8_sizes,
    sums_of_two,
)

LEAST_SCALE = np.finfo(np.float32).tiny  # a scale below the normal numbers has too few digits: its row could come to more than 127


def quantize(weights: BertWeights) -> BertWeights:
    """The same encoder with Int8Linear for Linear and Int8Rows for the word embeddings; what is int8 already stays.

    Raises ValueError if a matrix is too wide for int8.
    """
    check_int8_sizes(weights.config, "weights")

    def layer(stored: LayerWeights) -> LayerWeights:
        parts: dict[str, Any] = {name: _matrix(part) for name, part in vars(stored).items() if isinstance(part, Linear)}
        return replace(stored, **parts)

    table = weights.word_embeddings
    return replace(
        weights,
        word_embeddings=table if isinstance(table, Int8Rows) else Int8Rows(*_rows(table, are_paired=False)),
        layers=tuple(map(layer, weights.layers)),
        pooler=_matrix(weights.pooler) if weights.pooler else None,
    )


def _matrix(stored: Matrix) -> Int8Linear:
    """Two neighbours of 127 scales, each rounded up by a half, make 128."""
    if isinstance(stored, Int8Linear):
        return stored
    return Int8Linear(*_rows(stored.weight, are_paired=True), stored.bias)


def _rows(stored: npt.NDArray[Any], are_paired: bool) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """(integers, scale) of each row. The greatest of its numbers becomes 127, or the greatest sum of two neighbours if they are paired.

    No number is more than half a scale away from what it was. A row that is not finite gets a scale that is not, and integers of 0.
    Numbers are halved first, since the sum of two may be more than the greatest float32.
    """
    rows, half = widen(stored), np.float32(0.5)
    with np.errstate(invalid="ignore"):
        greatest = np.abs(rows).max(axis=1)
        halved = np.where(greatest == 0, half, greatest * half)
        if are_paired:
            halved = np.maximum(halved, sums_of_two(rows * half))
        scale = np.maximum(halved / np.float32(63.5), LEAST_SCALE)
        integers = np.rint(rows / scale[:, np.newaxis])
    integers[~np.isfinite(scale)] = 0
    release_pages(stored)
    return integers.astype(np.int8), scale
