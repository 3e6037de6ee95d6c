"""Opening and reading files from outside, so that none of them can block or flood the process.

The author of a folder may be hostile. Reading a FIFO waits for ever, and `/dev/zero` takes all
memory. A link may lead to a file that its author may not read. Therefore only regular files are
opened. Each is read up to a limit that the caller states. A path that a file names must stay in
the folder of that file.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from typing import TYPE_CHECKING, BinaryIO

from . import HUB_PREFIX, StrPath

if TYPE_CHECKING:
    from pathlib import Path

HEAD_BYTES = 512  # of a file; `sources.py` recognises its kind by them
MAX_JSON_BYTES = 1 << 26  # of any JSON file; the tokenizer.json of a BERT in 100 languages has 3 MB
MAX_VOCABULARY_BYTES = 1 << 26
BLOCK_BYTES = 1 << 20
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
# Without O_NONBLOCK, opening a FIFO waits for a writer.
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: StrPath) -> BufferedReader:
    """A regular file, open for reading. Links are followed.

    Raises OSError if it is not there. Raises ValueError if it is a folder, a FIFO, a device, a
    socket, or a Git-LFS pointer.
    """
    _check_regular(path, os.stat(path).st_mode)
    descriptor = os.open(path, OPEN_FLAGS)
    try:
        _check_regular(path, os.fstat(descriptor).st_mode)  # another file may have the name by now
        _check_no_pointer(path, os.read(descriptor, HEAD_BYTES))
        os.lseek(descriptor, 0, os.SEEK_SET)
    except (OSError, ValueError):
        os.close(descriptor)
        raise
    return open(descriptor, "rb")


def head_of(path: StrPath) -> bytes | None:
    """The first HEAD_BYTES of a regular file. None for anything else and for an unreadable file."""
    try:
        descriptor = os.open(path, OPEN_FLAGS)
    except (OSError, ValueError):
        return None
    try:
        return os.read(descriptor, HEAD_BYTES) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(descriptor)


@contextmanager
def recognised(path: StrPath, expected: str) -> Iterator[None]:
    """A context in which a ValueError about a file of another kind names that kind.

    The new error says what to do. Files of unknown kinds keep their error.

    Args:
        path: the file that is read in the context.
        expected: what it should be, for the error.
    """
    try:
        yield
    except ValueError:
        from .sources import described  # only an error needs its tables

        head = head_of(path)
        if head is None or (found := described(head, expected)) is None:
            raise
        raise ValueError(f"{path}: expected {expected}, found {found}") from None


def _check_regular(path: StrPath, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path}: expected a regular file, found {KINDS.get(stat.S_IFMT(mode), 'something else')}")


def _check_no_pointer(path: StrPath, head: bytes) -> None:
    if head.startswith(b"version "):
        from .sources import POINTER, is_pointer

        if is_pointer(head):
            raise ValueError(f"{path}: expected the file itself, found {POINTER.what}; {POINTER.advice}")


def read_bytes(path: StrPath, limit: int) -> bytes:
    """The content of a regular file.

    Raises like `open_regular`. Raises ValueError if it has more than `limit` bytes, or changes
    while it is read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(min(size, limit) + 1)  # read takes this much memory at once
    if max(size, len(content)) > limit:
        raise ValueError(f"{path}: expected at most {limit:,} bytes, found more")
    if len(content) != size:
        raise ValueError(f"{path}: changed while it was read; try again when it is complete")
    return content


def read_text(path: StrPath, limit: int) -> str:
    """The text of a UTF-8 file, with its own line ends.

    Raises like `read_bytes`, and ValueError for other encodings.
    """
    return decoded(path, read_bytes(path, limit))


def decoded(path: StrPath, content: bytes) -> str:
    """The text of a UTF-8 file with this content. Raises ValueError for other encodings."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8: {error}") from None


def inside(folder: StrPath, path: StrPath) -> bool:
    """Whether a path lies in a folder after all links are followed.

    A snapshot of the Hugging Face cache (`models--OWNER--NAME/snapshots/REVISION`) is a folder of
    links to `blobs` beside it. Those blobs count as its own.
    """
    whole, target = os.path.realpath(folder), os.path.realpath(path)
    names = whole.split(os.sep)
    caches = [
        os.sep.join((*names[:place], "blobs"))
        for place, name in enumerate(names[:-1])
        if name == "snapshots" and names[place - 1].startswith(HUB_PREFIX)
    ]
    return any(target == each or target.startswith(each.rstrip(os.sep) + os.sep) for each in (whole, *caches))


def check_inside(folder: StrPath, path: StrPath) -> None:
    """Raise ValueError if a path does not lie in a folder after all links are followed."""
    if not inside(folder, path):
        raise ValueError(f"{path}: is a link to a file outside the folder; copy the file there")


def copy_inside(folder: "Path", name: str, target_folder: "Path", limit: int) -> bool:
    """Copy `folder/name` to `target_folder/name`. Return False if it is not there.

    The copy has the permissions of the file. Raises ValueError if it is not a regular file, has
    more than `limit` bytes, or is a link to a file outside the folder.
    """
    path, target = folder / name, target_folder / name
    if not os.path.lexists(path):
        return False
    check_inside(folder, path)
    with open_regular(path) as file:
        target.parent.mkdir(parents=True, exist_ok=True)
        with errors_name(target), create(target, os.fstat(file.fileno()).st_mode & 0o666) as copy:
            while chunk := file.read(BLOCK_BYTES):
                if copy.tell() + len(chunk) > limit:
                    raise ValueError(f"{path}: expected at most {limit:,} bytes, found more")
                copy.write(chunk)
    return True


@contextmanager
def errors_name(path: StrPath) -> Iterator[None]:
    """A context in which an OSError without a file name gets this one.

    Python names none for a full disk.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def create(path: StrPath, mode: int = 0o666) -> BinaryIO:
    """A new file, open for writing.

    What has the name is removed first, so nothing is overwritten.
    """
    with suppress(FileNotFoundError):
        os.unlink(path)
    return open(os.open(path, NEW_FLAGS, mode), "wb")


Stamps = dict["Path", tuple[int, ...] | None]  # None for an absent file


def stamps(paths: "Iterable[Path]") -> Stamps:
    """What shows later whether files have changed: device, inode, size and time of each."""
    return {path: _stamp(path) for path in paths}


def _stamp(path: StrPath) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_unchanged(before: Stamps) -> None:
    """Raise ValueError if a file has changed since its stamp was taken."""
    for path, stamp in before.items():
        if _stamp(path) != stamp:
            raise ValueError(f"{path}: changed while it was read; try again when it is complete")


def digest(path: StrPath) -> str:
    """The SHA-256 of a regular file, in hexadecimal."""
    import hashlib  # only what is downloaded or converted has a digest

    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed(names: Iterable[str]) -> str:
    """Names from a file as a message shows them: sorted and cut, as they may be many and long."""
    text = ", ".join(name if len(name) <= 100 else f"{name[:100]}..." for name in sorted(names)) or "nothing"
    return text if len(text) <= 500 else f"{text[:500]}..."
