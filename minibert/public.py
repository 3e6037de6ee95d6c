"""The names that `import minibert` offers."""

from .arguments import TruncationWarning
from .bert.config import BertConfig
from .loading import load
from .model import MiniBert
from .outputs import BertOutput, TokenEmbeddings
from .tokenizer import Encoding, WordPieceTokenizer

__all__ = ["BertConfig", "BertOutput", "Encoding", "MiniBert", "TokenEmbeddings", "TruncationWarning", "WordPieceTokenizer", "load"]
