"""The backends, in the order in which `backend="auto"` tries them.

A backend is a name, a test whether it can run here, and a function that prepares weights. To add
one, write a module with an `Encoder` (see `ops/__init__.py`) and add a line to `BACKENDS`.
"""

from collections.abc import Callable
from typing import Protocol

from ..bert.weights import BertWeights
from ..runtime import library
from ..runtime.threads import forks_wait
from ..runtime.tuples import FieldTuple
from . import Encoder


class Prepare(Protocol):
    """The function of a backend that makes an encoder of weights.

    With `is_int8`, float weights become int8.
    """

    def __call__(self, weights: BertWeights, is_int8: bool = False) -> Encoder: ...


class Backend(FieldTuple):
    """One way to compute an encoder."""

    name: str
    is_available: Callable[[], bool]
    is_compiled: bool  # then `make_tokenizer` has a backend of the same name
    load: Callable[[], Prepare]  # imports the backend


def _can_compile() -> bool:
    from ..runtime.jit import can_compile  # a library needs no compiler

    return can_compile()


def _load_library() -> Prepare:
    found = library.find()
    if found.library is None:
        raise ImportError(f"backend='library': {found.reason}; or take backend='auto', the first that can run here")
    from .compiled.library_loops import prepare

    return prepare


def _load_numba() -> Prepare:
    try:
        with forks_wait():
            from .compiled.jit_loops import prepare  # imports Numba, which takes a third of a second
    except ImportError as error:
        raise ImportError(f"backend='numba': Numba does not import here ({error}); install it, or take backend='numpy'") from error
    return prepare


def _load_numpy() -> Prepare:
    from .numpy_encoder import prepare

    return prepare


BACKENDS = (
    Backend("library", lambda: library.find().library is not None, True, _load_library),
    Backend("numba", _can_compile, True, _load_numba),
    Backend("numpy", lambda: True, False, _load_numpy),
)
NAMES = ("auto", *(backend.name for backend in BACKENDS))


def choose(name: str) -> Backend:
    """Return the backend of a name, or for "auto" the first one that can run here."""
    return next(backend for backend in BACKENDS if name == backend.name or (name == "auto" and backend.is_available()))
