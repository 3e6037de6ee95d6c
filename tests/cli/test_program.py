"""The process of the command line: what it sets before NumPy is imported, and how it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import minibert

VARIABLE = "OPENBLAS_THREAD_TIMEOUT"
FULL = "/dev/full"
# Prints the variable when NumPy is imported
WATCH = f"""
import os, sys

class Watch:
    def find_spec(self, name, *_):
        if name == "numpy":
            print(os.environ.get("{VARIABLE}"), flush=True)

sys.meta_path.insert(0, Watch())
"""


def run(code: str, *arguments: str | Path, **variables: str | None) -> subprocess.CompletedProcess[str]:
    """Run a program. A variable that is None is not set."""
    environment = {name: value for name, value in (os.environ | variables).items() if value is not None}
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("start", ["runpy.run_module('minibert', run_name='__main__')", "minibert.__main__.run()"])
@pytest.mark.parametrize(("given", "expected"), [(None, "4"), ("20", "20"), ("", "")])
def test_blas_does_not_wait_in_a_loop(tiny_folder: Path, start: str, given: str | None, expected: str) -> None:
    code = f"{WATCH}\nimport runpy, minibert.__main__\n{start}"
    done = run(code, "embed", "-m", tiny_folder, "--backend", "numpy", "x", **{VARIABLE: given})
    assert done.stdout.splitlines()[0] == expected
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)


def test_another_program_keeps_its_environment(tiny_folder: Path) -> None:
    code = f"{WATCH}\nimport minibert.cli.main\nminibert.cli.main.main()\nminibert.load(sys.argv[3], backend='numpy')"
    done = run(code, "embed", "-m", tiny_folder, "--backend", "numpy", "x", **{VARIABLE: None})
    assert done.stdout.splitlines()[0] == "None"


# --- The end --------------------------------------------------------------------------------------

END = """
import atexit, sys
from minibert.__main__ import end

class Freed:
    def __del__(self):
        sys.stdout.write("freed")

kept = Freed()
atexit.register(sys.stdout.write, "and exit functions")
sys.stdout.write("texts ")
"""


def test_everything_is_written_before_the_end() -> None:
    """Exit functions run, as they remove temporary files. Memory is not freed piece by piece."""
    done = run(f"{END}end(3)")
    assert (done.returncode, done.stdout, done.stderr) == (3, "texts and exit functions", "")


def test_a_function_that_python_calls_does_not_end_the_process(tiny_folder: Path) -> None:
    code = "import sys; from minibert.cli.main import main; status = main(); sys.stdout.write(f'still here {status}')"
    done = run(code, "embed", "-m", tiny_folder, "--backend", "numpy", "x")
    assert (done.returncode, done.stdout.splitlines()[1]) == (0, "still here 0")


@pytest.mark.skipif(not os.path.exists(FULL), reason="Linux")
def test_what_cannot_be_written_at_the_end_is_told_as_by_the_interpreter() -> None:
    statuses = []
    for last in ("end(0)", "sys.exit(0)"):
        with open(FULL, "w") as full:
            done = subprocess.run([sys.executable, "-c", END + last], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert "No space left on device" in done.stderr
        statuses.append(done.returncode)
    assert statuses[0] == statuses[1] != 0


def test_a_closed_stream_ends_as_usual() -> None:
    done = run("import sys; from minibert.__main__ import end; sys.stdout.close(); end(5)")
    assert (done.returncode, done.stderr) == (5, "")
    done = run("import sys; from minibert.__main__ import end; sys.stdout = sys.stderr = None; end(5)")
    assert (done.returncode, done.stderr) == (5, "")


def test_the_version_is_there_without_numpy() -> None:
    code = f"{WATCH}\nimport minibert; print(minibert.__version__)"
    assert run(code).stdout == f"{minibert.__version__}\n"


# --- What is imported -----------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], [], ["nothing"]])
def test_the_program_says_what_it_can_without_numpy(arguments: list[str]) -> None:
    code = f"{WATCH}\nfrom minibert.__main__ import run\nrun()"
    done = run(code, *arguments)
    assert not {"None", "4"} & set(done.stdout.splitlines())
    assert done.returncode == (0 if arguments and arguments[0][0] == "-" else 2)


def imported(*arguments: str | Path) -> set[str]:
    """The modules of the package that a command imports."""
    code = "import sys; from minibert.cli.main import main; main(); sys.stderr.write(' '.join(sys.modules))"
    return {name for name in run(code, *arguments).stderr.split() if name.startswith("minibert.")}


def test_a_command_imports_what_it_uses(tiny_folder: Path) -> None:
    modules = imported("embed", "-m", tiny_folder, "--backend", "numpy", "x")
    used = {"commands", "main", "options", "output", "parser", "sources", "streams", "terminal", "text_commands"}
    assert {name for name in modules if name.startswith("minibert.cli.")} == {f"minibert.cli.{name}" for name in used}
    others = ("compile", "importers", "hub.catalog", "hub.verify", "warmup", "folders.new")
    assert not {name for name in modules if name.startswith(tuple(f"minibert.{other}" for other in others))}
    modules = imported("tokenize", "-m", tiny_folder, "x")
    assert "minibert.cli.text_commands" not in modules
    assert "minibert.cli.tokenize_command" in modules


def test_a_profiler_prints_its_profile() -> None:
    """It does so when the program has ended, and the interpreter goes on."""
    result = subprocess.run([sys.executable, "-m", "cProfile", "-m", "minibert", "--version"], capture_output=True, text=True, check=True)
    assert "function calls" in result.stdout
