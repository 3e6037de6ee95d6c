"""Linking an object file into a shared library, with the linker of ziglang.

It links for every architecture. The linkers of most systems link for their own only.
"""

import subprocess
import sys
from pathlib import Path

from .elf import flaws, undefined_symbols
from .targets import ENTRIES, FOREIGN, TARGETS

MAX_BYTES = 150_000
EMULATIONS = {"x86_64": "elf_x86_64", "aarch64": "aarch64linux"}  # LLD's names of architectures
LINKER = [sys.executable, "-P", "-m", "ziglang", "ld.lld"]
OPTIONS = ["-shared", "--strip-all", "-z", "noexecstack", "-z", "relro", "-z", "now", "--hash-style=gnu", "--build-id=none"]


def check_object(content: bytes) -> None:
    """Raise ValueError if an object file needs what no process is sure to have."""
    if missing := undefined_symbols(content) - FOREIGN:
        raise ValueError(f"expected loops that call nothing but {', '.join(sorted(FOREIGN))}, found calls of {', '.join(sorted(missing))}")


def link(tier: str, path: Path) -> bytes:
    """Link the object file of a tier, and return the shared library.

    The library is written beside the object file.

    Raises ValueError for an object file or a library that some systems would not load.
    """
    check_object(path.read_bytes())
    library = path.with_name(f"{tier}.so")
    emulation = EMULATIONS[TARGETS[tier].architecture]
    command = [*LINKER, "-m", emulation, *OPTIONS, "-soname", library.name, "-o", str(library), str(path)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise ValueError(f"the linker failed: {result.stderr or result.stdout}")
    content = library.read_bytes()
    if found := flaws(content, ENTRIES, FOREIGN):
        raise ValueError(f"{library.name}: expected a library that every Linux loads, but {'; '.join(found)}")
    if len(content) > MAX_BYTES:
        raise ValueError(f"{library.name}: expected at most {MAX_BYTES:,} bytes, found {len(content):,}")
    return content
