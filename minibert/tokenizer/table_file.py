"""A file with the tables of the compiled tokenizer, beside the vocabulary that they are made of.

Settings and tables of 30,522 entries take some tenths of a second to make. This file takes a
millisecond to read. Then settings and dictionaries are made when they are first needed.

The file is recognised by its content. It holds a hash of the modules that make tables, and a copy
of each file that a tokenizer is read from. Where one of these differs, the file is passed over, and
all is made anew. So it is never stale, wherever it comes from.

A folder comes from outside. A checksum finds damage, and compiled/checks.py makes sure that no
number leads the loops out of their arrays. Wrong tables of a hostile author give wrong ids, as a
wrong vocabulary does. The file is read and not mapped: a map would change with the file, and a cut
file would end the process.

    16 bytes                  MAGIC
    16                        hash of the modules
    32                        checksum of all that follows
     8 for each of NUMBERS    settings, then the length of each part, -1 for an absent file
    parts                     FILES, [CLS], [SEP], and the arrays of Tables; each begins at a
                              multiple of 64, and the last one is filled up
"""

import os
import stat
import struct
import sys
import zlib
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..files.access import OPEN_FLAGS
from ..runtime.library import hash_of
from ..runtime.threads import forks_wait
from ..runtime.trusted import say
from .compiled import TABLES_FILE
from .compiled.checks import MAX_ID, what_is_wrong
from .compiled.layout import SPACES, ZERO, Options, Prepared, Tables
from .encoding import Facts, SpecialTokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..files import StrPath
    from .settings import TokenizerSettings

    Kept = Mapping[str, bytes | None]  # name -> content, None for an absent file
    Parts = dict[str, tuple[int, int]]  # name -> where it begins, and its length or -1

MAGIC = b"minibert tables\0"
HEAD = struct.Struct("<16s16sQ24x")
# The modules that settings and tables are made by
MODULES = (
    "files/access.py", "files/fields.py", "tokenizer/added.py", "tokenizer/compiled/__init__.py",
    "tokenizer/compiled/layout.py", "tokenizer/compiled/tables.py", "tokenizer/loading.py", "tokenizer/model_files.py",
    "tokenizer/named_tokens.py", "tokenizer/pipeline.py", "tokenizer/settings.py", "tokenizer/table_file.py",
    "tokenizer/table_writer.py", "tokenizer/tables_hf.py", "tokenizer/unicode.py", "tokenizer/wordpiece.py",
)  # fmt: skip
# The files that settings are read from. vocab.txt does not count beside tokenizer.json.
FILES = ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json")
ARRAYS = dict.fromkeys(Tables._fields, np.dtype("<i4")) | {"page_of": np.dtype("<u2"), "ends_word": np.dtype(np.bool_)}
# -> the least and the greatest value
SETTINGS = {
    "is_forced_lower": (0, 1),  # the folder says it beside the tokenizer's files
    "lowercase": (0, 1), "cls_id": (0, MAX_ID), "sep_id": (0, MAX_ID), "unk_id": (0, MAX_ID), "second_type": (0, 1),
    "added_root": (-1, 2), "max_word_chars": (1, MAX_ID), "leaves": (0, 1), "leaves_if_split": (0, 1), "last_id": (0, MAX_ID),
    "model_max_length": (0, sys.maxsize),  # 0: none
    "names_sep": (0, 1),
}  # fmt: skip
PARTS = (*FILES, "cls_token", "sep_token", *ARRAYS)
NUMBERS = struct.Struct(f"<{len(SETTINGS) + len(PARTS)}q")
ALIGNMENT = 64
BLOCK = 512  # bytes: the checksum divides a file into 64 parts of whole numbers
MAX_BYTES = 1 << 26


class FromFile:
    """What a file holds: all that `load` and the compiled encoder need."""

    def __init__(self, folder: "StrPath", content: bytes, parts: "Parts", values: dict[str, int]) -> None:
        """`content` has been checked, except for the numbers of its arrays."""
        self._folder, self._content, self._parts = folder, content, parts
        self._is_forced_lower = bool(values["is_forced_lower"])
        self.facts = self._facts(values)
        self.prepared = self._prepared(values)

    def _facts(self, values: dict[str, int]) -> Facts:
        ids = values["cls_id"], values["sep_id"]
        tokens = [str(self._part(name), "utf-8", "surrogatepass") for name in ("cls_token", "sep_token")]
        special = SpecialTokens(tokens[0], ids[0], tokens[1], ids[1], values["second_type"])
        return Facts(special, values["unk_id"], values["last_id"], values["model_max_length"] or None, bool(values["names_sep"]))

    def _prepared(self, values: dict[str, int]) -> Prepared:
        fold, special = SPACES if values["lowercase"] else ZERO, self.facts.special_tokens
        ids = special.cls_id, special.sep_id, self.facts.unk_id
        options = Options(fold, *ids, values["added_root"], values["max_word_chars"], sys.maxsize)
        arrays = []
        for name, dtype in ARRAYS.items():
            start, length = self._parts[name]
            count, rest = divmod(length, dtype.itemsize)
            if length < 0 or rest:
                raise ValueError(f"expected numbers of {dtype.itemsize} bytes in {name}, found {length} bytes")
            arrays.append(np.frombuffer(self._content, dtype, count, start))
        prepared = Prepared(Tables(*arrays), options, (bool(values["leaves"]), bool(values["leaves_if_split"])))
        if problem := what_is_wrong(prepared):
            raise ValueError(f"expected tables that a loop may use, found {problem}")
        return prepared

    def _part(self, name: str) -> bytes:
        start, length = self._parts[name]
        return self._content[start : start + max(length, 0)]

    def settings(self) -> "TokenizerSettings":
        """The settings, from the copies of the files in this one."""
        with forks_wait():  # a fork during an import would leave the module half imported in the child
            from .loading import forced_lower, settings_of  # few programs need them
            from .model_files import ModelFiles

        kept = {name: self._part(name) if self._parts[name][1] >= 0 else None for name in FILES}
        settings = settings_of(ModelFiles(self._folder, kept))
        return forced_lower(settings) if self._is_forced_lower else settings


