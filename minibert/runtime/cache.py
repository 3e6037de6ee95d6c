"""The cache of compiled code: one file for each function and signature.

The name of the folder is a hash of everything that decides what is compiled.

`Cache` replaces Numba's own cache, for three reasons. Numba's checks the one file that contains a
function, but not the files of its helpers. It writes beside the sources if it can. It unpickles
whatever it finds.

A cached file is a pickle, and reading a pickle may run any code. Therefore a file is read only if
no one except this user and root can have written it. The folder, every folder above it and the file
must belong to them, and no one else may write there. The folder is resolved once, and its real path
is kept. A file is checked after it is opened.

A file that is missing, damaged or not trusted is compiled again. If nothing can be written,
compiled code stays in memory.
"""

import hashlib
import marshal
import os
import pickle
import pkgutil
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from .trusted import cache_folder, check_ours, read, real, say

PACKAGE = __name__.partition(".")[0]
MAX_BYTES = 1 << 27  # of a file; the largest has 0.3 MB
DIGEST = 16  # bytes of the hash with which a file begins
WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
SETTINGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUGINFO_DEFAULT")  # Numba's settings that change its output


class Cache:
    """The cache of one function.

    Numba calls `load_overload` before it compiles and `save_overload` after it.
    """

    cache_path = ""  # for `dispatcher.stats`

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._is_kept = function.__module__.startswith(f"{PACKAGE}.")  # the hash covers these sources only

    def load_overload(self, signature: Any, target: Any) -> Any:
        """The compiled function, or None. If None, a line on stderr says that compiling begins."""
        target.refresh()
        if (found := self._load(signature, target)) is None:
            announce()
            _check_working_directory()
        return found

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep a compiled function for the next process."""
        folder, _ = folder_to_write()
        if not (folder and self._is_kept) or compiled.lifted or compiled.library.has_dynamic_globals:
            return
        try:
            key = self._key(signature, compiled.codegen)
            content = import_module("numba.core.serialize").dumps((key, compiled._reduce()))
            _write(folder / self._file(key), hashlib.blake2b(content, digest_size=DIGEST).digest() + content)
        except Exception as error:  # a full disk
            _complain(f"compiled code could not be kept in {folder}: {error}")

    def _load(self, signature: Any, target: Any) -> Any:
        if not self._is_kept or (folder := folder_to_read()) is None:
            return None
        try:
            key = self._key(signature, target.codegen())
            content = read(folder / self._file(key), MAX_BYTES)
            if hashlib.blake2b(content[DIGEST:], digest_size=DIGEST).digest() != content[:DIGEST]:
                return None
            found, payload = pickle.loads(content[DIGEST:])
            return import_module("numba.core.compiler").CompileResult._rebuild(target, *payload) if found == key else None
        except Exception:
            return None

    def _key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return self._name, signature, codegen.magic_tuple()  # the last one names the processor and its features

    def _file(self, key: tuple[Any, ...]) -> str:
        return f"{self._name}.{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}"


def _check_working_directory() -> None:
    """Raise OSError if the working directory is gone.

    Numba names its sources relative to it, also in errors that it raises and catches itself.
    """
    try:
        os.getcwd()
    except OSError as error:
        raise type(error)(
            error.errno, f"cannot compile, since the working directory of this process is gone ({error.strerror}); change to another one"
        ) from None


@cache
def announce() -> None:
    """Say once that compiling begins, and whether later processes compile again."""
    say(f"compiling for this processor ({where_kept('once; ', 'in every process; ')})")


def where_kept(if_kept: str = "", if_not: str = "") -> str:
    """Where compiled code is kept, or why it is not kept and what to do.

    Args:
        if_kept: what a line about a kept cache begins with.
        if_not: what a line about a cache that is not kept begins with.
    """
    folder, obstacle = folder_to_write()
    if folder:
        return f"{if_kept}kept in {folder}"
    return f"{if_not}not kept: {obstacle}; set NUMBA_CACHE_DIR to a folder that only you may write to"


@cache
def _complain(problem: str) -> None:
    say(problem)


@cache
def folder_to_read() -> Path | None:
    """The real path of the folder. None if it is not there, or if others may write to it."""
    try:
        folder = Path(real(_folder()))
        check_ours(folder)
    except OSError:
        return None
    return folder


@cache
def folder_to_write() -> tuple[Path | None, str]:
    """The real path of the folder, which is made if necessary.

    If that fails, None and the reason.
    """
    try:
        folder = _make(_folder())
        with tempfile.TemporaryFile(dir=folder):
            return folder, ""
    except OSError as error:
        return None, str(error)


def _folder() -> Path:
    """The path of the folder, before links are followed.

    Raises OSError if this user has no place for it.
    """
    return Path(cache_folder()) / "minibert" / _version()


def _make(folder: Path) -> Path:
    """The real path of a trusted folder, whose missing parts are made. Raises OSError."""
    missing = []
    while not folder.exists():
        missing.append(folder.name)
        folder = folder.parent
    folder = Path(real(folder))
    if missing:
        check_ours(folder / missing[-1], folder)
    for name in reversed(missing):
        folder = folder / name
        folder.mkdir(0o755, exist_ok=True)  # another user may read what root compiled
    check_ours(folder)
    return folder


def _write(path: Path, content: bytes) -> None:
    """Write a file under another name, then rename it. A reader finds the whole file or none."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    try:
        with open(os.open(part, WRITE, 0o644), "wb") as file:
            file.write(content)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@cache
def _version() -> str:
    """A hash of everything that decides what is compiled, except the processor.

    These are Numba's settings, the versions and all sources of this package. Raises OSError if the
    sources cannot be read.
    """
    numba: Any = import_module("numba")
    settings = [str(getattr(numba.config, name, None)) for name in SETTINGS]
    versions = [numba.__version__, import_module("llvmlite").__version__, np.__version__, sys.implementation.cache_tag, sys.version]
    digest = hashlib.sha256(repr(settings + versions).encode())
    for content in _sources():
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def _sources() -> Iterator[bytes]:
    """The name and the code of each module of this package and of its sub-packages.

    The code is what the loader has: source or bytecode. A frozen program has no files; there it is
    a code object.
    """
    package = sys.modules[PACKAGE]
    names = [each.name for each in pkgutil.walk_packages(package.__path__, f"{PACKAGE}.")]
    if __name__ not in names:
        raise FileNotFoundError("the modules of minibert cannot be listed")
    for name in sorted(names):
        loader: Any = getattr(find_spec(name), "loader", None)
        try:
            yield name.encode() + loader.get_data(loader.get_filename(name))
        except (OSError, AttributeError):
            try:
                code = loader.get_code(name)
            except (ImportError, AttributeError) as error:
                raise FileNotFoundError(f"{name}: its source cannot be read: {error}") from error
            yield name.encode() + marshal.dumps(code, 2)  # with later versions, equal code may give unequal bytes
