"""Where the answer of a command goes: to people at a terminal, as JSON lines into a pipe, or into a file.

A file is written beside its name and renamed, so what bears the name is whole, and what bore it before stays until then.
"""

import errno
import json
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, TextIO

import numpy as np
import numpy.typing as npt

from ..files.access import KINDS, errors_name
from ..folders.save import exit_on_signals
from .streams import put
from .terminal import Line, shown

Rows = Iterable[dict[str, Any]]
FLAGS = os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
NEW_FLAGS = FLAGS | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
# Without O_NONBLOCK, opening a FIFO waits for its reader.
STREAM_FLAGS = FLAGS | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


@dataclass(frozen=True)
class Output:
    """What `--output` names.

    Attributes:
        name: as it was given.
        path: where it leads, links followed.
        is_stream: a FIFO, a device, or standard output: it is written to, and never replaced.
        replaced: the file in its place, which the caller wants replaced.
    """

    name: Path
    path: Path
    is_stream: bool
    replaced: os.stat_result | None


def find_output(name: Path, suffixes: tuple[str, ...], source: os.stat_result | None, is_forced: bool) -> Output:
    """Look at what `--output` names, before anything is computed. `source` is where the texts come from.

    Raises OSError or ValueError if it is no place for an answer, or if something would be lost there.
    """
    try:
        found = os.stat(name)
    except FileNotFoundError:
        found = None
    except OSError as error:
        raise OSError(f"--output: {name}: {error.strerror}") from None
    with errors_name(name):  # the working folder may be gone
        path = Path(os.path.realpath(name))
    mode = 0 if found is None else found.st_mode
    is_stream = found is not None and (_is_standard_output(found) or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode))
    if name.suffix not in suffixes and not (is_stream and not name.suffix):
        raise ValueError(f"--output: expected a name that ends in {' or '.join(suffixes)}, found {name}")
    if found is not None and stat.S_ISFIFO(mode) and _is_one_of(found, source, _status(sys.stdin)):
        raise ValueError(f"--output: expected another pipe than one that is read here, found {name}")
    if is_stream:
        return Output(name, path, True, None)
    if not path.parent.is_dir():
        raise ValueError(f"--output: expected a folder that exists, found {name}")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"--output: expected a folder that you may write to, found {name}")
    if found is not None:
        _check_replaced(name, found, source, is_forced)
    return Output(name, path, False, found)


def _check_replaced(name: Path, found: os.stat_result, source: os.stat_result | None, is_forced: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"--output: expected the name of a file, found {KINDS.get(stat.S_IFMT(found.st_mode), 'something else')}: {name}")
    if _is_one_of(found, source):
        raise ValueError(f"--output: expected another file than that of the texts, found {name}")
    if not is_forced:
        raise FileExistsError(f"--output: expected the name of a new file, found one that exists: {name}; --force replaces it")


def write(output: Output | None, array: Callable[[], npt.NDArray[Any]] | None, rows: Rows, people: Callable[[], Iterable[Line]]) -> None:
    """To a file by its suffix, to people at a terminal, as JSON lines elsewhere."""
    if output is None:
        # backslashreplace: a lone surrogate in a text becomes its JSON escape
        put(map(shown, people()) if sys.stdout is not None and sys.stdout.isatty() else map(_json, rows), errors="backslashreplace")
        return
    with _named(output), _stream(output) if output.is_stream else _whole(output) as file:
        if output.name.suffix == ".npy" and array is not None:
            np.save(SimpleNamespace(write=file.write), array())  # of a full disk, `write` says more than NumPy
        else:
            shows_control_characters = output.is_stream and file.isatty()
            file.writelines(_json(row, shows_control_characters).encode("utf-8", "backslashreplace") + b"\n" for row in rows)


def _json(row: dict[str, Any], ensure_ascii: bool = False) -> str:
    return json.dumps(row, ensure_ascii=ensure_ascii)


@contextmanager
def _named(output: Output) -> Iterator[None]:
    """Errors say which file they are about."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{output.name}: {error.strerror or error}") from None


def _is_standard_output(found: os.stat_result) -> bool:
    """Whether this is the file behind standard output: `/dev/stdout`, for instance."""
    return _is_one_of(found, _status(sys.stdout))


def _is_one_of(found: os.stat_result, *others: os.stat_result | None) -> bool:
    """Whether this is the same file as one of some others, where they are there."""
    return any(other is not None and os.path.samestat(found, other) for other in others)


def _status(stream: TextIO | None) -> os.stat_result | None:
    """Of the file behind a standard stream; None if it is closed, or replaced by an object without a descriptor."""
    try:
        return None if stream is None else os.fstat(stream.fileno())
    except (OSError, ValueError):
        return None


@contextmanager
def _stream(output: Output) -> Iterator[IO[bytes]]:
    """A FIFO or a device, opened to be written to. Standard output goes on where it is, since it may be the end of a file."""
    if _is_standard_output(os.stat(output.name)):
        descriptor = os.dup(sys.stdout.fileno())
    else:
        try:
            descriptor = os.open(output.name, STREAM_FLAGS)  # the path of a process's own pipe leads nowhere
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(os.stat(output.name).st_mode):
                raise
            raise OSError(error.errno, "nobody reads from it; start its reader first") from None
        os.set_blocking(descriptor, True)
    with open(descriptor, "wb") as file:
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and not _is_standard_output(os.fstat(descriptor)):
            raise OSError(errno.EEXIST, "has become a file meanwhile")
        yield file


@contextmanager
def _whole(output: Output) -> Iterator[IO[bytes]]:
    """A new file beside the name, which takes the name when it is whole, and is removed if it never will be."""
    part = output.path.with_name(f".minibert.{secrets.token_hex(8)}.part")
    with exit_on_signals():
        try:
            # O_EXCL: nothing that is there already is opened. The system takes the umask off the mode.
            with open(os.open(part, NEW_FLAGS, 0o666 if output.replaced is None else 0o600), "wb") as file:
                yield file
                if output.replaced is not None:
                    _take_over(file.fileno(), output.replaced)
            if output.replaced is not None:
                part.replace(output.path)
            else:
                _name(part, output.path)
        finally:
            part.unlink(missing_ok=True)


def _take_over(descriptor: int, replaced: os.stat_result) -> None:
    """Owner, group and mode of the file that is replaced. Where the group cannot be kept, the new one gets no more than all others had."""
    if not hasattr(os, "fchown"):  # Windows
        return
    mode = stat.S_IMODE(replaced.st_mode) & 0o777
    with suppress(PermissionError):
        os.fchown(descriptor, replaced.st_uid, -1)
    try:
        os.fchown(descriptor, -1, replaced.st_gid)
    except PermissionError:
        mode &= ~stat.S_IRWXG | (mode & stat.S_IRWXO) << 3
    os.fchmod(descriptor, mode)


def _name(part: Path, path: Path) -> None:
    """Give a file its name, unless there is something by now."""
    try:
        try:
            os.link(part, path, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: take the name with an empty file
            os.close(os.open(path, NEW_FLAGS))
            part.replace(path)
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "has appeared meanwhile; --force replaces it") from None
