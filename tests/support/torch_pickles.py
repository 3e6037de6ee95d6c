"""Write torch checkpoints without torch, out of the opcodes of a pickle."""

import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from minibert.formats.torch_file import LEGACY_START


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value: int) -> bytes:
    encoded = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(integer, values)) + b"t"


def storage(key: str = "0", numel: int = 6, cls: str = "FloatStorage", more: bytes = b"") -> bytes:
    return b"(" + text("storage") + f"ctorch\n{cls}\n".encode() + text(key) + text("cpu") + integer(numel) + more + b"tQ"


def tensor(saved: bytes, offset: int = 0, size: tuple[int, ...] = (2, 3), stride: tuple[int, ...] = (3, 1), more: bytes = b"") -> bytes:
    arguments = saved + integer(offset) + numbers(size) + numbers(stride) + b"\x89ccollections\nOrderedDict\n)R" + more
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def program(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def dictionary(value: bytes, key: bytes = text("x")) -> bytes:
    return program(b"}" + key + value + b"s")


GOOD = dictionary(tensor(storage()))
DATA = np.arange(6, dtype="<f4").tobytes()


def write_zip(path: Path, pickled: bytes = GOOD, method: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    """What torch writes, by another zip tool. More members as `data_0=...` for data/0."""
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("any root/data.pkl", pickled)
        for name, data in ({"data_0": DATA} | members).items():
            file.writestr(f"any root/{name.replace('_', '/')}", data)
    return path


def write_legacy(
    path: Path, pickled: bytes | None = None, keys: Any = ("0",), data: bytes = struct.pack("<q", 6) + DATA, **changes: Any
) -> Path:
    header: dict[str, Any] = {
        "magic": int.from_bytes(LEGACY_START[4:], "little"),
        "protocol": 1001,
        "system": {"little_endian": True},
    } | changes
    parts = [pickle.dumps(value, 2) for value in header.values()]
    if pickled is None:
        pickled = dictionary(tensor(storage(more=b"N")))
    path.write_bytes(b"".join([*parts, pickled, pickle.dumps(list(keys), 2), data]))
    return path
