"""minibert: a BERT encoder in NumPy and Numba. `minibert.load(folder).encode(texts)` gives vectors.

For readers, minibert/README.md has the order in which to read the files.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .public import BertConfig, BertOutput, Encoding, MiniBert, TokenEmbeddings, TruncationWarning, WordPieceTokenizer, load

__version__ = "0.2.0"
__all__ = ["BertConfig", "BertOutput", "Encoding", "MiniBert", "TokenEmbeddings", "TruncationWarning", "WordPieceTokenizer", "load"]


def __getattr__(name: str) -> object:
    """Import the public names, and with them NumPy, when one of them is first used.

    So the command line can set what NumPy's BLAS reads at its import.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import public

    globals().update({each: getattr(public, each) for each in __all__})
    return globals()[name]


def __dir__() -> list[str]:
    """Also the names that no one has used yet."""
    return sorted({*globals(), *__all__})
