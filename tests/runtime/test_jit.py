"""The cache of compiled code. Needs Numba."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import minibert
from minibert.runtime import trusted
from tests.support.backends import needs_numba

pytestmark = needs_numba

READ_ONLY = """
import tempfile
def refuse(*arguments, **options):
    raise OSError(30, "Read-only file system")
tempfile.TemporaryFile = refuse
"""
# Only functions of this package are kept, so this one claims to be one.
CODE = """
import numpy, sys, warnings
warnings.simplefilter("error")
from minibert.runtime import cache, jit

__name__ = "minibert.double"
sys.modules[__name__] = sys.modules["__main__"]

@jit.jit
def double(array):
    for index in range(array.shape[0]):
        array[index] *= 2
numbers = numpy.arange(3)
double(numbers)
print(numbers.tolist(), sum(double.stats.cache_hits.values()), cache.folder_to_read.__wrapped__())
"""
COMPILED, FOUND = "[0, 2, 4] 0", "[0, 2, 4] 1"
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
OTHER_USER = 12345


def start(tmp_path: Path, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a process that compiles a function in a file of its own."""
    (tmp_path / "double.py").write_text(before + CODE)
    variables = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")} | environment
    command = [sys.executable, tmp_path / "double.py"]
    return subprocess.run(command, capture_output=True, text=True, env=variables, check=True)


def run(tmp_path: Path, **environment: str) -> tuple[str, str]:
    """(result and cache hits, folder) of such a process."""
    result = start(tmp_path, **environment)
    *answer, folder = result.stdout.rstrip("\n").rsplit(" ", 1)
    return answer[0], folder


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "NUMBA_CACHE_DIR"])
def test_compiled_code_is_kept_in_a_folder_named_by_the_sources(tmp_path: Path, variable: str) -> None:
    environment = {variable: str(tmp_path / "new" / "home")}
    first, folder = run(tmp_path, **environment)
    assert first == COMPILED
    assert Path(folder).parent == tmp_path / "new" / "home" / "minibert"
    assert Path(folder).stat().st_mode & 0o777 == 0o755
    assert run(tmp_path, **environment) == (FOUND, folder)


