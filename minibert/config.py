"""BertConfig: the numbers of an architecture, read from `config.json` and from nowhere else.

No architecture number has a default: a file that leaves one out is refused, and so is a file that asks for something that would
change the result and is not implemented here.

Source: google-research/bert, modeling.py, `BertConfig`; the field names are those of `config.json` in both worlds.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

# hidden_act of config.json -> the form of GELU, in PyTorch's words. google-research/bert wrote "gelu" and computed the tanh form;
# in a file that transformers reads, "gelu" is the erf form.
GELU_FORMS: dict[str, Literal["none", "tanh"]] = {
    "gelu": "none",
    "gelu_python": "none",
    "gelu_new": "tanh",
    "gelu_pytorch_tanh": "tanh",
    "gelu_fast": "tanh",
}

ARCHITECTURE = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)

# Fields that change the result -> what they must say if they are there at all.
IMPLEMENTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "model_type": (lambda value: value == "bert", '"bert"'),
    "position_embedding_type": (lambda value: value == "absolute", '"absolute"'),
    "is_decoder": (lambda value: not value, "false"),
    "add_cross_attention": (lambda value: not value, "false"),
    "is_encoder_decoder": (lambda value: not value, "false"),
    "pruned_heads": (lambda value: not value, "{}"),
    "quantization_config": (lambda value: not value, "null"),
    "auto_map": (lambda value: not value, "absent, since it names code that comes with the model"),
}


@dataclass(frozen=True)
class BertConfig:
    """The numbers of one BERT encoder, under the names of `config.json`.

    >>> config = BertConfig(vocab_size=30522, hidden_size=128, num_hidden_layers=8, num_attention_heads=2, intermediate_size=512,
    ...                     max_position_embeddings=512, type_vocab_size=2, hidden_act="gelu", layer_norm_eps=1e-12)
    >>> config.head_dim, config.gelu
    (64, 'none')
    """

    vocab_size: int  # rows of the word embedding table
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int  # width of the middle of the feed-forward network, 4 x hidden_size by custom
    max_position_embeddings: int  # the longest text, in tokens
    type_vocab_size: int
    hidden_act: str
    layer_norm_eps: float

    def __post_init__(self) -> None:
        for name in ARCHITECTURE:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}: expected a positive whole number, found {value!r}")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size: expected a multiple of num_attention_heads ({self.num_attention_heads}), found {self.hidden_size}"
            )
        if self.hidden_act not in GELU_FORMS:
            raise ValueError(f"hidden_act: expected one of {', '.join(GELU_FORMS)}, found {self.hidden_act!r}, which is not implemented")
        if not isinstance(self.layer_norm_eps, float) or not 0 < self.layer_norm_eps < 1:
            raise ValueError(f"layer_norm_eps: expected a number between 0 and 1, found {self.layer_norm_eps!r}")

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def gelu(self) -> Literal["none", "tanh"]:
        """Form of GELU: `none` for the erf form, `tanh` for its approximation (the values of `approximate` in PyTorch)."""
        return GELU_FORMS[self.hidden_act]


def load_json(path: Path, kind: type = dict) -> Any:
    """The content of a JSON file, an object unless another kind is expected.

    Raises FileNotFoundError, or ValueError for what is not JSON or of another kind.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON: {error}") from None
    if not isinstance(content, kind):
        raise ValueError(f"{path}: expected a JSON {kind.__name__}, found {type(content).__name__}")
    return content


def load_config(path: Path) -> BertConfig:
    """The BertConfig of a `config.json`.

    Raises FileNotFoundError, or ValueError for a file that is not the configuration of a BERT that minibert implements.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: not found; a model folder holds config.json, model.safetensors and tokenizer.json or vocab.txt")
    content = load_json(path)
    for name, (is_implemented, expected) in IMPLEMENTED.items():
        if content.get(name) is not None and not is_implemented(content[name]):
            raise ValueError(f"{path}: {name}: expected {expected}, found {content[name]!r}, which minibert does not implement")
    missing = [name for name in (*ARCHITECTURE, "hidden_act") if content.get(name) is None]
    if missing:
        raise ValueError(f"{path}: missing {', '.join(missing)}; is this the config.json of a BERT?")
    if content.get("embedding_size", content["hidden_size"]) != content["hidden_size"]:
        raise ValueError(f"{path}: embedding_size: expected hidden_size ({content['hidden_size']}), found {content['embedding_size']}")
    numbers = {name: content[name] for name in ARCHITECTURE}
    # 1e-12 is the original's constant; configurations older than the field do not name it
    eps = content.get("layer_norm_eps", 1e-12)
    try:
        return BertConfig(**numbers, hidden_act=content["hidden_act"], layer_norm_eps=eps)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
