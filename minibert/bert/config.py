"""BertConfig: the numbers of an architecture, read from `config.json` and from nowhere else.

Only `layer_norm_eps` has a default, so a file without another number is refused. A file with a
field that would change the result and is not implemented here is refused too.

Source: google-research/bert, modeling.py, `BertConfig`. transformers has the same field names.
"""

import os
from collections.abc import Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from ..files import StrPath
from ..files.access import recognised
from ..files.fields import is_there, load_fields, shown

# hidden_act of config.json -> the form of GELU, in PyTorch's words. google-research/bert wrote
# "gelu" and computed the tanh form. In a file that transformers reads, "gelu" means the erf form.
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

MAX_NUMBER = (1 << 31) - 1  # ids, positions and sizes are 32-bit numbers in compiled code
SMALLEST_EPS = 2.0**-126  # the least normal float32; a smaller eps would become 0, and the norm of equal numbers NaN
QUANTIZED = {"quant_method": "minibert-int8"}  # `minibert quantize` writes it; other readers refuse an unknown method

# Fields that change the result -> the only values that are implemented. `auto_map` names code that
# comes with the model.
IMPLEMENTED: dict[str, tuple[Any, ...]] = {
    "model_type": ("bert",),
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
    "is_encoder_decoder": (False,),
    "pruned_heads": ({},),
    "quantization_config": ({}, QUANTIZED),
    "auto_map": ({},),
}


class _Numbers(NamedTuple):
    """The fields of a BertConfig."""

    vocab_size: int  # rows of the word embedding table
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int  # width inside the feed-forward network, in most models 4 x hidden_size
    max_position_embeddings: int  # the longest text, in tokens
    type_vocab_size: int
    hidden_act: str
    layer_norm_eps: float


class BertConfig(_Numbers):
    """The numbers of one BERT encoder, under the names of `config.json`.

    They are checked when a config is made, and `_replace` makes another one.

    >>> config = BertConfig(vocab_size=30522, hidden_size=128, num_hidden_layers=8,
    ...                     num_attention_heads=2, intermediate_size=512,
    ...                     max_position_embeddings=512, type_vocab_size=2, hidden_act="gelu",
    ...                     layer_norm_eps=1e-12)
    >>> config.head_dim, config.gelu
    (64, 'none')
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # the parameters are those of `_Numbers`

        @wraps(_Numbers.__new__)
        def __new__(cls, *numbers: Any, **named: Any) -> Self:
            config = super().__new__(cls, *numbers, **named)
            config._check()
            return config

        @classmethod
        def _make(cls, numbers: Iterable[Any]) -> Self:
            return cls(*numbers)  # `_replace` calls it, and that of a NamedTuple checks nothing

    def _check(self) -> None:
        for name in ARCHITECTURE:
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= MAX_NUMBER:
                raise ValueError(f"{name}: expected a positive number below 2^31, found {shown(value)}")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size: expected a multiple of num_attention_heads ({self.num_attention_heads}), found {self.hidden_size}"
            )
        if not isinstance(self.hidden_act, str) or self.hidden_act not in GELU_FORMS:
            raise ValueError(
                f"hidden_act: expected one of {', '.join(GELU_FORMS)}, found {shown(self.hidden_act)}, which is not implemented"
            )
        if not isinstance(self.layer_norm_eps, float) or not SMALLEST_EPS <= self.layer_norm_eps < 1:
            raise ValueError(f"layer_norm_eps: expected a number between 0 and 1 that float32 can hold, found {shown(self.layer_norm_eps)}")

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def gelu(self) -> Literal["none", "tanh"]:
        """The form of GELU in PyTorch's words: "none" (erf) or "tanh" (its approximation)."""
        return GELU_FORMS[self.hidden_act]


def load_config(path: StrPath) -> BertConfig:
    """The BertConfig of a `config.json`.

    Raises FileNotFoundError, or ValueError for a file that does not describe an implemented BERT.
    """
    if not is_there(path):
        from ..files.sources import missing  # only this error needs it

        raise FileNotFoundError(missing(os.path.dirname(path), "config.json"))
    fields = load_fields(path)
    for name, values in IMPLEMENTED.items():
        if fields.content.get(name) not in (None, *values):
            import json  # only this error needs it

            raise fields.refuse(name, json.dumps(values[0]))
    absent = [name for name in (*ARCHITECTURE, "hidden_act") if fields.content.get(name) is None]
    if absent:
        with recognised(path, "the config.json of a BERT"):
            raise ValueError(f"{path}: missing {', '.join(absent)}; is this the config.json of a BERT?")
    if fields.get("embedding_size", int, fields.need("hidden_size", int)) != fields.need("hidden_size", int):
        raise fields.refuse("embedding_size", f"hidden_size ({fields.content['hidden_size']})")
    numbers = {name: fields.need(name, int) for name in ARCHITECTURE}
    # 1e-12 is the constant of the original. Configurations that are older than the field lack it.
    eps = fields.get("layer_norm_eps", float, 1e-12)
    try:
        return BertConfig(**numbers, hidden_act=fields.need("hidden_act", str), layer_norm_eps=eps)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
