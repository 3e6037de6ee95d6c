"""Eight bits a weight: BertWeights -> BertWeights a quarter of the size.

Each output of a matrix and each row of the word embeddings has a scale of its own, w = scale * integer with integers of -127..127, so one
large weight spoils no more than its own row. Norms, biases, positions and token types stay as they are: they are small.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .formats import widen
from .formats.safetensors import release_pages
from .weights import BertWeights, Int8Linear, Int8Rows, LayerWeights, Linear, Matrix


def quantize(weights: BertWeights) -> BertWeights:
    """The same encoder with Int8Linear for Linear and Int8Rows for the word embeddings; what is int8 already stays."""

    def layer(stored: LayerWeights) -> LayerWeights:
        parts: dict[str, Any] = {name: _matrix(part) for name, part in vars(stored).items() if isinstance(part, Linear)}
        return replace(stored, **parts)

    table = weights.word_embeddings
    return replace(
        weights,
        word_embeddings=table if isinstance(table, Int8Rows) else Int8Rows(*_rows(table)),
        layers=tuple(map(layer, weights.layers)),
        pooler=_matrix(weights.pooler) if weights.pooler else None,
    )


def _matrix(stored: Matrix) -> Int8Linear:
    return Int8Linear(*_rows(stored.weight), stored.bias) if isinstance(stored, Linear) else stored


def _rows(stored: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """(integers, scale) of each row."""
    rows = widen(stored)
    greatest = np.abs(rows).max(axis=1)
    scale = np.where(greatest > 0, greatest, 1).astype(np.float32) / np.float32(127)
    integers = np.rint(rows / scale[:, np.newaxis]).astype(np.int8)
    release_pages(stored)
    return integers, scale
