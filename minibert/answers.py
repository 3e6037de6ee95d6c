"""Where the answer of a command goes: to people at a terminal, as JSON lines into a pipe, or into a file, beside its name and renamed."""

import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Rows = Iterable[dict[str, Any]]


def write(output: Path | None, array: Callable[[], npt.NDArray[Any]] | None, rows: Rows, people: Callable[[], Iterable[str]]) -> None:
    """To a file by its suffix, to people at a terminal, as JSON lines elsewhere."""
    if output is None:
        if sys.stdout is None:
            raise ValueError("standard output is closed: name a file with --output")
        # backslashreplace: a lone surrogate in a text becomes its JSON escape
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
        for line in people() if sys.stdout.isatty() else map(_json, rows):
            print(line)
    elif output.suffix == ".npy" and array is not None:
        _replace(output, lambda file: np.save(file, array()))
    else:
        _replace(output, lambda file: file.writelines(_json(row).encode("utf-8", "backslashreplace") + b"\n" for row in rows))


def _json(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)


def _replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write beside and rename; behind a symbolic link, where it points."""
    path = path.resolve()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            write(file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
