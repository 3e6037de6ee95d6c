r"""Text -> ids with offsets, exact against two originals that everybody takes for one.

Read in this order: unicode.py (cleaning), wordpiece.py (splitting, WordPiece), encoding.py (frame, truncation), added.py (added
tokens), settings.py (files), compare.py (differences); and to see it made fast, compiled.py, and batch.py, which makes its tables.

"Exactly BERT's tokenizer" can mean two things. `compat="hf"` is Hugging Face `tokenizers` 0.23.3, with which nearly all weights of today
were trained or are served; `compat="google"` is tokenization.py of google-research/bert, with which BERT itself was trained, as CPython
3.11 runs it. Here they disagree, with the pieces that a vocabulary of characters gives ("its" is Hugging Face's; a lone surrogate
`tokenizers` itself refuses):

    text          hf              google
    a [SEP]       a [SEP]         a [ s ##e ##p ]              special tokens in a text count as such; Google has none
    ΑΣ            α ##σ           α ##ς                        Google lower-cases whole words, so a Σ at the end of one becomes ς
    x * 101       [UNK]           x ##x (101 pieces)           a word may have 100 characters; Google's 200
    a\ue000b      a ##b           a ##\ue000 ##b               characters of private use are removed; Google keeps them
    a\ud800       a               [UNK]                        a lone surrogate counts as U+FFFD and is removed; Google keeps it
    a\U0002b820b  [UNK]           a [UNK] b                    256 rare Chinese characters are no words of their own: a slip of a digit
    a\u2e43b      a ##\u2e43 ##b  a \u2e43 b                   104 punctuation marks are newer than its tables (Unicode 8; Google's: 14)
    a\u166db      a \u166d b      a ##\u166d ##b               2 characters have ceased to be punctuation since
    a\u08e2b      a ##\u08e2 ##b  a ##b                        13 format characters are newer than its tables
    a\u07fdb      a ##\u07fd ##b  a ##b                        384 marks are newer than its tables and are no accents to it
    a\u1734b      a ##b           a ##\u1734 ##b               1 mark has ceased to be one since
    a\ua7dc       a ##ƛ           a ##\ua7dc                   55 capital letters are newer than Google's tables, not than its own
    a\U00011938   a ##\U00011938  a ##\U00011935 ##\U00011930  1 character is taken apart by Google only

`minibert tokenize --compat both` shows where they differ on a text of yours.
"""

from .added import AddedToken
from .choose import make_tokenizer
from .compare import Difference, differences
from .encoding import Encoding, PackedEncoding
from .loading import load_settings
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
    "make_tokenizer",
]
