"""minibert: a BERT encoder in NumPy and Numba. `minibert.load(folder).encode(texts)` gives vectors.

For readers, minibert/README.md has the order in which to read the files.
"""

from .arguments import TruncationWarning
from .bert.config import BertConfig
from .loading import load
from .model import MiniBert
from .outputs import BertOutput, TokenEmbeddings
from .tokenizer import Encoding, WordPieceTokenizer

__version__ = "0.2.0"
__all__ = ["BertConfig", "BertOutput", "Encoding", "MiniBert", "TokenEmbeddings", "TruncationWarning", "WordPieceTokenizer", "load"]
