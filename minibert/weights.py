"""{name: array} -> BertWeights: a dataclass with a shape beside every field. The only place that knows the names in a checkpoint.

Accepted are the names of transformers' BertModel, with and without the prefix `bert.`, with `gamma`/`beta` or `weight`/`bias` in the
norms, with or without a pooler, and with the heads of other tasks, which an encoder has no use for. Arrays keep the dtype they are
stored in; `ops.prepare` widens what it needs.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .config import BertConfig
from .formats import BFLOAT16

FloatArray = npt.NDArray[Any]  # float32, float16 or bfloat16
FLOATS = (np.dtype(np.float32), np.dtype(np.float16), BFLOAT16)

HEADS = ("cls.", "classifier.", "qa_outputs.")  # masked language model and next sentence, classification, question answering
BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")  # old transformers stored these index vectors; they carry nothing


@dataclass(frozen=True)
class Linear:
    """y = x weight^T + bias."""

    weight: FloatArray  # (out_features, in_features)
    bias: FloatArray  # (out_features,)


@dataclass(frozen=True)
class LayerNorm:
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, over the last axis."""

    weight: FloatArray  # (hidden_size,)
    bias: FloatArray  # (hidden_size,)
    eps: float


@dataclass(frozen=True)
class LayerWeights:
    """One encoder layer."""

    query: Linear  # hidden_size -> hidden_size
    key: Linear  # hidden_size -> hidden_size
    value: Linear  # hidden_size -> hidden_size
    attention_output: Linear  # hidden_size -> hidden_size
    attention_norm: LayerNorm
    intermediate: Linear  # hidden_size -> intermediate_size
    output: Linear  # intermediate_size -> hidden_size
    output_norm: LayerNorm


@dataclass(frozen=True)
class BertWeights:
    """All parameters of an encoder as they are stored."""

    config: BertConfig
    word_embeddings: FloatArray  # (vocab_size, hidden_size)
    position_embeddings: FloatArray  # (max_position_embeddings, hidden_size)
    token_type_embeddings: FloatArray  # (type_vocab_size, hidden_size)
    embeddings_norm: LayerNorm
    layers: tuple[LayerWeights, ...]
    pooler: Linear | None  # hidden_size -> hidden_size

    @property
    def num_parameters(self) -> int:
        return sum(math.prod(shape) for name, shape in expected_shapes(self.config) if self.pooler or not name.startswith("pooler."))


def from_arrays(arrays: dict[str, npt.NDArray[Any]], config: BertConfig, source: str | Path = "weights") -> BertWeights:
    """BertWeights over the arrays of a checkpoint, whatever its dialect.

    Raises ValueError that lists every missing, unexpected and misshapen tensor at once.
    """
    tensors = canonical_names(arrays, source)
    _check_tensors(tensors, config, source)

    def linear(name: str) -> Linear:
        return Linear(tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    def norm(name: str) -> LayerNorm:
        return LayerNorm(tensors[f"{name}.weight"], tensors[f"{name}.bias"], config.layer_norm_eps)

    layers = [
        LayerWeights(
            query=linear(f"{layer}.attention.self.query"),
            key=linear(f"{layer}.attention.self.key"),
            value=linear(f"{layer}.attention.self.value"),
            attention_output=linear(f"{layer}.attention.output.dense"),
            attention_norm=norm(f"{layer}.attention.output.LayerNorm"),
            intermediate=linear(f"{layer}.intermediate.dense"),
            output=linear(f"{layer}.output.dense"),
            output_norm=norm(f"{layer}.output.LayerNorm"),
        )
        for layer in (f"encoder.layer.{index}" for index in range(config.num_hidden_layers))
    ]
    return BertWeights(
        config=config,
        word_embeddings=tensors["embeddings.word_embeddings.weight"],
        position_embeddings=tensors["embeddings.position_embeddings.weight"],
        token_type_embeddings=tensors["embeddings.token_type_embeddings.weight"],
        embeddings_norm=norm("embeddings.LayerNorm"),
        layers=tuple(layers),
        pooler=linear("pooler.dense") if "pooler.dense.weight" in tensors else None,
    )


def _check_tensors(tensors: dict[str, npt.NDArray[Any]], config: BertConfig, source: str | Path) -> None:
    if config.num_hidden_layers > len(tensors):  # each has 16 tensors
        raise ValueError(f"{source}: expected {config.num_hidden_layers} layers (config.json), found {len(tensors)} tensors in all")
    shapes = dict(expected_shapes(config))
    if not any(name.startswith("pooler.") for name in tensors):
        shapes = {name: shape for name, shape in shapes.items() if not name.startswith("pooler.")}
    missing = sorted(shapes.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - shapes.keys())
    problems = [f"missing: {', '.join(missing)}"] if missing else []
    problems += [f"unexpected: {', '.join(unexpected)}"] if unexpected else []
    problems += [
        f"{name}: expected {shape} from config.json, as float32, float16 or bfloat16, found {tensors[name].shape} {tensors[name].dtype}"
        for name, shape in shapes.items()
        if name in tensors and (tensors[name].shape != shape or tensors[name].dtype not in FLOATS)
    ]
    if problems:
        raise ValueError(f"{source}: config and weights do not belong together, or this is not a BERT encoder\n  " + "\n  ".join(problems))


def canonical_names(arrays: dict[str, npt.NDArray[Any]], source: str | Path) -> dict[str, npt.NDArray[Any]]:
    """The tensors of the encoder under the names of BertModel, without prefix, heads and buffers."""
    tensors: dict[str, npt.NDArray[Any]] = {}
    for stored, array in arrays.items():
        name = stored.removeprefix("bert.")
        if name.startswith(HEADS) or name in BUFFERS:
            continue
        if ".LayerNorm." in name or name.startswith("LayerNorm."):
            name = name.replace(".gamma", ".weight").replace(".beta", ".bias")
        if name in tensors:
            raise ValueError(f"{source}: two tensors for {name} under different names; keep one of them")
        tensors[name] = array
    return tensors


def expected_shapes(config: BertConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """(name, shape) of every tensor of an encoder with pooler."""
    hidden, intermediate = config.hidden_size, config.intermediate_size

    def linear(name: str, out_features: int, in_features: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.weight", (out_features, in_features)
        yield f"{name}.bias", (out_features,)

    def norm(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.weight", (hidden,)
        yield f"{name}.bias", (hidden,)

    yield "embeddings.word_embeddings.weight", (config.vocab_size, hidden)
    yield "embeddings.position_embeddings.weight", (config.max_position_embeddings, hidden)
    yield "embeddings.token_type_embeddings.weight", (config.type_vocab_size, hidden)
    yield from norm("embeddings.LayerNorm")
    for layer in (f"encoder.layer.{index}" for index in range(config.num_hidden_layers)):
        for projection in ("query", "key", "value"):
            yield from linear(f"{layer}.attention.self.{projection}", hidden, hidden)
        yield from linear(f"{layer}.attention.output.dense", hidden, hidden)
        yield from norm(f"{layer}.attention.output.LayerNorm")
        yield from linear(f"{layer}.intermediate.dense", intermediate, hidden)
        yield from linear(f"{layer}.output.dense", hidden, intermediate)
        yield from norm(f"{layer}.output.LayerNorm")
    yield from linear("pooler.dense", hidden, hidden)
