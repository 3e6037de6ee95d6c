"""What one short text costs in Python, beside arithmetic: microseconds of `model.encode(text)`.

    python -m benchmarks.fixed_costs [--calls 5000] [--against CHECKOUT] [--rounds 7]

The model has one layer of 8 dimensions, so that the arithmetic takes next to no time. The text is
short, and one thread runs. Each cell is a backend and a precision. `--against` measures another
checkout of this repository too, in turns and in fresh processes, and prints how its times compare.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.checkouts import HERE, check_checkout, run
from benchmarks.common import median
from tests.support.models import make_config, write_model

TEXT = "the quick brown fox jumps over it"
CELLS = [(backend, precision) for backend in ("numba", "numpy") for precision in ("float32", "int8")]
PROGRAM = """
import json, statistics, time
folder, text, backend, precision, calls = sys.argv[1:]
model = minibert.load(folder, backend=backend, precision=precision, num_threads=1)
for _ in range(200):
    model.encode(text)
times = []
for _ in range(int(calls)):
    start = time.perf_counter()
    model.encode(text)
    times.append(time.perf_counter() - start)
print(json.dumps({"best": 1e6 * min(times), "median": 1e6 * statistics.median(times)}))
"""


class Cell(NamedTuple):
    """Microseconds of each round."""

    best: list[float]
    median: list[float]

    def shown(self) -> str:
        return f"{min(self.best):6.1f} best, {median(self.median):6.1f} median"


def measure(checkouts: list[Path], folder: Path, calls: int, rounds: int) -> dict[tuple[str, str], list[Cell]]:
    """The rounds of each cell and checkout.

    The checkouts change their order from round to round.
    """
    found = {}
    for backend, precision in CELLS:
        cells = [Cell([], []) for _ in checkouts]
        arguments = (folder, TEXT, backend, precision)
        for checkout in checkouts:
            run(checkout, PROGRAM, *arguments, "1")  # compiles, and reads the files into memory
        for number in range(rounds):
            for index in list(range(len(checkouts)))[:: -1 if number % 2 else 1]:
                measured: dict[str, Any] = run(checkouts[index], PROGRAM, *arguments, str(calls))
                cells[index].best.append(measured["best"])
                cells[index].median.append(measured["median"])
        found[backend, precision] = cells
        print(line(backend, precision, cells), flush=True)
    return found


def line(backend: str, precision: str, cells: list[Cell]) -> str:
    """One cell: microseconds, and with two checkouts how their times compare.

    The best calls of all rounds are divided, and the median calls of each round.
    """
    name = f"{backend:6}{precision:8}"
    if len(cells) == 1:
        return f"{name} {cells[0].shown()}"
    ours, theirs = cells
    best = min(ours.best) / min(theirs.best)
    typical = median([one / other for one, other in zip(ours.median, theirs.median, strict=True)])
    return f"{name} here {ours.shown()}   there {theirs.shown()}   here / there {best:.3f} best, {typical:.3f} median"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5000, help="calls in each process")
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--rounds", type=int, default=7, help="processes for each cell and checkout")
    options = parser.parse_args()
    checkouts = [HERE, *([check_checkout(options.against)] if options.against else [])]
    print(f"microseconds of one call, {options.calls} calls in each of {options.rounds} processes")
    with tempfile.TemporaryDirectory() as parent:
        folder = write_model(Path(parent), make_config(1, 8, 2))
        measure(checkouts, folder, options.calls, options.rounds)


if __name__ == "__main__":
    main()
