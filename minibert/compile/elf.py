"""A reader for the ELF files that the compiler and the linker write here: 64 bits, little endian.

It says what a file needs from outside and what it offers. It is not made for files from elsewhere.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SEGMENT = struct.Struct("<IIQQQQQQ")
SYMBOL = struct.Struct("<IBBHQQ")
DYNAMIC = struct.Struct("<qQ")
MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little endian
SYMBOLS, DYNAMIC_SYMBOLS = 2, 11  # types of sections
STACK, DYNAMIC_SEGMENT = 0x6474E551, 2  # types of segments
EXECUTABLE, WRITABLE = 1, 2  # permissions of segments
NEEDED, TEXT_RELOCATIONS, FLAGS = 1, 22, 30  # tags of the dynamic section
IN_TEXT = 4  # among the flags: the same as TEXT_RELOCATIONS
LOCAL, UNDEFINED = 0, 0


class Section(NamedTuple):
    """The fields of a section's header that are used here."""

    type: int
    offset: int
    size: int
    link: int  # of a table of symbols: the section with their names


class Segment(NamedTuple):
    """The fields of a segment's header that are used here."""

    type: int
    permissions: int
    offset: int
    size: int


class Symbols(NamedTuple):
    """Names that a file shares with others."""

    defined: frozenset[str]
    undefined: frozenset[str]


class Elf:
    """An ELF file in memory."""

    def __init__(self, content: bytes) -> None:
        if not content.startswith(MAGIC):
            raise ValueError(f"expected an ELF file of 64 bits, found {content[:6]!r}")
        self.content = content
        header = HEADER.unpack_from(content)
        segments_at, sections_at = header[5:7]
        segment_size, num_segments, section_size, num_sections = header[9:13]
        self.sections = [self._section(sections_at + i * section_size) for i in range(num_sections)]
        self.segments = [self._segment(segments_at + i * segment_size) for i in range(num_segments)]

    def _section(self, at: int) -> Section:
        _, kind, _, _, offset, size, link, *_ = SECTION.unpack_from(self.content, at)
        return Section(kind, offset, size, link)

    def _segment(self, at: int) -> Segment:
        kind, permissions, offset, _, _, size, *_ = SEGMENT.unpack_from(self.content, at)
        return Segment(kind, permissions, offset, size)

    def symbols(self, table: int) -> Symbols:
        """The symbols that are not local, of all tables of a type."""
        defined, undefined = set[str](), set[str]()
        for section in self.sections:
            if section.type == table:
                names = self.sections[section.link]
                for name, info, _, place, *_ in SYMBOL.iter_unpack(self.content[section.offset : section.offset + section.size]):
                    if info >> 4 != LOCAL:
                        (undefined if place == UNDEFINED else defined).add(self._text(names.offset + name))
        return Symbols(frozenset(defined), frozenset(undefined))

    def _text(self, at: int) -> str:
        return self.content[at : self.content.index(b"\0", at)].decode()

    def dynamic(self) -> Iterator[tuple[int, int]]:
        """The tags and values of the dynamic section."""
        for segment in self.segments:
            if segment.type == DYNAMIC_SEGMENT:
                yield from DYNAMIC.iter_unpack(self.content[segment.offset : segment.offset + segment.size])


def undefined_symbols(content: bytes) -> frozenset[str]:
    """The names that an object file needs from outside."""
    return Elf(content).symbols(SYMBOLS).undefined


def flaws(content: bytes, exported: frozenset[str], foreign: frozenset[str]) -> list[str]:
    """Why a shared object is not what every system loads, or an empty list.

    Args:
        content: the shared object.
        exported: all names that it must offer.
        foreign: the names that it may need from outside.
    """
    elf = Elf(content)
    symbols, dynamic = elf.symbols(DYNAMIC_SYMBOLS), list(elf.dynamic())
    stacks = [segment.permissions for segment in elf.segments if segment.type == STACK]
    both = EXECUTABLE | WRITABLE
    found = {
        f"it exports {sorted(symbols.defined)}": symbols.defined != exported,
        f"it needs the symbols {sorted(symbols.undefined - foreign)}": not symbols.undefined <= foreign,
        "it needs another library": any(tag == NEEDED for tag, _ in dynamic),
        "its code has relocations": any(tag == TEXT_RELOCATIONS or (tag == FLAGS and value & IN_TEXT) for tag, value in dynamic),
        "its stack is executable": not stacks or any(permissions & EXECUTABLE for permissions in stacks),
        "memory is writable and executable": any(each.type != STACK and each.permissions & both == both for each in elf.segments),
        "it still has a table of local symbols": any(section.type == SYMBOLS for section in elf.sections),
    }
    return [flaw for flaw, is_found in found.items() if is_found]
