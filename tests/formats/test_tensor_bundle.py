"""The reader of TensorFlow's checkpoints: what TensorFlow writes, and what nobody should."""

import os
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.arrays import BFLOAT16, widen
from minibert.formats import protobuf
from minibert.formats.protobuf import Message, read_varint
from minibert.formats.sstable import MAGIC, masked_crc32c, read_table
from minibert.formats.tensor_bundle import OBJECT_GRAPH, bundle_files, load_tensor_bundle, shard_sizes
from tests.make.tensorflow_files import tf2_name
from tests.support.damage import check_refusal, mutate, scratch
from tests.support.tensorflow_golden import GOLDEN, check

PREFIXES = ["bert_model.ckpt", "checkpoint/ckpt-1", "saved_model/variables/variables", "kinds", "shards"]


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    with np.load(GOLDEN / "expected.npz") as file:
        return dict(file)


def test_a_checkpoint_of_google_research_bert(expected: dict[str, Any]) -> None:
    loaded = load_tensor_bundle(GOLDEN / "bert_model.ckpt")
    check(loaded, expected)
    assert {name: array.shape for name, array in loaded.items() if name not in expected} == {
        "bert/pooler/dense/kernel/adam_m": (8, 8),
        "bert/pooler/dense/kernel/adam_v": (8, 8),
        "cls/predictions/output_bias": (30,),
        "cls/predictions/transform/dense/kernel": (8, 8),
        "cls/seq_relationship/output_weights": (2, 8),
        "global_step": (),
    }
    assert loaded["bert/encoder/layer_0/attention/self/query/kernel"].shape == (8, 8)


def test_a_checkpoint_of_tensorflow_2(expected: dict[str, Any]) -> None:
    loaded = load_tensor_bundle(GOLDEN / "checkpoint" / "ckpt-1")
    names = {f"bert_encoder_v2/{tf2_name(name)}": array for name, array in expected.items()}
    check(loaded, names)
    bias = "bert_encoder_v2/pooler_transform/bias"
    assert loaded.keys() - names.keys() == {f"{bias}/Adam", f"{bias}/Adam_1", "beta1_power", "beta2_power", "save_counter"}
    assert loaded["bert_encoder_v2/transformer/layer_0/self_attention/query/kernel"].shape == (8, 2, 4)


def test_a_saved_model_as_tf_hub_has_them(expected: dict[str, Any]) -> None:
    loaded = load_tensor_bundle(GOLDEN / "saved_model" / "variables" / "variables")
    names = {tf2_name(name): array for name, array in expected.items()}
    check(loaded, names)
    assert loaded.keys() - names.keys() == {"Variable"}  # do_lower_case
    assert loaded["Variable"] == np.True_
    assert loaded["transformer/layer_0/self_attention/attention_output/kernel"].shape == (2, 4, 8)


def test_every_dtype() -> None:
    loaded = load_tensor_bundle(GOLDEN / "kinds")
    for name in ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"):
        assert loaded[name].dtype == name
        np.testing.assert_array_equal(loaded[name], np.arange(6).reshape(2, 3).astype(name))
    assert loaded["bfloat16"].dtype == BFLOAT16
    np.testing.assert_array_equal(widen(loaded["bfloat16"]), [[0, 1, 2], [3, 4, 5]])
    assert loaded["scalar"] == np.float32(1.5)
    assert loaded["empty"].shape == (0, 3)
    assert "a" not in loaded  # strings


def test_several_shards(tmp_path: Path) -> None:
    loaded = load_tensor_bundle(GOLDEN / "shards")
    np.testing.assert_array_equal(loaded["0"], [0, 1, 2])
    np.testing.assert_array_equal(loaded["1"], [1, 2, 3])
    shutil.copy(GOLDEN / "shards.index", tmp_path)
    shutil.copy(GOLDEN / "shards.data-00000-of-00002", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"No such file.*shards\.data-00001-of-00002"):
        load_tensor_bundle(tmp_path / "shards")
    with pytest.raises(FileNotFoundError, match=r"No such file.*other\.index"):
        load_tensor_bundle(tmp_path / "other")


