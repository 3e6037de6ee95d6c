"""{name: array} -> BertWeights: a dataclass with a shape beside every field. The only place that knows the names in a checkpoint.

Accepted are the names of transformers' BertModel, with and without the prefix `bert.`, with `gamma`/`beta` or `weight`/`bias` in the
norms, with or without a pooler; and what `minibert quantize` writes, int8 matrices with a scale for each row. Tensors beside the encoder,
such as the heads of other tasks, are left aside, as transformers does. An unknown tensor inside the encoder is refused, since it belongs
to an architecture that computes something else. Arrays keep the dtype they are stored in; `ops.prepare` widens what it needs.

A checkpoint may be larger than what is made of it. So tensors may still lie in a file: a layer is read when it is looked at.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np
import numpy.typing as npt

from ..arrays import BFLOAT16
from ..files.access import listed
from .config import BertConfig

FloatArray = npt.NDArray[Any]  # one of FLOATS
FLOATS = (np.dtype(np.float32), np.dtype(np.float16), BFLOAT16, np.dtype(np.float64))
FLOAT_WORDS = "float32, float16, bfloat16 or float64"

# Fields of LayerWeights -> what follows `encoder.layer.N.` in a checkpoint
LAYER_NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}
SCALE = ".weight_scale"  # of int8 rows, beside `.weight`
MOST_OF_TWO = 128  # 255 times as much is still an integer of sixteen bits, through which tiles.py adds without VNNI
# Inputs of the largest int8 matrix. Two of them add up to 255 * MOST_OF_TWO at the most in the sum of products, an int32; to
# 128 * MOST_OF_TWO in what undoes the offset of INT8["dot"], an int32 too; and to MOST_OF_TWO in the sum of the weights, a float32.
MOST_INT8_INPUTS = 2 * min((2**31 - 1) // (255 * MOST_OF_TWO), (2**31 - 1) // (128 * MOST_OF_TWO), 2**24 // MOST_OF_TWO)
PREFIX = "bert."  # of the encoder in a model with heads; transformers sees through this one and through no other
PARTS = ("embeddings.", "encoder.", "pooler.")  # of an encoder
ADAPTERS = re.compile(r"lora_|base_layer|adapter|ia3_")  # what a library of adapters puts into the names of an encoder
WORDS = "embeddings.word_embeddings.weight"
FIRST_LAYER = re.compile(r"(?<![^.])encoder\.layer\.0\.(?=attention\.|intermediate\.|output\.)")
BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")  # old transformers stored these index vectors; they carry nothing


class Tensor(Protocol):
    """An array, or a tensor in a file that `np.asarray` reads."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __array__(self) -> npt.NDArray[Any]: ...


@dataclass(frozen=True)
class Linear:
    """y = x weight^T + bias."""

    weight: FloatArray  # (out_features, in_features)
    bias: FloatArray  # (out_features,)


@dataclass(frozen=True)
class Int8Linear:
    """y = x (scale * weight)^T + bias: eight bits a weight, and one scale for each output."""

    weight: npt.NDArray[np.int8]  # (out_features, in_features), -127..127; see `sums_of_two`
    scale: FloatArray  # (out_features,)
    bias: FloatArray  # (out_features,)


@dataclass(frozen=True)
class Int8Rows:
    """A table of embeddings in eight bits, with one scale for each row."""

    weight: npt.NDArray[np.int8]  # (num_rows, hidden_size), -127..127
    scale: FloatArray  # (num_rows,)


