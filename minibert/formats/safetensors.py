"""safetensors -> {name: tensor}. Each tensor is read when it is used, or the whole file is mapped.

The file is 8 bytes of header length, a JSON header `{name: {dtype, shape, data_offsets}}`, and the
data. Arrays that were read do not depend on the file any more. A map shares its pages with other
processes, but it depends on the file as long as it lives. If the file is overwritten in place, the
arrays change. If the file is cut, the process dies of SIGBUS.

The library `safetensors` reads all tensors at once. Therefore this reader is our own. It refuses
what the library refuses, and a little more.

Bounds: a header has at most MAX_HEADER_BYTES. Two tensors share no byte, so together they are no
larger than the file. Time grows with the header alone.

Source: the format section of the safetensors README.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from ..arrays import BFLOAT16, Array, map_file
from ..files import StrPath
from ..files.access import listed, open_regular, recognised
from ..runtime.tuples import FieldTuple
from .spans import Span, check_spans

MAX_HEADER_BYTES = 1 << 22  # BERT-large has 50 KB; as Python objects, a header takes up to thirty times as much
DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


class StoredTensor:
    """A tensor in an open file. `np.asarray` reads it."""

    def __init__(self, file: BinaryIO, path: StrPath, dtype: np.dtype[Any], shape: tuple[int, ...], begin: int) -> None:
        self._file = file
        self.path = path
        self._begin = begin  # of its bytes in the file
        self.dtype = dtype
        self.shape = shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """A new, read-only array of the stored dtype; the arguments are ignored."""
        array = np.empty(self.shape, self.dtype)
        self._file.seek(self._begin)
        if self._file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:  # type: ignore[attr-defined]
            raise ValueError(f"{self.path}: the file was cut off while it was read")
        array.flags.writeable = False
        return array


@contextmanager
def open_safetensors(path: StrPath) -> Iterator[dict[str, StoredTensor]]:
    """The tensors of a file by name. They can be read within the context.

    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it. A file
    that changes within the context is refused at its end.
    """
    with open_regular(path) as file:
        before = os.fstat(file.fileno())
        entries, data = _entries(path, file)
        yield {name: StoredTensor(file, path, dtype, shape, data + begin) for name, (dtype, shape, begin, _) in entries.items()}
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ValueError(f"{path}: the file changed while it was read; load it again when it is complete")


def load_safetensors(path: StrPath) -> dict[str, Array]:
    """Read-only arrays over the mapped file, by name. Raises like `open_safetensors`."""
    with open_regular(path) as file:
        entries, data = _entries(path, file)
        mapped = np.frombuffer(map_file(file), np.uint8)[data:]
    return {name: mapped[begin:end].view(dtype).reshape(shape) for name, (dtype, shape, begin, end) in entries.items()}


class _Entry(FieldTuple):
    """What the header says of a tensor."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int  # of its bytes, counted from the end of the header
    end: int


def _entries(path: StrPath, file: BinaryIO) -> tuple[dict[str, _Entry], int]:
    """What the header says of each tensor, after all checks that need no data.

    And where the data begin.
    """
    size = os.fstat(file.fileno()).st_size
    header_size = int.from_bytes(file.read(8), "little")
    with recognised(path, "a safetensors file"):
        if size < 8 or header_size > min(MAX_HEADER_BYTES, size - 8):
            raise ValueError(
                f"{path}: expected a safetensors file, found {size} bytes with a header of {header_size} bytes "
                f"(at most {MAX_HEADER_BYTES}); the file is cut off or something else"
            )
        entries = _parse_header(path, file.read(header_size))
    data = 8 + header_size
    _check_layout(path, entries, size - data)
    return entries, data


def _parse_header(path: StrPath, header: bytes) -> dict[str, _Entry]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        named = dict(pairs)
        if len(named) != len(pairs):
            repeated = [name for name, number in Counter(name for name, _ in pairs).items() if number > 1]
            raise ValueError(f"duplicate names: {listed(repeated)}")
        return named

    def natural(digits: str) -> int:
        if digits.startswith("-"):
            raise ValueError(f"expected whole numbers from 0, found {digits:.50}")
        return int(digits)

    try:
        may_be_negative = b"-" in header  # usually not, and json is faster without a function for each number
        content = json.loads(header.decode("utf-8"), object_pairs_hook=unique, parse_int=natural if may_be_negative else None)
        if isinstance(content, dict):
            "".join(content).encode("utf-8")  # fails for lone surrogates, which JSON can spell
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: the header is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object as header, found {type(content).__name__}")
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError(f"{path}: __metadata__: expected a map from str to str")
    return {name: _parse_entry(f"{path}: {name:.200}", entry) for name, entry in content.items()}


def _parse_entry(where: str, entry: Any) -> _Entry:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{where}: expected dtype, shape and data_offsets, found {entry!r:.200}")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
        raise ValueError(f"{where}: expected a dtype of {', '.join(DTYPES)}, found {entry['dtype']!r:.200}")
    if not _are_sizes(shape) or not _are_sizes(offsets):
        raise ValueError(f"{where}: expected whole numbers from 0 in shape and data_offsets, found {shape!r:.200} and {offsets!r:.200}")
    if len(offsets) != 2 or len(shape) > 32:
        raise ValueError(f"{where}: expected two data_offsets and at most 32 dimensions, found {len(offsets)} and {len(shape)}")
    dtype = DTYPES[entry["dtype"]]
    if math.prod(filter(None, shape)) * dtype.itemsize >= 2**63:  # NumPy refuses such a shape even if another size is 0
        raise ValueError(f"{where}: expected a shape of less than 2^63 bytes, found {shape}")
    expected = math.prod(shape) * dtype.itemsize
    if offsets[1] - offsets[0] != expected:
        raise ValueError(f"{where}: expected {expected} bytes for {entry['dtype']} {shape}, found data_offsets {offsets}")
    return _Entry(dtype, tuple(shape), offsets[0], offsets[1])


def _are_sizes(numbers: Any) -> bool:
    return isinstance(numbers, list) and {*map(type, numbers)} <= {int} and (not numbers or (min(numbers) >= 0 and max(numbers) < 2**63))


def _check_layout(path: StrPath, entries: dict[str, _Entry], data_size: int) -> None:
    """Raise ValueError for tensors that overlap, leave a hole, or do not end with the data."""
    end = max((entry.end for entry in entries.values()), default=0)
    if end != data_size:
        raise ValueError(f"{path}: expected {end} bytes of data after the header, found {data_size}; the file is cut off or has a tail")
    try:
        check_spans((Span(entry.begin, entry.end, name) for name, entry in entries.items()), data_size, may_leave_holes=False)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
