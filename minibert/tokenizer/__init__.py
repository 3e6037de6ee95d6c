"""Text -> ids with offsets. Read in this order: unicode.py (cleaning), wordpiece.py (splitting, WordPiece), settings.py (files)."""

from .added import AddedToken
from .compare import Difference, differences
from .encoding import Encoding, PackedEncoding
from .settings import TokenizerSettings, load_settings
from .unicode import COMPATS, Compat
from .wordpiece import WordPieceTokenizer

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
]
