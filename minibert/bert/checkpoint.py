"""{name: array} <-> BertWeights, with a check of every name, shape and dtype.

The names of transformers' BertModel are accepted in their several spellings (see `tensors`), with
or without a pooler. The int8 matrices of `minibert quantize` are accepted with a scale for each
row. Tensors beside the encoder, such as the heads of other tasks, are ignored, as in transformers.
An unknown tensor inside the encoder is refused: it belongs to an architecture that computes
something else.

A checkpoint may be larger than what is made of it. Therefore the tensors may still lie in a file,
and a layer is read when it is accessed.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from ..arrays import Array
from ..files import StrPath
from ..files.access import listed
from .config import BertConfig
from .tensors import (
    BERT,
    LAYER,
    OPTIONAL,
    PREFIX,
    SCALE,
    WORDS,
    Kind,
    Part,
    encoder_names,
    encoder_prefixes,
    expected_tensors,
    layer_parts,
)
from .weights import BertWeights, Int8Linear, Int8Rows, LayerNorm, Layers, LayerWeights, Linear

ADAPTERS = r"lora_|base_layer|adapter|ia3_"  # what libraries of adapters put into the names of an encoder


class Tensor(Protocol):
    """An array, or a tensor in a file that `np.asarray` reads."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __array__(self) -> Array: ...


def from_arrays(arrays: Mapping[str, Tensor], config: BertConfig, source: StrPath = "weights") -> BertWeights:
    """The BertWeights of a checkpoint. A layer is read when it is accessed.

    Args:
        arrays: the tensors of a checkpoint by name, in any of the accepted spellings.
        config: says which tensors there must be, and their shapes.
        source: what errors begin with.

    Raises ValueError that lists every missing, unexpected and misshapen tensor at once.
    """
    tensors = {name: arrays[stored] for name, stored in encoder_names(arrays, config, source).items()}
    _check_prefix(arrays, tensors, source)
    is_int8 = any(name.endswith(SCALE) for name in tensors)
    if is_int8:
        from .int8 import check_int8_sizes

        check_int8_sizes(config, source)
    _check(tensors, dict(expected_tensors(config, is_int8)), source)

    def read(name: str, part: Part) -> Any:
        return _read(tensors, name, part, config.layer_norm_eps, source)

    def layer(index: int) -> LayerWeights:
        return LayerWeights(**{part.field: read(name, part) for name, part in layer_parts(index)})

    parts = {part.field: read(part.name, part) for part in BERT.embeddings + BERT.pooler}
    return BertWeights(config=config, layers=Layers(layer, config.num_hidden_layers), **parts)


def _read(tensors: Mapping[str, Tensor], name: str, part: Part, eps: float, source: StrPath) -> Any:
    """A part of an encoder, as a field of BertWeights or LayerWeights. None if it is absent."""
    if part.is_optional and f"{name}.weight" not in tensors:
        return None
    weight = np.asarray(tensors[f"{name}.weight"])
    scale = np.asarray(tensors[name + SCALE]) if name + SCALE in tensors else None
    if not part.has_bias:
        return weight if scale is None else Int8Rows(weight, scale)
    bias = np.asarray(tensors[f"{name}.bias"])
    if len(part.shape) == 1:
        return LayerNorm(weight, bias, eps)
    if scale is None:
        return Linear(weight, bias)
    from .int8 import check_pair_sums

    check_pair_sums(weight, f"{source}: {name}.weight")
    return Int8Linear(weight, scale, bias)


def to_arrays(weights: BertWeights) -> Iterator[tuple[str, Array]]:
    """(name, array) of each array of a checkpoint, under the names that `from_arrays` reads.

    The layers come one after the other, so that one layer at a time is in memory.
    """
    for part in BERT.embeddings:
        yield from _named(part.name, getattr(weights, part.field))
    for index, layer in enumerate(weights.layers):
        yield from _named_layer(index, layer)
    for part in BERT.pooler:
        if stored := getattr(weights, part.field):
            yield from _named(part.name, stored)


def _named_layer(index: int, layer: LayerWeights) -> Iterator[tuple[str, Array]]:
    for name, part in layer_parts(index):
        yield from _named(name, getattr(layer, part.field))


def _named(name: str, part: Any) -> Iterator[tuple[str, Array]]:
    for field, array in ({"weight": part} if isinstance(part, np.ndarray) else part._asdict()).items():
        if isinstance(array, np.ndarray):  # the eps of a LayerNorm is none
            yield name + SCALE if field == "scale" else f"{name}.{field}", array


def checked_layers(weights: BertWeights) -> Iterator[LayerWeights]:
    """The layers of an encoder, each after a check of all its shapes and dtypes.

    Compiled code computes addresses from the config, so the arrays must be as the config says. What
    `from_arrays` makes is so, but anyone may build or change BertWeights.
    Raises ValueError for weights that are not as their config says.
    """
    num_layers = weights.config.num_hidden_layers
    if len(weights.layers) != num_layers:
        raise ValueError(f"weights: expected {num_layers} layers (config.json), found {len(weights.layers)}")
    expected = dict(expected_tensors(weights.config._replace(num_hidden_layers=1), weights.is_int8))
    of_layer = {name: kind for name, kind in expected.items() if name.startswith(LAYER)}
    others = {name: kind for name, kind in expected.items() if name not in of_layer}
    _check(dict(to_arrays(weights._replace(layers=()))), others, "weights")
    for layer in weights.layers:
        _check(dict(_named_layer(0, layer)), of_layer, "weights")
        yield layer


def _check(tensors: Mapping[str, Tensor], expected: dict[str, Kind], source: StrPath) -> None:
    """Raise ValueError that lists all differences between the tensors and what is expected."""
    if tensors.keys() == expected.keys() and not any(_differs(tensors[name], kind) for name, kind in expected.items()):
        return
    absent = tuple(prefix for prefix in OPTIONAL if not any(name.startswith(prefix) for name in tensors))
    expected = {name: kind for name, kind in expected.items() if not name.startswith(absent)}
    missing = sorted(expected.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - expected.keys())
    problems = [f"missing: {listed(missing)}"] if missing else []
    problems += [f"unexpected: {listed(unexpected)}"] if unexpected else []
    if any(re.search(ADAPTERS, name) for name in unexpected):
        problems.append("adapters are not read; merge them into the model and save it again")
    problems += [
        f"{name}: expected {shape} from config.json, as {words}, found {tensors[name].shape} {tensors[name].dtype}"
        for name, (shape, dtypes, words) in expected.items()
        if name in tensors and _differs(tensors[name], expected[name])
    ]
    if problems:
        raise ValueError(f"{source}: config and weights do not belong together, or this is not a BERT encoder\n  " + "\n  ".join(problems))


def _differs(tensor: Tensor, kind: Kind) -> bool:
    shape, dtypes, _ = kind
    return tensor.shape != shape or tensor.dtype not in dtypes


def _check_prefix(names: Collection[str], encoder: Mapping[str, Tensor], source: StrPath) -> None:
    """Raise ValueError if the encoder stands behind a prefix that transformers does not remove."""
    if WORDS not in encoder and (prefixes := encoder_prefixes(names)):
        raise ValueError(
            f"{source}: expected the names of BertModel, with or without {PREFIX!r} before them, found {listed(map(repr, prefixes))} "
            f"before them; `minibert convert` writes a folder without it"
        )
