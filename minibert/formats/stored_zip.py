"""The members of a zip without compression: where in the file the bytes of each one are.

ZIP64 is read too. The rules are stricter than those of a zip tool. The directory must lie between
the members and the end of the file, with no comment and no other bytes around it. What it says of a
member must agree with the header before the member. No two members may share a byte or a name.

Bounds: a directory has at most MAX_MEMBERS members with fields of MAX_FIELD_BYTES, 15 MB in all.
Members are not read. No two share a byte, so together they are no larger than the file. Time grows
with the directory alone.

Source: PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.
"""

import mmap
import struct
from pathlib import Path
from typing import NamedTuple

from .spans import Span, check_spans

MAX_MEMBERS = 10_000
MAX_FIELD_BYTES = 512  # of a member's name, extra field or comment in the directory
LOCAL = struct.Struct("<4s5H3I2H")  # signature, version, flags, method, time, date, crc, sizes (2), lengths (2)
ENTRY = struct.Struct("<4s6H3I5H2I")  # LOCAL with another version, then comment, disk, attributes (2), offset of LOCAL
END = struct.Struct("<4s4H2IH")  # signature, disks (2), entries (2), size and offset of the directory, comment
LOCATOR = struct.Struct("<4sIQI")  # signature, disk, offset of END64, disks
END64 = struct.Struct("<4sQ2H2I4Q")  # signature, length, versions (2), disks (2), entries (2), directory (2)
IN_EXTRA = 0xFFFFFFFF  # in place of a number: the ZIP64 field has it
FLAGS = 0x0808  # sizes behind the data, and UTF-8
FOLDER = 0x10  # attribute of DOS; torch does not read such a member and leaves its memory unset


class _Entry(NamedTuple):
    name: str
    flags: int
    size: int
    offset: int


def stored_members(path: Path, data: bytes | mmap.mmap) -> dict[str, Span]:
    """Where the bytes of each member are, by name.

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
        covered.append(Span(entry.offset, members[entry.name].end, f"member {entry.name!r:.200}"))
    if position != end:
        raise ValueError(f"{path}: expected a zip directory up to byte {end}, found {count} members that end at {position}")
    try:
        check_spans(covered, begin, may_leave_holes=True)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return members


def _directory(path: Path, data: bytes | mmap.mmap) -> tuple[int, int, int]:
    """The number of members, the first byte of the directory, and the byte after its last one."""
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


def _entry(path: Path, data: bytes | mmap.mmap, position: int, end: int) -> tuple[_Entry, int]:
    """A member as the directory describes it, and the place of the next one."""
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
    """Size, compressed size and offset.

    Those that do not fit in 32 bits come from the ZIP64 field, of id 1.
    """
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


def _span(path: Path, data: bytes | mmap.mmap, entry: _Entry, directory: int) -> Span:
    """The bytes of a member, after a check of the header before them."""
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
    return Span(begin, begin + entry.size, entry.name)
