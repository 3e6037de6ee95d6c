"""The build backend: what a wheel with libraries has in the place of what the pure wheel has."""

import base64
import email
import hashlib
import platform
import shutil
import stat
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from setuptools import build_meta

from minibert.compile import targets
from minibert.compile.hook import minibert_wheel
from minibert.folders import bundled
from minibert.folders.settings import load_folder
from minibert.runtime import library
from minibert.tokenizer.compiled import TABLES_FILE
from minibert.tokenizer.table_file import read_tables
from tests.support.sources import ROOT

METADATA = """Metadata-Version: 2.4
Name: minibert-numpy
Version: 1.2.3
Requires-Dist: numpy>=1.26
Requires-Dist: numba>=0.62; python_version < "3.15"
Requires-Dist: safetensors>=0.4.3
Provides-Extra: jit
Requires-Dist: numba>=0.62; python_version < "3.15" and extra == "jit"

# minibert

Requires-Dist: numba
"""
WHEEL = "Wheel-Version: 1.0\nGenerator: setuptools (77)\nRoot-Is-Purelib: true\nTag: py3-none-any\n\n"
INFO = "minibert_numpy-1.2.3.dist-info"
TABLES = {"minibert/bundled/tokenizer.tables": b"tables"}
LIBRARIES = TABLES | {"minibert/libraries/avx512.so": b"\x7fELF 512" * 1000, "minibert/libraries/avx2.so": b"\x7fELF 2"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture
def pure(tmp_path: Path) -> Path:
    """A wheel as setuptools writes it."""
    path = tmp_path / "minibert_numpy-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("minibert/__init__.py", "version = 1\n")
        archive.writestr(f"{INFO}/METADATA", METADATA)
        archive.writestr(f"{INFO}/WHEEL", WHEEL)
        archive.writestr(f"{INFO}/RECORD", "minibert/__init__.py,sha256=old,11\n")
    return path


def build(pure: Path, folder: str, architecture: str | None = "x86_64") -> Path:
    target = pure.parent / folder
    target.mkdir()
    return target / minibert_wheel.with_files(pure, target, architecture, LIBRARIES if architecture else TABLES)


def test_the_name_says_which_systems_can_install_it(pure: Path) -> None:
    name = build(pure, "new", "aarch64").name
    assert name == "minibert_numpy-1.2.3-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl"


def test_metadata_need_no_numba(pure: Path) -> None:
    with zipfile.ZipFile(build(pure, "new")) as archive:
        metadata, wheel = (email.message_from_bytes(archive.read(f"{INFO}/{name}")) for name in ("METADATA", "WHEEL"))
    assert metadata.get_all("Requires-Dist") == [
        "numpy>=1.26", "safetensors>=0.4.3", 'numba>=0.62; python_version < "3.15" and extra == "jit"',
    ]  # fmt: skip
    assert metadata.get_payload() == "# minibert\n\nRequires-Dist: numba\n"
    assert wheel["Root-Is-Purelib"] == "false"
    assert wheel["Generator"] == "setuptools (77)"
    assert wheel.get_all("Tag") == [f"py3-none-{system}_x86_64" for system in ("manylinux_2_17", "manylinux2014", "musllinux_1_1")]


def test_the_wheel_holds_the_libraries_and_all_files(pure: Path) -> None:
    with zipfile.ZipFile(build(pure, "new")) as archive:
        assert archive.namelist() == [
            "minibert/__init__.py", *TABLES, "minibert/libraries/avx2.so", "minibert/libraries/avx512.so",
            f"{INFO}/METADATA", f"{INFO}/WHEEL", f"{INFO}/RECORD",
        ]  # fmt: skip
        assert archive.read("minibert/libraries/avx512.so") == LIBRARIES["minibert/libraries/avx512.so"]
        for entry in archive.infolist():
            assert stat.filemode(entry.external_attr >> 16) == "-rw-r--r--"
            assert entry.compress_type == zipfile.ZIP_DEFLATED
        *lines, last = archive.read(f"{INFO}/RECORD").decode().splitlines()
        assert last == f"{INFO}/RECORD,,"
        assert len(lines) == 6
        for line in lines:
            name, digest, size = line.split(",")
            content = archive.read(name)
            assert digest == "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            assert int(size) == len(content)


def test_the_same_inputs_give_the_same_wheel(pure: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    one, other = build(pure, "one"), build(pure, "other")
    assert one.read_bytes() == other.read_bytes()
    assert zipfile.ZipFile(one).infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert zipfile.ZipFile(build(pure, "dated")).infolist()[0].date_time == (2023, 11, 14, 22, 13, 20)


# The switch


@pytest.mark.parametrize("value", [None, "", "0"])
def test_without_the_switch_the_wheel_is_pure(value: str | None, pure: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(minibert_wheel.SWITCH, raising=False)
    if value is not None:
        monkeypatch.setenv(minibert_wheel.SWITCH, value)
    monkeypatch.setattr(build_meta, "prepare_metadata_for_build_wheel", lambda *arguments: repr(arguments))
    monkeypatch.setattr(build_meta, "build_wheel", lambda folder, _: shutil.copy(pure, folder) and pure.name)
    monkeypatch.setattr(minibert_wheel, "build_tables", lambda: TABLES)
    (tmp_path / "out").mkdir()
    assert minibert_wheel.build_wheel(str(tmp_path / "out"), {"a": "b"}, "metadata") == pure.name
    with zipfile.ZipFile(pure) as before, zipfile.ZipFile(tmp_path / "out" / pure.name) as after:
        assert {*after.namelist()} == {*before.namelist(), *TABLES}
        for name in ("METADATA", "WHEEL"):
            assert after.read(f"{INFO}/{name}") == before.read(f"{INFO}/{name}")
    assert minibert_wheel.prepare_metadata_for_build_wheel("metadata") == "('metadata', None)"
    assert minibert_wheel.get_requires_for_build_wheel() == [*build_meta.get_requires_for_build_wheel(), "numpy>=1.26"]


def test_the_tables_are_those_that_load_reads(tmp_path: Path) -> None:
    ((place, content),) = minibert_wheel.build_tables().items()
    assert place == f"minibert/{bundled.FOLDER}/{TABLES_FILE}"
    folder = load_folder(minibert_wheel.MODEL)
    assert (Path(folder.weights), folder.do_lower_case) == (minibert_wheel.MODEL, False)
    for path in minibert_wheel.MODEL.glob("*.[jt]*"):
        shutil.copy(path, tmp_path)
    (tmp_path / TABLES_FILE).write_bytes(content)
    assert read_tables(tmp_path, False)


def test_with_the_switch_metadata_are_those_of_the_wheel(pure: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(minibert_wheel.SWITCH, "x86_64")
    monkeypatch.setattr(minibert_wheel, "build_libraries", lambda architecture: {"avx2.so": architecture.encode()})
    monkeypatch.setattr(minibert_wheel, "build_tables", lambda: TABLES)

    def prepare(folder: str, _: object) -> str:
        (Path(folder) / INFO).mkdir()
        (Path(folder) / INFO / "METADATA").write_text(METADATA)
        return INFO

    def build_pure(folder: str, _: object) -> str:
        return pure.rename(Path(folder) / pure.name).name

    monkeypatch.setattr(build_meta, "prepare_metadata_for_build_wheel", prepare)
    monkeypatch.setattr(build_meta, "build_wheel", build_pure)
    assert minibert_wheel.prepare_metadata_for_build_wheel(str(tmp_path)) == INFO
    with zipfile.ZipFile(tmp_path / minibert_wheel.build_wheel(str(tmp_path), None, str(tmp_path / INFO))) as archive:
        assert archive.read(f"{INFO}/METADATA") == (tmp_path / INFO / "METADATA").read_bytes()
        assert archive.read("minibert/libraries/avx2.so") == b"x86_64"


def test_with_the_switch_the_tools_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(minibert_wheel.SWITCH, "aarch64")
    required = minibert_wheel.get_requires_for_build_wheel()
    assert {requirement.split(">")[0] for requirement in required} >= {"numba", "ziglang"}


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() not in targets.ARCHITECTURES, reason="no libraries for this machine")
def test_the_switch_1_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(minibert_wheel.SWITCH, "1")
    assert minibert_wheel.architecture() == platform.machine()


@pytest.mark.parametrize(("value", "system", "machine"), [("1", "darwin", "x86_64"), ("1", "linux", "riscv64"), ("yes", "linux", "x86_64")])
def test_the_switch_must_name_an_architecture(value: str, system: str, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(minibert_wheel.SWITCH, value)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(ValueError, match=f"expected x86_64 or aarch64, or 1 on a machine of these with Linux, found {value}"):
        minibert_wheel.architecture()


# What stands in two places


def test_the_backend_is_where_the_project_says() -> None:
    system = PROJECT["build-system"]
    (folder,) = system["backend-path"]
    assert (ROOT / folder / f"{system['build-backend']}.py").samefile(minibert_wheel.__file__)
    assert minibert_wheel.ROOT.samefile(ROOT)


def test_the_extras_need_the_numba_that_the_pure_wheel_needs() -> None:
    (numba,) = (requirement for requirement in PROJECT["project"]["dependencies"] if requirement.startswith("numba"))
    assert PROJECT["project"]["optional-dependencies"]["jit"] == [numba]
    assert numba in PROJECT["project"]["optional-dependencies"]["compile"]


def test_the_run_time_looks_where_the_wheel_has_its_libraries() -> None:
    assert Path(library.FOLDER) == ROOT / minibert_wheel.LIBRARIES
    assert minibert_wheel.ARCHITECTURES == targets.ARCHITECTURES
