"""The package without its sources: bytecode alone, a zip archive, a frozen program."""

import glob
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import minibert
from minibert.__pyinstaller import hook_dirs
from minibert.folders.bundled import BUNDLED, bundled_folder
from minibert.runtime import library
from minibert.tokenizer import table_file

PACKAGE = Path(minibert.__file__).parent


@pytest.fixture(scope="module")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the compiled package, without its sources."""
    place = tmp_path_factory.mktemp("bytecode")
    shutil.copytree(PACKAGE, place / "minibert", ignore=shutil.ignore_patterns("__pycache__", "bundled"))
    subprocess.run([sys.executable, "-m", "compileall", "-q", "-b", "minibert"], cwd=place, check=True)
    for source in place.rglob("*.py"):
        source.unlink()
    return place


def run(place: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run a program that finds the package in this place only. Every warning is an error."""
    begin = f"import sys; sys.path.insert(0, {str(place)!r}); import minibert; assert minibert.__file__.startswith({str(place)!r})\n"
    command = [sys.executable, "-W", "error", "-X", "warn_default_encoding", "-c", begin + code]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("form", ["bytecode", "zip"])
def test_it_runs_without_sources(bytecode: Path, tmp_path: Path, tiny_folder: Path, form: str) -> None:
    place = bytecode if form == "bytecode" else Path(shutil.make_archive(str(tmp_path / "packed"), "zip", bytecode))
    code = f"print(minibert.load({str(tiny_folder)!r}, backend='numpy').encode_tokens('a b', level='spark').vectors.shape)"
    result = run(place, code)
    assert (result.stdout, result.stderr) == ("(2, 24)\n", "")


@pytest.mark.parametrize("mmap", [False, True])
def test_the_model_in_an_archive_is_loaded_and_leaves_nothing_behind(bytecode: Path, tmp_path: Path, mmap: bool) -> None:
    place = shutil.copytree(bytecode, tmp_path / "whole")
    shutil.copytree(bundled_folder(), place / "minibert" / "bundled")
    (tmp_path / "scratch").mkdir()
    code = f"""
import multiprocessing, os, tempfile
tempfile.tempdir = {str(tmp_path / "scratch")!r}
one, two = (minibert.load(backend='numpy', mmap={mmap}) for _ in range(2))
print(*one.encode('x')[:3], len(minibert.loading.load_tokenizer()('x')), len(os.listdir(tempfile.tempdir)))
if os.fork() == 0:
    raise SystemExit
os.wait()
worker = multiprocessing.get_context('fork').Process(target=minibert.load, kwargs=dict(backend='numpy'))
worker.start()
worker.join()
assert worker.exitcode == 0
assert (two.encode('x') == one.encode('x')).all() and len(os.listdir(tempfile.tempdir)) == 1
"""
    result = run(Path(shutil.make_archive(str(tmp_path / "packed"), "zip", place)), code)
    expected = minibert.load(backend="numpy").encode("x")[:3]
    assert (result.stdout, result.stderr) == (f"{' '.join(map(str, expected))} 3 1\n", "")
    assert not list((tmp_path / "scratch").iterdir())


def test_the_program_in_an_archive_leaves_nothing_behind(bytecode: Path, tmp_path: Path) -> None:
    place = shutil.copytree(bytecode, tmp_path / "whole")
    shutil.copytree(bundled_folder(), place / "minibert" / "bundled")
    (tmp_path / "scratch").mkdir()
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", place)
    environment = os.environ | {"PYTHONPATH": packed, "TMPDIR": str(tmp_path / "scratch")}
    command = [sys.executable, "-m", "minibert", "embed", "--backend", "numpy", "-o", "x.npy", "x"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "x.npy").exists()
    assert not list((tmp_path / "scratch").iterdir())


def test_an_archive_without_the_model_says_what_to_do(bytecode: Path, tmp_path: Path) -> None:
    result = run(Path(shutil.make_archive(str(tmp_path / "packed"), "zip", bytecode)), "minibert.load(backend='numpy')")
    assert f"FileNotFoundError: {BUNDLED}: expected in " in result.stderr
    assert "install the package again, with its data files" in result.stderr


def hook() -> dict[str, Any]:
    """What the hook of PyInstaller says."""
    (folder,) = hook_dirs()
    return runpy.run_path(str(Path(folder) / "hook-minibert.py"))


def test_the_hook_of_pyinstaller_names_the_model_and_modules_that_are_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library, "FOLDER", str(tmp_path / "libraries"))  # none is installed
    found = hook()
    (source, target), *others = found["datas"]
    assert len(others) == len(table_file.MODULES)
    assert (Path(source) / "model.safetensors").is_file()
    assert target == "minibert/bundled"
    for name in found["hiddenimports"]:
        assert (PACKAGE.parent / f"{name.replace('.', '/')}.py").is_file()
    tables = {f"minibert.tokenizer.{path.stem}" for path in PACKAGE.glob("tokenizer/tables_*.py")}
    assert set(found["hiddenimports"]) == tables


@pytest.mark.parametrize("has_libraries", [True, False])
def test_a_frozen_program_has_the_sources_of_the_hashes(has_libraries: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of the tables of the tokenizer, and those of libraries if there are any."""
    installed = tmp_path / "libraries"
    if has_libraries:
        installed.mkdir()
        (installed / "avx2.so").write_bytes(b"a library")
    monkeypatch.setattr(library, "FOLDER", str(installed))
    for pattern, target in hook()["datas"]:  # copy them as PyInstaller does
        (tmp_path / "frozen" / target).mkdir(parents=True, exist_ok=True)
        for source in glob.glob(pattern):
            if os.path.isdir(source):
                shutil.copytree(source, tmp_path / "frozen" / target, dirs_exist_ok=True)
            else:
                shutil.copy(source, tmp_path / "frozen" / target)
    frozen = tmp_path / "frozen" / "minibert"
    expected, of_tables = library.source_hash(), table_file.modules_hash()
    monkeypatch.setattr(library, "PACKAGE", str(frozen))
    assert table_file.modules_hash.__wrapped__() == of_tables
    if has_libraries:
        assert (frozen / "libraries" / "avx2.so").read_bytes() == b"a library"
        assert library.source_hash.__wrapped__() == expected