def test_two_shards_in_one_file_are_refused(tmp_path: Path) -> None:
    """Or a thousand links to a file of a gigabyte would make a terabyte."""
    shutil.copy(GOLDEN / "shards.index", tmp_path)
    shutil.copy(GOLDEN / "shards.data-00000-of-00002", tmp_path)
    (tmp_path / "shards.data-00001-of-00002").hardlink_to(tmp_path / "shards.data-00000-of-00002")
    with pytest.raises(ValueError, match=r"shards\.data-00001-of-00002: expected a file for each shard, found a link to that of another"):
        load_tensor_bundle(tmp_path / "shards")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
@pytest.mark.parametrize("name", ["shards.index", "shards.data-00000-of-00002"])
def test_only_regular_files_are_opened(tmp_path: Path, name: str) -> None:
    for path in GOLDEN.glob("shards.*"):
        shutil.copy(path, tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name}: expected a regular file, found a FIFO"):
        load_tensor_bundle(tmp_path / "shards")


def test_what_an_index_speaks_of() -> None:
    assert shard_sizes(GOLDEN / "shards") == {path: path.stat().st_size for path in sorted(GOLDEN.glob("shards.data-*"))}
    assert bundle_files(GOLDEN / "shards") == [GOLDEN / "shards.index", *sorted(GOLDEN.glob("shards.data-*"))]


def test_a_partitioned_variable_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sliced.index: .*a partitioned variable, stored in slices"):
        load_tensor_bundle(GOLDEN / "sliced")


# A writer, of wrong files above all


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
    """A table of one block whose index says what it likes."""
    first, empty = sealed(block(rows())), sealed(block([]))
    index = block([(0, b"%d" % place, value) for place, value in enumerate(values)])
    footer = varint(len(first)) + varint(len(empty) - 5) + varint(len(first + empty)) + varint(len(index))
    return bundle(first + empty + sealed(index) + footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC))


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
    "a block that nobody points to": (handles(), "blocks leave a hole: one ends at 0"),
    "two handles of one block": (handles(varint(0) + varint(len(block(rows()))), varint(0) + varint(len(block(rows())))), "blocks overlap"),
    "snappy": (bundle(table([block(rows())], compression=1)), r"compressed: expected type 0, found 1 \(snappy\)"),
    "a compression nobody knows": (bundle(table([block(rows())], compression=9)), r"found 9 \(unknown\)"),
    "a size that lies": (bundle(table([block(rows())], shift=1)), "blocks overlap"),
    "a smaller size that lies": (bundle(table([block(rows())], shift=-1)), "leave a hole"),
    "no restarts": (bundle(table([block(rows(), restarts=())])), "expected restart offsets at the end"),
    "more restarts than bytes": (bundle(table([struct.pack("<I", 2**32 - 1)])), "expected restart offsets at the end"),
    "a restart elsewhere": (bundle(table([block(rows(x=entry()), restarts=(0, 3))])), "share nothing, found others"),
    "restarts not in order": (bundle(table([block(rows(x=entry()), restarts=(0, 0))])), "share nothing, found others"),
    "a shared prefix longer than the key": (bundle([(0, b"", HEADER), (5, b"x", entry())]), "wants 5 of 0 bytes of the last key"),
    "a key over the end": (bundle(table([block(rows(x=entry()), lie=1000)])), "wants 0 of 0 bytes"),
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
    "an endianness nobody knows": (bundle([(0, b"", HEADER + number(2, 7))]), r"found endianness \(7\)"),
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
        r"x \(ends at 8\) and the end of the file \(7\) overlap; the file is cut off",
    ),
    "no data at all": (bundle(rows(x=entry()), b""), "overlap; the file is cut off"),
    "an offset of 2**62": (bundle(rows(x=entry(offset=2**62))), "the end of the file"),
    "tensors on top of each other": (bundle(rows(x=entry(), y=entry(offset=4)), bytes(12)), r"x \(ends at 8\) and y \(4\) overlap"),
    "an object graph of numbers": (bundle(rows(_CHECKPOINTABLE_OBJECT_GRAPH=entry())), "expected one string"),
    "an object graph of two strings": (bundle(rows(_CHECKPOINTABLE_OBJECT_GRAPH=entry(7))), "expected one string"),
    "a string that is cut off": (graph(string(b"abc")[:-1]), "expected a string of 3 bytes"),
    "a string of 2**40 bytes": (graph(varint(2**40) + b"abc"), "more than 32 bits"),
    "a length with a wrong checksum": (graph(b"\x03abcdabc"), "is damaged: expected checksum 0x64636261"),
    "a damaged object graph": (graph(string(b"abc"), crc=1), "is damaged: expected checksum 0x00000001"),
    "an object graph that is none": (graph(string(b"\x0b")), "of wire type 3"),
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


