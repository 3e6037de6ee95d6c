"""Where compiled code is kept: a file for each function and signature, in a folder named by a hash of all that made it.

Numba's own cache stamps the one file in which a function stands, writes beside the sources where it can, and unpickles whatever it
finds. So `Cache` takes its place. A file is a pickle, which may run anything when it is read. It is read only where nobody but this
user and root can have put it: the folder, every folder above it and the file belong to them, and no one else may write there. The
folder is resolved once and its real path is kept; a file is judged after it is opened.

A file that is missing, damaged or not ours costs time, and nothing else. Where nothing can be written, compiled code stays in memory.
"""

import hashlib
import marshal
import os
import pickle
import pkgutil
import secrets
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = __name__.partition(".")[0]
MAX_BYTES = 1 << 27  # of a file; the largest has 0.3 MB
DIGEST = 16  # bytes at the beginning of a file, of what follows
READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
SETTINGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUGINFO_DEFAULT")  # of Numba, that change what it emits


class Cache:
    """What a dispatcher of Numba asks before it compiles (`load_overload`), and tells afterwards (`save_overload`)."""

    cache_path = ""  # for `dispatcher.stats`

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._is_kept = function.__module__.startswith(f"{PACKAGE}.")  # the hash covers no other sources

    def load_overload(self, signature: Any, target: Any) -> Any:
        """The compiled function, or None, and then a line says what takes so long."""
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
            content = _read(folder / self._file(key))
            if hashlib.blake2b(content[DIGEST:], digest_size=DIGEST).digest() != content[:DIGEST]:
                return None
            found, payload = pickle.loads(content[DIGEST:])
            return import_module("numba.core.compiler").CompileResult._rebuild(target, *payload) if found == key else None
        except Exception:
            return None

    def _key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return self._name, signature, codegen.magic_tuple()  # the last names the processor and its features

    def _file(self, key: tuple[Any, ...]) -> str:
        return f"{self._name}.{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}"


def _check_working_directory() -> None:
    """Numba names the sources as they are seen from there, even in errors that it raises and catches itself."""
    try:
        os.getcwd()
    except OSError as error:
        raise type(error)(
            error.errno, f"cannot compile, since the working directory of this process is gone ({error.strerror}); change to another one"
        ) from None


@cache
def announce() -> None:
    """Say once what takes so long, and whether it will again."""
    _say(f"compiling for this processor ({where_kept('once; ', 'in every process; ')})")


def where_kept(if_kept: str = "", if_not: str = "") -> str:
    """Where compiled code is kept, or why it is not and what to do."""
    folder, obstacle = folder_to_write()
    if folder:
        return f"{if_kept}kept in {folder}"
    return f"{if_not}not kept: {obstacle}; set NUMBA_CACHE_DIR to a folder that only you may write to"


@cache
def _complain(problem: str) -> None:
    _say(problem)


def _say(line: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # closed
            sys.stderr.write(f"minibert: {line}\n")


@cache
def folder_to_read() -> Path | None:
    """The real path of the folder, or None if it is not there or others may write to it."""
    try:
        folder = _real(_folder())
        _check_ours(folder)
    except OSError:
        return None
    return folder


@cache
def folder_to_write() -> tuple[Path | None, str]:
    """The real path of the folder, made if need be; or None, and why."""
    try:
        folder = _make(_folder())
        with tempfile.TemporaryFile(dir=folder):
            return folder, ""
    except OSError as error:
        return None, str(error)


def _folder() -> Path:
    """Raises OSError where there is none."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        parent = Path(chosen).absolute()
    elif os.path.isabs(chosen := os.environ.get("XDG_CACHE_HOME", "")):
        parent = Path(chosen)
    else:
        home = os.path.expanduser("~")
        if not os.environ.get("HOME", "?") or not os.path.isabs(home) or not os.path.isdir(home):
            raise FileNotFoundError("this user has no home folder")
        parent = Path(home) / ".cache"
    return parent / "minibert" / _version()


def _real(folder: Path) -> Path:
    """The path without links. Raises OSError, for links in a circle too; before Python 3.13 `Path.resolve` has another error for them."""
    return Path(os.path.realpath(folder, strict=True))


def _make(folder: Path) -> Path:
    """The real path of a folder of our own; what is missing of it is made. Raises OSError."""
    missing = []
    while not folder.exists():
        missing.append(folder.name)
        folder = folder.parent
    folder = _real(folder)
    if missing:
        _check_ours(folder / missing[-1], folder)
    for name in reversed(missing):
        folder = folder / name
        folder.mkdir(0o755, exist_ok=True)  # another user may read what root compiled
    _check_ours(folder)
    return folder


def _check_ours(folder: Path, *existing: Path) -> None:
    """Raise PermissionError unless all folders from the root down to this one belong to us or root, and no one else may write there.

    Above it, others may write to a folder with the sticky bit, such as /tmp: they may not rename what is ours.
    Raise NotADirectoryError for a link or a file.
    """
    for each in existing or (folder, *folder.parents):
        status = os.lstat(each)
        shared = each != folder and status.st_mode & stat.S_ISVTX
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(f"{each} is no folder")
        if not (_is_ours(status.st_uid) and (shared or _is_closed(status.st_mode))):
            raise PermissionError(f"others may write to {each}, or it is theirs")


def _is_ours(owner: int) -> bool:
    return not hasattr(os, "geteuid") or owner in (0, os.geteuid())


def _is_closed(mode: int) -> bool:
    return not hasattr(os, "geteuid") or not mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(path: Path) -> bytes:
    with open(os.open(path, READ), "rb") as file:
        status = os.fstat(file.fileno())
        if not (stat.S_ISREG(status.st_mode) and _is_ours(status.st_uid) and _is_closed(status.st_mode)):
            raise PermissionError(f"{path}: expected a file that only this user may write to")
        return file.read(MAX_BYTES)


def _write(path: Path, content: bytes) -> None:
    """Under another name first: whoever reads finds all or nothing."""
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
    """A hash of all that decides what is emitted, but for the processor. Raises OSError where the sources cannot be read."""
    numba: Any = import_module("numba")
    settings = [str(getattr(numba.config, name, None)) for name in SETTINGS]
    versions = [numba.__version__, import_module("llvmlite").__version__, np.__version__, sys.implementation.cache_tag, sys.version]
    digest = hashlib.sha256(repr(settings + versions).encode())
    for content in _sources():
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def _sources() -> Iterator[bytes]:
    """Each module of this package as its loader has it: source, bytecode, or a code object where there are no files (a frozen program)."""
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
            yield name.encode() + marshal.dumps(code, 2)  # in later versions the same code gives other bytes now and then
