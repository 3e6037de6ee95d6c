"""The standard streams of a command. Closed, full, or left by their reader, they cost what they would have said, and nothing else."""

import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from .terminal import Line, one_line, shown, visible


class Messages(io.TextIOBase):
    """Standard error. It passes on no control characters but line ends, whoever writes them, and raises nothing."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        if self.stream is not None:
            parts = re.split("([\r\n])", text)
            try:
                self.stream.write("".join(part if part in ("\r", "\n") else visible(part) for part in parts))
            except OSError:
                drop(self.stream)
        return len(text)

    def isatty(self) -> bool:
        return self.stream is not None and self.stream.isatty()


def say(message: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"minibert: {one_line(message)}\n")


def show(lines: Iterable[Line | Path]) -> None:
    """Lines on standard output. A path is escaped at a terminal only: elsewhere a program reads it."""
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    written = (str(line) if isinstance(line, Path) and not is_terminal else shown(line) for line in lines)
    put(written, errors="surrogateescape")


def put(lines: Iterable[str], errors: str) -> None:
    """Lines on standard output in UTF-8, as they are."""
    if sys.stdout is None:
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors=errors)
    with standard_output():
        for line in lines:
            print(line)


@contextmanager
def standard_output() -> Iterator[None]:
    """Flush what is written here. A reader that leaves early, as `head` does, is no error. Raises OSError that names the stream."""
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        drop(sys.stdout)
    except OSError as error:
        drop(sys.stdout)
        raise OSError(f"standard output: {error.strerror or error}") from None


def drop(stream: TextIO) -> None:
    """Send what a stream holds to nowhere. Otherwise the interpreter fails at its end, when it writes the rest."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):  # an object without a descriptor
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def fill_closed() -> None:
    """Put a folder in the place of each closed stream, so that no file gets its number.

    Otherwise `/dev/stdout` would be that file, and a message of a library would be written into it. Nothing can be read from a
    folder, and nothing can be written to it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.sep, os.O_RDONLY)
