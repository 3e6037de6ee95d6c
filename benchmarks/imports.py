"""Measure how much longer `import minibert` takes than `import numpy`, from an installed wheel.

    python -m benchmarks.imports [--rounds 21]

The wheel is built from this checkout, with the setuptools of this environment. It is installed into
two new virtual environments with NumPy and safetensors, one of them with Numba too, in the versions
of this environment. pip takes them from the package index. Every figure is the median of fresh
processes, which take turns. `benchmarks.start` records the same figures.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path

from benchmarks.checkouts import HERE
from benchmarks.common import machine, median

ROUNDS = 21
CONTENT = ("minibert", "weights", "pyproject.toml", "README.md", "LICENSE")
ENVIRONMENTS = {"without Numba": ("numpy", "safetensors"), "with Numba": ("numpy", "safetensors", "numba")}
MODULES = ("numpy", "minibert")
PROGRAM = "import sys, time; start = time.perf_counter(); import {}; print(1e3 * (time.perf_counter() - start), 'numba' in sys.modules)"


def build_wheel(work: Path) -> Path:
    """The wheel of this checkout. A copy is built, since setuptools writes beside the sources."""
    copy = work / "source"
    copy.mkdir()
    for name in CONTENT:
        if (HERE / name).is_dir():
            shutil.copytree(HERE / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "work"))
        else:
            shutil.copy(HERE / name, copy)
    pip(Path(sys.executable), "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", work, copy)
    (wheel,) = work.glob("*.whl")
    return wheel


def build_environment(folder: Path, packages: tuple[str, ...], wheel: Path) -> Path:
    """The Python of a new environment with these packages and the wheel."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip(python, "install", *(f"{name}=={version(name)}" for name in packages))
    pip(python, "install", "--no-deps", wheel)
    return python


def pip(python: Path, *arguments: str | Path) -> None:
    subprocess.run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True)


def import_ms(python: Path, module: str, folder: Path) -> float:
    """Milliseconds of the import, in a fresh process that sees installed packages only."""
    command = [python, "-I", "-c", PROGRAM.format(module)]
    milliseconds, has_numba = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.split()
    if has_numba == "True":
        raise SystemExit("expected an import without Numba: minibert imports it when it is needed")
    return float(milliseconds)


def measure(rounds: int = ROUNDS) -> dict[str, dict[str, float]]:
    """Medians of each environment: both imports, and the difference round by round."""
    found = {}
    with tempfile.TemporaryDirectory() as parent:
        work = Path(parent)
        wheel = build_wheel(work)
        for name, packages in ENVIRONMENTS.items():
            python = build_environment(work / name.replace(" ", "-"), packages, wheel)
            times: dict[str, list[float]] = {module: [] for module in MODULES}
            for number in range(rounds + 1):
                for module in MODULES:
                    milliseconds = import_ms(python, module, work)
                    if number:  # the first round reads the files into memory
                        times[module].append(milliseconds)
            more = [one - other for one, other in zip(times["minibert"], times["numpy"], strict=True)]
            found[name] = {f"{module}_ms": round(median(each), 1) for module, each in times.items()} | {"more_ms": round(median(more), 1)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="processes for each import")
    options = parser.parse_args()
    print(machine())
    for name, each in measure(options.rounds).items():
        print(f"{name}: numpy {each['numpy_ms']} ms, minibert {each['minibert_ms']} ms, difference {each['more_ms']} ms")


if __name__ == "__main__":
    main()
