"""Variables of TensorFlow's BERTs -> their names and shapes in transformers.

Sources: google-research/bert, modeling.py and run_pretraining.py; tensorflow/models,
tf1_bert_checkpoint_converter_lib.py and bert_encoder.py; transformers, modeling_bert.py.
"""

import re
from typing import Any

import numpy.typing as npt

# A name of TensorFlow -> a name of transformers. Google's own names come first, then those of TF2,
# which has other names for the parts of a layer. The prefix (`bert/`, `module/bert/`,
# `transformer/`) differs from file to file.
TENSORFLOW_NAMES = (
    (r"(?:.*/)?bert/embeddings/(word|position|token_type)_embeddings", r"embeddings.\1_embeddings.weight"),
    (r"(?:.*/)?bert/embeddings/LayerNorm/(gamma|beta)", r"embeddings.LayerNorm.\1"),
    (r"(?:.*/)?bert/encoder/layer_(\d+)/attention/self/(query|key|value)/(kernel|bias)", r"encoder.layer.\1.attention.self.\2.\3"),
    (r"(?:.*/)?bert/encoder/layer_(\d+)/(attention/output|output)/LayerNorm/(gamma|beta)", r"encoder.layer.\1.\2.LayerNorm.\3"),
    (r"(?:.*/)?bert/encoder/layer_(\d+)/(attention/output|intermediate|output)/dense/(kernel|bias)", r"encoder.layer.\1.\2.dense.\3"),
    (r"(?:.*/)?bert/pooler/dense/(kernel|bias)", r"pooler.dense.\1"),
    (r"(?:.*/)?cls/predictions/transform/dense/(kernel|bias)", r"cls.predictions.transform.dense.\1"),
    (r"(?:.*/)?cls/predictions/transform/LayerNorm/(gamma|beta)", r"cls.predictions.transform.LayerNorm.\1"),
    (r"(?:.*/)?(?:cls/predictions/)?output_bias(?:/bias)?", "cls.predictions.bias"),
    (r"(?:.*/)?predictions/transform/logits/(kernel|bias)", r"cls.seq_relationship.\1"),
    (r"(?:.*/)?cls/seq_relationship/output_weights", "cls.seq_relationship.weight"),
    (r"(?:.*/)?cls/seq_relationship/output_bias", "cls.seq_relationship.bias"),
    (r"(?:.*/)?word_embeddings/embeddings", "embeddings.word_embeddings.weight"),
    (r"(?:.*/)?position_embeddings?/embeddings", "embeddings.position_embeddings.weight"),
    (r"(?:.*/)?type_embeddings/embeddings", "embeddings.token_type_embeddings.weight"),
    (r"(?:.*/)?embeddings/layer_norm/(gamma|beta)", r"embeddings.LayerNorm.\1"),
    (r"(?:.*/)?layer_(\d+)/self_attention/(query|key|value)/(kernel|bias)", r"encoder.layer.\1.attention.self.\2.\3"),
    (
        r"(?:.*/)?layer_(\d+)/(?:self_attention/attention_output|self_attention_output)/(kernel|bias)",
        r"encoder.layer.\1.attention.output.dense.\2",
    ),
    (r"(?:.*/)?layer_(\d+)/self_attention_layer_norm/(gamma|beta)", r"encoder.layer.\1.attention.output.LayerNorm.\2"),
    (r"(?:.*/)?layer_(\d+)/intermediate/(kernel|bias)", r"encoder.layer.\1.intermediate.dense.\2"),
    (r"(?:.*/)?layer_(\d+)/output/(kernel|bias)", r"encoder.layer.\1.output.dense.\2"),
    (r"(?:.*/)?layer_(\d+)/output_layer_norm/(gamma|beta)", r"encoder.layer.\1.output.LayerNorm.\2"),
    (r"(?:.*/)?pooler_transform/(kernel|bias)", r"pooler.dense.\1"),
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
            return re.sub(r"\bgamma$", "weight", re.sub(r"\bbeta$", "bias", found.expand(replacement).replace("/", ".")))
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
