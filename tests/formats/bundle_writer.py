"""A writer of TensorFlow's checkpoints, right and wrong ones, from their bytes."""

import struct
from collections.abc import Callable
from pathlib import Path

from minibert.formats.protobuf import read_varint
from minibert.formats.sstable import MAGIC, masked_crc32c

PREFIXES = ["bert_model.ckpt", "checkpoint/ckpt-1", "saved_model/variables/variables", "kinds", "shards"]


def varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80]) + varint(number >> 7) if number > 0x7F else bytes([number])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def content(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def entry(
    dtype: int = 1, shape: tuple[int, ...] = (2,), size: int = 8, offset: int = 0, shard: int = 0, crc: int = 0, more: bytes = b""
) -> bytes:
    dims = b"".join(content(2, number(1, dim)) for dim in shape)
    return (
        number(1, dtype)
        + content(2, dims)
        + number(3, shard)
        + number(4, offset)
        + number(5, size)
        + varint(6 << 3 | 5)
        + struct.pack("<I", crc)
        + more
    )


HEADER = number(1, 1) + content(3, number(1, 1))
Row = tuple[int, bytes, bytes]  # shared, rest of the key, value


def block(rows: list[Row], restarts: tuple[int, ...] = (0,), lie: int = 0) -> bytes:
    entries = b"".join(varint(shared) + varint(len(key) + lie) + varint(len(value)) + key + value for shared, key, value in rows)
    return entries + b"".join(struct.pack("<I", each) for each in (*restarts, len(restarts)))


def sealed(data: bytes, compression: int = 0) -> bytes:
    data += bytes([compression])
    return data + struct.pack("<I", masked_crc32c(data))


def table(
    blocks: list[bytes], separators: list[bytes] | None = None, compression: int = 0, footer: bytes | None = None, shift: int = 0
) -> bytes:
    data, rows = b"", []
    for each, separator in zip(blocks, separators or [b"\xff%d" % place for place in range(len(blocks))], strict=True):
        rows.append((0, separator, varint(len(data)) + varint(len(each) + shift)))
        data += sealed(each, compression)
    handles = b""
    for each in (block([]), block(rows)):
        handles += varint(len(data)) + varint(len(each))
        data += sealed(each)
    return data + (handles.ljust(40, b"\0") if footer is None else footer) + struct.pack("<Q", MAGIC)


def rows(**entries: bytes) -> list[Row]:
    return [(0, b"", HEADER), *((0, name.encode(), value) for name, value in entries.items())]


def bundle(index: bytes | list[Row], data: bytes = bytes(8)) -> Callable[[Path], None]:
    def write(prefix: Path) -> None:
        prefix.with_name("x.index").write_bytes(index if isinstance(index, bytes) else table([block(index)]))
        prefix.with_name("x.data-00000-of-00001").write_bytes(data)

    return write


def graph(stored: bytes, crc: int | None = None) -> Callable[[Path], None]:
    """A tensor `key` and an object graph."""
    return bundle(rows(_CHECKPOINTABLE_OBJECT_GRAPH=graph_entry(stored, 8, crc), key=entry()), bytes(8) + stored)


def graph_entry(stored: bytes, offset: int, crc: int | None = None) -> bytes:
    length = read_varint(stored + bytes(10), 0)[0] & 0xFFFFFFFF
    whole = struct.pack("<I", length) + stored[len(varint(length)) :]
    return entry(7, (), len(stored), offset, crc=masked_crc32c(whole) if crc is None else crc)


def string(value: bytes) -> bytes:
    return varint(len(value)) + struct.pack("<I", masked_crc32c(struct.pack("<I", len(value)))) + value


def named(*names: tuple[str, str]) -> bytes:
    attributes = (content(2, content(1, b"VARIABLE_VALUE") + content(2, name.encode()) + content(3, key.encode())) for key, name in names)
    return b"".join(content(1, attribute) for attribute in attributes)


def handles(*values: bytes) -> Callable[[Path], None]:
    """A table of one block with any index."""
    first, empty = sealed(block(rows())), sealed(block([]))
    index = block([(0, b"%d" % place, value) for place, value in enumerate(values)])
    footer = varint(len(first)) + varint(len(empty) - 5) + varint(len(first + empty)) + varint(len(index))
    return bundle(first + empty + sealed(index) + footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC))