@dataclass(frozen=True)
class LayerNorm:
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, over the last axis."""

    weight: FloatArray  # (hidden_size,)
    bias: FloatArray  # (hidden_size,)
    eps: float


Matrix = Linear | Int8Linear


@dataclass(frozen=True)
class LayerWeights:
    """One encoder layer."""

    query: Matrix  # hidden_size -> hidden_size
    key: Matrix  # hidden_size -> hidden_size
    value: Matrix  # hidden_size -> hidden_size
    attention_output: Matrix  # hidden_size -> hidden_size
    attention_norm: LayerNorm
    intermediate: Matrix  # hidden_size -> intermediate_size
    output: Matrix  # intermediate_size -> hidden_size
    output_norm: LayerNorm

    @property
    def query_key_value(self) -> Matrix:
        """The three side by side, hidden_size -> 3 * hidden_size, so that one product makes them all. A copy."""
        kind, projections = type(self.query), (self.query, self.key, self.value)
        return kind(**{field.name: np.concatenate([getattr(each, field.name) for each in projections]) for field in fields(kind)})


@dataclass(frozen=True)
class Layers(Sequence[LayerWeights]):
    """The layers of a checkpoint, each made when it is looked at, and not kept."""

    make: Callable[[int], LayerWeights]
    number: int

    def __len__(self) -> int:
        return self.number

    @overload
    def __getitem__(self, index: int) -> LayerWeights: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LayerWeights]: ...
    def __getitem__(self, index: int | slice) -> LayerWeights | Sequence[LayerWeights]:
        if isinstance(index, slice):
            return [self.make(each) for each in range(self.number)[index]]
        return self.make(range(self.number)[index])


@dataclass(frozen=True)
class BertWeights:
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
        """Whether the matrices are int8; then the word embeddings are too."""
        return isinstance(self.word_embeddings, Int8Rows)

    @property
    def num_parameters(self) -> int:
        return sum(math.prod(shape) for name, shape in expected_shapes(self.config) if self.pooler or not name.startswith("pooler."))


def from_arrays(arrays: Mapping[str, Tensor], config: BertConfig, source: str | Path = "weights") -> BertWeights:
    """BertWeights over the tensors of a checkpoint, whatever its dialect. Layers are read when they are looked at.

    Raises ValueError that lists every missing, unexpected and misshapen tensor at once.
    """
    tensors = {name: arrays[stored] for name, stored in encoder_names(arrays, config, source).items()}
    _check_prefix(arrays, tensors, source)
    _check_tensors(tensors, config, source)

    def read(name: str) -> npt.NDArray[Any]:
        return np.asarray(tensors[name])

    def linear(name: str) -> Matrix:
        weight, bias = read(f"{name}.weight"), read(f"{name}.bias")
        if name + SCALE not in tensors:
            return Linear(weight, bias)
        scale = read(name + SCALE)
        if sums_of_two(weight).max() > MOST_OF_TWO:
            expected = f"expected int8 neighbours that add up to {MOST_OF_TWO} at the most, as `minibert quantize` writes them"
            raise ValueError(f"{source}: {name}.weight: {expected}, found more; quantise the model again")
        return Int8Linear(weight, scale, bias)

    def norm(name: str) -> LayerNorm:
        return LayerNorm(read(f"{name}.weight"), read(f"{name}.bias"), config.layer_norm_eps)

    def layer(index: int) -> LayerWeights:
        parts: dict[str, Any] = {}
        for field, name in LAYER_NAMES.items():
            make = norm if field.endswith("norm") else linear
            parts[field] = make(f"encoder.layer.{index}.{name}")
        return LayerWeights(**parts)

    words, scale = read("embeddings.word_embeddings.weight"), "embeddings.word_embeddings" + SCALE
    return BertWeights(
        config=config,
        word_embeddings=Int8Rows(words, read(scale)) if scale in tensors else words,
        position_embeddings=read("embeddings.position_embeddings.weight"),
        token_type_embeddings=read("embeddings.token_type_embeddings.weight"),
        embeddings_norm=norm("embeddings.LayerNorm"),
        layers=Layers(layer, config.num_hidden_layers),
        pooler=linear("pooler.dense") if "pooler.dense.weight" in tensors else None,
    )


def check_int8_sizes(config: BertConfig, source: str | Path) -> None:
    """ValueError if a matrix has more inputs than an int8 product can add."""
    for name in ("hidden_size", "intermediate_size"):
        if (size := getattr(config, name)) > MOST_INT8_INPUTS:
            expected = f"expected at most {MOST_INT8_INPUTS} for int8, whose sums of products would overflow"
            raise ValueError(f"{source}: {name}: {expected}, found {size}; take float32 weights and precision='float32'")


def sums_of_two(weight: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(out_features,): of each row the greatest |weight[2 i] + weight[2 i + 1]|. Of an int8 matrix, none is more than MOST_OF_TWO."""
    even, odd = weight[:, 0::2], weight[:, 1::2]
    sums = np.add(even[:, : odd.shape[1]], odd, dtype=np.int16 if weight.dtype == np.int8 else np.float32)
    greatest: npt.NDArray[Any] = np.maximum(sums.max(axis=1, initial=0), -sums.min(axis=1, initial=0))
    return greatest


