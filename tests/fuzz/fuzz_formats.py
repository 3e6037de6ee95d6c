"""Damage files and look for a reader that breaks.

A reader must read every damaged file, or refuse it with a ValueError (or FileNotFoundError) that
names it.

    python -m tests.fuzz.fuzz_formats torch 100000 --save       # READER COUNT
    python -m tests.fuzz.fuzz_formats torch 1 --first 4711      # input 4711 again

`--save` writes the numbers into benchmarks/results/fuzz.json.

Input N of a reader is always the same. It is a good file with one to three changes. A change may
flip bits, set bytes or cut the file. It may insert or overwrite bytes from another place or file.
It may replace a number of 1 to 8 bytes by a critical length or offset.

Each input has LIMIT seconds and may take MEMORY more bytes than the process had before. The program
prints how often each outcome occurred, and keeps inputs that broke the reader. It needs Linux. The
core suite runs the first inputs on every system, without the limits.

READERS has the readers. A reader is a function that takes a folder, and sets of files. The reader
can read each set when it is alone in the folder. One file of a set is damaged at a time.
"""
# ruff: noqa: T201

import argparse
import json
import random
import re
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from minibert.formats import sstable, tensor_bundle
from minibert.formats.java_objects import parse_sequence_file
from minibert.formats.safetensors import load_safetensors
from minibert.formats.spark_zip import load_spark_zip
from minibert.formats.tensor_bundle import load_tensor_bundle
from minibert.formats.torch_file import load_torch

GOLDEN = Path(__file__).parents[1] / "golden"
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "fuzz.json"
LIMIT = 5.0  # seconds of processor time for an input; most take milliseconds
PATIENCE = 120.0  # seconds of wall time, for inputs that wait
MEMORY = 64 << 20


class Reader(NamedTuple):
    """A reader under test."""

    read: Callable[[Path], dict[str, np.ndarray]]  # takes a folder
    fixtures: list[list[Path]]


def _only_file(folder: Path) -> Path:
    return next(folder.iterdir())


def _read_bundle(folder: Path) -> dict[str, np.ndarray]:
    return load_tensor_bundle(min(folder.glob("*.index")).with_suffix(""))


def _read_bundle_inside(folder: Path) -> dict[str, np.ndarray]:
    """Read without checksums, which would refuse nearly all inputs early."""
    unchecked = {"_block": lambda data, handle, _: data[handle[0] : sum(handle)]}
    with mock.patch.multiple(sstable, **unchecked), mock.patch.object(tensor_bundle, "_check", return_value=None):
        return _read_bundle(folder)


def _read_vocabulary(folder: Path) -> dict[str, np.ndarray]:
    try:
        parse_sequence_file(_only_file(folder).read_bytes())
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None
    return {}


def _read_spark(folder: Path) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        return load_spark_zip(_only_file(folder), Path(work))[0]


def _bundle(index: Path) -> list[Path]:
    return [index, *index.parent.glob(f"{index.stem}.data-*")]


BUNDLES = [_bundle(index) for index in sorted((GOLDEN / "tensorflow").rglob("*.index")) if index.stem != "sliced"]
READERS: dict[str, Reader] = {
    "safetensors": Reader(lambda folder: load_safetensors(_only_file(folder)), [[GOLDEN / "safetensors" / "small.safetensors"]]),
    "tensor_bundle": Reader(_read_bundle, BUNDLES),
    "tensor_bundle_inside": Reader(_read_bundle_inside, BUNDLES),
    "spark_vocabulary": Reader(_read_vocabulary, [[path] for path in sorted((GOLDEN / "spark").glob("part-*"))]),
    "spark_zip": Reader(_read_spark, [[path] for path in sorted((GOLDEN / "spark").glob("*.zip"))]),
    "torch": Reader(lambda folder: load_torch(_only_file(folder)), [[path] for path in sorted((GOLDEN / "torch").glob("*.bin"))]),
}


def interesting(random: random.Random, size: int) -> int:
    """A number that is critical as a length or an offset."""
    power = 1 << random.choice([7, 8, 15, 16, 24, 31, 32, 40, 62, 63, 64])
    return random.choice([0, 1, 2, 255, power - 1, power, power + 1, size - 1, size, size + 1, random.randrange(size + 1)])


