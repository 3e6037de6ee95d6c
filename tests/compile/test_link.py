"""Linking: what the checks of object files and libraries find, and what a linked library has."""

import ctypes
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from minibert.compile.elf import DYNAMIC_SYMBOLS, Elf, flaws, undefined_symbols
from minibert.compile.link import link
from minibert.compile.targets import ENTRIES, FOREIGN, TARGETS
from tests.compile.objects import CLEARING, FIXED, WHOLE, linked, object_file, small

pytest.importorskip("ziglang", reason="the linker is not installed: pip install ziglang")


@pytest.mark.parametrize("tier", TARGETS)
def test_a_library_has_the_entries_and_needs_no_library(tier: str, tmp_path: Path) -> None:
    content = link(tier, object_file(WHOLE, tier, tmp_path))
    assert flaws(content, ENTRIES, FOREIGN) == []
    symbols = Elf(content).symbols(DYNAMIC_SYMBOLS)
    assert symbols.defined == ENTRIES
    assert symbols.undefined == {"sched_yield"}
    assert content == link(tier, object_file(WHOLE, tier, tmp_path))
    assert str(tmp_path).encode() not in content


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="the library is for Linux on x86-64")
def test_a_library_with_bytes_behind_it_can_be_called(tmp_path: Path) -> None:
    library = tmp_path / "library.so"
    library.write_bytes(link("avx2", object_file(WHOLE, "avx2", tmp_path)) + bytes(56))
    for entry in sorted(ENTRIES):
        function = getattr(ctypes.CDLL(str(library)), entry)
        function.restype, function.argtypes = ctypes.c_int64, [ctypes.c_int64]
        assert function(2**62 + 1) == 2**62 + 1


@pytest.mark.parametrize("tier", ["avx2", "neon"])
def test_a_symbol_from_outside_is_named(tier: str, tmp_path: Path) -> None:
    path = object_file(WHOLE + CLEARING, tier, tmp_path)
    assert undefined_symbols(path.read_bytes()) == {"memset", "sched_yield"}
    with pytest.raises(ValueError, match="found calls of memset"):
        link(tier, path)


@pytest.mark.parametrize("code", [WHOLE + small("minibert_more"), small("minibert_layers")])
def test_the_entries_must_be_those_that_are_expected(code: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it exports"):
        link("avx2", object_file(code, "avx2", tmp_path))


def test_a_large_library_is_refused(tmp_path: Path) -> None:
    table = '@table = constant [200000 x i8] c"' + "x" * 200000 + '"\n'
    code = WHOLE + table.replace("constant", "internal constant") + "define internal ptr @unused() {\n ret ptr @table\n}\n"
    used = code.replace(
        "define i64 @minibert_probs(i64 %numbers) {\n ret i64 %numbers",
        "define i64 @minibert_probs(i64 %numbers) {\n %place = getelementptr i8, ptr @table, i64 %numbers\n"
        " %byte = load i8, ptr %place\n %result = zext i8 %byte to i64\n ret i64 %result",
    )
    link("avx2", object_file(code, "avx2", tmp_path))  # what no entry uses is dropped
    with pytest.raises(ValueError, match="expected at most 150,000 bytes"):
        link("avx2", object_file(used, "avx2", tmp_path))


def test_the_linker_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the linker failed: .*incompatible"):
        link("neon", object_file(WHOLE, "avx2", tmp_path).rename(tmp_path / "neon.o"))


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an ELF file"):
        Elf(b"MZ")


def test_flaws_of_a_shared_object_are_found(tmp_path: Path) -> None:
    """Each way to link is wrong in one point."""
    path = object_file(WHOLE, "avx2", tmp_path)
    other = tmp_path / "libother.so"
    other.write_bytes(linked(path, "-soname", "libother.so"))
    assert flaws(linked(path), ENTRIES, FOREIGN) == []
    assert flaws(linked(path, "-z", "execstack"), ENTRIES, FOREIGN) == ["its stack is executable"]
    assert flaws(linked(path, "--strip-debug"), ENTRIES, FOREIGN) == ["it still has a table of local symbols"]
    assert flaws(linked(path, str(other)), ENTRIES, FOREIGN) == ["it needs another library"]
    assert flaws(linked(path), ENTRIES, frozenset()) == ["it needs the symbols ['sched_yield']"]
    assert flaws(linked(path, "--omagic"), ENTRIES, FOREIGN) == ["memory is writable and executable"]


def test_relocations_in_code_are_found(tmp_path: Path) -> None:
    path = object_file(FIXED, "avx2", tmp_path)
    entries = Elf(linked(path, "-z", "notext")).symbols(DYNAMIC_SYMBOLS).defined
    assert "its code has relocations" in flaws(linked(path, "-z", "notext"), entries, FOREIGN)


@pytest.mark.skipif(sys.platform != "linux", reason="readelf is a program of Linux")
def test_readelf_agrees(tmp_path: Path) -> None:
    content = link("neondot", object_file(WHOLE, "neondot", tmp_path))
    path = tmp_path / "library.so"
    path.write_bytes(content)
    try:
        command = ["readelf", "--wide", "--dynamic", "--segments", "--dyn-syms", path]
        output = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        pytest.skip("readelf is not installed")
    assert "NEEDED" not in output.stdout
    assert "TEXTREL" not in output.stdout
    assert "BIND_NOW" in output.stdout
    assert all(f" {entry}\n" in output.stdout for entry in ENTRIES)
