"""Object files of small functions, and shared objects of them. Needs Numba and ziglang."""

import subprocess
from pathlib import Path

from llvmlite import binding

from minibert.compile.emit import emit
from minibert.compile.link import EMULATIONS, LINKER, OPTIONS
from minibert.compile.targets import ENTRIES, TARGETS

# One entry waits as the loops do.
ENTRY = "define i64 @{name}(i64 %numbers) {{\n ret i64 %numbers\n}}\n"
WAITING = """
declare i32 @sched_yield()
define i64 @minibert_layers(i64 %numbers) {
 %ignored = call i32 @sched_yield()
 ret i64 %numbers
}
"""
CLEARING = """
declare ptr @memset(ptr, i32, i64)
define i64 @minibert_clear(i64 %numbers) {
 %place = inttoptr i64 %numbers to ptr
 %ignored = call ptr @memset(ptr %place, i32 0, i64 %numbers)
 ret i64 0
}
"""
# Its code holds the address of a variable, which is known only when it is loaded.
FIXED = """
@kept = global i64 7
define i64 @minibert_fixed() section ".text" {
 ret i64 ptrtoint (ptr @kept to i64)
}
@table = global ptr @kept, section ".text"
"""


def small(*names: str) -> str:
    """Functions that return what they are given."""
    return "".join(ENTRY.format(name=name) for name in names)


WHOLE = WAITING + small(*sorted(ENTRIES - {"minibert_layers"}))


def object_file(code: str, tier: str, folder: Path) -> Path:
    """The object file of LLVM code."""
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    module = binding.parse_assembly(f'target triple = "{TARGETS[tier].triple}"\n{code}')
    path = folder / f"{tier}.o"
    path.write_bytes(emit(module, TARGETS[tier]))
    return path


def linked(path: Path, *more: str) -> bytes:
    """A shared object of an object file, linked with more options than those of link.py."""
    target = path.with_suffix(".other")
    machine = EMULATIONS[TARGETS[path.stem].architecture]
    subprocess.run([*LINKER, "-m", machine, *OPTIONS, *more, "-o", str(target), str(path)], check=True)
    return target.read_bytes()
