"""A zip from outside: its members, after all that can be checked before they are read, and their bytes in pieces.

Unlike `stored_zip`, this reads what is compressed, with the standard library. Names in an archive are checked here, but they become paths
only where a caller asks for it (`unpack`).

Bounds: the members of an archive unpack to at most MAX_RATIO times its bytes, and FREE_BYTES more. This limits the disk that is taken
and the time. A directory has at most MAX_DIRECTORY_BYTES and MAX_MEMBERS; as Python objects, it takes up to fifty times as much memory.
Members are read in pieces of CHUNK_BYTES. Links, encrypted members, other ways to compress, names that
leave the archive and names that are there twice are refused.
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
MAX_RATIO = 20  # weights hardly get smaller; zeros do, a thousandfold
FREE_BYTES = 1 << 20  # on top, for small models in tests
CHUNK_BYTES = 1 << 20
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What the standard library raises for damaged archives. It knows RuntimeError for encrypted ones, which are refused before
DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, OverflowError, OSError)

Members = dict[str, zipfile.ZipInfo]


def budget_of(path: Path) -> int:
    """How many bytes a file may unpack to."""
    return FREE_BYTES + MAX_RATIO * (path.stat().st_size if path.exists() else 0)


class _Archive(io.BufferedReader):
    """A file that is read in pieces only: zipfile reads the whole directory of an archive at once, and makes an object of each entry."""

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(MAX_DIRECTORY_BYTES + 1 if size is None or size < 0 else min(size, MAX_DIRECTORY_BYTES + 1))
        if len(content) > MAX_DIRECTORY_BYTES:
            raise ValueError(f"expected a directory of at most {MAX_DIRECTORY_BYTES} bytes, found more")
        return content


@contextmanager
def open_archive(path: Path, where: str) -> Iterator[zipfile.ZipFile]:
    """An open archive. Errors begin with `where`."""
    try:
        with _Archive(open_regular(path).detach()) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except FileNotFoundError:
        raise FileNotFoundError(f"{where}: no such file") from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # of the disk that is read or written; EINVAL is a seek to where a damaged archive points
        found = described(head_of(path) or b"", "a zip archive") or f"a damaged one, or something else: {error}"
        raise ValueError(f"{where}: expected a zip archive, found {found}") from None


def check_members(archive: zipfile.ZipFile, budget: int) -> tuple[Members, int]:
    """The files in an archive by name, after all that can be checked without reading them, and what they leave of the budget."""
    infos, size = archive.infolist(), os.fstat(archive.fp.fileno()).st_size  # type: ignore[union-attr]
    if len(infos) > MAX_MEMBERS:
        raise ValueError(f"expected at most {MAX_MEMBERS} members, found {len(infos)}")
    members = {}
    for info in infos:
        _check_member(info)
        if info.orig_filename in members:
            raise ValueError(f"{info.orig_filename:.200}: there twice")
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
    """What is in a member, if it is as much as the directory says; zipfile gives no more than that."""
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
    """Names of the files in an archive, in its order. Raises as `open_archive`."""
    with open_archive(path, str(path)) as archive:
        return list(check_members(archive, budget_of(path))[0])


def unpack(path: Path, targets: dict[str, Path]) -> None:
    """Write members of an archive to new files, made with their folders. Raises as `open_archive`."""
    with open_archive(path, str(path)) as archive:
        members, _ = check_members(archive, budget_of(path))
        for name, target in targets.items():
            if name not in members:
                raise ValueError(f"expected {name:.200}, found it gone; the file changed while it was read")
            target.parent.mkdir(parents=True, exist_ok=True)
            extract_member(archive, members[name], target)
