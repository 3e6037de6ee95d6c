"""Files on their way: what has come of them, notes about them, and a lock.

Others may have put links and FIFOs in their places. So a file is made anew, and only a regular file is read or continued.
"""

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from .access import NEW_FLAGS, create, read_text

NOTE_BYTES = 1 << 16  # at most


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; the next waits. The system lets go when a process ends."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)  # O_RDWR: a FIFO does not wait
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        raise OSError(f"{path}: cannot be written ({error.strerror}); set MINIBERT_HOME to a folder that you may write to") from None
    with open(descriptor, "r+b", buffering=0) as file:
        try:
            import fcntl
        except ImportError:  # Windows
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
        else:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if sys.stderr is not None:
                    sys.stderr.write(f"minibert: waiting for another process, which fetches the same ({path})\n")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def size_of(path: Path) -> int:
    """Of a regular file with one name; 0 for anything else, and for nothing."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 else 0


def open_part(path: Path, have: int) -> BinaryIO:
    """What has come of a file, to go on after `have` bytes."""
    if not have:
        return create(path)
    descriptor = os.open(path, NEW_FLAGS & ~(os.O_CREAT | os.O_EXCL))
    os.lseek(descriptor, have, os.SEEK_SET)
    return open(descriptor, "wb")


def read_note(path: Path) -> dict[str, Any]:
    """What we wrote about a file; nothing if it is damaged or was not written by us."""
    try:
        content = json.loads(read_text(path, NOTE_BYTES)) if size_of(path) else {}
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def write_note(path: Path, content: dict[str, Any]) -> None:
    part = path.with_name(f"{path.name}.part")
    with create(part) as file:
        file.write(json.dumps(content).encode())
    part.replace(path)
