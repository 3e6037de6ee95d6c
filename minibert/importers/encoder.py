"""The config and the weights of the encoder in a checkpoint.

Source: transformers, modeling_bert.py, for its names and the tensors that it ties.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ..bert.checkpoint import from_arrays
from ..bert.config import BertConfig
from ..bert.tensors import encoder_names
from ..files.access import listed
from .checkpoint_kinds import Arrays, Checkpoint

# A tensor -> the tensor that transformers ties it to
TIED = {"cls.predictions.decoder.weight": "embeddings.word_embeddings.weight", "cls.predictions.decoder.bias": "cls.predictions.bias"}
# Matrices whose shapes tell the config: embeddings of words, positions and types; the first of a
# feed-forward network
MATRICES = (
    "embeddings.word_embeddings.weight",
    "embeddings.position_embeddings.weight",
    "embeddings.token_type_embeddings.weight",
    "encoder.layer.0.intermediate.dense.weight",
)
HEAD_DIM = 64  # of all 24 miniatures, of BERT-Base and of BERT-Large; for sources that do not tell it


def inferred_config(checkpoint: Checkpoint, source: Path) -> dict[str, Any]:
    """Return the config of a source that has none.

    The shapes of its tensors tell most fields. The others are the same in all BERTs of Google.
    """
    arrays = checkpoint.arrays
    matrices = [array for name in MATRICES if (array := arrays.get(name)) is not None and array.ndim == 2]
    if len(matrices) < len(MATRICES):
        raise ValueError(f"{source}: expected embeddings and layers of a BERT, found {listed(arrays)}")
    words, positions, types, inner = matrices
    hidden_size = words.shape[1]
    if checkpoint.num_heads is None and hidden_size % HEAD_DIM:
        raise ValueError(
            f"{source}: expected a config.json, or a hidden size that is a multiple of {HEAD_DIM}, "
            f"as in Google's models, found {hidden_size}"
        )
    layers = {int(name.split(".")[2]) for name in arrays if name.startswith("encoder.layer.")}
    return {
        "model_type": "bert",
        "vocab_size": words.shape[0],
        "hidden_size": hidden_size,
        "num_hidden_layers": max(layers) + 1,
        "num_attention_heads": checkpoint.num_heads or hidden_size // HEAD_DIM,
        "intermediate_size": inner.shape[0],
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": positions.shape[0],
        "type_vocab_size": types.shape[0],
    }


def sorted_arrays(checkpoint: Checkpoint, config: BertConfig, source: Path) -> Arrays:
    """Return the encoder and the heads of pre-training, in the order of the source.

    Names are those of BertForPreTraining without "bert.". Names of other tensors are added to
    `checkpoint.left_out`. Raises ValueError for weights that could not be loaded, and for a head
    that does not fit.
    """
    arrays = checkpoint.arrays
    names = {stored: name for name, stored in encoder_names(arrays, config, source).items()}
    encoder = {name: arrays[stored] for stored, name in names.items()}
    list(from_arrays(encoder, config, source).layers)  # this checks each layer
    if checkpoint.num_heads not in (None, config.num_attention_heads):
        numbers = f"expected {config.num_attention_heads} attention heads, found kernels of {checkpoint.num_heads}"
        raise ValueError(f"{source}: {numbers}; correct num_attention_heads in its config")
    shapes = head_shapes(config)
    heads = {name: array for name, array in arrays.items() if name in shapes and not _is_tied(name, encoder | arrays)}
    if wrong := [f"{name}: expected {shapes[name]}, found {each.shape}" for name, each in heads.items() if each.shape != shapes[name]]:
        raise ValueError(f"{source}: " + "; ".join(wrong))
    checkpoint.left_out += [checkpoint.stored.get(name, name) for name in arrays if name not in names and name not in heads]
    return {names.get(name, name): array for name, array in arrays.items() if name in names or name in heads}


def head_shapes(config: BertConfig) -> dict[str, tuple[int, ...]]:
    """Return the names of the heads of pre-training, and their shapes."""
    hidden, vocabulary = config.hidden_size, config.vocab_size
    return {
        "cls.predictions.bias": (vocabulary,),
        "cls.predictions.transform.dense.weight": (hidden, hidden),
        "cls.predictions.transform.dense.bias": (hidden,),
        "cls.predictions.transform.LayerNorm.weight": (hidden,),
        "cls.predictions.transform.LayerNorm.bias": (hidden,),
        "cls.predictions.decoder.weight": (vocabulary, hidden),
        "cls.predictions.decoder.bias": (vocabulary,),
        "cls.seq_relationship.weight": (2, hidden),
        "cls.seq_relationship.bias": (2,),
    }


def _is_tied(name: str, arrays: Arrays) -> bool:
    """Return whether transformers ties the tensor to another one that is there."""
    array, other = arrays[name], arrays.get(TIED.get(name, ""))
    return other is not None and array.shape == other.shape and np.array_equal(array, other)
