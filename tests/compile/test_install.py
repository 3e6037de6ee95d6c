"""Writing libraries: what is left alone, what is replaced, and what is refused."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from minibert.cli.main import main
from minibert.compile import build, install
from minibert.compile.build import Library
from minibert.compile.targets import TARGETS, tiers_of
from minibert.runtime import library

HEADERS = {"x86_64": 62, "aarch64": 183}  # the number of an architecture in the header of a file


def made(tier: str, extra: bytes = b"") -> bytes:
    """A library that the run time would take, without code."""
    machine = HEADERS[TARGETS[tier].architecture].to_bytes(2, "little")
    return library.seal(b"\x7fELF\x02\x01" + bytes(12) + machine + bytes(100) + extra, tier)


@pytest.fixture(autouse=True)
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The tiers that were built. Nothing is compiled here."""
    tiers: list[str] = []

    def build_at_once(wanted: list[str]) -> Iterator[Library]:
        for tier in wanted:
            tiers.append(tier)
            yield Library(tier, made(tier), 1.5)

    monkeypatch.setattr(install, "build", build_at_once)
    monkeypatch.setattr(install, "check_tools", lambda: None)
    monkeypatch.setattr(library, "processor_features", lambda machine: frozenset().union(*library.TIERS["x86_64"].values()))
    monkeypatch.setattr(library, "machine_here", lambda: "x86_64")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tiers


def run(*arguments: str | Path) -> int:
    return main(["compile", *map(str, arguments)])


def test_without_options_the_library_of_this_processor_is_written_for_this_user(
    built: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    path = Path(library.user_folder()) / "avx512vnni.so"
    assert path.read_bytes() == made("avx512vnni")
    assert capsys.readouterr().out == f"{path}: {len(made('avx512vnni'))} bytes, 2 s\n"
    assert run() == 0
    assert capsys.readouterr().out == f"{path}: is there, and fits these sources\n"
    assert run("--force") == 0
    assert built == ["avx512vnni"] * 2


def test_tiers_are_named_by_themselves_by_architecture_or_all(built: list[str], tmp_path: Path) -> None:
    assert run("--output", tmp_path / "one", "--tier", "neon", "avx2", "-t", "neon") == 0
    assert run("--output", tmp_path / "two", "--tier", "aarch64") == 0
    assert run("--output", tmp_path / "all", "--tier", "all") == 0
    assert built == ["neon", "avx2", "neon", "neondot", *TARGETS]
    assert {path.name for path in (tmp_path / "all").iterdir()} == {f"{tier}.so" for tier in TARGETS}


def test_every_tier_of_the_run_time_can_be_compiled() -> None:
    assert {architecture: set(tiers) for architecture, tiers in library.TIERS.items()} == {
        architecture: set(tiers_of(architecture)) for architecture in ("x86_64", "aarch64")
    }


@pytest.mark.parametrize(("machine", "features"), [("riscv64", ""), ("x86_64", "sse2"), ("", "avx2")])
def test_a_processor_without_a_tier_is_refused(
    machine: str, features: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(library, "processor_features", lambda machine: frozenset(features.split()))
    monkeypatch.setattr(library, "machine_here", lambda: machine)
    assert run() == 2
    assert "there is no library for this processor and system" in capsys.readouterr().err


def test_what_is_missing_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(install, "check_tools", build.check_tools)
    monkeypatch.setattr(build, "find_spec", lambda name: None if name == "ziglang" else name)
    assert run() == 2
    assert "found no ziglang; `python -m pip install ziglang` installs what is missing" in capsys.readouterr().err
    monkeypatch.setattr(build, "find_spec", lambda name: None)
    assert run() == 2
    assert "found no numba and no ziglang; `python -m pip install numba ziglang`" in capsys.readouterr().err


# What is there


def test_old_and_damaged_libraries_of_this_user_are_replaced(built: list[str]) -> None:
    path = Path(library.user_folder()) / "avx512vnni.so"
    path.parent.mkdir(parents=True)
    for content in (b"", made("avx512vnni")[:-1], made("avx2"), made("avx512vnni").replace(library.source_hash().encode(), b"0" * 16)):
        path.write_bytes(content)
        assert run() == 0
        assert path.read_bytes() == made("avx512vnni")
    assert len(built) == 4


def test_a_file_in_another_folder_is_replaced_only_by_force(built: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "neon.so"
    path.write_bytes(b"something else")
    assert run("--tier", "aarch64", "--output", tmp_path) == 2
    assert f"{path}: expected no file, or a library of these sources; --force replaces" in capsys.readouterr().err
    assert path.read_bytes() == b"something else"
    assert not built  # what cannot be written is not compiled first
    assert run("--tier", "aarch64", "--output", tmp_path, "--force") == 0
    assert path.read_bytes() == made("neon")


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def build_while_a_file_appears(wanted: list[str]) -> Iterator[Library]:
        (tmp_path / "neon.so").write_bytes(b"new")
        yield Library("neon", made("neon"), 1)

    monkeypatch.setattr(install, "build", build_while_a_file_appears)
    assert run("--tier", "neon", "--output", tmp_path) == 2
    assert "neon.so" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["neon.so"]
    assert (tmp_path / "neon.so").read_bytes() == b"new"


@pytest.mark.skipif(os.name != "posix", reason="links and modes are POSIX's")
def test_a_library_that_is_not_trusted_is_not_current(built: list[str], tmp_path: Path) -> None:
    path = Path(library.user_folder()) / "avx512vnni.so"
    path.parent.mkdir(parents=True)
    (tmp_path / "other").write_bytes(made("avx512vnni"))
    path.symlink_to(tmp_path / "other")
    assert run() == 0
    assert not path.is_symlink()
    path.chmod(0o666)
    assert run() == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert len(built) == 2


# How it is written


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("umask", [0o000, 0o002, 0o077])
def test_no_other_user_may_write_what_is_written(umask: int) -> None:
    before = os.umask(umask)
    try:
        assert run() == 0
    finally:
        os.umask(before)
    path = Path(library.user_folder()) / "avx512vnni.so"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644 & ~umask
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755 & ~umask


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_folder_that_others_may_write_is_refused_at_once(built: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(library.user_folder())
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert run() == 2
    assert "others may write to it" in capsys.readouterr().err
    assert not built


def test_nothing_is_left_of_a_library_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert run("--tier", "neon", "--output", tmp_path / "new", "--force") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert list((tmp_path / "new").iterdir()) == []


def test_a_name_of_another_kind_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--tier", "sse2")
    assert "invalid choice: 'sse2'" in capsys.readouterr().err
