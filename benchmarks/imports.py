"""Measure how much longer minibert takes to import than NumPy, from an installed wheel.

    python -m benchmarks.imports [--rounds 21]

The wheel is built from this checkout, with the setuptools of this environment. It is installed into
two new virtual environments with NumPy and safetensors, one of them with Numba too, in the versions
of this environment. pip takes them from the package index. Every figure is the median of fresh
processes, which take turns.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

from benchmarks.common import machine, median
from benchmarks.environments import build_environment, build_wheel

ROUNDS = 21
ENVIRONMENTS = {"without Numba": ("numpy", "safetensors"), "with Numba": ("numpy", "safetensors", "numba")}
# The names of minibert are imported when one of them is used
IMPORTS = {"numpy": "import numpy", "minibert": "import minibert; minibert.load"}
PROGRAM = "import sys, time; start = time.perf_counter(); {}; print(1e3 * (time.perf_counter() - start), 'numba' in sys.modules)"


def import_ms(python: Path, module: str, folder: Path) -> float:
    """Milliseconds of the import, in a fresh process that sees installed packages only."""
    command = [python, "-I", "-c", PROGRAM.format(IMPORTS[module])]
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
            times: dict[str, list[float]] = {module: [] for module in IMPORTS}
            for number in range(rounds + 1):
                for module in IMPORTS:
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
