"""The hash of the sources in the name of the cache folder. Needs Numba."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import minibert
from minibert.runtime import cache
from tests.support.backends import needs_numba

pytestmark = needs_numba


def version(place: Path) -> str:
    """The hash of the package in this folder."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); from minibert.runtime import cache; print(cache.__file__, cache._version())"
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", code, str(place)]
    file, found = subprocess.run(command, capture_output=True, text=True, env=variables, check=True).stdout.split()
    assert file.startswith(str(place))
    return found


def test_the_hash_is_of_the_sources_however_they_are_installed(tmp_path: Path) -> None:
    package = shutil.copytree(Path(minibert.__file__).parent, tmp_path / "a" / "minibert", ignore=shutil.ignore_patterns("__pycache__"))
    original = version(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for path in (tmp_path / "b").rglob("*.py"):
        os.utime(path, (0, 0))  # as some builds of images do
    assert version(tmp_path / "b") == original
    changed = original
    for folder in ("ops/compiled", "tokenizer/compiled"):
        source = max((package / folder).glob("[a-z]*.py"))
        source.write_text(source.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
        before, changed = changed, version(tmp_path / "a")
        assert changed != before, source
    zipped = Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path / "a"))
    assert version(zipped) == changed != original
    compiled = [tmp_path / "b", tmp_path / "a"]
    for place in compiled:
        subprocess.run([sys.executable, "-m", "compileall", "-q", "-b", "."], cwd=place, check=True)
        for path in place.rglob("*.py"):
            path.unlink()
    assert version(compiled[0]) != version(compiled[1])


def test_a_frozen_program_hashes_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loader has no files."""
    code = {"constant": 1}
    loader = SimpleNamespace(get_filename=lambda name: "/nowhere", get_data=lambda path: Path(path).read_bytes(), get_code=code.copy)
    monkeypatch.setattr(cache, "find_spec", lambda name: SimpleNamespace(loader=loader))
    loader.get_code = lambda name: compile(f"x = {code['constant']}", name, "exec")
    first = list(cache._sources())
    assert list(cache._sources()) == first
    code["constant"] = 2
    assert list(cache._sources()) != first
    monkeypatch.setattr(cache, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError):
        list(cache._sources())