def test_compiling_is_announced(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = start(tmp_path, XDG_CACHE_HOME=str(home)).stderr
    assert first.startswith("minibert: compiling for this processor (once; kept in ")
    assert start(tmp_path, XDG_CACHE_HOME=str(home)).stderr == ""
    (tmp_path / "file").write_text("")
    assert "in every process" in start(tmp_path, XDG_CACHE_HOME=str(tmp_path / "file")).stderr


def test_a_folder_that_can_only_be_read_is_used(tmp_path: Path) -> None:
    """An image is warmed when it is built, and runs on a read-only disk."""
    folder = tmp_path / "compiled"
    run(tmp_path, NUMBA_CACHE_DIR=str(folder))
    for each in (folder, *folder.rglob("*")):
        each.chmod(0o555)
    try:
        later = start(tmp_path, READ_ONLY if IS_ROOT else "", NUMBA_CACHE_DIR=str(folder))  # root may write everywhere
    finally:
        for each in (folder, *folder.rglob("*")):
            each.chmod(0o755)
    assert later.stdout.startswith(FOUND)
    assert later.stderr == ""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such permissions")
@pytest.mark.parametrize("spoil", ["file", "folder", "parent", "link"])
def test_files_that_others_may_write_are_not_used(tmp_path: Path, spoil: str) -> None:
    home = tmp_path / "home"
    _, found = run(tmp_path, XDG_CACHE_HOME=str(home))
    folder = Path(found)
    (file,) = folder.iterdir()
    if spoil == "file":
        file.chmod(0o646)
    elif spoil == "link":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    else:
        (folder if spoil == "folder" else home).chmod(0o757)
    assert run(tmp_path, XDG_CACHE_HOME=str(home))[0] == COMPILED


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such permissions")
def test_every_folder_above_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    trusted.check_ours(folder)
    folder.parent.chmod(0o1777)  # such as /tmp: others may not rename our entries
    trusted.check_ours(folder)
    with pytest.raises(PermissionError):
        trusted.check_ours(folder.parent)
    for mode in (0o777, 0o775):
        folder.parent.chmod(mode)
        with pytest.raises(PermissionError):
            trusted.check_ours(folder)
    folder.parent.chmod(0o755)
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(NotADirectoryError):
        trusted.check_ours(tmp_path / "link")
    if IS_ROOT:
        os.chown(folder.parent, OTHER_USER, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: OTHER_USER)
    with pytest.raises(PermissionError):
        trusted.check_ours(folder)


@pytest.mark.parametrize("environment", [{"NUMBA_CACHE_DIR": "/proc/nowhere"}, {"NUMBA_CACHE_DIR": "/dev/null"}, {"HOME": "nowhere"}])
def test_without_a_folder_compiling_still_works(tmp_path: Path, environment: dict[str, str]) -> None:
    if "HOME" in environment:
        environment = {"HOME": str(tmp_path / "nowhere")}
    result = start(tmp_path, **environment)
    assert result.stdout == f"{COMPILED} None\n"
    assert "in every process; not kept: " in result.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["double.py"]  # nothing beside the sources, and no home is made
    assert not list(Path(minibert.__file__).parent.rglob("*.nb[ci]"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of resources")
def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    """A limit of the size of files simulates it."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    (tmp_path / "full.py").write_text(limit + CODE)
    variables = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "home")}
    command = [sys.executable, tmp_path / "full.py"]
    result = subprocess.run(command, capture_output=True, text=True, env=variables, check=True)
    assert result.stdout.startswith(COMPILED)
    assert "could not be kept in" in result.stderr
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "damage", [lambda code: code[:10], lambda code: code[:-1], lambda code: code[:500] + b"x" + code[501:], lambda _: b""]
)
def test_damaged_code_is_compiled_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    home = tmp_path / "home"
    (file,) = Path(run(tmp_path, XDG_CACHE_HOME=str(home))[1]).iterdir()
    good = file.read_bytes()
    file.write_bytes(damage(good))
    assert run(tmp_path, XDG_CACHE_HOME=str(home))[0] == COMPILED
    (file,) = file.parent.iterdir()  # compiled once more, and kept
    assert len(file.read_bytes()) == len(good)


def test_without_permission_to_compile_the_fallback_tokenizer_is_used(tmp_path: Path) -> None:
    code = """
from minibert.tokenizer import TokenizerSettings, make_tokenizer
tokenizer = make_tokenizer(TokenizerSettings({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3}))
print(tokenizer.encode_batch(["a a"] * 1_000_001).input_ids.size, tokenizer._batch_encoder._compiled)
"""
    variables = os.environ | {"NUMBA_DISABLE_JIT": "1", "NUMBA_CACHE_DIR": str(tmp_path)}  # where no library is either
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=True)
    assert result.stdout == "4000004 None\n"


def test_a_model_runs_without_home_and_cache(tiny_folder: Path) -> None:
    """In a container without a home and with a read-only disk, it compiles without a warning."""
    code = f"import minibert; print(minibert.load({str(tiny_folder)!r}, backend='numba').encode('a b').shape)"
    variables = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    variables |= {"HOME": "/dev/null/nowhere"}
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=variables, check=True)
    assert result.stdout == "(24,)\n"
    assert len(result.stderr.splitlines()) == 1


def test_warmup_compiles_everything(tiny_folder: Path, tmp_path: Path) -> None:
    """After it, a process compiles nothing, for any layout of its arrays."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "minibert"]
    result = subprocess.run([*command, "warmup"], capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.startswith("compiled in ")
    code = f"""
import minibert, numpy
ids = numpy.asfortranarray(numpy.tile(numpy.arange(1, 5), (3, 1)))
ids.flags.writeable = False
for precision in ("float32", "int8"):
    for compat in ("hf", "google"):
        model = minibert.load({str(tiny_folder)!r}, precision=precision, tokenizer_compat=compat)
        model.encode(["some words"] * 2000, pooling="pooler")
        model.encode(["some words"] * 2000, layer=[0, 1], max_length=3, truncation="silent")
        model.encode_tokens(["some words"] * 2000)
        for level in ("word", "spark"):
            model.encode_tokens("some words", level=level, word_pooling="mean")
        model(ids, output_hidden_states=True, output_attentions=True)
        model(ids[:, ::2].astype(numpy.uint8), ids[:, ::2] > 0, ids[:, ::2] % 2)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert result.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="links need a permission there, and a working directory cannot be removed")
def test_links_in_a_circle_are_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "minibert").symlink_to("minibert")
    for variable in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        for name in ("circle", "home"):
            result = start(tmp_path, **{variable: str(tmp_path / name)})
            assert result.stdout == f"{COMPILED} None\n"
            assert "in every process; not kept: " in result.stderr


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert f"not kept: {tmp_path / 'file'} is not a folder; " in start(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "file")).stderr


@pytest.mark.skipif(sys.platform == "win32", reason="links need a permission there, and a working directory cannot be removed")
def test_a_working_directory_that_is_gone_is_named(tmp_path: Path) -> None:
    """Numba cannot compile there, but compiled code runs."""
    gone = "import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"
    (tmp_path / "double.py").write_text(gone + CODE)
    variables = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "home")}
    command = [sys.executable, tmp_path / "double.py"]
    result = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=tmp_path)
    assert result.stderr.splitlines()[-1].endswith(
        "the working directory of this process is gone (No such file or directory); change to another one"
    )
    start(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "home"))
    (tmp_path / "double.py").write_text(gone + CODE)
    result = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=tmp_path)
    assert (result.stdout[: len(FOUND)], result.stderr) == (FOUND, "")
