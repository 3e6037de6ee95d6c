"""How functions are compiled: with Numba, without the GIL, and remembered on disk where that is possible.

Nothing is compiled at import. Compiled code is kept in a folder of the user's own whose name carries a hash of this package's sources,
because Numba does not notice a change in another file. It is a pickle, so a folder that others may write to is not used. Without a
folder, every process compiles for itself.
"""

import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


@cache
def can_compile() -> bool:
    """Whether Numba imports and may compile (NUMBA_DISABLE_JIT), for a machine whose integers begin with their lowest byte."""
    try:
        numba: Any = import_module("numba")
    except Exception:  # not there, or made for another NumPy
        return False
    return sys.byteorder == "little" and not numba.config.DISABLE_JIT


def jit(function: Function) -> Function:
    """The function compiled on its first call. No fast-math: the same bits everywhere; no reference counts: nothing is allocated."""
    return _compiled(function)


def inlined(function: Function) -> Function:
    """The same for a helper that is never really called: a call would copy every field of every array it is given."""
    return _compiled(function, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def pasted(function: Function) -> Function:
    """The same for a helper with one or two callers: its source is pasted there, so it is not compiled once more at each level."""
    return _compiled(function, inline="always")


def _compiled(function: Function, **options: Any) -> Function:
    numba: Any = import_module("numba")

    if numba.config.DISABLE_JIT:
        return function
    options = {"nogil": True, "_nrt": False, "error_model": "numpy", **options}  # x / 0 is infinite and found later, and nothing raises
    if not (folder := cache_folder()):
        compiled: Any = numba.njit(**options)(function)
        compiled.compile = _announced(compiled.compile)
        return cast(Function, compiled)
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, folder  # which Numba reads while it decorates, and only then
    try:
        compiled = numba.njit(cache=True, **options)(function)
    finally:
        numba.config.CACHE_DIR = before
    cache = getattr(compiled, "_cache")  # noqa: B009  # Numba has no public name for it
    cache.load_overload, cache.save_overload = _found_or_announced(_forgiving(cache.load_overload)), _forgiving(cache.save_overload)
    return cast(Function, compiled)


@cache
def _announce() -> None:
    """Say once what takes so long."""
    if sys.stderr is not None:
        kept = (
            f"once; kept in {cache_folder()}"
            if cache_folder()
            else "in every process, for want of a folder to keep it in: set NUMBA_CACHE_DIR"
        )
        sys.stderr.write(f"minibert: compiling for this processor ({kept})\n")


def _announced(compile: Callable[..., Any]) -> Callable[..., Any]:
    def attempt(*arguments: Any) -> Any:
        _announce()
        return compile(*arguments)

    return attempt


def _found_or_announced(load: Callable[..., Any]) -> Callable[..., Any]:
    def attempt(*arguments: Any) -> Any:
        if (found := load(*arguments)) is None:
            _announce()
        return found

    return attempt


def _forgiving(method: Callable[..., Any]) -> Callable[..., Any]:
    """A disk that is full and a file that is damaged cost time, and nothing else."""

    def attempt(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        except Exception:
            return None

    return attempt


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose machine code it writes itself: given types, it returns a signature and a generator (numba.extending)."""
    made: Callable[..., Any] = import_module("numba.extending").intrinsic(function)
    return made


@cache
def cache_folder() -> str:
    """The folder for compiled code, made if need be; "" where there is none. NUMBA_CACHE_DIR is used as it is."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return chosen
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    version = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    parent = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    folder = parent / "minibert" / version
    try:
        if not parent.is_absolute():  # no home
            return ""
        parent.mkdir(parents=True, exist_ok=True)
        for each in (folder.parent, folder):
            each.mkdir(mode=0o700, exist_ok=True)
            if not _is_ours_alone(each):
                return ""
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except OSError:
        return ""


def _is_ours_alone(folder: Path) -> bool:
    status = folder.stat()
    is_ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return is_ours and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
