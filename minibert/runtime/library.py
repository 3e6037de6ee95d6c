"""The loops of a shared library, which `minibert compile` has made for this kind of processor.

A library is an ELF file without any other code than the loops, and a trailer behind it. It is read,
checked and loaded with ctypes. So a process runs the loops without Numba.

A library is machine code. It is loaded from the folder of this package, or from the folder that
`minibert compile` has written for this user. Only this user and root may be able to write it. Any
library that does not fit is passed over, and one line on stderr says why.

The checks of the trailer find mistakes, such as a damaged file or one from other sources. Who may
write the file is what keeps attacks out.
"""

import os
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from ctypes import CDLL, c_int64
from functools import cache
from typing import Any

from .threads import forks_wait
from .trusted import cache_folder, check_ours, read, real, say
from .tuples import FieldTuple

ABI = 1  # of the entries: how they are called, and how a record is read
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(PACKAGE, "libraries")  # a wheel for one platform has them here
SOURCES = (
    "arrays.py", "bert/int8.py", "compile", "ops/__init__.py", "ops/compiled", "runtime/jit.py", "runtime/records.py",
    "runtime/tuples.py", "runtime/unpack.py", "tokenizer/compiled",
)  # fmt: skip
# Entries `int64 minibert_NAME(int64 address_of_a_record)`
LOOPS = ("layers", "linear", "probs", "embed", "sum_rows", "pack", "quantize", "tokenize", "texts")

# Behind the ELF file: magic, ABI, checksum and size of the ELF file, tier, hash of the sources
TRAILER = struct.Struct("<8sIIQ16s16s")
MAGIC = b"minibert"
MAX_BYTES = 1 << 20
ELF_START = b"\x7fELF\x02\x01"  # 64 bits, least significant byte first
MACHINES = {"x86_64": 62, "aarch64": 183}  # of an ELF header

# Tier -> the features that its code needs, with the names of /proc/cpuinfo; the best tier first.
# The levels are those of the x86-64 psABI, because LLVM uses all instructions of a level.
X86_64_V3 = frozenset(
    ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3", "xsave")
)
X86_64_V4 = X86_64_V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
TIERS: dict[str, dict[str, frozenset[str]]] = {
    "x86_64": {
        "avx512vnni": X86_64_V4 | {"avx512_vnni"},
        "avx512": X86_64_V4,
        "avxvnni": X86_64_V3 | {"avx_vnni"},
        "avx2": X86_64_V3,
    },
    "aarch64": {"neondot": frozenset({"asimd", "asimddp"}), "neon": frozenset({"asimd"})},
}
AT_HWCAP, HWCAPS = 16, {1: "asimd", 20: "asimddp"}  # of Linux on aarch64: the key of a word, and what its bits mean


class LibraryLoop:
    """A loop of a library. See records.py."""

    __slots__ = ("_entry",)

    def __init__(self, entry: Any) -> None:
        self._entry = entry
        entry.restype = c_int64

    def __call__(self, record: Any) -> int:
        """Run the loop without the GIL. Returns its number."""
        result: int = self._entry(record.pointer)
        return result

    def is_compiled(self) -> bool:
        """Whether a call runs at once."""
        return True


class Library(FieldTuple):
    """A library that has been loaded."""

    path: str
    tier: str
    loops: dict[str, LibraryLoop]


class Found(FieldTuple):
    """The library of this process, or why it has none."""

    library: Library | None
    reason: str


@cache
def find() -> Found:
    """Look for the library of this processor, once in a process."""
    if (machine := machine_here()) not in TIERS:
        return Found(None, "there are libraries for Linux on x86-64 and aarch64 only")
    if (tier := tier_here()) is None:
        return Found(None, "no library runs on this processor")
    passed_over: list[Found] = []
    for path, is_package in _places(tier):
        found = _try(path, tier, machine, is_package)
        if found.library:
            return found
        say(f"a library is passed over: {found.reason}")
        passed_over.append(found)
    if passed_over:
        return passed_over[0]
    return Found(None, f"no library for {tier} is installed; install a wheel for this platform, or run `minibert compile`")


def tier_here() -> str | None:
    """The best tier that this processor and this system can run."""
    machine = machine_here()
    features = processor_features(machine)
    return next((tier for tier, needed in TIERS.get(machine, {}).items() if needed <= features), None)


def machine_here() -> str:
    """The architecture of this processor, or "" on a system that has no libraries."""
    return os.uname().machine if sys.platform == "linux" else ""


def _places(tier: str) -> Iterator[tuple[str, bool]]:
    """The files to try, and whether each belongs to the package."""
    if os.path.isdir(FOLDER):
        yield os.path.join(FOLDER, f"{tier}.so"), True
    with suppress(OSError):  # this user has no home, or the sources cannot be read
        if os.path.isdir(os.path.join(cache_folder(), "minibert")) and os.path.exists(mine := os.path.join(user_folder(), f"{tier}.so")):
            yield mine, False


