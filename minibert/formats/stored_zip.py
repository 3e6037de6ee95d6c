"""The members of a zip that compresses nothing: where in the file the bytes of each one are. ZIP64 is understood.

Stricter than a zip tool: the directory must lie between the members and the end of the file, without a comment or anything in between;
what it says of a member must not contradict what stands before the member; and no two members may share a byte or a name.

Bounds: a directory has at most MAX_MEMBERS members with fields of MAX_FIELD_BYTES, 15 MB; members are not read, and as no two share a
byte, they are no more than the file. Time grows with the directory alone.

Source: PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.
"""

import mmap
import struct
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

MAX_MEMBERS = 10_000
MAX_FIELD_BYTES = 512  # of a member's name, extra field or comment in the directory
LOCAL = struct.Struct("<4s5H3I2H")  # signature, version, flags, method, time, date, crc, compressed, size, lengths of name and extra
ENTRY = struct.Struct("<4s6H3I5H2I")  # the same with one version more, then comment, disk, attributes (2), offset of LOCAL
END = struct.Struct("<4s4H2IH")  # signature, disks (2), entries (2), size and offset of the directory, length of the comment
LOCATOR = struct.Struct("<4sIQI")  # signature, disk, offset of END64, disks
END64 = struct.Struct("<4sQ2H2I4Q")  # signature, length, versions (2), disks (2), entries (2), size and offset of the directory
IN_EXTRA = 0xFFFFFFFF  # "see the ZIP64 field"
FLAGS = 0x0808  # sizes behind the data, and UTF-8
FOLDER = 0x10  # attribute of DOS; torch takes such a member for read and leaves its memory as it was


class Span(NamedTuple):
    """The bytes of a member, end exclusive."""

    begin: int
    end: int


class _Entry(NamedTuple):
    name: str
    flags: int
    size: int
    offset: int


def stored_members(path: Path, data: mmap.mmap) -> dict[str, Span]:
    """Where the bytes of every member are, by name.

    Raises ValueError that names the file and what is wrong with it.
    """
    count, begin, end = _directory(path, data)
    members: dict[str, Span] = {}
    covered = []
    position = begin
    for _ in range(count):
        entry, position = _entry(path, data, position, end)
        if entry.name in members:
            raise ValueError(f"{path}: duplicate member {entry.name!r:.200}")
        members[entry.name] = _span(path, data, entry, begin)
        covered.append((entry.offset, members[entry.name].end, entry.name))
    if position != end:
        raise ValueError(f"{path}: expected a zip directory up to byte {end}, found {count} members that end at {position}")
    for (_, last, name), (first, _, other) in pairwise(sorted(covered)):
        if first < last:
            raise ValueError(f"{path}: members {name!r:.200} (ends at {last}) and {other!r:.200} (begins at {first}) overlap")
    return members


def _directory(path: Path, data: mmap.mmap) -> tuple[int, int, int]:
    """Number of members; first byte of the directory, and the byte after its last."""
    end = len(data) - END.size
    if end < 0 or data[end : end + 4] != b"PK\x05\x06":
        raise ValueError(f"{path}: expected the end of a zip in the last {END.size} bytes, found none; the file is cut off or has a tail")
    _, disk, first_disk, here, count, size, offset, comment = END.unpack(data[end:])
    locator = end - LOCATOR.size
    if locator >= END64.size and data[locator : locator + 4] == b"PK\x06\x07":
        end = locator - END64.size
        _, _, at, _ = LOCATOR.unpack(data[locator : locator + LOCATOR.size])
        signature, _, _, _, disk, first_disk, here, total, long_size, long_offset = END64.unpack(data[end:locator])
        small = ((count, total, 0xFFFF), (size, long_size, IN_EXTRA), (offset, long_offset, IN_EXTRA))
        if signature != b"PK\x06\x06" or at != end or not all(short in (long, limit) for short, long, limit in small):
            raise ValueError(f"{path}: expected the end of a ZIP64 at byte {end} that agrees with the end of the zip, found another")
        count, size, offset = total, long_size, long_offset
    if disk or first_disk or here != count or comment or not count or count > MAX_MEMBERS:
        raise ValueError(f"{path}: expected a zip of one part, 1 to {MAX_MEMBERS} members, no comment; found {here} of {count} members")
    if offset + size != end:
        raise ValueError(f"{path}: expected a zip directory up to byte {end}, found one of {size} bytes at {offset}")
    return count, offset, end


