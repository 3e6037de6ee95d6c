"""Variables of TensorFlow's BERTs -> their names and shapes in transformers.

Sources: google-research/bert, modeling.py and run_pretraining.py; tensorflow/models,
tf1_bert_checkpoint_converter_lib.py and bert_encoder.py; transformers, modeling_bert.py.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

from ..bert.tensors import BERT, LAYER, Part, modern_name

# Field of the table `BERT` -> its name in TF2's model garden, without parameters and prefix
GARDEN = {
    "word_embeddings": "word_embeddings/embeddings",
    "position_embeddings": "position_embeddings?/embeddings",
    "token_type_embeddings": "type_embeddings/embeddings",
    "embeddings_norm": "embeddings/layer_norm",
    "query": "self_attention/query",
    "key": "self_attention/key",
    "value": "self_attention/value",
    "attention_output": "(?:self_attention/attention_output|self_attention_output)",
    "attention_norm": "self_attention_layer_norm",
    "intermediate": "intermediate",
    "output": "output",
    "output_norm": "output_layer_norm",
    "pooler": "pooler_transform",
}
# The heads of pre-training: a TensorFlow name -> transformers'
HEADS = (
    (r"(?:.*/)?cls/predictions/transform/dense/(kernel|bias)", r"cls.predictions.transform.dense.\1"),
    (r"(?:.*/)?cls/predictions/transform/LayerNorm/(gamma|beta)", r"cls.predictions.transform.LayerNorm.\1"),
    (r"(?:.*/)?(?:cls/predictions/)?output_bias(?:/bias)?", "cls.predictions.bias"),
    (r"(?:.*/)?predictions/transform/logits/(kernel|bias)", r"cls.seq_relationship.\1"),
    (r"(?:.*/)?cls/seq_relationship/output_weights", "cls.seq_relationship.weight"),
    (r"(?:.*/)?cls/seq_relationship/output_bias", "cls.seq_relationship.bias"),
)


def _rows(part: Part, *, in_layer: bool) -> Iterator[tuple[str, str]]:
    """Return (name in TensorFlow, name in transformers) of a part of the encoder.

    The first is Google's name, which is transformers' name with slashes. The second is that of the
    model garden. Their prefix (`bert/`, `module/bert/`, `transformer/`) differs from file to file.
    """
    layer, number = (r"layer_(\d+)/", rf"{LAYER}\1.") if in_layer else ("", "")
    google = f"(?:.*/)?bert/{'encoder/' if in_layer else ''}{layer}{part.name.replace('.', '/')}"
    garden = f"(?:.*/)?{layer}{GARDEN[part.field]}"
    if not part.has_bias:
        return ((name, f"{number}{part.name}.weight") for name in (google, garden))
    parameters = "(gamma|beta)" if len(part.shape) == 1 else "(kernel|bias)"
    return ((f"{name}/{parameters}", f"{number}{part.name}.\\{2 if in_layer else 1}") for name in (google, garden))


TENSORFLOW_NAMES = (
    *(row for part in BERT.embeddings + BERT.pooler for row in _rows(part, in_layer=False)),
    *(row for part in BERT.layer for row in _rows(part, in_layer=True)),
    *HEADS,
)
# An unknown tensor with such a name would change hidden states. Heads of other tasks, and variables
# of the training, do not.
ENCODER = re.compile(r"layer_\d+/|embedding")


def transformers_name(name: str) -> str | None:
    """Return transformers' name for a name of TensorFlow; None if it is no name of a BERT.

    A matrix that must be transposed keeps the ending `kernel`.

    >>> transformers_name("bert/encoder/layer_3/attention/self/query/kernel")
    'encoder.layer.3.attention.self.query.kernel'
    >>> transformers_name("module/bert/embeddings/LayerNorm/gamma")
    'embeddings.LayerNorm.weight'
    """
    for pattern, replacement in TENSORFLOW_NAMES:
        if found := re.fullmatch(pattern, name.removesuffix(":0")):
            return modern_name(found.expand(replacement))
    return None


def reshaped(name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a tensor of TensorFlow in the shape of transformers.

    TF2 has a dimension for the heads, which is merged here. TensorFlow multiplies from the other
    side, so a kernel is transposed.
    """
    if name.endswith(".kernel"):
        if array.ndim == 3:
            array = array.reshape((-1, array.shape[2]) if name.startswith("encoder") and ".output." in name else (array.shape[0], -1))
        return array.T
    return array.reshape(-1) if name.endswith(".bias") else array
