"""Files from outside are opened and read here, so that none of them can hold or flood the process.

A folder may come from anybody. A FIFO in it waits for ever, `/dev/zero` takes all memory, and a link may lead to a file that its
author may not read. So only regular files are opened, each is read up to a limit that its caller states, and a path that a file names
stays in the folder of that file.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from .sources import HEAD_BYTES, POINTER, described, is_pointer

MAX_JSON_BYTES = 1 << 26  # of tokenizer.json and its like; that of a BERT in 100 languages has 3 MB
MAX_VOCABULARY_BYTES = 1 << 26
BLOCK_BYTES = 1 << 20
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
# Without O_NONBLOCK, opening a FIFO waits for its writer.
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: Path) -> BufferedReader:
    """A regular file, opened to be read; links are followed.

    Raises OSError if it is not there, ValueError if it is a folder, a FIFO, a device or a socket, or a Git-LFS pointer.
    """
    _check_regular(path, os.stat(path).st_mode)
    descriptor = os.open(path, OPEN_FLAGS)
    try:
        _check_regular(path, os.fstat(descriptor).st_mode)  # the name may stand for something else by now
        if is_pointer(os.read(descriptor, HEAD_BYTES)):
            raise ValueError(f"{path}: expected the file itself, found {POINTER.what}; {POINTER.advice}")
        os.lseek(descriptor, 0, os.SEEK_SET)
    except (OSError, ValueError):
        os.close(descriptor)
        raise
    return open(descriptor, "rb")


def head_of(path: Path) -> bytes | None:
    """What a regular file begins with; None for anything else, and for one that cannot be read."""
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
def recognised(path: Path, expected: str) -> Iterator[None]:
    """A ValueError about a file that is of another kind says which kind, and what to do."""
    try:
        yield
    except ValueError:
        head = head_of(path)
        if head is None or (found := described(head, expected)) is None:
            raise
        raise ValueError(f"{path}: expected {expected}, found {found}") from None


def _check_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path}: expected a regular file, found {KINDS.get(stat.S_IFMT(mode), 'something else')}")


def read_bytes(path: Path, limit: int) -> bytes:
    """All of a regular file. Raises like `open_regular`, and ValueError if it has more than `limit` bytes."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(min(size, limit) + 1)  # so much memory is taken before the first byte is read
    if max(size, len(content)) > limit:
        raise ValueError(f"{path}: expected at most {limit:,} bytes, found more")
    if len(content) != size:
        raise ValueError(f"{path}: changed while it was read; try again when it is complete")
    return content


def read_text(path: Path, limit: int) -> str:
    """A UTF-8 file as it is, with its line ends. Raises like `read_bytes`, and ValueError for other encodings."""
    try:
        return read_bytes(path, limit).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8: {error}") from None


def inside(folder: Path, path: Path) -> bool:
    """Whether a path, all links followed, lies in a folder.

    A snapshot of the Hugging Face cache (`models--OWNER--NAME/snapshots/REVISION`) is a folder of links to `blobs` beside it, which count
    as its own.
    """
    whole, target = Path(os.path.realpath(folder)), Path(os.path.realpath(path))  # unlike Path.resolve, they take a loop of links
    caches = [parent.parent for parent in whole.parents if parent.name == "snapshots" and parent.parent.name.startswith("models--")]
    return any(target.is_relative_to(each) for each in (whole, *(cache / "blobs" for cache in caches)))


def check_inside(folder: Path, path: Path) -> None:
    """Raises ValueError if a path, all links followed, does not lie in a folder."""
    if not inside(folder, path):
        raise ValueError(f"{path}: is a link to a file outside the folder; copy the file there")


def copy_inside(folder: Path, name: str, target_folder: Path, limit: int) -> bool:
    """Copy `folder/name` to `target_folder/name`; False if it is not there.

    Who may not read the one may not read the other. Raises ValueError if it is no regular file, has more than `limit` bytes, or is a
    link to a file outside the folder.
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
def errors_name(path: Path) -> Iterator[None]:
    """An OSError that names no file names this one: of a full disk, Python says no name."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def create(path: Path, mode: int = 0o666) -> BinaryIO:
    """A new file, in the place of whatever has the name: nothing that is there is written to."""
    path.unlink(missing_ok=True)
    return open(os.open(path, NEW_FLAGS, mode), "wb")


Stamps = dict[Path, tuple[int, ...] | None]  # None: the file is not there


def stamps(paths: Iterable[Path]) -> Stamps:
    """What tells whether files have changed: which they are, their sizes and their times."""
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_unchanged(before: Stamps) -> None:
    """Raises ValueError if a file is another than it was when its stamp was taken."""
    for path, stamp in before.items():
        if _stamp(path) != stamp:
            raise ValueError(f"{path}: changed while it was read; try again when it is complete")


def digest(path: Path) -> str:
    """The SHA-256 of a regular file, in hexadecimal."""
    import hashlib  # only what is downloaded or converted has a digest

    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed(names: Iterable[str]) -> str:
    """Names that a file has made up, for a message: in order, and only the first of them, as it may have many and long ones."""
    text = ", ".join(name if len(name) <= 100 else f"{name[:100]}..." for name in sorted(names)) or "nothing"
    return text if len(text) <= 500 else f"{text[:500]}..."
