"""Which file is loaded as a library, and which is passed over, with one line on stderr."""

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from minibert.ops import backends
from minibert.runtime import library
from minibert.runtime.library import ABI, ELF_START, LOOPS, MAGIC, TIERS, TRAILER, seal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="libraries are for Linux")
MACHINE, TIER = "x86_64", "avx2"
ELF = ELF_START.ljust(16, b"\0") + struct.pack("<HH", 3, library.MACHINES[MACHINE]) + bytes(range(256))
LIBRARY = seal(ELF, TIER)
SOURCES = library.source_hash()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a library of the package, on a processor with AVX2."""
    folder = tmp_path / "libraries"
    folder.mkdir()
    monkeypatch.setattr(library, "FOLDER", str(folder))
    monkeypatch.setattr(library, "processor_features", lambda _: TIERS[MACHINE][TIER])
    monkeypatch.setattr(library, "machine_here", lambda: MACHINE)
    monkeypatch.setattr(library, "cache_folder", lambda: str(tmp_path / "cache"))
    monkeypatch.setattr(library, "CDLL", opened := Opened())
    library.find.cache_clear()
    place = folder / f"{TIER}.so"
    put(place, LIBRARY)
    yield place
    library.find.cache_clear()
    assert opened.paths in ([], [str(place)], [str(user_place(tmp_path))])


class Opened:
    """In the place of CDLL: what was loaded."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def __call__(self, path: str) -> Any:
        self.paths.append(path)
        return SimpleNamespace(**{f"minibert_{name}": SimpleNamespace() for name in LOOPS})