def read_tables(folder: "StrPath", is_forced_lower: bool) -> FromFile | None:
    """The tables of a model folder, or None if they must be made.

    A file for other files or of another version is passed over silently, and a damaged one with a
    line on stderr.

    Args:
        folder: where the vocabulary is.
        is_forced_lower: whether letters become lower case, whatever the tokenizer's files say.
    """
    path = os.path.join(folder, TABLES_FILE)
    try:
        content = _read(path, MAX_BYTES)
        if content is None or not _is_current(content):
            return None
        values, parts = opened(content)
        kept = files_of(folder)
        if kept is None or values["is_forced_lower"] != is_forced_lower or not _has_copies(content, parts, kept):
            return None
        return FromFile(folder, content, parts, values)
    except ValueError as error:
        say(f"{path}: is passed over: {error}")
        return None


@cache
def modules_hash() -> bytes:
    """The hash of MODULES, or nothing in a package of bytecode alone, which has no such files."""
    try:
        return hash_of(MODULES).encode()
    except OSError:
        return b""


def _is_current(content: bytes) -> bool:
    """Whether modules like these have made a file."""
    found = modules_hash()
    return found != b"" and content.startswith(MAGIC + found)


def opened(content: bytes) -> tuple[dict[str, int], "Parts"]:
    """The settings in a file, and (start, length) of each of its parts.

    Raises ValueError for a damaged file.
    """
    start = HEAD.size + NUMBERS.size
    if len(content) < start or (len(content) - HEAD.size) % BLOCK:
        raise ValueError(f"expected blocks of {BLOCK} bytes, found {len(content):,} bytes; the file is cut or damaged")
    expected, found = HEAD.unpack_from(content)[-1], checksum(content)
    if expected != found:
        raise ValueError(f"expected the checksum {expected:08x}, found {found:08x}; the file is damaged")
    numbers = NUMBERS.unpack_from(content, HEAD.size)
    values = dict(zip(SETTINGS, numbers, strict=False))
    for (name, (least, most)), value in zip(SETTINGS.items(), numbers, strict=False):
        if not least <= value <= most:
            raise ValueError(f"{name}: expected {least} to {most}, found {value}")
    parts = {}
    for name, length in zip(PARTS, numbers[len(SETTINGS) :], strict=True):
        start += -start % ALIGNMENT
        parts[name] = start, length
        start += max(length, 0)
        if length < -1 or start > len(content):
            raise ValueError(f"{name}: expected a part of {len(content):,} bytes, found {length:,} bytes in it")
    return values, parts


def checksum(content: bytes) -> int:
    """A checksum of all behind the head: of the sums of 64 parts, in numbers of eight bytes.

    For 1.5 MB it took 0.04 ms, and zlib.crc32 of all bytes 0.4 ms (Sapphire Rapids).
    """
    rows = np.frombuffer(content, "<u8", offset=HEAD.size).reshape(BLOCK // 8, -1)
    return zlib.crc32(rows.sum(axis=1, dtype=np.uint64).tobytes())


def files_of(folder: "StrPath") -> "Kept | None":
    """The content of each file that a tokenizer is read from; None if one cannot be read."""
    kept: dict[str, bytes | None] = {}
    try:
        for name in FILES:
            counts = name != "vocab.txt" or kept["tokenizer.json"] is None
            kept[name] = _read(os.path.join(folder, name), MAX_BYTES) if counts else None
    except ValueError:
        return None
    return kept


def _has_copies(content: bytes, parts: "Parts", kept: "Kept") -> bool:
    """Whether the copies in a file are the files of a folder, byte by byte."""
    for name, other in kept.items():
        start, length = parts[name]
        if length != (-1 if other is None else len(other)) or not content.startswith(other or b"", start):
            return False
    return True


def _read(path: str, limit: int) -> bytes | None:
    """The content of a regular file, or None if there is none.

    Raises ValueError for anything else, and for more than `limit` bytes.
    """
    try:
        descriptor = os.open(path, OPEN_FLAGS)
    except FileNotFoundError:
        if os.path.lexists(path):
            raise ValueError("expected a file, found a broken link") from None
        return None
    except OSError as error:
        raise ValueError(f"expected a file: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            raise ValueError(f"expected a regular file of at most {limit:,} bytes, found another")
        content = os.read(descriptor, status.st_size + 1)
    except OSError as error:
        raise ValueError(f"expected a file: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if len(content) != status.st_size:
        raise ValueError("changed while it was read")
    return content
