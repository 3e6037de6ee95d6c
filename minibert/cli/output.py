"""The output of a command: a table at a terminal, JSON lines in a pipe, or a file.

A file is written beside its name and renamed at the end. So a file under this name is always
complete, and an old one stays until the new one is.
"""

import errno
import json
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, TextIO

from ..files.access import KINDS, errors_name
from .streams import put
from .terminal import Line, rendered

if TYPE_CHECKING:
    import numpy.typing as npt

Rows = Iterable[dict[str, Any]]
FLAGS = os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
NEW_FLAGS = FLAGS | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
# Without O_NONBLOCK, opening a FIFO waits for its reader
STREAM_FLAGS = FLAGS | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


@dataclass(frozen=True)
class Output:
    """The place that `--output` names.

    Attributes:
        name: the name as the caller gave it.
        path: the place that it leads to, with all links followed.
        is_stream: whether it is a FIFO, a device, or standard output, which is never replaced.
        replaced: the existing file that the caller wants to replace.
    """

    name: Path
    path: Path
    is_stream: bool
    replaced: os.stat_result | None


def find_output(name: Path, suffixes: tuple[str, ...], source: os.stat_result | None, is_forced: bool) -> Output:
    """Check the place that `--output` names, before anything is computed.

    `source` is the file that the texts come from. Raises OSError or ValueError if the place cannot
    be written to, or if something would be lost there.
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
        raise ValueError(f"--output: expected a pipe that another program reads, found that of the texts: {name}")
    if is_stream:
        return Output(name, path, True, None)
    if not path.parent.is_dir():
        raise ValueError(f"--output: expected a name in a folder that exists, found {name}; make the folder first")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"--output: expected a folder that you may write to, found {name}; give another place")
    if found is not None:
        _check_replaced(name, found, source, is_forced)
    return Output(name, path, False, found)


def _check_replaced(name: Path, found: os.stat_result, source: os.stat_result | None, is_forced: bool) -> None:
    """Raise ValueError or FileExistsError unless the existing file may be replaced."""
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"--output: expected the name of a file, found {KINDS.get(stat.S_IFMT(found.st_mode), 'something else')}: {name}")
    if _is_one_of(found, source):
        raise ValueError(f"--output: expected another file than that of the texts, found {name}; give another name")
    if not is_forced:
        raise FileExistsError(f"--output: expected the name of a new file, found one that exists: {name}; --force replaces it")


def write(output: Output | None, array: "Callable[[], npt.NDArray[Any]] | None", rows: Rows, people: Callable[[], Iterable[Line]]) -> None:
    """Write a result to the output.

    Args:
        array: the result as an array, for a .npy file.
        rows: the result as objects, for JSON lines.
        people: the result as a table, for a terminal.
    """
    if output is None:
        # backslashreplace: a lone surrogate in a text becomes its JSON escape
        put(map(rendered, people()) if sys.stdout is not None and sys.stdout.isatty() else map(_json, rows), errors="backslashreplace")
        return
    with _named(output), _open_stream(output) if output.is_stream else _new_file(output) as file:
        if output.name.suffix == ".npy" and array is not None:
            import numpy as np  # a command without vectors needs none of it

            np.save(SimpleNamespace(write=file.write), array())  # at a full disk, an error of `write` says more than NumPy's
        else:
            shows_control_characters = output.is_stream and file.isatty()
            file.writelines(_json(row, shows_control_characters).encode("utf-8", "backslashreplace") + b"\n" for row in rows)


def _json(row: dict[str, Any], ensure_ascii: bool = False) -> str:
    return json.dumps(row, ensure_ascii=ensure_ascii)


@contextmanager
def _named(output: Output) -> Iterator[None]:
    """Add the name of the output to an error."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{output.name}: {error.strerror or error}") from None


def _is_standard_output(found: os.stat_result) -> bool:
    """Return whether this is the file behind standard output, such as `/dev/stdout`."""
    return _is_one_of(found, _status(sys.stdout))


def _is_one_of(found: os.stat_result, *others: os.stat_result | None) -> bool:
    """Return whether this is the same file as one of the others."""
    return any(other is not None and os.path.samestat(found, other) for other in others)


def _status(stream: TextIO | None) -> os.stat_result | None:
    """Return the status of the file behind a standard stream.

    None if the stream is closed, or is an object without a descriptor.
    """
    try:
        return None if stream is None else os.fstat(stream.fileno())
    except (OSError, ValueError):
        return None


@contextmanager
def _open_stream(output: Output) -> Iterator[IO[bytes]]:
    """Open a FIFO or a device for writing.

    Standard output goes on at its position, which may be the end of a file.
    """
    if _is_standard_output(os.stat(output.name)):
        descriptor = os.dup(sys.stdout.fileno())
    else:
        try:
            descriptor = os.open(output.name, STREAM_FLAGS)  # not `path`: that of a process's own pipe does not exist
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(os.stat(output.name).st_mode):
                raise
            raise OSError(error.errno, "it has no reader; start its reader first") from None
        os.set_blocking(descriptor, True)
    with open(descriptor, "wb") as file:
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and not _is_standard_output(os.fstat(descriptor)):
            raise OSError(errno.EEXIST, "has become a file meanwhile; give another name, or run the command again")
        yield file


@contextmanager
def _new_file(output: Output) -> Iterator[IO[bytes]]:
    """Open a new file beside the name.

    It takes the name when it is complete; after an error it is removed.
    """
    import secrets

    from ..folders.new import exit_on_signals

    part = output.path.with_name(f".minibert.{secrets.token_hex(8)}.part")
    with exit_on_signals():
        try:
            # NEW_FLAGS has O_EXCL, so no existing file is opened. The system applies the umask to
            # the mode.
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
    """Give a file the owner, the group and the mode of the file that it replaces.

    If the group cannot be kept, the new group gets only the rights that everybody had.
    """
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
    """Give a file its name, unless something has taken the name meanwhile."""
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
