"""Building: the processes, what they are told, and that the same inputs give the same bytes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minibert.compile import build
from minibert.compile.elf import flaws, undefined_symbols
from minibert.compile.emit import Loop, emit, linked
from minibert.compile.link import MAX_BYTES
from minibert.compile.targets import ENTRIES, FOREIGN, TARGETS
from minibert.runtime.library import TRAILER, what_is_wrong
from tests.support.libraries import built_library
from tests.support.sources import ROOT

needs_ziglang = pytest.mark.skipif(build.find_spec("ziglang") is None, reason="the linker is not installed: pip install ziglang")

# Compiles one loop as the worker compiles all
ONE_LOOP = """
import sys
from pathlib import Path
from minibert.compile import worker
from minibert.compile.targets import TARGETS
tier, name, file = sys.argv[1:]
worker.choose_triple(TARGETS[tier].triple)
from minibert.compile.emit import emit, linked, loops_of
Path(file).write_bytes(emit(linked({name: loops_of(tier)[name]}), TARGETS[tier]))
"""


def worker(folder: Path, *lines: str) -> str:
    """A program in the place of Python: a shell with the worker's arguments."""
    path = folder / "python"
    path.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "check_tools", lambda: None)


@pytest.mark.usefixtures("tools")
def test_an_error_of_a_worker_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", worker(tmp_path, "echo said; echo more >&2; exit 3"))
    with pytest.raises(ValueError, match=r"^avx2: the loops could not be compiled: said\nmore$"):
        list(build.build(["avx2"]))
    monkeypatch.setattr(sys, "executable", worker(tmp_path, "exit 3"))
    with pytest.raises(ValueError, match=r"^neon: .*the process ended with status 3$"):
        list(build.build(["neon"]))


@pytest.mark.usefixtures("tools")
def test_a_worker_has_an_environment_and_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("NUMBA_OPT", "NUMBA_DISABLE_JIT", "PYTHONOPTIMIZE", "PYTHONHASHSEED"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setattr(sys, "path", ["", "relative", *sys.path])
    monkeypatch.setattr(sys, "executable", worker(tmp_path, "env; pwd; exit 1"))
    with pytest.raises(ValueError, match="could not be compiled: ") as caught:
        list(build.build(["neondot"]))
    *lines, folder = str(caught.value).partition("compiled: ")[2].splitlines()
    found = dict(line.split("=", 1) for line in lines if line.startswith(("NUMBA_", "PYTHON")))
    assert found.pop("PYTHONPATH").startswith(os.pathsep.join([str(tmp_path), str(tmp_path / "relative"), ""]))
    assert found == {
        "NUMBA_CACHE_DIR": folder, "NUMBA_CPU_FEATURES": "+neon,+dotprod", "NUMBA_CPU_NAME": "generic", "NUMBA_DISABLE_INTEL_SVML": "1",
        "PYTHONHASHSEED": "0",
    }  # fmt: skip
    assert not Path(folder).exists()


@pytest.mark.usefixtures("tools")
def test_as_many_workers_run_as_there_are_cpus_and_none_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    started: list[build.Worker] = []

    def start(tier: str, folder: Path) -> build.Worker:
        started.append(original(tier, folder))
        return started[-1]

    original = build._start
    monkeypatch.setattr(build, "_start", start)
    monkeypatch.setattr(build.time, "sleep", interrupt)
    monkeypatch.setattr(build, "available_cpus", lambda: 2)
    monkeypatch.setattr(sys, "executable", worker(tmp_path, "exec sleep 100"))
    with pytest.raises(KeyboardInterrupt):
        list(build.build(["avx2", "neon", "avx512"]))
    assert [each.tier for each in started] == ["avx2", "neon"]
    assert all(each.process.returncode == -9 for each in started)
    assert not any(each.folder.exists() for each in started)


# What is compiled


def compile_one(tier: str, name: str, sources: Path, folder: Path, hash_seed: str) -> bytes:
    """The object file of one loop, compiled in a folder from sources."""
    folder.mkdir()
    environment = build._environment(tier, folder) | {"PYTHONPATH": str(sources), "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-P", "-c", ONE_LOOP, tier, name, str(folder / "object")]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return (folder / "object").read_bytes()


@pytest.mark.parametrize("tier", ["avx2", "neondot"])
def test_folders_and_hash_seeds_make_no_difference(tier: str, tmp_path: Path) -> None:
    """The worker sets the hash seed. Without it the result should be the same too."""
    copy = tmp_path / "a copy of the sources"
    shutil.copytree(ROOT / "minibert", copy / "minibert", ignore=shutil.ignore_patterns("__pycache__"))
    one = compile_one(tier, "minibert_embed", ROOT, tmp_path / "one", "1")
    assert one == compile_one(tier, "minibert_embed", copy, tmp_path / "another", "2")
    assert undefined_symbols(one) <= FOREIGN
    assert str(tmp_path).encode() not in one


def test_a_loop_must_return_int64() -> None:
    import numba

    half = numba.njit(lambda number: number / 2)
    with pytest.raises(TypeError, match="minibert_half: expected a loop that returns int64, found float64"):
        linked({"minibert_half": Loop(half, (numba.intp,))})


def test_only_the_entries_can_be_seen() -> None:
    import numba

    helper = numba.njit(lambda number: number * 3)
    for name in ("minibert_one", "minibert_other"):
        loop = Loop(numba.njit(lambda number: helper(number) + 1), (numba.intp,))
        module = linked({name: loop})
        visible = {each.name for each in module.functions if not each.is_declaration and each.linkage.name == "external"}
        assert visible == {name}
    assert emit(module, TARGETS["avx2"]).startswith(b"\x7fELF")


@needs_ziglang
def test_a_library_is_small_and_fits(tmp_path_factory: pytest.TempPathFactory) -> None:
    tier = "avx2"
    content = built_library(tier, tmp_path_factory).read_bytes()
    assert what_is_wrong(content, tier, TARGETS[tier].architecture) == ""
    assert len(content) <= MAX_BYTES + TRAILER.size
    assert flaws(content[: -TRAILER.size], ENTRIES, FOREIGN) == []
