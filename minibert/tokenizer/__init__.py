"""Text -> ids with offsets. Read in this order: unicode.py (cleaning), wordpiece.py (splitting, WordPiece), settings.py (files)."""

from .settings import AddedToken, TokenizerSettings, load_settings
from .wordpiece import Encoding, WordPieceTokenizer

__all__ = ["AddedToken", "Encoding", "TokenizerSettings", "WordPieceTokenizer", "load_settings"]
