"""Checkpoint of TensorFlow -> {name: array}, mapped: nothing is read before it is used.

A checkpoint, of version 1 or 2, and the `variables/` of a SavedModel alike, is a "tensor bundle": `<prefix>.index` is a sorted string
table with a header and an entry for each tensor, and `<prefix>.data-00000-of-00001`, or more such shards, has their bytes. In checkpoints
of TensorFlow 2, keys are paths through Python objects; the string tensor `_CHECKPOINTABLE_OBJECT_GRAPH` knows the variables' names.

Sources: tensorflow/core/util/tensor_bundle/tensor_bundle.{h,cc}; tensorflow/core/protobuf/{tensor_bundle,trackable_object_graph}.proto;
tensorflow/core/framework/{types,tensor_shape}.proto.

Bounds: the index, which is read whole, has at most MAX_TABLE_BYTES and makes some fifty times as many bytes of Python objects; the graph
of objects has at most MAX_GRAPH_BYTES. Tensors share no byte and no file stands for two shards, so all together are no more than the
files. Time grows with the size of the index alone; with `verify`, with that of the shards.
"""

import math
import mmap
import os
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import BFLOAT16
from ..files.access import open_regular
from .protobuf import Message, read_varint
from .sstable import masked_crc32c, read_table

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
MAX_GRAPH_BYTES = 1 << 21  # that of BERT-large has 200 KB
VERSION = 1  # of the bundles that TensorFlow has written since there are any
STRING = 7
DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("<f8"),
    3: np.dtype("<i4"),
    4: np.dtype("u1"),
    5: np.dtype("<i2"),
    6: np.dtype("i1"),
    9: np.dtype("<i8"),
    10: np.dtype("?"),
    14: BFLOAT16,
    17: np.dtype("<u2"),
    19: np.dtype("<f2"),
    22: np.dtype("<u4"),
    23: np.dtype("<u8"),
}


@dataclass(frozen=True)
class Entry:
    """Where a tensor is."""

    dtype: np.dtype[Any] | None  # None: strings
    shape: tuple[int, ...]
    shard: int
    begin: int
    end: int
    checksum: int  # of the bytes; of strings, of more than those


Shards = dict[int, npt.NDArray[np.uint8]]  # number -> its bytes


def load_tensor_bundle(prefix: Path, verify: bool = False) -> dict[str, npt.NDArray[Any]]:
    """Read-only arrays over the mapped shards (not always aligned), by the names of the variables.

    Where an object graph gives a tensor a name that no other tensor has, that is its name; else it is the key it is stored under.
    Everything numeric comes back, steps and slots of optimizers too; tensors of strings do not. The index is always checked against its
    checksums; the tensors are with `verify`, which reads them all, at some ten megabytes a second.
    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it.
    """
    index, num_shards, entries = _read_index(prefix)
    shards: Shards = {}
    files: set[tuple[int, int]] = set()
    for shard in sorted({entry.shard for entry in entries.values()}):
        path = _shard_path(prefix, shard, num_shards)
        shards[shard] = _map(path, files)
        _check_layout(path, {name: entry for name, entry in entries.items() if entry.shard == shard}, len(shards[shard]))
    names = _variable_names(index, entries, shards)
    if verify:
        _verify(index, entries, shards)
    return {
        names.get(key, key): shards[entry.shard][entry.begin : entry.end].view(entry.dtype).reshape(entry.shape)
        for key, entry in entries.items()
        if entry.dtype is not None
    }


def shard_sizes(prefix: Path) -> dict[Path, int]:
    """The shards that an index speaks of, and how many bytes each has by it; none of them is opened. Raises like `load_tensor_bundle`."""
    _, num_shards, entries = _read_index(prefix)
    sizes: dict[int, int] = {}
    for entry in entries.values():
        sizes[entry.shard] = max(sizes.get(entry.shard, 0), entry.end)
    return {_shard_path(prefix, shard, num_shards): size for shard, size in sorted(sizes.items())}


def bundle_files(prefix: Path) -> list[Path]:
    """The files that `load_tensor_bundle` reads."""
    return [_index_path(prefix), *shard_sizes(prefix)]


def _index_path(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}.index")


def _shard_path(prefix: Path, shard: int, num_shards: int) -> Path:
    return prefix.with_name(f"{prefix.name}.data-{shard:05}-of-{num_shards:05}")


def _read_index(prefix: Path) -> tuple[Path, int, dict[str, Entry]]:
    """The path of the index, the number of shards, and where each tensor is."""
    index = _index_path(prefix)
    pairs = read_table(index)
    num_shards = _parse_header(index, *(pairs[0] if pairs else (b"", b"")))
    return index, num_shards, dict(_parse_entry(index, key, value, num_shards) for key, value in pairs[1:])


def _verify(index: Path, entries: dict[str, Entry], shards: Shards) -> None:
    for name, entry in entries.items():
        if entry.dtype is not None:
            try:
                _check(masked_crc32c(shards[entry.shard][entry.begin : entry.end].data), entry.checksum)
            except ValueError as error:
                raise ValueError(f"{index}: {name:.200} {error}") from None


