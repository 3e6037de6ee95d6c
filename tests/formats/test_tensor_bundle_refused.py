"""TensorFlow checkpoints that are refused."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from minibert.formats.tensor_bundle import load_tensor_bundle
from tests.formats.bundle_writer import HEADER, block, bundle, content, entry, graph, handles, named, number, rows, string, table, varint

HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "empty": (bundle(b""), "expected a table of at least 48"),
    "too large": (bundle(bytes((1 << 21) + 1)), "expected at most 2,097,152 bytes"),
    "no magic": (bundle(bytes(100)), "expected a sorted string table"),
    "footer of endless varints": (bundle(table([], footer=b"\xff" * 40)), "more than 64 bits"),
    "footer that runs over": (bundle(table([], footer=bytes(4) + bytes(35) + b"\x01")), "expected zeros in the footer"),
    "index block beyond the end": (
        bundle(table([], footer=(b"\0\0" + varint(2**63) + b"\1").ljust(40, b"\0"))),
        "expected a block of 1 bytes",
    ),
    "index block of 2**62 bytes": (bundle(table([], footer=(b"\0\0\0" + varint(2**62)).ljust(40, b"\0"))), "found the end of the blocks"),
    "a handle with a tail": (handles(b"\0\x0b\0"), "expected a handle of 2 bytes, found 3"),
    "a handle that is cut off": (handles(b"\0"), "a varint runs over the end"),
    "a block without a handle": (handles(), r"the start \(ends at 0\) and a block \(begins at \d+\) leave a hole"),
    "two handles of one block": (
        handles(varint(0) + varint(len(block(rows()))), varint(0) + varint(len(block(rows())))),
        r"a block \(ends at \d+\) and a block \(begins at 0\) overlap",
    ),
    "snappy": (bundle(table([block(rows())], compression=1)), r"compressed: expected type 0, found 1 \(snappy\)"),
    "an unknown compression": (bundle(table([block(rows())], compression=9)), r"found 9 \(unknown\)"),
    "a size that is too large": (bundle(table([block(rows())], shift=1)), r"a block \(ends at \d+\) and a block \(begins at \d+\) overlap"),
    "a size that is too small": (bundle(table([block(rows())], shift=-1)), "leave a hole"),
    "no restarts": (bundle(table([block(rows(), restarts=())])), "expected restart offsets at the end"),
    "more restarts than bytes": (bundle(table([struct.pack("<I", 2**32 - 1)])), "expected restart offsets at the end"),
    "a restart elsewhere": (bundle(table([block(rows(x=entry()), restarts=(0, 3))])), "share nothing, found others"),
    "restarts not in order": (bundle(table([block(rows(x=entry()), restarts=(0, 0))])), "share nothing, found others"),
    "a shared prefix longer than the key": (bundle([(0, b"", HEADER), (5, b"x", entry())]), "needs 5 of 0 bytes of the last key"),
    "a key over the end": (bundle(table([block(rows(x=entry()), lie=1000)])), "needs 0 of 0 bytes"),
    "a length of more than 32 bits": (bundle(table([varint(2**40) + block([])])), "more than 32 bits"),
    "a key twice": (bundle([*rows(x=entry()), (0, b"x", entry())]), "expected keys in order and once"),
    "keys not in order": (bundle(rows(y=entry(), x=entry())), "expected keys in order and once"),
    "keys without end": (
        bundle([(0, b"", HEADER), (0, b"k" * 100_000, b""), *((99_999 + place, b"a", b"") for place in range(1, 300))]),
        "at most 4194304 bytes of keys",
    ),
    "an empty block": (bundle(table([block([])])), "the keys of the block at 0"),
    "a key above what the index tells": (bundle(table([block(rows(x=entry()))], [b"a"])), "the keys of the block at 0"),
    "blocks not in order": (bundle(table([block(rows(x=entry())), block([(0, b"a", entry())])], [b"y", b"z"])), "the keys of the block at"),
    "no blocks": (bundle(table([])), "expected one shard or more, found 0"),
    "no header": (bundle([(0, b"x", entry())]), "expected the empty key first"),
    "big-endian": (bundle([(0, b"", HEADER + number(2, 1))]), r"found big-endian ones \(1\)"),
    "an unknown endianness": (bundle([(0, b"", HEADER + number(2, 7))]), r"found endianness \(7\)"),
    "another version": (bundle([(0, b"", number(1, 1) + content(3, number(1, 2)))]), "expected version 1, found 2"),
    "a version for later readers": (bundle([(0, b"", number(1, 1) + content(3, number(1, 1) + number(2, 5)))]), "for readers from 5"),
    "no shards": (bundle([(0, b"", content(3, number(1, 1)))]), "expected one shard or more, found 0"),
    "less than no shards": (bundle([(0, b"", number(1, 2**64 - 1))]), "expected a whole number from 0, found -1"),
    "a header that is cut off": (bundle([(0, b"", b"\x08")]), "the header of the bundle: a varint runs over the end"),
    "an endless varint": (bundle(rows(x=b"\x08" + b"\x80" * 20)), "x': a varint has more than 64 bits"),
    "a varint of 70 bits": (bundle(rows(x=b"\x08" + b"\xff" * 9 + b"\x7f")), "x': a varint has more than 64 bits"),
    "a protobuf group": (bundle(rows(x=b"\x0b\x0c")), "of wire type 3"),
    "field number 0": (bundle(rows(x=b"\x00\x00")), "found number 0"),
    "a field over the end": (bundle(rows(x=b"\x12\x7f")), "field 2: expected 127 bytes, found 0"),
    "a field of another type": (bundle(rows(x=content(1, b"abc"))), "field 1: expected wire type 0, found 2"),
    "a shape that is a number": (bundle(rows(x=number(1, 1) + number(2, 1))), "field 2: expected wire type 2, found 0"),
    "a dimension that is a number": (bundle(rows(x=number(1, 1) + content(2, number(2, 1)))), "field 2: expected wire type 2, found 0"),
    "two sizes": (bundle(rows(x=entry(more=number(5, 8)))), "field 5: expected it once, found it 2 times"),
    "slices": (bundle(rows(x=entry(more=content(7, b"")))), "x': a partitioned variable, stored in slices"),
    "a name that is not UTF-8": (bundle([(0, b"", HEADER), (0, b"\xfe", entry())]), "can't decode byte 0xfe"),
    "an unknown rank": (bundle(rows(x=number(1, 1) + content(2, number(3, 1)))), "found an unknown rank"),
    "a negative dimension": (bundle(rows(x=entry(shape=(2**64 - 1,)))), "found -1"),
    "40 dimensions": (bundle(rows(x=entry(shape=(1,) * 40, size=4))), "at most 32 dimensions"),
    "a shape that overflows": (bundle(rows(x=entry(shape=(2**40, 2**40)))), "2\\*\\*56 numbers"),
    "an empty shape that overflows": (bundle(rows(x=entry(shape=(0, 2**40, 2**40), size=0))), "2\\*\\*56 numbers"),
    "no dtype": (bundle(rows(x=entry(dtype=0))), "expected a dtype of .*, found 0"),
    "complex numbers": (bundle(rows(x=entry(dtype=8, shape=(1,)))), "expected a dtype of .*, found 8"),
    "shape and size disagree": (bundle(rows(x=entry(shape=(3,)))), r"expected 12 bytes for float32 \(3,\), found 8"),
    "a shard that is not there": (bundle(rows(x=entry(shard=1))), "expected a shard below 1, found 1"),
    "data that is cut off": (
        bundle(rows(x=entry()), bytes(7)),
        r"x \(ends at 8\) and the end \(begins at 7\) overlap; the file is cut off",
    ),
    "no data at all": (bundle(rows(x=entry()), b""), "overlap; the file is cut off"),
    "an offset of 2**62": (bundle(rows(x=entry(offset=2**62))), r"x \(ends at \d+\) and the end \(begins at 8\) overlap"),
    "tensors on top of each other": (
        bundle(rows(x=entry(), y=entry(offset=4)), bytes(12)),
        r"x \(ends at 8\) and y \(begins at 4\) overlap",
    ),
    "an object graph of numbers": (bundle(rows(_CHECKPOINTABLE_OBJECT_GRAPH=entry())), "expected one string"),
    "an object graph of two strings": (bundle(rows(_CHECKPOINTABLE_OBJECT_GRAPH=entry(7))), "expected one string"),
    "a string that is cut off": (graph(string(b"abc")[:-1]), "expected a string of 3 bytes"),
    "a string of 2**40 bytes": (graph(varint(2**40) + b"abc"), "more than 32 bits"),
    "a length with a wrong checksum": (graph(b"\x03abcdabc"), "is damaged: expected checksum 0x64636261"),
    "a damaged object graph": (graph(string(b"abc"), crc=1), "is damaged: expected checksum 0x00000001"),
    "an object graph that is not protobuf": (graph(string(b"\x0b")), "of wire type 3"),
    "a name that is not text": (graph(string(content(1, content(2, content(2, b"\xff"))))), "can't decode byte 0xff"),
    "two names for one tensor": (
        graph(string(named(("key", "a"), ("key", "b")))),
        "expected one name for the key 'key', found 'a' and 'b'",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path: Path, name: str) -> None:
    make, message = HOSTILE[name]
    make(tmp_path / "x")
    with pytest.raises(ValueError, match=message) as error:
        load_tensor_bundle(tmp_path / "x")
    assert str(error.value).startswith((str(tmp_path / "x.index"), str(tmp_path / "x.data-00000-of-00001")))
