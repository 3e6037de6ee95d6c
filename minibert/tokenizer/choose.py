"""Which encoder encodes a batch: the readable one, or the compiled one where that pays.

The compiled encoder needs tables. A file beside the vocabulary may have them (table_file.py). If
none has, they are made, which takes some tenths of a second. Numba takes as long to load its loop,
and on the first use ever it compiles it for some seconds.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from ..runtime.library import find
from ..runtime.threads import forks_wait
from .tokenizer import WordPieceTokenizer

if TYPE_CHECKING:
    from ..files import StrPath
    from ..runtime.records import Loop
    from .compiled.batch import CompiledEncoder
    from .compiled.layout import Prepared
    from .encoding import PackedEncoding
    from .protocols import AcceleratedEncoder, BatchEncoder
    from .readable import ReadableEncoder
    from .settings import TokenizerSettings

BACKENDS = ("auto", "library", "numba", "numpy")
COMPILED_PAYS = 3_000_000  # characters: the readable encoder takes a second for them


def load_tokenizer(
    folder: "StrPath", *, lowercase: bool = False, compat: str = "hf", backend: str = "auto", compiled_pays: int | None = None
) -> WordPieceTokenizer:
    """The tokenizer of a model folder.

    With a file of tables in the folder, anything else is made when it is first needed. See
    `make_tokenizer` for the encoder, and `load_settings` for the files and the errors.

    Args:
        folder: where the vocabulary is.
        lowercase: whether letters become lower case, whatever the files say.
        compat: "google" for the rules of google-research/bert.
        backend, compiled_pays: as in `make_tokenizer`.
    """
    if backend != "numpy" and compat == "hf":
        from .table_file import read_tables  # the readable encoder needs no tables

        if (found := read_tables(folder, lowercase)) is not None:
            choice = Compiled(backend, _pays(backend, compiled_pays), found.prepared)
            return WordPieceTokenizer.unread(found.facts, found.settings, choice)
    from .loading import forced_lower, load_settings

    settings = load_settings(folder)
    settings = forced_lower(settings) if lowercase else settings
    return make_tokenizer(settings.as_google() if compat == "google" else settings, backend, compiled_pays)


def make_tokenizer(settings: "TokenizerSettings", backend: str = "auto", compiled_pays: int | None = None) -> WordPieceTokenizer:
    """Make a tokenizer that encodes batches with the compiled encoder where that pays.

    The results are the same.

    Args:
        backend: who compiled the loops: "library" or "numba". A call raises ImportError where these
            loops cannot run. "auto" takes the first that can run, and NumPy's encoder if none can.
            "numpy" is always that one.
        compiled_pays: the loops are used as soon as the tokenizer has been given so many
            characters, in one call or in several. None is 3,000,000 for "auto", and 0 for a backend
            that is named.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend: expected 'auto', 'library', 'numba' or 'numpy', found {backend!r}")
    from .compiled.tables import has_compiled_form

    if backend == "numpy" or not has_compiled_form(settings):
        return WordPieceTokenizer(settings)
    return WordPieceTokenizer(settings, Compiled(backend, _pays(backend, compiled_pays)))


def _pays(backend: str, compiled_pays: int | None) -> int:
    if compiled_pays is None:
        return COMPILED_PAYS if backend == "auto" else 0
    return compiled_pays


class Compiled:
    """The accelerator of a tokenizer: compiles as soon as it has been given enough characters.

    With tables from a file, a library needs none. Numba takes 0.2 s to load its loop, so its
    threshold stays. A pickle has no tables.
    """

    def __init__(self, backend: str, pays: int, prepared: "Prepared | None" = None) -> None:
        self.backend = backend
        self.pays = pays
        self.prepared = prepared

    def __reduce__(self) -> tuple[type["Compiled"], tuple[str, int]]:
        return Compiled, (self.backend, self.pays)

    def encoder(self, readable: "Callable[[], ReadableEncoder]") -> "AcceleratedEncoder":
        has_library = self.prepared is not None and self.backend != "numba" and find().library is not None
        return CompiledWherePays(readable, self, 0 if has_library else self.pays)


class CompiledWherePays:
    """Encodes a batch with the compiled encoder where that pays, and else with the readable one.

    Both are made when they are first needed.
    """

    def __init__(self, readable: "Callable[[], ReadableEncoder]", choice: Compiled, pays: int) -> None:
        self._readable = readable
        self._choice = choice
        self._waits_for = pays  # characters, until the compiled encoder pays
        self._compiled: CompiledEncoder | None = None

    def encode_batch(self, texts: list[str], max_length: int | None, split_special_tokens: bool, return_offsets: bool) -> "PackedEncoding":
        """Encode each text, as BatchEncoder says."""
        if self._waits_for > 0:
            self._waits_for -= sum(map(len, texts))
        encoder = cast("BatchEncoder", (None if self._waits_for > 0 else self._made()) or self._readable())
        return encoder.encode_batch(texts, max_length, split_special_tokens, return_offsets)

    def compiled(self) -> "CompiledEncoder | None":
        """The compiled encoder, if it has been made or pays for any text."""
        return self._compiled if self._waits_for > 0 else self._made()

    def _made(self) -> "CompiledEncoder | None":
        """The compiled encoder, or None if no compiled loop can run here."""
        if self._compiled is None:
            with forks_wait():  # a fork during an import would leave the module half imported in the child
                if (loop := _loop_of(self._choice.backend)) is not None:
                    from .compiled.batch import CompiledEncoder

                    self._compiled = CompiledEncoder(self._choice.prepared or self._prepared(), self._readable, loop)
        return self._compiled

    def _prepared(self) -> "Prepared":
        from .compiled.tables import prepare

        return prepare(self._readable().rules)


def _loop_of(backend: str) -> "Loop | None":
    """The loop of a backend. None for "auto" if no compiled loop can run here.

    Raises ImportError for another backend that cannot run here.
    """
    if backend != "numba":
        found = find()
        if found.library:
            return found.library.loops["tokenize"]
        if backend == "library":
            raise ImportError(f"backend='library': {found.reason}")
    from ..runtime.jit import JitLoop, can_compile

    if can_compile():
        from .compiled.loops import encode

        return JitLoop(encode)
    if backend == "numba":
        raise ImportError("backend='numba': Numba does not import here, or may not compile (NUMBA_DISABLE_JIT)")
    return None