Kind = tuple[tuple[int, ...], tuple[np.dtype[Any], ...], str]  # shape, dtypes, the dtypes in words


def _check_tensors(tensors: Mapping[str, Tensor], config: BertConfig, source: str | Path) -> None:
    is_int8 = any(name.endswith(SCALE) for name in tensors)
    if is_int8:
        check_int8_sizes(config, source)
    _check(tensors, dict(expected_tensors(config, is_int8)), source)


def _check(tensors: Mapping[str, Tensor], expected: dict[str, Kind], source: str | Path) -> None:
    if not any(name.startswith("pooler.") for name in tensors):
        expected = {name: kind for name, kind in expected.items() if not name.startswith("pooler.")}
    missing = sorted(expected.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - expected.keys())
    problems = [f"missing: {listed(missing)}"] if missing else []
    problems += [f"unexpected: {listed(unexpected)}"] if unexpected else []
    problems += ["adapters are not read; merge them into the model and save it again"] if any(map(ADAPTERS.search, unexpected)) else []
    problems += [
        f"{name}: expected {shape} from config.json, as {words}, found {tensors[name].shape} {tensors[name].dtype}"
        for name, (shape, dtypes, words) in expected.items()
        if name in tensors and (tensors[name].shape != shape or tensors[name].dtype not in dtypes)
    ]
    if problems:
        raise ValueError(f"{source}: config and weights do not belong together, or this is not a BERT encoder\n  " + "\n  ".join(problems))


def expected_tensors(config: BertConfig, is_int8: bool) -> Iterator[tuple[str, Kind]]:
    """(name, kind) of every tensor of an encoder with pooler; quantised, each matrix is int8 and has a scale beside it."""
    tables = ("embeddings.position_embeddings.weight", "embeddings.token_type_embeddings.weight")
    for name, shape in expected_shapes(config):
        if is_int8 and len(shape) == 2 and name not in tables:
            yield name, (shape, (np.dtype(np.int8),), "int8")
            yield name.removesuffix(".weight") + SCALE, (shape[:1], FLOATS, FLOAT_WORDS)
        else:
            yield name, (shape, FLOATS, FLOAT_WORDS)


def to_arrays(weights: BertWeights) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """(name, array) of each array of a checkpoint, under the names that `from_arrays` reads, one layer after the other."""
    yield from _named("embeddings.word_embeddings", weights.word_embeddings)
    yield from _named("embeddings.position_embeddings", weights.position_embeddings)
    yield from _named("embeddings.token_type_embeddings", weights.token_type_embeddings)
    yield from _named("embeddings.LayerNorm", weights.embeddings_norm)
    for index, layer in enumerate(weights.layers):
        yield from _named_layer(index, layer)
    if weights.pooler:
        yield from _named("pooler.dense", weights.pooler)


def _named_layer(index: int, layer: LayerWeights) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for field, name in LAYER_NAMES.items():
        yield from _named(f"encoder.layer.{index}.{name}", getattr(layer, field))