def _try(path: str, tier: str, machine: str, is_package: bool) -> Found:
    try:
        return Found(_load(path, tier, machine, is_package), path)
    except (OSError, ValueError, AttributeError) as error:
        reason = str(error)
        return Found(None, reason if path in reason else f"{path}: {reason}")


def _load(path: str, tier: str, machine: str, is_package: bool) -> Library:
    if is_package:  # an installer may make links to files
        path = os.path.realpath(path)
    else:
        folder = real(os.path.dirname(path))
        check_ours(folder)
        path = os.path.join(folder, os.path.basename(path))  # so that what was checked is what is opened
    before = os.stat(path)
    problem = what_is_wrong(read(path, MAX_BYTES + 1), tier, machine)
    if problem:
        raise ValueError(f"{path}: {problem}")
    with forks_wait():  # a fork while the linker works leaves its lock held in the child
        opened = CDLL(path)
    if not os.path.samestat(before, after := os.stat(path)) or before.st_mtime_ns != after.st_mtime_ns:
        raise ValueError(f"{path}: the file was replaced while it was read; start the program again")
    return Library(path, tier, {name: LibraryLoop(getattr(opened, f"minibert_{name}")) for name in LOOPS})


def what_is_wrong(content: bytes, tier: str, machine: str) -> str:
    """Why a file is no library for a tier: what was expected, what came, what to do.

    It is "" for a library that fits.
    """
    if len(content) > MAX_BYTES:
        return f"expected at most {MAX_BYTES} bytes, found more; it is no library of minibert"
    if len(content) < 64 + TRAILER.size or not content.startswith(ELF_START):
        return f"expected an ELF file of 64 bits, found {content[:6]!r}; run `minibert compile` again"
    (found_machine,) = struct.unpack_from("<H", content, 18)
    if found_machine != MACHINES[machine]:
        return f"expected machine {MACHINES[machine]} ({machine}), found {found_machine}; it was made for another processor"
    elf = content[: -TRAILER.size]
    magic, abi, checksum, size, found_tier, source = TRAILER.unpack(content[-TRAILER.size :])
    if magic != MAGIC or size != len(elf):
        return "expected a trailer behind the ELF file, found none; the file is cut or damaged, or no library of minibert"
    if abi != ABI:
        return f"expected ABI {ABI}, found {abi}; it belongs to another version of minibert"
    if checksum != zlib.crc32(elf):
        return f"expected the checksum {checksum:08x}, found {zlib.crc32(elf):08x}; the file is damaged"
    if found_tier.rstrip(b"\0") != tier.encode():
        return f"expected the tier {tier}, found {found_tier!r}; the file has the wrong name"
    if source.decode("ascii", "replace") != source_hash():
        return f"expected sources {source_hash()}, found {source!r}; it belongs to another version of minibert"
    return ""


def seal(elf: bytes, tier: str) -> bytes:
    """An ELF file with its trailer."""
    return elf + TRAILER.pack(MAGIC, ABI, zlib.crc32(elf), len(elf), tier.encode(), source_hash().encode())


def user_folder() -> str:
    """The folder that `minibert compile` writes for this user, and for these sources.

    Raises OSError if this user has no place for it, or if the sources cannot be read.
    """
    return os.path.join(cache_folder(), "minibert", f"libraries-{source_hash()}")


@cache
def source_hash() -> str:
    """A hash of the sources that the loops are made from. Raises OSError like `hash_of`."""
    return hash_of(SOURCES)


def hash_of(sources: tuple[str, ...]) -> str:
    """A hash of files and folders of this package: 16 hexadecimal digits.

    It tells versions apart, so a checksum and the length do. hashlib takes longer to import than
    these files to read.

    Raises OSError if they cannot be read, as in a package of bytecode alone.
    """
    length = checksum = 0
    for name in _source_files(sources):
        descriptor = os.open(os.path.join(PACKAGE, name), os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            content = os.read(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
        if b"\r" in content:  # this is faster than `replace` where there is none
            content = content.replace(b"\r\n", b"\n")
        content = name.encode() + b"\0" + content
        length, checksum = length + len(content), zlib.crc32(content, checksum)
    return f"{checksum:08x}{length:08x}"


def _source_files(sources: tuple[str, ...] = SOURCES) -> list[str]:
    names = []
    for name in sources:
        path = os.path.join(PACKAGE, name)
        names += [f"{name}/{each}" for each in sorted(os.listdir(path)) if each.endswith(".py")] if os.path.isdir(path) else [name]
    return names


def processor_features(machine: str) -> frozenset[str]:
    """What the processor and the operating system offer. Empty if that cannot be found out.

    /proc/cpuinfo leaves out an instruction set whose registers the system does not save.
    """
    try:
        if machine == "aarch64":
            with open("/proc/self/auxv", "rb") as file:
                words = dict(struct.iter_unpack("@NN", file.read()))
            return frozenset(name for bit, name in HWCAPS.items() if words.get(AT_HWCAP, 0) >> bit & 1)
        with open("/proc/cpuinfo", "rb") as file:
            flags = next((line for line in file if line.startswith(b"flags")), b"")
        return frozenset(flags.decode("ascii", "replace").split())
    except OSError:
        return frozenset()
