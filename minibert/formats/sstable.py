"""Sorted string table -> [(key, value)]: LevelDB's format, in which TensorFlow writes an index.

    data blocks | metaindex block | index block | footer

    footer: the handles of the last two blocks (varint offset, varint size), zeros, magic

A block is followed by a byte for its compression and by a checksum. Its entries share prefixes: an
entry is (shared, unshared, value length) as varints, the rest of the key, and the value. The
offsets of the entries that share nothing follow ("restarts"), and then their number.

Bounds: a table has at most MAX_TABLE_BYTES. Its keys have at most MAX_KEYS_BYTES, because shared
prefixes let a short table make long keys. Time is linear in both. Checksums are computed in Python
and take a tenth of a second for a megabyte.

Sources: doc/table_format.md of LevelDB; tensorflow/core/lib/io/{format,block,table_builder}.cc.
"""

from itertools import pairwise
from pathlib import Path

from ..files.access import HEAD_BYTES, read_bytes
from ..files.sources import described
from .protobuf import read_varint
from .spans import Span, check_spans

MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES, TRAILER_BYTES = 48, 5
MAX_TABLE_BYTES = 1 << 21  # that of BERT-large with its optimizer has 100 KB
MAX_KEYS_BYTES = 1 << 22  # in all
COMPRESSIONS = {1: "snappy", 2: "zstd"}

Pair = tuple[bytes, bytes]  # key, value
Handle = tuple[int, int]  # offset, size of a block without its trailer


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)  # Castagnoli's polynomial, bits reversed
        table.append(value)
    return tuple(table)


_CRC_TABLE = _crc_table()


def masked_crc32c(data: bytes | memoryview) -> int:
    """The checksum of LevelDB: CRC-32C, rotated and shifted.

    Data that contain such checksums may be summed again.

    >>> hex(masked_crc32c(b"123456789"))  # CRC-32C 0xe3069283
    '0xc78ab0e5'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_table(path: Path) -> list[Pair]:
    """All pairs of a table in the order of their keys.

    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it.
    """
    data = read_bytes(path, MAX_TABLE_BYTES)
    if len(data) < FOOTER_BYTES:
        raise ValueError(f"{path}: expected a table of at least {FOOTER_BYTES} bytes, found {len(data)}")
    try:
        return _parse_table(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _parse_table(data: bytes) -> list[Pair]:
    footer = data[-FOOTER_BYTES:]
    magic = int.from_bytes(footer[40:], "little")
    if magic != MAGIC:
        found = described(data[:HEAD_BYTES]) or f"{magic:#x}; it is cut off or something else"
        raise ValueError(f"expected a sorted string table, which ends in {MAGIC:#x}, found {found}")
    metaindex, position = _parse_handle(footer[:40], 0)
    index, position = _parse_handle(footer[:40], position)
    if any(footer[position:40]):
        raise ValueError("expected zeros in the footer after the two handles, found something else")
    end = len(data) - FOOTER_BYTES
    budget = MAX_KEYS_BYTES
    separators, budget = _parse_block(_block(data, index, end), budget)
    handles = []
    for _, value in separators:
        handle, used = _parse_handle(value, 0)
        if used != len(value):
            raise ValueError(f"expected a handle of {used} bytes, found {len(value)}")
        handles.append(handle)
    check_spans(
        (Span(offset, offset + size + TRAILER_BYTES, "a block") for offset, size in (*handles, metaindex, index)),
        end,
        may_leave_holes=False,
    )
    _parse_block(_block(data, metaindex, end), budget)
    pairs: list[Pair] = []
    lower = b""
    for (separator, _), handle in zip(separators, handles, strict=True):
        block, budget = _parse_block(_block(data, handle, end), budget)
        if not block or block[-1][0] > separator or (pairs and block[0][0] <= lower):
            raise ValueError(f"the keys of the block at {handle[0]} are not between those that the index states")
        pairs += block
        lower = separator
    return pairs


def _parse_handle(data: bytes, position: int) -> tuple[Handle, int]:
    offset, position = read_varint(data, position)
    size, position = read_varint(data, position)
    return (offset, size), position


def _block(data: bytes, handle: Handle, end: int) -> bytes:
    """The bytes of a block, after a check of its checksum."""
    offset, size = handle
    if offset + size + TRAILER_BYTES > end:
        raise ValueError(f"expected a block of {size} bytes at {offset}, found the end of the blocks at {end}")
    compression = data[offset + size]
    if compression:
        name = COMPRESSIONS.get(compression, "unknown")
        raise ValueError(
            f"the block at {offset} is compressed: expected type 0, found {compression} ({name}), which TensorFlow never writes"
        )
    stored = int.from_bytes(data[offset + size + 1 : offset + size + TRAILER_BYTES], "little")
    computed = masked_crc32c(data[offset : offset + size + 1])
    if stored != computed:
        raise ValueError(f"the block at {offset} is damaged: expected checksum {stored:#010x}, found {computed:#010x}")
    return data[offset : offset + size]


def _parse_block(block: bytes, budget: int) -> tuple[list[Pair], int]:
    """The pairs of a block, and how many bytes of keys are still allowed."""
    count = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * count
    if count == 0 or end < 0:
        raise ValueError(f"expected restart offsets at the end of a block, found {count} of them in {len(block)} bytes")
    restarts = [int.from_bytes(block[place : place + 4], "little") for place in range(end, len(block) - 4, 4)]
    unshared_at = set() if end else {0}  # an empty block has one restart
    pairs: list[Pair] = []
    key, position = b"", 0
    entries = block[:end]
    while position < end:
        start = position
        shared, position = read_varint(entries, position, 32)
        unshared, position = read_varint(entries, position, 32)
        length, position = read_varint(entries, position, 32)
        if shared > len(key) or unshared + length > end - position:
            raise ValueError(
                f"an entry needs {shared} of {len(key)} bytes of the last key, and {unshared + length} of {end - position} bytes"
            )
        budget -= shared + unshared
        if budget < 0:
            raise ValueError(f"expected at most {MAX_KEYS_BYTES} bytes of keys, found more")
        previous, key = key, key[:shared] + entries[position : position + unshared]
        if pairs and key <= previous:
            raise ValueError(f"expected keys in order and once, found {key!r:.200} after {previous!r:.200}")
        position += unshared
        pairs.append((key, entries[position : position + length]))
        position += length
        if shared == 0:
            unshared_at.add(start)
    if restarts[0] != 0 or any(first >= second for first, second in pairwise(restarts)) or not unshared_at.issuperset(restarts):
        raise ValueError("expected restart offsets, in order, of entries that share nothing, found others")
    return pairs, budget
