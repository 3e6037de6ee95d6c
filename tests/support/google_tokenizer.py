"""Google's tokenization.py, which is in bert-tensorflow 1.0.4.

`pip install --no-deps bert-tensorflow==1.0.4` installs it. It imports TensorFlow to open files,
absl for a switch and six for Python 2. Nothing of that is used here, so empty modules take their
places.
"""

import sys
import types
from typing import Any
from unittest import mock

TENSORFLOW = types.SimpleNamespace(compat=types.SimpleNamespace(v1=types.SimpleNamespace()))
FLAGS = types.SimpleNamespace(FLAGS=types.SimpleNamespace(preserve_unused_tokens=False), DEFINE_bool=lambda *_: None)
STAND_INS: dict[str, Any] = {
    "absl": types.SimpleNamespace(flags=FLAGS),
    "six": types.SimpleNamespace(PY3=True),
    "tensorflow": TENSORFLOW,
    "tensorflow.compat": TENSORFLOW.compat,
    "tensorflow.compat.v1": TENSORFLOW.compat.v1,
}

with mock.patch.dict(sys.modules, STAND_INS):
    from bert import tokenization


class GoogleTokenizer:
    """FullTokenizer with its two steps, from a vocabulary in memory."""

    def __init__(self, vocab: dict[str, int], do_lower_case: bool = True) -> None:
        self.vocab = vocab
        self.basic = tokenization.BasicTokenizer(do_lower_case, vocab)
        self.wordpiece = tokenization.WordpieceTokenizer(vocab)

    def tokenize(self, text: str) -> list[str]:
        return [piece for token in self.basic.tokenize(text) for piece in self.wordpiece.tokenize(token)]

    def ids(self, text: str) -> list[int]:
        return tokenization.convert_tokens_to_ids(self.vocab, ["[CLS]", *self.tokenize(text), "[SEP]"])
