"""The standard streams of a command.

A stream may be closed, full, or left by its reader. Then its text is lost, but the command goes on.
"""

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from ..files.fields import visible
from .terminal import Line, one_line, rendered


class Messages(io.TextIOBase):
    """Standard error without control characters, except line ends. It raises nothing."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        if self.stream is not None:
            try:
                self.stream.write("".join(each if each in "\r\n" else visible(each) for each in text))
            except OSError:
                drop(self.stream)
        return len(text)

    def isatty(self) -> bool:
        return self.stream is not None and self.stream.isatty()


def say(message: str) -> None:
    """Write one line to standard error."""
    sys.stderr.write(f"minibert: {one_line(message)}\n")


def show(lines: Iterable[Line | Path]) -> None:
    """Write lines to standard output.

    A path is escaped at a terminal only. In a pipe a program reads it, and needs it unchanged.
    """
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    written = (str(line) if isinstance(line, Path) and not is_terminal else rendered(line) for line in lines)
    put(written, errors="surrogateescape")


def put(lines: Iterable[str], errors: str) -> None:
    """Write lines to standard output in UTF-8, without a change."""
    if sys.stdout is None:
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors=errors)
    with standard_output():
        for line in lines:
            print(line)


@contextmanager
def standard_output() -> Iterator[None]:
    """Flush standard output at the end.

    A reader that leaves early, as `head` does, is no error. Raises OSError that names the stream.
    """
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
    """Discard the text that a stream still holds.

    Otherwise the interpreter would write it at its end, and fail.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):  # an object without a descriptor
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def fill_closed() -> None:
    """Open a folder in the place of each closed stream, so that no file gets its number.

    Otherwise `/dev/stdout` would be that file, and a message of a library would be written into it.
    A folder can be neither read nor written in this way.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.sep, os.O_RDONLY)