def _map(path: Path, files: set[tuple[int, int]]) -> npt.NDArray[np.uint8]:
    """The bytes of a shard, which must not be one of `files`, and becomes one of them."""
    with open_regular(path) as file:
        status = os.fstat(file.fileno())
        identity = status.st_dev, status.st_ino
        if identity in files:
            raise ValueError(f"{path}: expected a file for each shard, found a link to that of another shard")
        files.add(identity)
        if not status.st_size:
            return np.frombuffer(b"", np.uint8)  # which cannot be mapped
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def _parse_header(index: Path, key: bytes, value: bytes) -> int:
    """The number of shards."""
    try:
        if key:
            raise ValueError(f"expected the empty key first, found {key!r:.200}")
        header = Message.parse(value)
        num_shards, big_endian, version = header.natural(1), header.natural(2), header.message(3)
        if not 1 <= num_shards < 2**31:
            raise ValueError(f"expected one shard or more, found {num_shards}")
        if big_endian:
            raise ValueError(
                f"expected little-endian tensors (0), found {'big-endian ones' if big_endian == 1 else 'endianness'} ({big_endian})"
            )
        if version.natural(1) != VERSION or version.natural(2) > VERSION:
            raise ValueError(f"expected version {VERSION}, found {version.natural(1)} for readers from {version.natural(2)}")
    except ValueError as error:
        raise ValueError(f"{index}: the header of the bundle: {error}") from None
    return num_shards


def _parse_entry(index: Path, key: bytes, value: bytes, num_shards: int) -> tuple[str, Entry]:
    """Name and place of a tensor."""
    try:
        message = Message.parse(value)
        if message.fields.get(7) or key.startswith(b"\0"):
            raise ValueError("a partitioned variable, stored in slices; expected tensors that are whole")
        name = key.decode("utf-8")
        shape = _parse_shape(message.message(2))
        kind, shard, begin, size = (message.natural(number) for number in (1, 3, 4, 5))
        checksum = message.fixed32(6)
        if kind != STRING and kind not in DTYPES:
            raise ValueError(f"expected a dtype of {', '.join(map(str, DTYPES))} or {STRING} in TensorFlow's types.proto, found {kind}")
        dtype = DTYPES.get(kind)
        if dtype is not None and size != math.prod(shape) * dtype.itemsize:
            words = "bfloat16" if dtype == BFLOAT16 else dtype.name
            raise ValueError(f"expected {math.prod(shape) * dtype.itemsize} bytes for {words} {shape}, found {size}")
        if shard >= num_shards:
            raise ValueError(f"expected a shard below {num_shards}, found {shard}")
    except ValueError as error:
        raise ValueError(f"{index}: {key!r:.200}: {error}") from None
    return name, Entry(dtype, shape, shard, begin, begin + size, checksum)


def _parse_shape(message: Message) -> tuple[int, ...]:
    if message.natural(3):
        raise ValueError("expected a shape, found an unknown rank")
    shape = tuple(dim.natural(1) for dim in message.messages(2))
    if len(shape) > 32 or math.prod(max(size, 1) for size in shape) >= 2**56:
        raise ValueError(f"expected at most 32 dimensions and 2**56 numbers, found shape {shape!s:.200}")
    return shape


def _check_layout(path: Path, entries: dict[str, Entry], size: int) -> None:
    """The tensors must be in their shard and apart."""
    spans = sorted((entry.begin, entry.end, name) for name, entry in entries.items())
    for (_, end, name), (begin, _, other) in pairwise([(0, 0, "the start"), *spans, (size, size, "the end of the file")]):
        if begin < end:
            raise ValueError(
                f"{path}: {name:.200} (ends at {end}) and {other:.200} ({begin}) overlap; the file is cut off, or not that of this index"
            )


def _variable_names(index: Path, entries: dict[str, Entry], shards: Shards) -> dict[str, str]:
    """Key -> name of a variable, where there is an object graph and the name tells which tensor is meant."""
    graph = entries.get(OBJECT_GRAPH)
    if graph is None:
        return {}
    try:
        names = object_names(_parse_string(graph, shards[graph.shard]))
    except ValueError as error:
        raise ValueError(f"{index}: {OBJECT_GRAPH}: {error}") from None
    names = {key: name for key, name in names.items() if name and key in entries}
    count = Counter(names.values())
    return {key: name for key, name in names.items() if count[name] == 1 and (name == key or name not in entries)}


def _parse_string(entry: Entry, shard: npt.NDArray[np.uint8]) -> bytes:
    """The string of a scalar: its length as a varint, a checksum of the length as 32 bits, and its bytes.

    The tensor's own checksum is of the length as 32 bits and of what follows.
    """
    if entry.dtype is not None or entry.shape or entry.end - entry.begin > MAX_GRAPH_BYTES:
        raise ValueError(
            f"expected one string of at most {MAX_GRAPH_BYTES} bytes, found {entry.end - entry.begin} bytes of {entry.dtype} {entry.shape}"
        )
    stored = shard[entry.begin : entry.end].tobytes()
    length, position = read_varint(stored, 0, 32)
    size = length.to_bytes(4, "little")
    _check(masked_crc32c(size), int.from_bytes(stored[position : position + 4], "little"))
    if length != len(stored) - position - 4:
        raise ValueError(f"expected a string of {length} bytes, found {len(stored) - position - 4}")
    _check(masked_crc32c(size + stored[position:]), entry.checksum)
    return stored[position + 4 :]


def _check(found: int, expected: int) -> None:
    if found != expected:
        raise ValueError(f"is damaged: expected checksum {expected:#010x}, found {found:#010x}")


def object_names(graph: bytes) -> dict[str, str]:
    """Key -> full name of the variable, as a TrackableObjectGraph has it; the name is empty where an object is no variable."""
    names: dict[str, str] = {}
    for node in Message.parse(graph).messages(1):
        for attribute in node.messages(2):
            key, name = attribute.text(3), attribute.text(2)
            if names.setdefault(key, name) != name:
                raise ValueError(f"expected one name for the key {key!r:.200}, found {names[key]!r:.200} and {name!r:.200}")
    return names
