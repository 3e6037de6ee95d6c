"""The readable and the compiled tokenizer of the same settings, and how their encodings are
compared.
"""

from collections.abc import Sequence

import numpy as np

from minibert.tokenizer import PackedEncoding, TokenizerSettings, WordPieceTokenizer, make_tokenizer
from minibert.tokenizer.choose import CompiledWherePays
from minibert.tokenizer.compiled.batch import CompiledEncoder
from tests.support.backends import COMPILED


def both(settings: TokenizerSettings) -> tuple[WordPieceTokenizer, WordPieceTokenizer]:
    """(readable, compiled)."""
    return WordPieceTokenizer(settings), make_tokenizer(settings, COMPILED)


def compiled_encoder(tokenizer: WordPieceTokenizer) -> CompiledEncoder:
    """The compiled encoder of a tokenizer that has encoded something with it."""
    chosen = tokenizer._batch_encoder
    assert isinstance(chosen, CompiledWherePays)
    assert isinstance(chosen._compiled, CompiledEncoder)
    return chosen._compiled


def assert_same(actual: PackedEncoding, expected: PackedEncoding, texts: Sequence[str]) -> None:
    for index, text in enumerate(texts):
        mine, theirs = actual.between(index, index + 1), expected.between(index, index + 1)
        for name in ("input_ids", "num_truncated", "offsets", "word_ids"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), f"{name} of {text!a}")
    np.testing.assert_array_equal(actual.cu_seqlens, expected.cu_seqlens)