def mutate(random: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """The data with one to three changes."""
    changed = bytearray(data)
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        size = len(changed)
        if not size:
            break
        place, kind, length = random.randrange(size), random.randrange(12), random.choice([1, 1, 2, 4, 8])
        if kind < 2:
            changed[place] ^= 1 << random.randrange(8)
        elif kind < 5:
            changed[place] = random.randrange(256)
        elif kind < 6:
            del changed[place:]
        elif kind < 9:
            number = interesting(random, size) & ((1 << 8 * length) - 1)
            changed[place : place + length] = number.to_bytes(length, random.choice(["little", "little", "little", "big"]))
        else:
            source = random.choice(others)
            begin = random.randrange(len(source))
            piece = source[begin : begin + random.choice([1, 2, 4, 16, 64, 1024])]
            changed[place : place + random.choice([0, len(piece), len(piece), 2 * len(piece)])] = piece
    return bytes(changed)


class Fuzzer:
    """Makes the inputs of one reader and reads them."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder, self.reader = name, folder, READERS[name]
        self.fixtures = [{path.name: path.read_bytes() for path in files} for files in self.reader.fixtures]
        self.others = [data for fixture in self.fixtures for data in fixture.values() if data]

    def write(self, number: int) -> None:
        """Write input `number` and nothing else to the folder."""
        source = random.Random(f"{self.name} {number}")
        fixture = dict(source.choice(self.fixtures))
        victim = source.choice(sorted(name for name, data in fixture.items() if data))
        fixture[victim] = mutate(source, fixture[victim], self.others)
        for path in self.folder.iterdir():
            path.unlink()
        for name, data in fixture.items():
            (self.folder / name).write_bytes(data)

    def outcome(self) -> str:
        """`read`, or the refusal without its details.

        Other errors are raised, both those of the reader and those of using its arrays.
        """
        try:
            arrays = self.reader.read(self.folder)
        except (ValueError, FileNotFoundError) as error:
            if str(self.folder) not in str(error):
                raise AssertionError(f"a refusal that does not name the file: {error}") from error
            return f"{type(error).__name__}: {summary(str(error), self.folder)}"
        size = sum(path.stat().st_size for path in self.folder.iterdir())
        total = sum(array.nbytes for array in arrays.values())
        if total > 2 * size + (1 << 20):
            raise AssertionError(f"arrays of {total} bytes in all out of {size}")
        for name, array in arrays.items():
            if not isinstance(name, str) or array.flags.writeable or array.nbytes > size:
                raise AssertionError(f"{name!r}: an array of {array.nbytes} bytes out of {size}, writeable: {array.flags.writeable}")
            array.tobytes()  # every byte can be read
        return "read"


def summary(message: str, folder: Path) -> str:
    """A refusal without the name of the file, numbers, quotations and what was found."""
    message = re.sub(re.escape(str(folder)) + r"/?[^\s:]*:? ?", "", message)
    message = re.sub(r"b?'[^']*'|b?\"[^\"]*\"", "'...'", message)
    message = re.sub(r"\b(0x[0-9a-f]+|\d+)\b", "N", message)
    return re.split(r", found|; expected|(?<=the pickle names) |(?<=described twice),", message)[0][:110]


def _fifos(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder, name).is_fifo()]


class Hang(BaseException):
    """An input took too long. It is not an Exception, so no reader can catch it."""


@contextmanager
def limits() -> Iterator[None]:
    """A context with MEMORY more bytes, in which `start_clocks` gives an input LIMIT seconds."""
    import resource  # not on Windows

    def hang(*_: Any) -> None:
        raise Hang(f"took longer than {LIMIT} seconds of processor time, or {PATIENCE} in all")

    before, old = resource.getrlimit(resource.RLIMIT_AS), [signal.signal(number, hang) for number in (signal.SIGPROF, signal.SIGALRM)]
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])  # of address space
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))
    try:
        yield
    finally:
        start_clocks(0, 0)
        signal.signal(signal.SIGPROF, old[0])
        signal.signal(signal.SIGALRM, old[1])
        resource.setrlimit(resource.RLIMIT_AS, before)


def start_clocks(processor: float = LIMIT, wall: float = PATIENCE) -> None:
    signal.setitimer(signal.ITIMER_PROF, processor)
    signal.setitimer(signal.ITIMER_REAL, wall)


def run(make: Callable[[str, Path], Any], name: str, count: int, first: int = 0) -> dict[str, int]:
    """How many inputs of a fuzzer were read and refused, and how many broke the reader."""
    import resource

    outcomes: Counter[str] = Counter()
    broken = 0
    with tempfile.TemporaryDirectory(prefix="fuzz_", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as scratch:
        fuzzer = make(name, Path(scratch))  # which may take more than an input
        with limits():
            for number in range(first, first + count):
                fuzzer.write(number)
                try:
                    start_clocks()
                    outcome = fuzzer.outcome()
                    start_clocks(0, 0)
                except (Exception, Hang) as error:
                    start_clocks(0, 0)
                    outcome = f"BROKEN: {type(error).__name__}: {summary(str(error), Path(scratch))}"
                    if outcome not in outcomes:  # the first of its kind
                        kept = Path(tempfile.gettempdir()) / f"fuzz_{name}_{number}"
                        with suppress(shutil.Error):  # it may hold what cannot be copied
                            shutil.copytree(scratch, kept, symlinks=True, ignore=_fifos, dirs_exist_ok=True)
                        print(f"input {number}, kept as {kept}:\n{traceback.format_exc()}")
                    broken += 1
                outcomes[outcome] += 1
    for outcome, times in outcomes.most_common():
        print(f"{times:8} {outcome}")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{count} inputs from {first}, {broken} broke the reader; the process took at most {megabytes} MB")
    read = outcomes["read"]
    return {"inputs": count, "first": first, "read": read, "refused": count - read - broken, "broken": broken, "megabytes": megabytes}


def save(name: str, found: dict[str, int]) -> None:
    """Write numbers into the committed results, beside those of the other readers."""
    content = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(content | {name: found}, indent=1, sort_keys=True) + "\n")


def command_line(make: Callable[[str, Path], Any], names: Collection[str], description: str) -> int:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=names)
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--save", action="store_true", help=f"write the numbers to {RESULTS.name} among the benchmarks' results")
    arguments = parser.parse_args()
    found = run(make, arguments.name, arguments.count, arguments.first)
    if arguments.save:
        save(arguments.name, found)
    return 1 if found["broken"] else 0


if __name__ == "__main__":
    sys.exit(command_line(Fuzzer, READERS, str(__doc__)))
