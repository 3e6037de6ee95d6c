"""The weights of an encoder: named tuples with a shape for every field.

Arrays keep the dtype in which they are stored. A backend widens what it needs.
"""

import math
from collections.abc import Callable, Sequence
from typing import overload

import numpy as np

from ..arrays import Array, Int8, widen
from ..runtime.tuples import FieldTuple
from .config import BertConfig
from .tensors import OPTIONAL, expected_shapes

FloatArray = Array  # of one of `arrays.FLOATS`


class Linear(FieldTuple):
    """y = x weight^T + bias."""

    weight: FloatArray  # (out_features, in_features)
    bias: FloatArray  # (out_features,)


class Int8Linear(FieldTuple):
    """y = x (scale * weight)^T + bias: eight bits for a weight, and one scale for each output."""

    weight: Int8  # (out_features, in_features), -127..127; see `int8.MAX_PAIR_SUM`
    scale: FloatArray  # (out_features,)
    bias: FloatArray  # (out_features,)


class Int8Rows(FieldTuple):
    """A table of embeddings in eight bits, with one scale for each row."""

    weight: Int8  # (num_rows, hidden_size), -127..127
    scale: FloatArray  # (num_rows,)


class LayerNorm(FieldTuple):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, over the last axis."""

    weight: FloatArray  # (hidden_size,)
    bias: FloatArray  # (hidden_size,)
    eps: float


Matrix = Linear | Int8Linear


class LayerWeights(FieldTuple):
    """The weights of one encoder layer."""

    query: Matrix  # hidden_size -> hidden_size
    key: Matrix  # hidden_size -> hidden_size
    value: Matrix  # hidden_size -> hidden_size
    attention_output: Matrix  # hidden_size -> hidden_size
    attention_norm: LayerNorm
    intermediate: Matrix  # hidden_size -> intermediate_size
    output: Matrix  # intermediate_size -> hidden_size
    output_norm: LayerNorm


def side_by_side(*matrices: Matrix) -> Matrix:
    """One matrix with the outputs of several, which all have the same inputs: a copy.

    A single matrix is returned itself.
    """
    first, *others = matrices
    return type(first)(*map(_joined, zip(*matrices, strict=True))) if others else first


def _joined(arrays: Sequence[Array]) -> Array:
    """The arrays one after the other. NumPy does not join bfloat16 with other numbers."""
    is_one_type = len({array.dtype for array in arrays}) == 1
    return np.concatenate(arrays if is_one_type else [widen(array) for array in arrays])


class Layers(Sequence[LayerWeights]):
    """The layers of a checkpoint.

    Each access makes a layer anew, so that no layer stays in memory.
    """

    def __init__(self, make: Callable[[int], LayerWeights], num_layers: int) -> None:
        self._make = make
        self._num_layers = num_layers

    def __len__(self) -> int:
        return self._num_layers

    @overload
    def __getitem__(self, index: int) -> LayerWeights: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LayerWeights]: ...
    def __getitem__(self, index: int | slice) -> LayerWeights | Sequence[LayerWeights]:
        if isinstance(index, slice):
            return [self._make(each) for each in range(self._num_layers)[index]]
        return self._make(range(self._num_layers)[index])


class BertWeights(FieldTuple):
    """All parameters of an encoder as they are stored."""

    config: BertConfig
    word_embeddings: FloatArray | Int8Rows  # (vocab_size, hidden_size)
    position_embeddings: FloatArray  # (max_position_embeddings, hidden_size)
    token_type_embeddings: FloatArray  # (type_vocab_size, hidden_size)
    embeddings_norm: LayerNorm
    layers: Sequence[LayerWeights]
    pooler: Matrix | None  # hidden_size -> hidden_size

    @property
    def is_int8(self) -> bool:
        """Whether the matrices are int8; then the word embeddings are int8 too."""
        return isinstance(self.word_embeddings, Int8Rows)

    @property
    def num_parameters(self) -> int:
        """How many numbers the encoder has, without the scales of int8 rows."""
        return sum(math.prod(shape) for name, shape in expected_shapes(self.config) if self.pooler or not name.startswith(OPTIONAL))
