"""What code may be read from: files and folders that only this user and root can write.

Compiled code in a file is as powerful as the program that loads it. So a file is trusted only if no
one else can have written it.
"""

import os
import stat
import sys
from contextlib import suppress

READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def cache_folder() -> str:
    """The path of the folder for caches, before links are followed.

    Raises FileNotFoundError if this user has no place for it.
    """
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return os.path.abspath(chosen)
    if os.path.isabs(chosen := os.environ.get("XDG_CACHE_HOME", "")):
        return chosen
    home = os.path.expanduser("~")
    if not os.environ.get("HOME", "?") or not os.path.isabs(home) or not os.path.isdir(home):
        raise FileNotFoundError("this user has no home folder")
    return os.path.join(home, ".cache")


def real(folder: str | os.PathLike[str]) -> str:
    """The path without links. Raises OSError, also for links in a circle."""
    return os.path.realpath(folder, strict=True)


def check_ours(folder: str | os.PathLike[str], *existing: str | os.PathLike[str]) -> None:
    """Check that only this user and root may write to a folder and to every folder above it.

    A folder above may have the sticky bit, as /tmp has. Then others may write to it, but they may
    not rename our entries.

    Args:
        folder: the folder.
        existing: the folders to check, if not the folder and all above it.

    Raises PermissionError for a folder of another user, or that others may write to. Raises
    NotADirectoryError for a link or a file.
    """
    whole = os.fspath(folder)
    for each in [os.fspath(each) for each in existing] or _with_parents(whole):
        status = os.lstat(each)
        shared = each != whole and status.st_mode & stat.S_ISVTX
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(f"{each} is not a folder")
        if not (_is_ours(status.st_uid) and (shared or _is_closed(status.st_mode))):
            raise PermissionError(f"{each} belongs to another user, or others may write to it")


def _with_parents(folder: str) -> list[str]:
    folders = [folder]
    while (parent := os.path.dirname(folders[-1])) != folders[-1]:
        folders.append(parent)
    return folders


def _is_ours(owner: int) -> bool:
    return not hasattr(os, "geteuid") or owner in (0, os.geteuid())


def _is_closed(mode: int) -> bool:
    return not hasattr(os, "geteuid") or not mode & (stat.S_IWGRP | stat.S_IWOTH)


def read(path: str | os.PathLike[str], max_bytes: int) -> bytes:
    """The content of a file that only this user and root can write. Raises OSError."""
    with open(os.open(path, READ), "rb") as file:
        status = os.fstat(file.fileno())
        if not (stat.S_ISREG(status.st_mode) and _is_ours(status.st_uid) and _is_closed(status.st_mode)):
            raise PermissionError(
                f"{path}: expected a file that belongs to this user or root, and that no one else may write; try `chmod go-w {path}`"
            )
        return file.read(max_bytes)


def say(line: str) -> None:
    """Write a line to stderr, if that is possible."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # closed
            sys.stderr.write(f"minibert: {line}\n")
