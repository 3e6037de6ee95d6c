"""The names of a BERT's tensors: one table, from which all other code derives them.

A row of the table is a part of the encoder: a matrix, a norm or a table of embeddings. Reading,
writing, checking and conversion use these rows. `BERT` is the only value, and the constants and
functions below use it. Another architecture needs a second value, given to these functions.

Checkpoints spell these names in several ways. `encoder_names` accepts the names of transformers'
BertModel with and without the prefix `bert.`, and `gamma`/`beta` for the parameters of a norm.

Source: transformers, modeling_bert.py.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from ..arrays import FLOAT_WORDS, FLOATS
from ..runtime.tuples import FieldTuple
from .config import BertConfig


class Part(FieldTuple):
    """A part of an encoder and what a checkpoint calls it.

    Its tensors are NAME.weight and NAME.bias.
    """

    field: str  # of BertWeights or LayerWeights
    name: str
    shape: tuple[str, ...]  # of the weight, as fields of BertConfig; a bias has the first of them
    has_bias: bool = True
    is_int8: bool = False  # whether an int8 checkpoint has int8 numbers here, and NAME.weight_scale
    is_optional: bool = False


class Architecture(FieldTuple):
    """The parts of an encoder in the order in which a checkpoint is written."""

    embeddings: tuple[Part, ...]
    layer: tuple[Part, ...]  # of each layer; the names follow LAYER
    pooler: tuple[Part, ...]


BERT = Architecture(
    embeddings=(
        Part("word_embeddings", "embeddings.word_embeddings", ("vocab_size", "hidden_size"), has_bias=False, is_int8=True),
        Part("position_embeddings", "embeddings.position_embeddings", ("max_position_embeddings", "hidden_size"), has_bias=False),
        Part("token_type_embeddings", "embeddings.token_type_embeddings", ("type_vocab_size", "hidden_size"), has_bias=False),
        Part("embeddings_norm", "embeddings.LayerNorm", ("hidden_size",)),
    ),
    layer=(
        Part("query", "attention.self.query", ("hidden_size", "hidden_size"), is_int8=True),
        Part("key", "attention.self.key", ("hidden_size", "hidden_size"), is_int8=True),
        Part("value", "attention.self.value", ("hidden_size", "hidden_size"), is_int8=True),
        Part("attention_output", "attention.output.dense", ("hidden_size", "hidden_size"), is_int8=True),
        Part("attention_norm", "attention.output.LayerNorm", ("hidden_size",)),
        Part("intermediate", "intermediate.dense", ("intermediate_size", "hidden_size"), is_int8=True),
        Part("output", "output.dense", ("hidden_size", "intermediate_size"), is_int8=True),
        Part("output_norm", "output.LayerNorm", ("hidden_size",)),
    ),
    pooler=(Part("pooler", "pooler.dense", ("hidden_size", "hidden_size"), is_int8=True, is_optional=True),),
)
# What else these checkpoints have in common:
LAYER = "encoder.layer."  # the number of a layer follows, then a dot and the name of a part
SCALE = ".weight_scale"  # of int8 rows, beside `.weight`
PREFIX = "bert."  # of the encoder in a model with heads; transformers accepts this one and no other
SECTIONS = ("embeddings.", "encoder.", "pooler.")  # what the names of an encoder's tensors begin with
OPTIONAL = tuple(f"{part.name}." for part in BERT.embeddings + BERT.pooler if part.is_optional)
WORDS = f"{BERT.embeddings[0].name}.weight"
# Old versions of transformers stored these index vectors. They say nothing about the model.
BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
NORM_WORDS = {"gamma": "weight", "beta": "bias"}  # TensorFlow's words for the parameters of a norm

Kind = tuple[tuple[int, ...], tuple[np.dtype[Any], ...], str]  # shape, dtypes, the dtypes in words


def layer_parts(index: int) -> Iterator[tuple[str, Part]]:
    """(name in a checkpoint, row) of each part of one layer."""
    for part in BERT.layer:
        yield f"{LAYER}{index}.{part.name}", part


def named_parts(num_layers: int) -> Iterator[tuple[str, Part]]:
    """(name in a checkpoint, row) of each part of an encoder, in the order of `BERT`."""
    yield from ((part.name, part) for part in BERT.embeddings)
    for index in range(num_layers):
        yield from layer_parts(index)
    yield from ((part.name, part) for part in BERT.pooler)


def expected_shapes(config: BertConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """(name, shape) of every tensor of an encoder with pooler."""
    return ((name, shape) for name, (shape, _, _) in expected_tensors(config, is_int8=False))


def expected_tensors(config: BertConfig, is_int8: bool) -> Iterator[tuple[str, Kind]]:
    """(name, kind) of every tensor of an encoder with pooler.

    If `is_int8`, the rows of the table that say so are int8 and have a scale beside them.
    """
    for name, part in named_parts(config.num_hidden_layers):
        shape = tuple(getattr(config, size) for size in part.shape)
        if is_int8 and part.is_int8:
            yield f"{name}.weight", (shape, (np.dtype(np.int8),), "int8")
            yield name + SCALE, (shape[:1], FLOATS, FLOAT_WORDS)
        else:
            yield f"{name}.weight", (shape, FLOATS, FLOAT_WORDS)
        if part.has_bias:
            yield f"{name}.bias", (shape[:1], FLOATS, FLOAT_WORDS)


def encoder_names(names: Collection[str], config: BertConfig, source: object) -> dict[str, str]:
    """Name in BertModel -> name in a checkpoint, of each tensor of the encoder.

    Other tensors are heads and buffers. Unknown names inside the encoder are included, so that the
    check of the tensors refuses them.
    Raises ValueError for more layers than tensors, and for two tensors with one meaning.
    """
    if config.num_hidden_layers > len(names):  # a layer has 16 tensors
        raise ValueError(f"{source}: expected {config.num_hidden_layers} layers (config.json), found {len(names)} tensors in all")
    expected = {name for name, _ in expected_tensors(config, is_int8=True)}
    own = PREFIX if PREFIX in (prefixes := encoder_prefixes(names)) and "" not in prefixes else ""
    found: dict[str, str] = {}
    for stored in names:
        name = modern_name(stored.removeprefix(PREFIX))
        is_inside = stored.startswith(own) and name.startswith(SECTIONS) and name not in BUFFERS
        if name not in expected and not is_inside:
            continue
        if name in found:
            raise ValueError(f"{source}: two tensors for {name:.200} under different names; keep one of them")
        found[name] = stored
    return found


def modern_name(name: str) -> str:
    """A name with `weight` and `bias` in place of a norm's `gamma` and `beta` (older checkpoints).

    >>> modern_name("embeddings.LayerNorm.gamma")
    'embeddings.LayerNorm.weight'
    """
    norm, _, parameter = name.rpartition(".")
    is_old = parameter in NORM_WORDS and norm.rpartition(".")[2] == "LayerNorm"
    return f"{norm}.{NORM_WORDS[parameter]}" if is_old else name


def encoder_prefixes(names: Collection[str]) -> list[str]:
    """What stands before `embeddings.` and `encoder.` in the names of each encoder of a checkpoint.

    >>> encoder_prefixes(["module.embeddings.word_embeddings.weight",
    ...                   "module.encoder.layer.0.output.dense.bias", "cls.predictions.bias"])
    ['module.']
    """
    tables = {name.removesuffix(WORDS) for name in names if name.endswith(WORDS)}
    sections = "|".join(dict.fromkeys(part.name.partition(".")[0] for part in BERT.layer))
    first_layer = re.compile(rf"(?<![^.]){re.escape(LAYER)}0\.(?=(?:{sections})\.)")
    layers = {name[: found.start()] for name in names if (found := first_layer.search(name))}
    return sorted(prefix for prefix in tables & layers if not prefix or prefix.endswith("."))
