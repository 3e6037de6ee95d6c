r"""Text -> ids with offsets, exact against each of the two originals of BERT's tokenizer.

README.md in this folder explains the algorithm and has the order in which to read the files.

"Exactly BERT's tokenizer" can mean two things:

* `compat="hf"` is Hugging Face `tokenizers` 0.23.3. Nearly all weights of today were trained with
  it or are served with it.
* `compat="google"` is tokenization.py of google-research/bert, as CPython 3.11 runs it. BERT itself
  was trained with it.

The table has texts for which they differ, with the pieces that a vocabulary of characters gives.
Hugging Face has the punctuation, format characters and marks of Unicode 8, and newer capital
letters. Google has all of Unicode 14. `tokenizers` itself refuses a lone surrogate.

    text          hf              google
    a [SEP]       a [SEP]         a [ s ##e ##p ]          special tokens in a text count as such
    ΑΣ            α ##σ           α ##ς                    Google makes a Σ at the end of a word ς
    x * 101       [UNK]           x ##x (101 pieces)       words have 100 characters; Google's 200
    a\ue000b      a ##b           a ##\ue000 ##b           private use is removed; Google keeps it
    a\ud800       a               [UNK]                    a lone surrogate counts as U+FFFD
    a\U0002b820b  [UNK]           a [UNK] b                256 rare Chinese characters stay in words
    a\u2e43b      a ##\u2e43 ##b  a \u2e43 b               104 punctuation marks since Unicode 8
    a\u166db      a \u166d b      a ##\u166d ##b           2 characters are punctuation no longer
    a\u08e2b      a ##\u08e2 ##b  a ##b                    13 format characters since Unicode 8
    a\u07fdb      a ##\u07fd ##b  a ##b                    384 marks since Unicode 8
    a\u1734b      a ##b           a ##\u1734 ##b           1 character is a mark no longer
    a\ua7dc       a ##ƛ           a ##\ua7dc               55 capital letters since Unicode 14
    \U00011938    \U00011938      \U00011935 ##\U00011930  Google decomposes 1 character more

`minibert tokenize --compat both` shows where they differ on a text of yours.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .added import AddedToken
    from .choose import load_tokenizer, make_tokenizer
    from .compare import Difference, differences
    from .encoding import PackedEncoding
    from .loading import load_settings
    from .one_text import Encoding
    from .settings import TokenizerSettings
    from .tokenizer import WordPieceTokenizer
    from .unicode import COMPATS, Compat

__all__ = [
    "COMPATS",
    "AddedToken",
    "Compat",
    "Difference",
    "Encoding",
    "PackedEncoding",
    "TokenizerSettings",
    "WordPieceTokenizer",
    "differences",
    "load_settings",
    "load_tokenizer",
    "make_tokenizer",
]


# The module of each name, which is imported when the name is first used. A first vector needs few.
_MODULES = {
    "COMPATS": "unicode",
    "AddedToken": "added",
    "Compat": "unicode",
    "Difference": "compare",
    "Encoding": "one_text",
    "PackedEncoding": "encoding",
    "TokenizerSettings": "settings",
    "WordPieceTokenizer": "tokenizer",
    "differences": "compare",
    "load_settings": "loading",
    "load_tokenizer": "choose",
    "make_tokenizer": "choose",
}


def __getattr__(name: str) -> Any:
    """Import what has a public name (PEP 562)."""
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
