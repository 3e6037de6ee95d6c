"""minibert: a BERT encoder in NumPy and Numba. `minibert.load(folder).encode(texts)` gives vectors.

For readers, minibert/README.md has the order in which to read the files.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
__all__ = ["BertConfig", "BertOutput", "Encoding", "MiniBert", "TokenEmbeddings", "TruncationWarning", "WordPieceTokenizer", "load"]

if TYPE_CHECKING:
    from .arguments import TruncationWarning
    from .bert.config import BertConfig
    from .loading import load
    from .model import MiniBert
    from .outputs import BertOutput, TokenEmbeddings
    from .tokenizer import Encoding, WordPieceTokenizer
else:
    # The same once more: the module of each name, which is imported when the name is first used
    _MODULES = {
        "BertConfig": "bert.config",
        "BertOutput": "outputs",
        "Encoding": "tokenizer",
        "MiniBert": "model",
        "TokenEmbeddings": "outputs",
        "TruncationWarning": "arguments",
        "WordPieceTokenizer": "tokenizer",
        "load": "loading",
    }

    def __getattr__(name: str) -> Any:
        """Import what has a public name, or a module of the package (PEP 562)."""
        from importlib import import_module

        if name in _MODULES:
            found = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
            return found
        module = f"{__name__}.{name}"
        try:
            return import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
