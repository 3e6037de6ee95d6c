"""Which encoder encodes a batch: the readable one, or the compiled one where that pays.

The compiled encoder takes half a second to load, and on its first use ever some seconds to compile.
"""

from typing import NamedTuple

from ..runtime.jit import can_compile
from .compiled import MAX_WORD_CHARS
from .encoding import BatchEncoder, PackedEncoding
from .readable import ReadableEncoder
from .settings import TokenizerSettings
from .tokenizer import WordPieceTokenizer

BACKENDS = ("auto", "numba", "numpy")
COMPILED_PAYS = 3_000_000  # characters of a call: the readable encoder takes a second for them


def make_tokenizer(settings: TokenizerSettings, backend: str = "auto", compiled_pays: int = COMPILED_PAYS) -> WordPieceTokenizer:
    """Make a tokenizer that encodes batches with the compiled encoder where that pays.

    The results are the same.

    Args:
        backend: "numba" always compiles and raises ImportError in a call where that is impossible.
            "auto" compiles where Numba imports and a call brings `compiled_pays` characters.
            "numpy" never does.
        compiled_pays: for "auto", the number of characters of a call from which on it is compiled.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend: expected 'auto', 'numba' or 'numpy', found {backend!r}")
    if backend == "numpy" or not _has_compiled_form(settings):
        return WordPieceTokenizer(settings)
    return WordPieceTokenizer(settings, Compiled(backend, 0 if backend == "numba" else compiled_pays))


def _has_compiled_form(settings: TokenizerSettings) -> bool:
    """Whether the compiled encoder has these rules: BERT's, with words that fit its buffers."""
    looks_after_cleaning = any(token.normalized for token in settings.added_tokens)
    return settings.is_bert and not looks_after_cleaning and settings.max_input_chars_per_word <= MAX_WORD_CHARS


class Compiled(NamedTuple):
    """The accelerator of a tokenizer: compiles batches that have enough characters."""

    backend: str
    pays: int

    def encoder(self, readable: ReadableEncoder) -> BatchEncoder:
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

    def _made(self) -> BatchEncoder:
        if self._compiled is None:
            if not can_compile():
                if self._choice.backend == "auto":
                    return self._readable
                raise ImportError("backend='numba': Numba does not import here, or may not compile (NUMBA_DISABLE_JIT)")
            from .compiled.batch import CompiledEncoder

            self._compiled = CompiledEncoder(self._readable.rules, self._readable)
        return self._compiled
