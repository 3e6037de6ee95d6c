"""Where compiled code is kept. Needs Numba."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import numpy, sys, warnings
warnings.simplefilter("error")
from minibert import jit

@jit.jit
def double(array):
    for index in range(array.shape[0]):
        array[index] *= 2

numbers = numpy.arange(3)
double(numbers)
print(numbers.tolist(), sum(double.stats.cache_hits.values()), jit.cache_folder())
"""


def start(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process that compiles a function of a file of its own."""
    (tmp_path / "double.py").write_text(CODE)
    variables = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")} | environment
    return subprocess.run([sys.executable, tmp_path / "double.py"], capture_output=True, text=True, env=variables, check=True)


def run(tmp_path: Path, **environment: str) -> tuple[str, str]:
    """Its (result and cache hits, folder)."""
    result = start(tmp_path, **environment)
    *answer, folder = result.stdout.rstrip("\n").rsplit(" ", 1)
    return answer[0], folder


def test_compiled_code_is_remembered_in_a_folder_of_the_users_own(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    first, folder = run(tmp_path, XDG_CACHE_HOME=home)
    assert first == "[0, 2, 4] 0"
    assert Path(folder).parent == tmp_path / "home" / "minibert"
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    assert run(tmp_path, XDG_CACHE_HOME=home) == ("[0, 2, 4] 1", folder)


def test_compiling_says_what_it_is_doing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = start(tmp_path, XDG_CACHE_HOME=str(home)).stderr
    assert first.startswith("minibert: compiling for this processor (once; kept in ")
    assert start(tmp_path, XDG_CACHE_HOME=str(home)).stderr == ""
    (tmp_path / "file").write_text("")
    assert "in every process" in start(tmp_path, XDG_CACHE_HOME=str(tmp_path / "file")).stderr


@pytest.mark.parametrize("obstacle", ["a file", "open to others"])
def test_without_a_folder_it_compiles_all_the_same(tmp_path: Path, obstacle: str) -> None:
    home = tmp_path / "home"
    if obstacle == "a file":
        home.write_text("")
    else:
        _, folder = run(tmp_path, XDG_CACHE_HOME=str(home))
        Path(folder).chmod(0o777)
    answer, folder = run(tmp_path, XDG_CACHE_HOME=str(home))
    assert answer.startswith("[0, 2, 4]")
    assert folder == ""


def test_numbas_own_variable_is_honoured(tmp_path: Path) -> None:
    folder = str(tmp_path / "numba")
    assert run(tmp_path, NUMBA_CACHE_DIR=folder) == ("[0, 2, 4] 0", folder)
    assert run(tmp_path, NUMBA_CACHE_DIR=folder) == ("[0, 2, 4] 1", folder)


def test_damaged_code_is_compiled_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run(tmp_path, XDG_CACHE_HOME=str(home))
    for file in home.rglob("*.nb?"):
        file.write_bytes(file.read_bytes()[:10])
    assert run(tmp_path, XDG_CACHE_HOME=str(home))[0] == "[0, 2, 4] 0"


def test_without_permission_to_compile_the_readable_tokenizer_serves(tmp_path: Path) -> None:
    code = """
from minibert.tokenizer import TokenizerSettings, WordPieceTokenizer
tokenizer = WordPieceTokenizer(TokenizerSettings({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3}))
print(tokenizer.encode_batch(["a a"] * 1_000_001).input_ids.size, tokenizer._compiled)
"""
    variables = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=True)
    assert result.stdout == "4000004 None\n"


def test_a_model_runs_without_home_and_cache(tiny_folder: Path) -> None:
    """In a container whose user has no home, on a disk that is read only: it compiles, and neither fails nor warns."""
    code = f"import minibert; print(minibert.load({str(tiny_folder)!r}, backend='numba').encode('a b').shape)"
    variables = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    variables |= {"HOME": "/dev/null/nowhere"}
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=variables, check=True)
    assert result.stdout == "(24,)\n"
    assert len(result.stderr.splitlines()) == 1


def test_warmup_compiles_everything(tiny_folder: Path, tmp_path: Path) -> None:
    """After it, a process finds everything it needs."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "minibert"]
    result = subprocess.run([*command, "warmup"], capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.startswith("compiled in ")
    code = f"""
import minibert
for precision in ("float32", "int8"):
    model = minibert.load({str(tiny_folder)!r}, precision=precision)
    model.encode(["some words"] * 2000, pooling="pooler")
    model([[1, 2, 3]], output_hidden_states=True, output_attentions=True)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert result.stderr == ""
