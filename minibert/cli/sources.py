"""The texts of a command, and the model that computes them."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from ..hub.names import resolve
from ..model import MiniBert
from ..runtime.library import find
from .options import load_model
from .streams import say

# Characters up to which NumPy gives the vectors before Numba's loops are loaded. So it was in both
# precisions of the bundled model, all-MiniLM-L6-v2 and L6_H768, but for one: all-MiniLM in int8
# needs about the same time. With 8,000 it was not: L6_H768 took 3.1 s in int8, and 2.4 s with Numba
# (Sapphire Rapids, compiled code in the cache).
FEW = 4000
SPECIAL = 8  # of a text: [CLS] and [SEP] cost as much as so many characters
MOST_BYTES = 4 * FEW  # of UTF-8, of few texts with their line ends


def source(options: argparse.Namespace) -> os.stat_result | None:
    """Return the status of the file that the texts come from; None if there is no such file."""
    if getattr(options, "texts", True):  # the command reads no texts, or has them as arguments
        return None
    try:
        return os.stat(file) if (file := _file(options)) else os.fstat(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError):  # no standard input, or an object in its place
        return None


def _file(options: argparse.Namespace) -> Path | None:
    """Return the file of the texts; None for standard input."""
    return None if options.file in (None, Path("-")) else options.file


def load_and_read(options: argparse.Namespace, *queries: str) -> tuple[MiniBert, list[str]]:
    """Load the model that the options name, and read the texts.

    Without `--backend` and without a library, NumPy computes a handful of texts, as it is ready
    before Numba is. Texts of a pipe are then looked at before the model is loaded: as many as would
    be a handful. `queries` are more texts, which are not read.
    """
    if options.backend is not None or find().library is not None:
        return load_model(options), read_texts(options)
    resolve(options.model)  # a wrong name is told before the first text comes
    if options.texts:
        texts = read_texts(options)
        return load_model(options, _first_ready([*texts, *queries])), texts
    with _open(options) as lines:
        begin = lines.read(MOST_BYTES)
        if len(begin) < MOST_BYTES:
            texts = lines.texts(begin)
            return load_model(options, _first_ready([*texts, *queries])), texts
        model = load_model(options)
        return model, lines.texts(begin + lines.read())


def _first_ready(texts: list[str]) -> str:
    """Return the backend that computes these texts first, where no library runs."""
    return "numpy" if sum(len(text) + SPECIAL for text in texts) <= FEW else "auto"


def read_texts(options: argparse.Namespace) -> list[str]:
    """Return the texts: the arguments, or the lines of a file or of standard input."""
    if options.texts and options.file:
        raise ValueError("expected texts as arguments or --file, found both")
    if options.texts:
        if all(map(os.path.isfile, options.texts)):
            say(f"{options.texts[0]} is the name of a file; the name was taken as a text, and --file reads what is in the file")
        return list(options.texts)
    with _open(options) as lines:
        return lines.texts(lines.read())


class _Lines(NamedTuple):
    """A file of texts that is open for reading, and its name in errors."""

    file: IO[bytes]
    name: Path | str

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes, or all. Less than `size` is the rest of the file.

        There is no limit for the user's own file: `<(command)` is a FIFO of unknown length.
        """
        with _errors_name(self.name):
            return self.file.read(size)

    def texts(self, data: bytes) -> list[str]:
        """Return the lines of a whole file."""
        try:
            lines = data.decode("utf-8").split("\n")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise ValueError(f"{self.name}: expected UTF-8, found byte {data[error.start]:#04x} in line {line}") from None
        return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


@contextmanager
def _open(options: argparse.Namespace) -> Iterator[_Lines]:
    """Open the file of the texts, or give standard input."""
    if (file := _file(options)) is not None:
        with _errors_name(file):
            opened = file.open("rb")
        with opened:
            yield _Lines(opened, file)
        return
    if sys.stdin is None or (sys.stdin.isatty() and not options.file):
        raise ValueError("no texts: give them as arguments, with --file, or on standard input, one a line")
    yield _Lines(sys.stdin.buffer, "standard input")


@contextmanager
def _errors_name(name: Path | str) -> Iterator[None]:
    """Add the name of the file to an error."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{name}: cannot be read ({error.strerror}); name a file of texts with --file") from None
