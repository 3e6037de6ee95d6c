"""Files that are being fetched: what has arrived of them, notes about them, and a lock.

Other users may have put links and FIFOs in their places. Therefore a file is created anew, and only
a regular file is read or continued.
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
    """A context that one process at a time may enter.

    The system releases the lock when a process ends.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)  # with O_RDWR, a FIFO does not wait
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
                    sys.stderr.write(f"minibert: waiting for another process, which is fetching the same model ({path})\n")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def size_of(path: Path) -> int:
    """The size of a regular file with one name; 0 for anything else and for an absent file."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 else 0


def open_part(path: Path, have: int) -> BinaryIO:
    """A file that has partly arrived, open for writing after its first `have` bytes."""
    if not have:
        return create(path)
    descriptor = os.open(path, NEW_FLAGS & ~(os.O_CREAT | os.O_EXCL))
    os.lseek(descriptor, have, os.SEEK_SET)
    return open(descriptor, "wb")


def read_note(path: Path) -> dict[str, Any]:
    """What `write_note` wrote about a file; empty if the note is damaged or of another program."""
    try:
        content = json.loads(read_text(path, NOTE_BYTES)) if size_of(path) else {}
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def write_note(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object beside a file. A reader finds the old note or all of the new one."""
    part = path.with_name(f"{path.name}.part")
    with create(part) as file:
        file.write(json.dumps(content).encode())
    part.replace(path)