def _entry(path: Path, data: mmap.mmap, position: int, end: int) -> tuple[_Entry, int]:
    """A member as the directory has it, and where the next one is."""
    if position + ENTRY.size > end or data[position : position + 4] != b"PK\x01\x02":
        raise ValueError(f"{path}: expected a member in the zip directory at byte {position}, found something else")
    fields = ENTRY.unpack(data[position : position + ENTRY.size])
    _, _, _, flags, method, _, _, _, compressed, size, name_length, extra_length, comment, disk, _, attributes, offset = fields
    begin = position + ENTRY.size
    position = begin + name_length + extra_length + comment
    if position > end or max(name_length, extra_length, comment) > MAX_FIELD_BYTES:
        raise ValueError(f"{path}: expected members with fields of at most {MAX_FIELD_BYTES} bytes up to byte {end}, found {position}")
    name = _name(path, data[begin : begin + name_length])
    extra = data[begin + name_length : begin + name_length + extra_length]
    size, compressed, offset = _long_fields(f"{path}: member {name!r:.200}", extra, size, compressed, offset)
    if method or compressed != size or flags & ~FLAGS or disk:
        raise ValueError(
            f"{path}: member {name!r:.200}: expected stored bytes (method 0), found method {method}, flags {flags:#x}, "
            f"{compressed} bytes for {size}; compressed and encrypted members are not read"
        )
    if size and (attributes & FOLDER or name.endswith("/")):
        raise ValueError(f"{path}: member {name!r:.200}: expected a file, found a folder of {size} bytes")
    return _Entry(name, flags, size, offset), position


def _name(path: Path, encoded: bytes) -> str:
    try:
        name = encoded.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected names in UTF-8 in the zip directory: {error}") from None
    if not name or name[0] == "/" or "\\" in name or not name.isprintable() or {".", ".."} & set(name.split("/")):
        raise ValueError(f"{path}: member {name!r:.200}: expected a plain path")
    return name


def _long_fields(where: str, extra: bytes, *fields: int) -> list[int]:
    """Size, compressed size and offset, from the ZIP64 field (of id 1) those that have no room in the entry."""
    long: list[int] = []
    while len(extra) >= 4:
        kind, length = struct.unpack("<2H", extra[:4])
        if kind == 1:
            long = [value for (value,) in struct.iter_unpack("<Q", extra[4 : 4 + length // 8 * 8])] if length + 4 <= len(extra) else []
            break
        extra = extra[4 + length :]
    long.reverse()
    try:
        return [long.pop() if field == IN_EXTRA else field for field in fields]
    except IndexError:
        raise ValueError(f"{where}: expected a ZIP64 field with its size and offset, found none") from None


def _span(path: Path, data: mmap.mmap, entry: _Entry, directory: int) -> Span:
    """The bytes of a member, by the header before them."""
    where = f"{path}: member {entry.name!r:.200}"
    begin = entry.offset + LOCAL.size
    if begin > directory or data[entry.offset : entry.offset + 4] != b"PK\x03\x04":
        raise ValueError(f"{where}: expected its header at byte {entry.offset}, found none")
    _, _, flags, method, _, _, _, compressed, size, name_length, extra_length = LOCAL.unpack(data[entry.offset : begin])
    name = data[begin : begin + min(name_length, MAX_FIELD_BYTES)]
    begin += name_length + extra_length
    sizes = (entry.size, IN_EXTRA, 0) if flags & 8 else (entry.size, IN_EXTRA)
    if flags != entry.flags or method or name != entry.name.encode() or size not in sizes or compressed not in sizes:
        raise ValueError(f"{where}: expected a header with this name and {entry.size} bytes, found {name!r:.200} and {size} bytes")
    if begin + entry.size > directory:
        raise ValueError(f"{where}: expected an end before the directory at byte {directory}, found {begin + entry.size}")
    return Span(begin, begin + entry.size)
