"""A zip from outside: its members, checked before they are read, and their bytes.

Unlike `stored_zip`, this module reads compressed members, with the standard library. It checks the
names in an archive. Only `unpack` uses paths, and its caller chooses them.

Bounds: the members of an archive unpack to at most MAX_RATIO times its bytes, and FREE_BYTES more.
This limits disk space and time. A directory has at most MAX_DIRECTORY_BYTES and MAX_MEMBERS. As
Python objects, it takes up to fifty times as much memory. Members are read CHUNK_BYTES at a time.
Links, encrypted members, other kinds of compression, names that leave the archive, and names that
occur twice are refused.
"""

import errno
import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..files.access import head_of, open_regular
from ..files.sources import described

MAX_MEMBERS = 10_000
MAX_DIRECTORY_BYTES = 1 << 21
MAX_RATIO = 20  # weights hardly shrink when they are compressed; zeros shrink a thousandfold
FREE_BYTES = 1 << 20  # more, for small models in tests
CHUNK_BYTES = 1 << 20
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What the standard library raises for damaged archives. RuntimeError is for encrypted members,
# which are refused earlier.
DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, OverflowError, OSError)

Members = dict[str, zipfile.ZipInfo]


def budget_of(path: Path) -> int:
    """The number of bytes to which a file may unpack."""
    return FREE_BYTES + MAX_RATIO * (path.stat().st_size if path.exists() else 0)


class _Archive(io.BufferedReader):
    """A file whose reads have a limit.

    zipfile reads the whole directory of an archive at once, and makes an object of each entry.
    """

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(MAX_DIRECTORY_BYTES + 1 if size is None or size < 0 else min(size, MAX_DIRECTORY_BYTES + 1))
        if len(content) > MAX_DIRECTORY_BYTES:
            raise ValueError(f"expected a directory of at most {MAX_DIRECTORY_BYTES} bytes, found more")
        return content


@contextmanager
def open_archive(path: Path, where: str) -> Iterator[zipfile.ZipFile]:
    """An open archive. Its errors begin with `where`.

    Raises FileNotFoundError, ValueError for a damaged zip or another file, OSError of the disk.
    """
    try:
        with _Archive(open_regular(path).detach()) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except FileNotFoundError:
        raise FileNotFoundError(f"{where}: no such file") from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # the disk has failed; EINVAL is a seek to an address that a damaged archive states
        found = described(head_of(path) or b"", "a zip archive") or f"a damaged one, or something else: {error}"
        raise ValueError(f"{where}: expected a zip archive, found {found}") from None


def check_members(archive: zipfile.ZipFile, budget: int) -> tuple[Members, int]:
    """The files in an archive by name, and the rest of the budget.

    All that can be checked without reading the members is checked before.
    """
    infos, size = archive.infolist(), os.fstat(archive.fp.fileno()).st_size  # type: ignore[union-attr]
    if len(infos) > MAX_MEMBERS:
        raise ValueError(f"expected at most {MAX_MEMBERS} members, found {len(infos)}")
    members = {}
    for info in infos:
        _check_member(info)
        if info.orig_filename in members:
            raise ValueError(f"{info.orig_filename:.200}: occurs twice")
        members[info.orig_filename] = info
    packed, unpacked = (sum(getattr(info, name) for info in infos) for name in ("compress_size", "file_size"))
    if packed > size:
        raise ValueError(f"expected members of at most {size} bytes, as the archive has, found {packed}; they overlap, or it is cut off")
    if unpacked > budget:
        raise ValueError(f"expected members that unpack to at most {budget} bytes, {MAX_RATIO} times the archive, found {unpacked}")
    return {name: info for name, info in members.items() if not name.endswith("/")}, budget - unpacked


def _check_member(info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or re.search(r"[\\:\x00-\x1f]", name):
        raise ValueError(f"expected names of files within the archive, found {name!r:.200}")
    if info.flag_bits & 0x41:
        raise ValueError(f"{name:.200}: encrypted")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ValueError(f"{name:.200}: expected a file, found {'a symbolic link' if kind == stat.S_IFLNK else f'mode {kind:o}'}")
    if info.compress_type not in METHODS:
        raise ValueError(f"{name:.200}: expected it stored (0) or deflated (8), found method {info.compress_type}")


def chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of a member. Raise ValueError if there are fewer than the directory says.

    zipfile returns no more than that.
    """
    size = 0
    with archive.open(info) as member:
        while chunk := member.read(CHUNK_BYTES):
            size += len(chunk)
            yield chunk
    if size != info.file_size:
        raise ValueError(f"{info.filename:.200}: expected {info.file_size} bytes, as the directory says, found {size}")


def check_size(info: zipfile.ZipInfo, limit: int) -> None:
    if info.file_size > limit:
        raise ValueError(f"{info.filename:.200}: expected at most {limit} bytes, found {info.file_size}")


def read_member(archive: zipfile.ZipFile, members: Members, name: str, limit: int) -> bytes:
    check_size(members[name], limit)
    return b"".join(chunks(archive, members[name]))


def extract_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    if os.path.lexists(target):
        raise ValueError(f"{target}: expected an empty folder to work in, found this file")
    file: BinaryIO
    with target.open("xb") as file:
        for chunk in chunks(archive, info):
            file.write(chunk)


def member_names(path: Path) -> list[str]:
    """The names of the files in an archive, in its order. Raises like `open_archive`."""
    with open_archive(path, str(path)) as archive:
        return list(check_members(archive, budget_of(path))[0])


def unpack(path: Path, targets: dict[str, Path]) -> None:
    """Write members of an archive to new files, and make their folders.

    Args:
        path: the archive.
        targets: name of a member -> path of its file.

    Raises like `open_archive`.
    """
    with open_archive(path, str(path)) as archive:
        members, _ = check_members(archive, budget_of(path))
        for name, target in targets.items():
            if name not in members:
                raise ValueError(f"expected {name:.200}, which is gone; the file changed while it was read")
            target.parent.mkdir(parents=True, exist_ok=True)
            extract_member(archive, members[name], target)