def _named(name: str, part: Any) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for field, array in ({"weight": part} if isinstance(part, np.ndarray) else vars(part)).items():
        if isinstance(array, np.ndarray):  # and not the eps of a LayerNorm
            yield f"{name}.{'weight_scale' if field == 'scale' else field}", array


def checked_layers(weights: BertWeights) -> Iterator[LayerWeights]:
    """The layers, after a look at all shapes and dtypes, because the kernels compute addresses from the config.

    Raises ValueError for weights that are not as their config says. `from_arrays` makes none of them, but `dataclasses.replace` does.
    """
    number, first = weights.config.num_hidden_layers, "encoder.layer.0."
    if len(weights.layers) != number:
        raise ValueError(f"weights: expected {number} layers (config.json), found {len(weights.layers)}")
    expected = dict(expected_tensors(replace(weights.config, num_hidden_layers=1), weights.is_int8))
    of_layer = {name: kind for name, kind in expected.items() if name.startswith(first)}
    _check(dict(to_arrays(replace(weights, layers=()))), {name: kind for name, kind in expected.items() if name not in of_layer}, "weights")
    for layer in weights.layers:
        _check(dict(_named_layer(0, layer)), of_layer, "weights")
        yield layer


def encoder_names(names: Collection[str], config: BertConfig, source: str | Path) -> dict[str, str]:
    """Name in BertModel -> name in a checkpoint, of each tensor of the encoder. Other tensors are heads and buffers.

    Names that a BERT with this config does not have are among them, where they stand inside the encoder: `_check` refuses those.
    """
    if config.num_hidden_layers > len(names):  # each has 16 tensors
        raise ValueError(f"{source}: expected {config.num_hidden_layers} layers (config.json), found {len(names)} tensors in all")
    expected = {name for name, _ in expected_tensors(config, is_int8=True)}
    own = PREFIX if PREFIX in (prefixes := encoder_prefixes(names)) and "" not in prefixes else ""
    found: dict[str, str] = {}
    for stored in names:
        name = modern_name(stored.removeprefix(PREFIX))
        is_inside = stored.startswith(own) and name.startswith(PARTS) and name not in BUFFERS
        if name not in expected and not is_inside:
            continue
        if name in found:
            raise ValueError(f"{source}: two tensors for {name:.200} under different names; keep one of them")
        found[name] = stored
    return found


def modern_name(name: str) -> str:
    """TensorFlow's words for the parameters of a norm, which older checkpoints have, in those of today.

    >>> modern_name("embeddings.LayerNorm.gamma")
    'embeddings.LayerNorm.weight'
    """
    return re.sub(r"(?<=\bLayerNorm\.)gamma$", "weight", re.sub(r"(?<=\bLayerNorm\.)beta$", "bias", name))


def encoder_prefixes(names: Collection[str]) -> list[str]:
    """What stands before `embeddings.` and `encoder.` in the names of each encoder of a checkpoint.

    >>> encoder_prefixes(["module.embeddings.word_embeddings.weight", "module.encoder.layer.0.output.dense.bias", "cls.predictions.bias"])
    ['module.']
    """
    tables = {name.removesuffix(WORDS) for name in names if name.endswith(WORDS)}
    layers = {name[: found.start()] for name in names if (found := FIRST_LAYER.search(name))}
    return sorted(prefix for prefix in tables & layers if not prefix or prefix.endswith("."))


def _check_prefix(names: Collection[str], encoder: Mapping[str, Tensor], source: str | Path) -> None:
    """Raises ValueError if the encoder stands behind a prefix through which transformers does not see."""
    if WORDS not in encoder and (prefixes := encoder_prefixes(names)):
        raise ValueError(
            f"{source}: expected the names of BertModel, with or without {PREFIX!r} before them, found {listed(map(repr, prefixes))} "
            f"before them; `minibert convert` writes a folder without it"
        )


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
