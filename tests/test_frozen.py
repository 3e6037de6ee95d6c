"""The package without its sources: bytecode alone, a zip archive, a frozen program."""

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minibert
from minibert.__pyinstaller import hook_dirs
from minibert.folder import BOX, box_folder

PACKAGE = Path(minibert.__file__).parent


@pytest.fixture(scope="module")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package in it, compiled, without its sources."""
    place = tmp_path_factory.mktemp("bytecode")
    shutil.copytree(PACKAGE, place / "minibert", ignore=shutil.ignore_patterns("__pycache__", "box"))
    subprocess.run([sys.executable, "-m", "compileall", "-q", "-b", "minibert"], cwd=place, check=True)
    for source in place.rglob("*.py"):
        source.unlink()
    return place


def run(place: Path, code: str) -> subprocess.CompletedProcess[str]:
    """A program that finds the package there and nowhere else, with every warning an error."""
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


def test_a_model_in_an_archive_is_an_error_that_says_what_to_do(bytecode: Path, tmp_path: Path) -> None:
    place = shutil.copytree(bytecode, tmp_path / "whole")
    shutil.copytree(box_folder(), place / "minibert" / "box")
    load = "minibert.load(backend='numpy').encode('x')"
    assert run(place, load).returncode == 0
    result = run(Path(shutil.make_archive(str(tmp_path / "packed"), "zip", place)), load)
    assert f"FileNotFoundError: {BOX}: expected in " in result.stderr
    assert "unpack the archive" in result.stderr


def test_the_hook_of_pyinstaller_names_the_model_and_modules_that_are_there() -> None:
    (folder,) = hook_dirs()
    found = runpy.run_path(str(Path(folder) / "hook-minibert.py"))
    ((source, target),) = found["datas"]
    assert (Path(source) / "model.safetensors").is_file()
    assert target == "minibert/box"
    for name in found["hiddenimports"]:
        assert (PACKAGE.parent / f"{name.replace('.', '/')}.py").is_file()
    tables = {f"minibert.tokenizer.{path.stem}" for path in PACKAGE.glob("tokenizer/tables_*.py")}
    assert set(found["hiddenimports"]) == tables