def test_the_writer_of_wrong_files_can_write_right_ones(tmp_path: Path) -> None:
    data = np.arange(4, dtype="<f4").tobytes()
    blocks = [
        block([(0, b"", HEADER), (0, b"ab", entry())]),
        block([(0, b"abc", entry(offset=8)), (3, b"d", entry(offset=16, size=0, shape=(0,)))]),
    ]
    bundle(table(blocks, [b"ab", b"b"]), data)(tmp_path / "x")
    loaded = load_tensor_bundle(tmp_path / "x")
    assert {name: array.tolist() for name, array in loaded.items()} == {"ab": [0, 1], "abc": [2, 3], "abcd": []}
    assert [key for key, _ in read_table(tmp_path / "x.index")] == [b"", b"ab", b"abc", b"abcd"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([("key", "name")], ["name"]),
        ([("key", "")], ["key"]),
        ([("other", "name")], ["key"]),
        ([("key", "key")], ["key"]),
        ([("key", "name"), ("elsewhere", "name")], ["name"]),
        ([("key", OBJECT_GRAPH)], ["key"]),  # the name of another tensor
        ([("key", "name"), ("key", "name")], ["name"]),
    ],
)
def test_names_that_tell_which_tensor_is_meant(tmp_path: Path, names: list[tuple[str, str]], expected: list[str]) -> None:
    graph(string(named(*names)))(tmp_path / "x")
    assert list(load_tensor_bundle(tmp_path / "x")) == expected


def test_a_name_of_two_tensors_is_not_used(tmp_path: Path) -> None:
    stored = string(named(("key", "Variable"), ("key2", "Variable"), ("key3", "c")))
    index = rows(_CHECKPOINTABLE_OBJECT_GRAPH=graph_entry(stored, 24), key=entry(), key2=entry(offset=8), key3=entry(offset=16))
    bundle(index, bytes(24) + stored)(tmp_path / "x")
    assert list(load_tensor_bundle(tmp_path / "x")) == ["key", "key2", "c"]


