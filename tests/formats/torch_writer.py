"""A writer of right and wrong torch checkpoints, from opcodes of pickles and fields of zips."""

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minibert.formats.torch_file import load_torch


def write_raw_zip(path: Path, members: dict[str, bytes | int], change: Callable[[list[list[Any]]], None] | None = None) -> Path:
    """Write a zip with all fields in ZIP64.

    A number in place of data stands for that many zeros. `change` may edit the entries
    [name, size, offset] of the directory.
    """
    directory: list[list[Any]] = []
    with path.open("wb") as file:
        for name, data in members.items():
            size = data if isinstance(data, int) else len(data)
            directory.append([name, size, file.tell()])
            zip64 = struct.pack("<2H2Q", 1, 16, size, size)
            file.write(struct.pack("<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(zip64)))
            file.write(name.encode() + zip64)
            file.truncate(file.seek(size, 1)) if isinstance(data, int) else file.write(data)
        if change:
            change(directory)
        begin = file.tell()
        for name, size, offset in directory:
            zip64 = struct.pack("<2H3Q", 1, 24, size, size, offset)
            fixed = (45, 45, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(zip64), 0, 0, 0, 0, 0xFFFFFFFF)
            file.write(struct.pack("<4s6H3I5H2I", b"PK\1\2", *fixed) + name.encode() + zip64)
        end = file.tell()
        count = len(directory)
        file.write(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, end - begin, begin))
        file.write(struct.pack("<4sIQI", b"PK\6\7", 0, end, 1))
        file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))
    return path


class Calls:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def refuse(path: Path, message: str, megabytes: float = 12) -> None:
    """Check that a file is refused with this message and in little memory."""
    tracemalloc.start()
    with pytest.raises(ValueError, match=message) as error:
        load_torch(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < megabytes * 1e6, peak
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 1500
