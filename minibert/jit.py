"""How functions are compiled: with Numba, without the GIL, and remembered on disk where that is possible.

Nothing is compiled at import. Compiled code is kept in a folder of the user's own whose name carries a hash of this package's sources,
because Numba does not notice a change in another file. It is a pickle, so a folder that others may write to is not used. Without any
folder to write to, every process compiles for itself.
"""

import hashlib
import os
import stat
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


@cache
def can_compile() -> bool:
    """Whether Numba is here and allowed to compile (NUMBA_DISABLE_JIT)."""
    return find_spec("numba") is not None and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")


def jit(function: Function) -> Function:
    """The function compiled on its first call. No fast-math: the same bits everywhere; no reference counts: nothing is allocated."""
    return _compiled(function)


def inlined(function: Function) -> Function:
    """The same for a helper that is never really called: a call would copy every field of every array it is given."""
    return _compiled(function, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def pasted(function: Function) -> Function:
    """The same for a helper with one caller: its source is pasted there, so it is compiled once and not once at each level."""
    return _compiled(function, inline="always")


def _compiled(function: Function, **options: Any) -> Function:
    numba: Any = import_module("numba")

    folder, before = cache_folder(), numba.config.CACHE_DIR
    numba.config.CACHE_DIR = folder or before  # which Numba reads while it decorates, and only then
    try:
        compiled: Function = numba.njit(nogil=True, _nrt=False, cache=True, **options)(function)
    except RuntimeError:  # "cannot cache function: no locator available": a read-only file system
        compiled = numba.njit(nogil=True, _nrt=False, **options)(function)
    finally:
        numba.config.CACHE_DIR = before
    return compiled


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose machine code it writes itself: given types, it returns a signature and a generator (numba.extending)."""
    made: Callable[..., Any] = import_module("numba.extending").intrinsic(function)
    return made


@cache
def cache_folder() -> str:
    """The folder for compiled code, made if need be; "" where there is none: then Numba tries its own places."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return ""
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    version = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    parent = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(parent, "minibert", version)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return str(folder) if _is_ours_alone(folder) else ""
    except OSError:
        return ""


def _is_ours_alone(folder: Path) -> bool:
    status = folder.stat()
    is_ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return is_ours and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