def test_every_byte_of_an_index_counts(tmp_path: Path) -> None:
    """Of all files with one byte changed, and of all that are cut off, none is read."""
    whole = (GOLDEN / "shards.index").read_bytes()
    path = tmp_path / "x.index"
    for place in range(len(whole)):
        for changed in (whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :], whole[:place]):
            path.write_bytes(changed)
            with pytest.raises(ValueError, match=r"x\.index: "):
                read_table(path)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_data_that_is_cut_off_is_refused(tmp_path: Path, prefix: str) -> None:
    source = GOLDEN / prefix
    for path in source.parent.glob(f"{source.name}.*"):
        shutil.copy(path, tmp_path)
    data = max(tmp_path.glob("*.data-*"))
    whole = data.read_bytes()
    for size in {0, 1, len(whole) - 1, *range(0, len(whole), max(1, len(whole) // 50))}:
        data.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="the file is cut off"):
            load_tensor_bundle(tmp_path / source.name)


@pytest.mark.parametrize("prefix", ["bert_model.ckpt", "kinds", "shards"])
def test_checksums_of_tensors_are_verified_if_asked_for(tmp_path: Path, prefix: str) -> None:
    assert load_tensor_bundle(GOLDEN / prefix, verify=True).keys() == load_tensor_bundle(GOLDEN / prefix).keys()
    source = GOLDEN / prefix
    for path in source.parent.glob(f"{source.name}.*"):
        shutil.copy(path, tmp_path)
    data = min(tmp_path.glob("*.data-*"))
    data.write_bytes(data.read_bytes()[:-1] + b"\x55")
    load_tensor_bundle(tmp_path / source.name)
    with pytest.raises(ValueError, match=r"is damaged: expected checksum 0x\w{8}, found 0x\w{8}"):
        load_tensor_bundle(tmp_path / source.name, verify=True)


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3))
def test_varints(value: int, tail: bytes) -> None:
    assert read_varint(varint(value) + tail, 0) == (value, len(varint(value)))


@given(st.binary(max_size=60))
def test_no_bytes_are_more_than_a_value_error_to_protobuf(data: bytes) -> None:
    try:
        parsed = Message.parse(data)
    except ValueError:
        return
    assert all(
        kind in (protobuf.VARINT, protobuf.FIXED64, protobuf.BYTES, protobuf.FIXED32) for each in parsed.fields.values() for kind, _ in each
    )


def test_what_proto3_leaves_out_is_zero() -> None:
    empty = Message.parse(b"")
    assert (empty.natural(1), empty.fixed32(2), empty.text(3), list(empty.messages(4)), empty.message(5)) == (0, 0, "", [], empty)


# Mutants: whatever is done to the bytes, an answer or a ValueError


def mutant_bundle(source: random.Random, folder: Path) -> Path:
    """A bundle with something wrong: in its file of data, in its index, or in a block with the right checksum."""
    prefix = GOLDEN / source.choice(PREFIXES)
    data = max(prefix.parent.glob(f"{prefix.name}.data-*"))
    level = source.randrange(4)
    index = prefix.with_name(f"{prefix.name}.index").read_bytes()
    if level == 0:
        index = mutate(source, index)
    elif level < 3:
        pairs = read_table(prefix.with_name(f"{prefix.name}.index"))
        plain = block([(0, key, value) for key, value in pairs])
        if level == 1:
            plain = mutate(source, plain)
        else:
            place = source.randrange(len(pairs))
            pairs[place] = (pairs[place][0], mutate(source, pairs[place][1]))
            plain = block([(0, key, value) for key, value in pairs])
        index = table([plain], [b"\xff"])
    (folder / "x.index").write_bytes(index)
    for old in folder.glob("x.data-*"):
        old.unlink()
    for path in prefix.parent.glob(f"{prefix.name}.data-*"):
        stored = path.read_bytes()
        (folder / f"x{path.name.removeprefix(prefix.name)}").write_bytes(mutate(source, stored) if level == 3 and path == data else stored)
    return folder / "x"


def accepts_bundle(prefix: Path) -> bool:
    """Whether arrays came back whose bytes are really there; anything but a refusal that names the file is an error."""
    try:
        loaded = load_tensor_bundle(prefix)
    except (ValueError, FileNotFoundError) as error:
        return check_refusal(prefix, error)
    for array in loaded.values():
        array.tobytes()
    return True


def test_mutants() -> None:
    source = random.Random(0)
    with scratch() as folder:
        accepted = sum(accepts_bundle(mutant_bundle(source, Path(folder))) for _ in range(2000))
    assert 0 < accepted < 1500
