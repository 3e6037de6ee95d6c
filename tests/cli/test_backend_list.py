"""What `minibert info` says of the backends, and what `minibert warmup` compiles."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minibert.cli import backend_list, model_commands
from minibert.cli.main import main
from minibert.ops.backends import BACKENDS
from minibert.runtime.library import Found, Library
from tests.support.terminal import at_a_terminal

PRESENT = Found(Library("/place/avx2.so", "avx2", {}), "/place/avx2.so")
ABSENT = Found(None, "/place/avx2.so: the file is damaged")


def described(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["info", *arguments]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def row(description: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (each for each in description["backends"] if each["name"] == name)
    return dict(found)


def in_process(code: str, folder: Path) -> dict[str, Any]:
    """What `info` says in a fresh process that begins with some code."""
    program = f"{code}\nfrom minibert.cli.main import main; main(['info', '--backend', 'numpy', '-m', {str(folder)!r}])"
    return dict(json.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout))


def test_info_lists_all_backends_and_the_one_that_is_used(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    description = described(capsys, "-m", str(tiny_folder), "--backend", "numpy")
    rows = description["backends"]
    assert [each["name"] for each in rows] == [backend.name for backend in BACKENDS]
    assert [each["is_available"] for each in rows] == [backend.is_available() for backend in BACKENDS]
    assert [each["name"] for each in rows if each["is_used"]] == ["numpy"]
    assert all(each["description"] for each in rows)
    assert row(description, "numpy")["version"] == np.__version__
    assert description["tokenizer_backend"] == "numpy"


def test_info_names_what_computes_without_options(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    description = described(capsys, "-m", str(tiny_folder))
    first = next(backend.name for backend in BACKENDS if backend.is_available())
    assert description["backend"] == description["tokenizer_backend"] == first
    assert row(description, first)["is_used"]


def test_info_says_where_the_library_is_or_why_there_is_none(
    tiny_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for found, path, tier, text in (
        (PRESENT, "/place/avx2.so", "avx2", "/place/avx2.so, for avx2"),
        (ABSENT, None, None, "/place/avx2.so: the file is damaged"),
    ):
        monkeypatch.setattr(backend_list, "find", lambda found=found: found)
        library = row(described(capsys, "-m", str(tiny_folder), "--backend", "numpy"), "library")
        assert (library["path"], library["tier"], library["description"]) == (path, tier, text)


def test_info_says_why_numba_does_not_import(tiny_folder: Path) -> None:
    for code, reason in (
        ("import sys; sys.modules['numba'] = None", "Numba does not import here (import of numba halted"),
        ("import sys; sys.modules['llvmlite'] = None", "Numba does not import here ("),
    ):
        numba = row(in_process(code, tiny_folder), "numba")
        assert numba["description"].startswith(reason)
        assert (numba["is_available"], numba["version"]) == (False, None)


def test_info_says_that_numba_may_not_compile(tiny_folder: Path) -> None:
    version = pytest.importorskip("numba").__version__
    numba = row(in_process("import os; os.environ['NUMBA_DISABLE_JIT'] = '1'", tiny_folder), "numba")
    assert (numba["is_available"], numba["version"]) == (False, version)
    assert numba["description"].startswith(f"Numba {version} may not compile here (NUMBA_DISABLE_JIT")


def test_info_says_where_compiled_code_is_kept(tiny_folder: Path, tmp_path: Path) -> None:
    version = pytest.importorskip("numba").__version__
    description = in_process(f"import os; os.environ['NUMBA_CACHE_DIR'] = {str(tmp_path)!r}", tiny_folder)
    assert row(description, "numba")["description"].startswith(f"Numba {version}, compiled code is kept in {tmp_path}")


def test_a_terminal_shows_a_line_for_each_backend(tiny_folder: Path) -> None:
    shown = at_a_terminal("info", "-m", str(tiny_folder), "--backend", "numpy")
    assert f"backend numpy            used: NumPy {np.__version__}\n" in shown
    for name in ("library", "numba"):
        assert f"backend {name:<16} can" in shown  # can run, or cannot run


def test_a_backend_of_others_is_listed_too(tiny_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    mine = BACKENDS[-1]._replace(name="mine")
    monkeypatch.setattr(backend_list, "BACKENDS", (*BACKENDS, mine))
    found = row(described(capsys, "-m", str(tiny_folder), "--backend", "numpy"), "mine")
    assert found == {"name": "mine", "is_used": False, "is_available": True}


# warmup


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Receives an entry when everything would be compiled."""
    calls: list[str] = []
    monkeypatch.setattr(model_commands, "warm_up", lambda: calls.append("all"))
    monkeypatch.setattr(model_commands, "where_kept", lambda: "kept in /place")
    return calls


def test_warmup_compiles_nothing_where_a_library_runs(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(model_commands, "find", lambda: PRESENT)
    assert main(["warmup"]) == 0
    assert capsys.readouterr().out == "nothing to compile: /place/avx2.so has the loops for this processor\n"
    assert compiled == []
    assert main(["warmup", "--backend", "numba"]) == 0
    assert capsys.readouterr().out.startswith("compiled in 0.0 s, kept in /place")
    assert compiled == ["all"]


def test_warmup_compiles_where_no_library_runs(compiled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_commands, "find", lambda: ABSENT)
    assert main(["warmup"]) == 0
    assert compiled == ["all"]


def test_warmup_without_numba_and_library_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise ImportError("no Numba")

    monkeypatch.setattr(model_commands, "find", lambda: ABSENT)
    monkeypatch.setattr(model_commands, "warm_up", refuse)
    assert main(["warmup"]) == 2
    assert "nothing to compile: Numba does not import here" in capsys.readouterr().err
