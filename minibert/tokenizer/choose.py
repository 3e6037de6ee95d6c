"""Which encoder encodes a batch: the readable one, or the compiled one where that pays.

The compiled encoder takes half a second to load, and on its first use ever some seconds to compile.
"""

from typing import TYPE_CHECKING, NamedTuple, cast

from ..runtime.jit import JitLoop, can_compile
from ..runtime.library import find
from ..runtime.records import Loop
from .compiled import MAX_WORD_CHARS
from .encoding import BatchEncoder, PackedEncoding
from .readable import ReadableEncoder
from .settings import TokenizerSettings
from .tokenizer import AcceleratedEncoder, WordPieceTokenizer

if TYPE_CHECKING:
    from .compiled.batch import CompiledEncoder

BACKENDS = ("auto", "library", "numba", "numpy")
COMPILED_PAYS = 3_000_000  # characters of a call: the readable encoder takes a second for them


def make_tokenizer(settings: TokenizerSettings, backend: str = "auto", compiled_pays: int | None = None) -> WordPieceTokenizer:
    """Make a tokenizer that encodes batches with the compiled encoder where that pays.

    The results are the same.

    Args:
        backend: who compiled the loops: "library" or "numba". A call raises ImportError where these
            loops cannot run. "auto" takes the first that can run, and NumPy's encoder if none can.
            "numpy" is always that one.
        compiled_pays: the number of characters of a call from which on the loops are used. None is
            3,000,000 for "auto", and 0 for a backend that is named.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend: expected 'auto', 'library', 'numba' or 'numpy', found {backend!r}")
    if backend == "numpy" or not _has_compiled_form(settings):
        return WordPieceTokenizer(settings)
    if compiled_pays is None:
        compiled_pays = COMPILED_PAYS if backend == "auto" else 0
    return WordPieceTokenizer(settings, Compiled(backend, compiled_pays))


def _has_compiled_form(settings: TokenizerSettings) -> bool:
    """Whether the compiled encoder has these rules: BERT's, with words that fit its buffers."""
    looks_after_cleaning = any(token.normalized for token in settings.added_tokens)
    return settings.is_bert and not looks_after_cleaning and settings.max_input_chars_per_word <= MAX_WORD_CHARS


class Compiled(NamedTuple):
    """The accelerator of a tokenizer: compiles batches that have enough characters."""

    backend: str
    pays: int

    def encoder(self, readable: ReadableEncoder) -> AcceleratedEncoder:
        return CompiledWherePays(readable, self)


class CompiledWherePays:
    """Encodes a batch with the compiled encoder where that pays, and else with the readable one.

    The compiled encoder is made when it is first needed.
    """

    def __init__(self, readable: ReadableEncoder, choice: Compiled) -> None:
        self._readable = readable
        self._choice = choice
        self._compiled: BatchEncoder | None = None

    def encode_batch(self, texts: list[str], max_length: int | None, split_special_tokens: bool, return_offsets: bool) -> PackedEncoding:
        """Encode each text, as BatchEncoder says."""
        pays = self._choice.pays
        encoder = self._readable if pays and sum(map(len, texts)) < pays else self._made()
        return encoder.encode_batch(texts, max_length, split_special_tokens, return_offsets)

    def compiled(self) -> "CompiledEncoder | None":
        """The compiled encoder, if it has been made or pays for any text."""
        made = self._compiled if self._choice.pays else self._made()
        return None if made is self._readable else cast("CompiledEncoder | None", made)

    def _made(self) -> BatchEncoder:
        if self._compiled is None:
            loop = _loop_of(self._choice.backend)
            if loop is None:
                return self._readable
            from .compiled.batch import CompiledEncoder

            self._compiled = CompiledEncoder(self._readable.rules, self._readable, loop)
        return self._compiled


def _loop_of(backend: str) -> Loop | None:
    """The loop of a backend. None for "auto" if no compiled loop can run here.

    Raises ImportError for another backend that cannot run here.
    """
    if backend != "numba":
        found = find()
        if found.library:
            return found.library.loops["tokenize"]
        if backend == "library":
            raise ImportError(f"backend='library': {found.reason}")
    if can_compile():
        from .compiled.loops import encode

        return JitLoop(encode)
    if backend == "numba":
        raise ImportError("backend='numba': Numba does not import here, or may not compile (NUMBA_DISABLE_JIT)")
    return None