def put(path: Path, content: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    path.write_bytes(content)
    path.chmod(mode)


def user_place(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "minibert" / f"libraries-{SOURCES}" / f"{TIER}.so"


def test_a_library_that_fits_is_loaded(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = library.find()
    assert found.library
    assert (found.library.path, found.library.tier, sorted(found.library.loops)) == (str(place), TIER, sorted(LOOPS))
    assert capfd.readouterr().err == ""


def changed(place: int, new: bytes) -> bytes:
    """A library with other bytes at a place of its trailer."""
    at = len(ELF) + place
    return LIBRARY[:at] + new + LIBRARY[at + len(new) :]


def other_machine() -> bytes:
    return seal(ELF[:18] + struct.pack("<H", library.MACHINES["aarch64"]) + ELF[20:], TIER)


DAMAGED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "expected an ELF file of 64 bits"),
    "text": (lambda: b"#!/bin/sh\n" * 100, "expected an ELF file of 64 bits"),
    "32 bits": (lambda: seal(ELF[:4] + b"\1" + ELF[5:], TIER), "expected an ELF file of 64 bits"),
    "big-endian": (lambda: seal(ELF[:5] + b"\2" + ELF[6:], TIER), "expected an ELF file of 64 bits"),
    "another machine": (other_machine, "it was made for another processor"),
    "cut": (lambda: LIBRARY[:-1], "the file is cut"),
    "cut in the middle": (lambda: LIBRARY[: len(LIBRARY) // 2], "the file is cut"),
    "without a trailer": (lambda: ELF, "the file is cut"),
    "longer": (lambda: LIBRARY + b"\0", "the file is cut"),
    "more than a megabyte": (lambda: LIBRARY.ljust(1 << 21, b"\0"), "expected at most"),
    "an older ABI": (lambda: changed(8, struct.pack("<I", ABI - 1)), f"expected ABI {ABI}, found {ABI - 1}"),
    "a later ABI": (lambda: changed(8, struct.pack("<I", ABI + 1)), f"expected ABI {ABI}, found {ABI + 1}"),
    "another size": (lambda: changed(16, struct.pack("<Q", len(ELF) + 1)), "the file is cut"),
    "another tier": (lambda: seal(ELF, "avx512"), "the file has the wrong name"),
    "other sources": (lambda: changed(40, b"0123456789abcdef"), "it belongs to another version of minibert"),
    "sources that are no text": (lambda: changed(40, b"\xff" * 16), "it belongs to another version of minibert"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_library_is_passed_over(place: Path, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    content, reason = DAMAGED[kind]
    put(place, content())
    check_passed_over(place, reason, capfd)


@pytest.mark.parametrize("at", [*range(64, len(ELF), 13), len(ELF) + 13])
def test_noise_is_found(place: Path, at: int, capfd: pytest.CaptureFixture[str]) -> None:
    """One wrong bit anywhere behind the header, or in the checksum."""
    put(place, LIBRARY[:at] + bytes([LIBRARY[at] ^ 4]) + LIBRARY[at + 1 :])
    check_passed_over(place, "the file is damaged", capfd)


def check_passed_over(place: Path, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        found = library.find()
        assert found.library is None
        assert reason in found.reason
        assert str(place) in found.reason
    (line,) = capfd.readouterr().err.splitlines()
    assert line == f"minibert: a library is passed over: {found.reason}"
    assert backends.choose("auto").name in ("numba", "numpy")
    with pytest.raises(ImportError, match=r"^backend='library': "):
        backends.choose("library").load()


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o777])
def test_a_library_that_others_may_write_is_passed_over(place: Path, mode: int, capfd: pytest.CaptureFixture[str]) -> None:
    put(place, LIBRARY, mode)
    check_passed_over(place, f"chmod go-w {place}", capfd)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_library_of_another_user_is_passed_over(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.chown(place, 12345, -1)
    check_passed_over(place, "belongs to this user or root", capfd)


@pytest.mark.parametrize("kind", ["missing", "folder", "FIFO", "broken link", "link to itself"])
def test_what_is_no_file_is_passed_over(place: Path, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    place.unlink()
    if kind == "folder":
        place.mkdir()
    elif kind == "FIFO":
        os.mkfifo(place, 0o600)
    elif kind != "missing":
        place.symlink_to("nowhere" if kind == "broken link" else place)
    check_passed_over(place, str(place.parent), capfd)


def test_a_link_of_an_installer_is_followed(place: Path, tmp_path: Path) -> None:
    """The file that it leads to is checked."""
    put(tmp_path / "store" / "avx2.so", LIBRARY)
    place.unlink()
    place.symlink_to(tmp_path / "store" / "avx2.so")
    (tmp_path / "store" / "avx2.so").chmod(0o664)
    assert library.find().library is None


def test_a_library_without_an_entry_is_passed_over(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(library, "CDLL", lambda _: SimpleNamespace())
    assert library.find().library is None
    assert "minibert_layers" in capfd.readouterr().err


def test_a_file_that_is_replaced_while_it_is_read_is_passed_over(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(path: str) -> Any:
        put(place.with_name("new"), LIBRARY)
        place.with_name("new").replace(place)
        return Opened()(path)

    monkeypatch.setattr(library, "CDLL", replace)
    assert "was replaced while it was read" in library.find().reason


# Processors and folders


@pytest.mark.parametrize("missing", sorted(TIERS[MACHINE][TIER]))
def test_no_library_is_loaded_without_all_features(place: Path, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "processor_features", lambda _: TIERS[MACHINE][TIER] - {missing})
    assert library.find() == library.Found(None, "no library runs on this processor")


@pytest.mark.parametrize("machine", ["ppc64le", "riscv64", "i686", ""])
def test_other_machines_have_no_library(place: Path, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "machine_here", lambda: machine)
    assert library.find().library is None


def test_the_best_tier_is_looked_for(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, tiers in TIERS.items():
        monkeypatch.setattr(library, "machine_here", lambda machine=machine: machine)
        for tier, features in tiers.items():
            monkeypatch.setattr(library, "processor_features", lambda _, features=features: features)
            library.find.cache_clear()
            if tier != TIER:
                assert f"{tier}.so" in library.find().reason


def test_the_library_of_this_user_is_found(place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mine = user_place(tmp_path)
    put(mine, LIBRARY)
    put(place, LIBRARY[:-1])
    found = library.find()
    assert found.library
    assert found.library.path == str(mine)
    assert len(capfd.readouterr().err.splitlines()) == 1  # about that of the package


@pytest.mark.parametrize("above", [0, 1, 2])
def test_folders_of_this_user_that_others_may_write_are_passed_over(place: Path, tmp_path: Path, above: int) -> None:
    mine = user_place(tmp_path)
    put(mine, LIBRARY)
    place.unlink()
    place.parent.rmdir()
    mine.parents[above].chmod(0o775)
    found = library.find()
    assert found.library is None
    assert str(mine.parents[above]) in found.reason


def test_a_pure_installation_says_nothing(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place.unlink()
    place.parent.rmdir()
    assert library.find().reason.startswith("no library for avx2 is installed")
    assert capfd.readouterr().err == ""


def test_features_are_those_of_the_operating_system() -> None:
    """Numba's compiler knows the processor too. Where it is installed, both agree."""
    binding = pytest.importorskip("llvmlite.binding")
    if (machine := os.uname().machine) != "x86_64":
        pytest.skip("the names are those of x86-64")
    others = {
        "abm": "lzcnt",
        "lahf_lm": "sahf",
        "bmi1": "bmi",
        "sse4_1": "sse4.1",
        "sse4_2": "sse4.2",
        "avx512_vnni": "avx512vnni",
        "avx_vnni": "avxvnni",
    }
    known, found = binding.get_host_cpu_features(), library.processor_features(machine)
    for feature in set().union(*TIERS["x86_64"].values()):
        assert (feature in found) == known[others.get(feature, feature)], feature


def test_the_hash_depends_on_the_sources_of_the_loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in library._source_files():
        put(tmp_path / name, Path(library.PACKAGE, name).read_bytes())
    monkeypatch.setattr(library, "PACKAGE", str(tmp_path))
    of_sources = library.source_hash.__wrapped__
    assert of_sources() == library.source_hash()
    hashes = {of_sources()}
    for name in ("ops/compiled/loops.py", "tokenizer/compiled/layout.py", "runtime/records.py"):
        put(tmp_path / name, (tmp_path / name).read_bytes() + b"\n")
        hashes.add(of_sources())
    assert len(hashes) == 4


def test_without_sources_there_is_no_library(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "PACKAGE", str(tmp_path))
    library.source_hash.cache_clear()
    try:
        assert library.find().library is None
    finally:
        library.source_hash.cache_clear()


def test_a_process_goes_on_with_other_loops(tmp_path: Path, tiny_folder: Path) -> None:
    """The line comes once, and the vectors are right."""
    put(tmp_path / "libraries" / "noise", b"")
    code = f"""
import minibert.runtime.library
minibert.runtime.library.FOLDER = {str(tmp_path / "libraries")!r}
for _ in range(2):
    model = minibert.load({str(tiny_folder)!r})
    model.encode("a few words")
print(model.backend)
"""
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    lines = [line for line in result.stderr.splitlines() if "compiling for" not in line]
    assert result.stdout.strip() in ("numba", "numpy")
    assert len(lines) == (1 if library.find().library or "no library runs" not in library.find().reason else 0), result.stderr


def test_the_trailer_has_a_fixed_form() -> None:
    assert (TRAILER.size, LIBRARY[len(ELF) :][:8]) == (56, MAGIC)
