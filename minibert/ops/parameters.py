"""The parameters of an encoder in the layout of a backend, and the lookup of embeddings."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from ..arrays import widen
from ..bert.checkpoint import checked_layers
from ..bert.config import BertConfig
from ..bert.weights import BertWeights, FloatArray, Int8Rows, LayerNorm, LayerWeights
from ..runtime.tuples import FieldTuple
from . import Float32, Int32

INT32 = np.dtype(np.int32)
Prepared: TypeAlias = Any  # a Linear or Int8Linear, or a backend's own form of one


class Layer(FieldTuple):
    """One encoder layer as a backend keeps it."""

    query_key_value: Prepared  # hidden_size -> 3 * hidden_size
    attention_output: Prepared
    attention_norm: LayerNorm
    intermediate: Prepared
    output: Prepared
    output_norm: LayerNorm


class Parameters(FieldTuple):
    """BertWeights as a backend keeps them. The word embeddings stay as they are stored."""

    config: BertConfig
    word_embeddings: FloatArray | Int8Rows
    position_embeddings: Float32
    token_type_embeddings: Float32
    embeddings_norm: LayerNorm
    layers: tuple[Layer, ...]
    pooler: Prepared  # None without one


def arrange(
    weights: BertWeights, matrix: Callable[..., Any], norm: Callable[[LayerNorm], LayerNorm], table: Callable[[FloatArray], Float32]
) -> Parameters:
    """Return the Parameters, given how a backend keeps matrices, norms and small tables.

    `matrix` is given one matrix, or several whose outputs become one.

    Raises ValueError for weights that do not fit their config.
    """

    def layer(stored: LayerWeights) -> Layer:
        return Layer(
            query_key_value=matrix(stored.query, stored.key, stored.value),
            attention_output=matrix(stored.attention_output),
            attention_norm=norm(stored.attention_norm),
            intermediate=matrix(stored.intermediate),
            output=matrix(stored.output),
            output_norm=norm(stored.output_norm),
        )

    return Parameters(
        config=BertConfig(*weights.config),  # checked once more, because loops compute addresses from it
        word_embeddings=weights.word_embeddings,
        position_embeddings=table(weights.position_embeddings),
        token_type_embeddings=table(weights.token_type_embeddings),
        embeddings_norm=norm(weights.embeddings_norm),
        layers=tuple(map(layer, checked_layers(weights))),
        pooler=matrix(weights.pooler) if weights.pooler else None,
    )


def look_up(name: str, table: FloatArray | Int8Rows, ids: Int32) -> Float32:
    """Return rows of a table of embeddings in float32, (len(ids), hidden_size), as a new array.

    NumPy checks the numbers that it uses. They are a copy, so no other thread can change them. They
    are unsigned, so a number below 0 is outside the table instead of counting from its end.

    Raises ValueError with `name` for an id outside the table.
    """
    unsigned = ids.astype(np.uint32)
    try:
        if isinstance(table, Int8Rows):
            return table.weight[unsigned] * widen(table.scale)[unsigned, np.newaxis]
        return widen(table[unsigned])
    except IndexError:
        num_rows = len(table.weight if isinstance(table, Int8Rows) else table)
        found = unsigned.view(np.int32)
        raise outside(name, num_rows, int(found.min()), int(found.max())) from None


def check_ids(input_ids: Int32, position_ids: Int32, token_type_ids: Int32) -> None:
    """Raise ValueError unless each of the three is contiguous int32 with one number per token."""
    shape = (input_ids.size,)
    for name, ids in (("input_ids", input_ids), ("position_ids", position_ids), ("token_type_ids", token_type_ids)):
        if ids.dtype != INT32 or ids.shape != shape or not ids.flags.c_contiguous:
            raise ValueError(f"{name}: expected contiguous int32 {shape}, found {ids.dtype} {ids.shape}, strides {ids.strides}")


def outside(name: str, num_rows: int, least: int, greatest: int) -> ValueError:
    """Return the error for numbers from `least` to `greatest` in a table of `num_rows` rows."""
    return ValueError(f"{name}: expected 0 to {num_rows - 1}, found {least} to {greatest}")
