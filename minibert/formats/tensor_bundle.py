"""Checkpoint of TensorFlow -> {name: array}, mapped: the system reads the bytes when they are used.

A checkpoint is a "tensor bundle", in TensorFlow 1 and 2 and in the `variables/` of a SavedModel.
`<prefix>.index` is a sorted string table with a header and an entry for each tensor. The bytes are
in `<prefix>.data-00000-of-00001`, or in several such shards. In checkpoints of TensorFlow 2, keys
are paths through Python objects. There the string tensor `_CHECKPOINTABLE_OBJECT_GRAPH` has the
names of the variables.

Sources: tensorflow/core: util/tensor_bundle/tensor_bundle.{h,cc},
protobuf/{tensor_bundle,trackable_object_graph}.proto, framework/{types,tensor_shape}.proto.

Bounds: the index is read whole and has at most MAX_TABLE_BYTES. Its Python objects take some fifty
times as much. The object graph has at most MAX_GRAPH_BYTES. Two tensors share no byte and two
shards share no file, so all tensors together are no larger than the files. Time grows with the
index alone; with `verify`, it also grows with the shards.
"""

import math
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import BFLOAT16, map_file
from ..files.access import open_regular
from .protobuf import Message, read_varint
from .spans import Span, check_spans
from .sstable import masked_crc32c, read_table

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
MAX_GRAPH_BYTES = 1 << 21  # that of BERT-large has 200 KB
VERSION = 1  # of all bundles that TensorFlow has written so far
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

    dtype: np.dtype[Any] | None  # None for strings
    shape: tuple[int, ...]
    shard: int
    begin: int
    end: int
    checksum: int  # of the bytes; for strings see `_parse_string`


Shards = dict[int, npt.NDArray[np.uint8]]  # number -> its bytes


def load_tensor_bundle(prefix: Path, verify: bool = False) -> dict[str, npt.NDArray[Any]]:
    """Read-only arrays over the mapped shards by the names of the variables. Not all are aligned.

    If an object graph gives a tensor a name that no other tensor has, this is its name. Otherwise
    its name is the key under which it is stored. All numeric tensors are returned, also the steps
    and slots of optimizers. Tensors of strings are not.

    Args:
        prefix: the path of the index without `.index`.
        verify: whether to compare the checksums of the tensors too. This reads all of them, at some
            ten megabytes a second. The checksums of the index are always compared.

    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it.
    """
    index, num_shards, entries = _read_index(prefix)
    shards: Shards = {}
    files: set[tuple[int, int]] = set()
    for shard in sorted({entry.shard for entry in entries.values()}):
        path = _shard_path(prefix, shard, num_shards)
        shards[shard] = _map(path, files)
        try:
            check_spans(_spans(entries, shard), len(shards[shard]), may_leave_holes=True)
        except ValueError as error:
            raise ValueError(f"{path}: {error}; the file is cut off, or not that of this index") from None
    names = _variable_names(index, entries, shards)
    if verify:
        _verify(index, entries, shards)
    return {
        names.get(key, key): shards[entry.shard][entry.begin : entry.end].view(entry.dtype).reshape(entry.shape)
        for key, entry in entries.items()
        if entry.dtype is not None
    }


def shard_sizes(prefix: Path) -> dict[Path, int]:
    """The shards that an index names, and how many bytes each must have. No shard is opened.

    Raises like `load_tensor_bundle`.
    """
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
    """The bytes of a shard. Its file must not be one of `files`, and is added to them."""
    with open_regular(path) as file:
        status = os.fstat(file.fileno())
        identity = status.st_dev, status.st_ino
        if identity in files:
            raise ValueError(f"{path}: expected a file for each shard, found a link to that of another shard")
        files.add(identity)
        return np.frombuffer(map_file(file), np.uint8)


def _spans(entries: dict[str, Entry], shard: int) -> Iterator[Span]:
    """Where the tensors of a shard lie."""
    return (Span(entry.begin, entry.end, name) for name, entry in entries.items() if entry.shard == shard)


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
    """The name and the place of a tensor."""
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


def _variable_names(index: Path, entries: dict[str, Entry], shards: Shards) -> dict[str, str]:
    """Key -> name of the variable, for each name in the object graph that only one tensor has."""
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
    """The string of a scalar tensor.

    It is stored as its length (a varint), a checksum of the length as 32 bits, and its bytes. The
    checksum of the tensor covers the length as 32 bits and all that follows the varint.
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
    """Key -> full name of the variable in a TrackableObjectGraph.

    The name of other objects is empty.
    """
    names: dict[str, str] = {}
    for node in Message.parse(graph).messages(1):
        for attribute in node.messages(2):
            key, name = attribute.text(3), attribute.text(2)
            if names.setdefault(key, name) != name:
                raise ValueError(f"expected one name for the key {key!r:.200}, found {names[key]!r:.200} and {name!r:.200}")
    return names
