"""The reader of Spark NLP's models: what Spark and TensorFlow write, and what nobody should."""

import errno
import io
import json
import os
import random
import stat
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.formats import spark_zip
from minibert.formats.java_objects import parse_sequence_file
from minibert.formats.spark_zip import load_spark_zip, spark_files
from minibert.formats.zip_archive import MAX_DIRECTORY_BYTES
from tests.make.spark_files import PREFIX, VOCABULARY
from tests.support.damage import check_refusal, mutate, scratch
from tests.support.tensorflow_golden import GOLDEN as TENSORFLOW
from tests.support.tensorflow_golden import check

PATH = Path(__file__).parents[1] / "golden" / "spark" / "sent_small_bert_L1_8.zip"
METADATA, PART, GRAPH = "metadata/part-00000", "fields/vocabulary/part-00000", "bert_sentence_tensorflow"
Files = dict[str, bytes]


def files_of(source: Path | io.BytesIO) -> Files:
    with zipfile.ZipFile(source) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


OUTER = files_of(PATH)
INNER = files_of(io.BytesIO(OUTER[GRAPH]))


def zipped(files: Files, method: int = zipfile.ZIP_STORED) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return output.getvalue()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def test_a_model_that_spark_wrote(work: Path) -> None:
    arrays, vocabulary, metadata = load_spark_zip(PATH, work)
    with np.load(TENSORFLOW / "expected.npz") as file:
        expected = {PREFIX + name: array for name, array in file.items()}
    check(arrays, expected)
    assert arrays.keys() == expected.keys()
    assert vocabulary == VOCABULARY
    assert metadata["class"] == "com.johnsnowlabs.nlp.embeddings.BertSentenceEmbeddings"
    assert metadata["paramMap"]["maxSentenceLength"] == 128
    assert sorted(path.name for path in work.iterdir()) == ["variables.data-00000-of-00001", "variables.index"]


@pytest.mark.parametrize("folder", ["", "sent_small_bert_L1_8_en_2.6.0_2.4/"])
@pytest.mark.parametrize("inner_folder", ["", "variables/", "saved/variables/"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_folders_in_the_archives(tmp_path: Path, work: Path, folder: str, inner_folder: str, method: int) -> None:
    inner = zipped({inner_folder + name: content for name, content in INNER.items()}, method)
    folders = {folder: b"", f"{folder}fields/": b""} if folder else {}
    outer = folders | {folder + name: content for name, content in (OUTER | {GRAPH: inner}).items()}
    (tmp_path / "x.zip").write_bytes(zipped(outer, method))
    arrays, vocabulary, _ = load_spark_zip(tmp_path / "x.zip", work)
    assert len(arrays) == 23
    assert vocabulary == VOCABULARY


def test_a_full_disk_is_not_a_damaged_archive(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spark_zip, "extract_member", full)
    with pytest.raises(OSError, match="No space left"):
        load_spark_zip(PATH, work)


@pytest.fixture
def unzipped(tmp_path: Path) -> Path:
    """The folder that Spark NLP keeps in its cache."""
    with zipfile.ZipFile(PATH) as archive:
        archive.extractall(tmp_path / "model")
    return tmp_path / "model"


def test_a_folder(unzipped: Path, work: Path) -> None:
    arrays, vocabulary, metadata = load_spark_zip(unzipped, work)
    assert len(arrays) == 23
    assert vocabulary == VOCABULARY
    assert metadata["paramMap"]["dimension"] == 8
    assert (unzipped / GRAPH).exists()
    assert sorted(path.name for path in work.iterdir()) == ["variables.data-00000-of-00001", "variables.index"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (METADATA, None, "expected a model of Spark, with one metadata/part-00000, found 0"),
        (METADATA, bytes(1 << 21), "metadata/part-00000: expected at most 1,048,576 bytes, found more"),
        (PART, None, "expected tokens with the ids from 0"),
        (PART, b"PAR1", "fields/vocabulary/part-00000: .* expected a Hadoop SequenceFile"),
        (GRAPH, None, "expected one file <annotator>_tensorflow, found nothing"),
        (GRAPH, b"", "bert_sentence_tensorflow: expected a zip archive"),
    ],
)
def test_hostile_folders_are_refused(unzipped: Path, work: Path, name: str, content: bytes | None, message: str) -> None:
    (unzipped / name).unlink()
    if content is not None:
        (unzipped / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        load_spark_zip(unzipped, work)
    assert str(error.value).startswith(str(unzipped))


# Java's objects, written as `ObjectOutputStream` writes them


def utf(text: str) -> bytes:
    encoded = text.encode("utf-8")
    return struct.pack(">H", len(encoded)) + encoded


def described(name: str, fields: bytes = b"\0\0", parent: bytes = b"p", flags: bytes = b"\2", annotation: bytes = b"x") -> bytes:
    return b"r" + utf(name) + bytes(8) + flags + fields + annotation + parent


TUPLES = described("[Lscala.Tuple2;")
TUPLE = described("scala.Tuple2", b"\0\2L" + utf("_1") + b"t" + utf("Ljava/lang/Object;") + b"L" + utf("_2") + b"q\0\x7e\0\3")
INTEGER = described("java.lang.Integer", b"\0\1I" + utf("value"), described("java.lang.Number"))
PAIR = b"s" + TUPLE + b"t" + utf("a") + b"s" + INTEGER + bytes(4)


def objects(*items: bytes, array: bytes = b"u" + TUPLES, size: int | None = None, magic: bytes = b"\xac\xed\0\5") -> bytes:
    return magic + array + struct.pack(">i", len(items) if size is None else size) + b"".join(items)


HEADER = b"SEQ\6\x21org.apache.hadoop.io.NullWritable\x22org.apache.hadoop.io.BytesWritable" + bytes(6)
SYNC = bytes(range(16))


def record(value: bytes) -> bytes:
    return struct.pack(">iii", len(value) + 4, 0, len(value)) + value


def sequence(*values: bytes, header: bytes = HEADER + SYNC) -> bytes:
    return header + b"".join(map(record, values))


def test_the_writer_of_wrong_objects_can_write_right_ones() -> None:
    more = b"sq\0\x7e\0\2t" + utf("b") + b"sq\0\x7e\0\6" + b"\xff\xff\xff\xfe"
    again = b"sq\0\x7e\0\2q\0\x7e\0\5q\0\x7e\0\x08"  # another pair of the same string and the same number
    expected = [("a", 0), ("b", -2), ("a", 0)]
    for array in (TUPLES, described("[Ljava.lang.Object;")):
        assert parse_sequence_file(sequence(objects(PAIR, more, again, array=b"u" + array))) == expected
    split = sequence(objects(PAIR)) + b"\xff\xff\xff\xff" + SYNC + record(objects())
    assert parse_sequence_file(split) == [("a", 0)]


def test_modified_utf_8() -> None:
    spelled = b"\xc0\x80\xed\xa0\xbd\xed\xb8\x80\xc3\xa9"  # zero, two halves of U+1F600, e with acute accent
    pair = b"s" + TUPLE + b"t" + struct.pack(">H", len(spelled)) + spelled + b"s" + INTEGER + bytes(4)
    assert parse_sequence_file(sequence(objects(pair))) == [("\0😀é", 0)]


HOSTILE_OBJECTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "expected 4 bytes, found 0"),
    "a parquet file": (b"PAR1" + bytes(100), "expected a Hadoop SequenceFile of version 6"),
    "another version": (b"SEQ\5" + HEADER[4:], "expected a Hadoop SequenceFile of version 6"),
    "records of text": (b"SEQ\6\x19org.apache.hadoop.io.Text" + bytes(80), "expected records of org.apache.hadoop.io.NullWritable, found"),
    "compressed records": (HEADER[:-6] + b"\1\0" + bytes(20), "not compressed"),
    "compressed blocks": (HEADER[:-6] + b"\1\1" + bytes(20), "not compressed"),
    "metadata": (HEADER[:-1] + b"\1" + bytes(20), "expected no metadata"),
    "a header that is cut off": (HEADER + bytes(3), "expected 16 bytes, found 3"),
    "a record over the end": (sequence(b"")[:-12] + struct.pack(">iii", 2**30, 0, 2**30 - 4), "expected 1073741820 bytes, found 0"),
    "a negative size": (sequence(b"")[:-12] + struct.pack(">iii", -6, 0, -10), "expected -10 bytes"),
    "sizes that disagree": (sequence(b"")[:-12] + struct.pack(">iii", 8, 0, 3) + bytes(4), "expected 4 bytes in a record of 8, found 3"),
    "a key": (sequence(b"")[:-12] + struct.pack(">iii", 8, 4, 4) + bytes(4), "expected an empty key"),
    "another sync marker": (sequence() + b"\xff\xff\xff\xff" + bytes(16), "expected the sync marker"),
    "no Java objects": (sequence(b"abcdefgh"), "expected Java objects"),
    "a string alone": (sequence(b"\xac\xed\0\5t" + utf("a")), "expected an array"),
    "an array of another class": (
        sequence(objects(array=b"u" + described("[Ljava.lang.String;"))),
        r"found '\[Ljava.lang.String;'; no other",
    ),
    "another class": (
        sequence(objects(b"s" + described("java.util.HashMap"))),
        "scala.Tuple2, found 'java.util.HashMap'; no other is read",
    ),
    "a class to run": (sequence(objects(b"s" + TUPLE + b"t" + utf("a") + b"s" + described("java.lang.Runtime"))), "'java.lang.Runtime'"),
    "another parent": (
        sequence(objects(b"s" + TUPLE + b"t" + utf("a") + b"s" + described("java.lang.Integer", b"\0\1I" + utf("value"), described("x")))),
        "java.lang.Number, found 'x'",
    ),
    "a parent of a tuple": (sequence(objects(b"s" + TUPLE[:-1] + TUPLES)), "expected no superclass of scala.Tuple2"),
    "an integer without a parent": (sequence(objects(PAIR.replace(described("java.lang.Number"), b"p"))), "found type code 70"),
    "other fields": (sequence(objects(b"s" + described("scala.Tuple2", b"\0\1L" + utf("_1")))), "expected 2 fields of scala.Tuple2"),
    "another field": (
        sequence(objects(PAIR.replace(utf("_1"), utf("_3")))),
        "expected the field _1 of scala.Tuple2, an object, found '_3'",
    ),
    "a field of another type": (sequence(objects(PAIR.replace(utf("Ljava/lang/Object;"), utf("Ljava/lang/String;")))), "or another type"),
    "a primitive field": (sequence(objects(PAIR.replace(b"L" + utf("_2"), b"J" + utf("_2")))), "expected the type of _2"),
    "a writeObject method": (sequence(objects(array=b"u" + described("[Lscala.Tuple2;", flags=b"\3"))), "serialized by its fields"),
    "annotations": (sequence(objects(array=b"u" + described("[Lscala.Tuple2;", annotation=b"w\1ax"))), "expected no annotations"),
    "a number for a token": (sequence(objects(b"s" + TUPLE + b"s" + INTEGER + bytes(4))), "expected a string, found type code 73"),
    "a string for a number": (
        sequence(objects(b"s" + TUPLE + b"t" + utf("a") + b"t" + utf("b"))),
        "expected a java.lang.Integer, found type code 74",
    ),
    "null for a pair": (sequence(objects(b"p")), "expected a scala.Tuple2, found type code 70"),
    "a long string": (sequence(objects(b"s" + TUPLE + b"|" + bytes(8))), "expected a string, found type code 7c"),
    "a reset": (sequence(objects(b"y")), "expected a scala.Tuple2, found type code 79"),
    "a proxy": (sequence(objects(b"s}")), "found type code 7d"),
    "a reference to nothing": (sequence(objects(b"q\0\x7e\1\0")), "expected one of 2 objects, found number 256"),
    "a reference before the first": (sequence(objects(b"q\0\0\0\0")), "found number -8257536"),
    "a pair that is the array": (sequence(objects(b"q\0\x7e\0\1")), "expected a scala.Tuple2, found type code 71"),
    "a pair that holds itself": (sequence(objects(b"s" + TUPLE + b"q\0\x7e\0\4")), "expected a string, found type code 71"),
    "a class that is a string": (sequence(objects(PAIR, b"sq\0\x7e\0\5")), "found a reference to 'a'"),
    "a class of another kind": (sequence(objects(PAIR, b"sq\0\x7e\0\0")), r"found a reference to ClassName\(name='\[Lscala.Tuple2;'\)"),
    "more pairs than bytes": (sequence(objects(PAIR, size=2**31 - 1)), "expected 1 bytes, found 0"),
    "a negative number of pairs": (sequence(objects(PAIR, size=-1)), "expected 1 bytes, found 0"),
    "a tail": (sequence(objects(PAIR) + b"z"), "expected the end after 1 pairs, found 1 bytes"),
    "half a character": (sequence(objects(b"s" + TUPLE + b"t\0\3\xed\xa0\x80")), "illegal UTF-16 surrogate|unexpected end of data"),
    "four bytes of UTF-8": (sequence(objects(b"s" + TUPLE + b"t\0\4\xf0\x9f\x98\x80")), "expected modified UTF-8"),
    "not UTF-8": (sequence(objects(b"s" + TUPLE + b"t\0\1\x80")), "can't decode byte 0x80"),
}


@pytest.mark.parametrize("name", HOSTILE_OBJECTS)
def test_hostile_objects_are_refused(name: str) -> None:
    data, message = HOSTILE_OBJECTS[name]
    with pytest.raises(ValueError, match=message):
        parse_sequence_file(data)


def test_vocabularies_that_are_cut_off_are_refused() -> None:
    whole = OUTER[PART]
    records = {len(HEADER + SYNC), len(whole)}
    place = len(HEADER + SYNC)
    while place < len(whole):
        place += 8 + int.from_bytes(whole[place : place + 4], "big")
        records.add(place)
    for size in set(range(len(whole))) - records:  # between two records, only the ids tell
        with pytest.raises(ValueError, match="expected"):
            parse_sequence_file(whole[:size])


@given(st.binary(max_size=80))
def test_no_bytes_are_more_than_a_value_error_to_java(data: bytes) -> None:
    for prefix in (b"", HEADER + SYNC):
        try:
            parse_sequence_file(prefix + data)
        except ValueError:
            continue
        assert prefix + data == HEADER + SYNC


# Archives


def outer(**changes: bytes | None) -> Callable[[Path], None]:
    """The files of a model, some of them changed or left out; `__` is a slash."""
    named = {"metadata": METADATA, "part": PART, "graph": GRAPH}
    files: dict[str, bytes | None] = OUTER | {named.get(name, name): content for name, content in changes.items()}
    return lambda path: path.write_bytes(zipped({name: content for name, content in files.items() if content is not None})) and None


def inner(**changes: bytes | None) -> Callable[[Path], None]:
    files: dict[str, bytes | None] = INNER | {name.replace("_", ".", 1).replace("_", "-"): content for name, content in changes.items()}
    return outer(graph=zipped({name: content for name, content in files.items() if content is not None}))


def member(
    name: str = "x", content: bytes = b"abc", method: int = zipfile.ZIP_STORED, mode: int = 0, times: int = 1
) -> Callable[[Path], None]:
    """A model and something more."""

    def write(path: Path) -> None:
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "w") as archive:
            for old, stored in OUTER.items():
                archive.writestr(zipfile.ZipInfo(old), stored)
            for _ in range(times):
                info = zipfile.ZipInfo("x")
                info.filename, info.external_attr = name, mode << 16
                archive.writestr(info, content, method)

    return write


def patched(offset: int, value: bytes) -> Callable[[Path], None]:
    """A model with something else in what the directory says of its metadata."""
    data = zipped(OUTER)
    place = data.rindex(b"PK\1\2", 0, data.rindex(METADATA.encode())) + offset
    return lambda path: path.write_bytes(data[:place] + value + data[place + len(value) :]) and None


DUPLICATE = sequence(objects(PAIR)) + record(objects(PAIR))
HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "empty": (lambda path: path.write_bytes(b"") and None, "expected a zip archive"),
    "not a zip": (lambda path: path.write_bytes(bytes(1000)) and None, "expected a zip archive"),
    "a folder above": (member("../x"), r"names of files within the archive, found '\.\./x'"),
    "a folder above, deeper": (member("a/../../x"), "within the archive"),
    "an absolute name": (member("/etc/passwd"), "within the archive, found '/etc/passwd'"),
    "a drive": (member("C:x"), "within the archive"),
    "a backslash": (member("..\\x"), "within the archive"),
    "a name with a zero": (member("x\0y"), "within the archive"),
    "no name": (member(""), "within the archive"),
    "a symbolic link": (member("x", b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "x: expected a file, found a symbolic link"),
    "a device": (member("x", mode=stat.S_IFCHR), "x: expected a file, found mode 20000"),
    "a name twice": (member(times=2), "x: there twice"),
    "another compression": (member(method=zipfile.ZIP_BZIP2), r"x: expected it stored \(0\) or deflated \(8\), found method 12"),
    "a bomb": (
        member(content=bytes(5_000_000), method=zipfile.ZIP_DEFLATED),
        r"expected members that unpack to at most \d+ bytes, 20 times the archive, found 50",
    ),
    "too many members": (
        lambda path: path.write_bytes(zipped({f"{number}": b"" for number in range(10_001)})) and None,
        "at most 10000 members",
    ),
    "encrypted": (patched(8, b"\1\0"), "metadata/part-00000: encrypted"),
    "strongly encrypted": (patched(8, b"\x41\0"), "metadata/part-00000: encrypted"),
    "a larger size": (patched(24, struct.pack("<I", 1000)), "expected 1000 bytes, as the directory says, found 366|damaged"),
    "a smaller size": (patched(24, struct.pack("<I", 10)), "damaged"),
    "a size of 4 GB": (patched(24, struct.pack("<I", 2**32 - 2)), r"unpack to at most \d+ bytes, 20 times the archive"),
    "more packed than there is": (patched(20, struct.pack("<I", 10**6)), "they overlap, or it is cut off"),
    "a wrong checksum": (patched(16, b"abcd"), "damaged one, or something else: Bad CRC-32"),
    "members that begin elsewhere": (patched(42, struct.pack("<I", 7)), "damaged"),
    "no metadata": (outer(metadata=None), "expected a model of Spark, with one metadata/part-00000, found 0 in bert_sentence_tensorflow, "),
    "two models": (outer(**{f"other/{METADATA}": b"{}"}), "found 2 in"),
    "metadata that is not text": (outer(metadata=b"\xff"), "metadata/part-00000: expected a line of JSON"),
    "metadata that is not JSON": (outer(metadata=b"class"), "metadata/part-00000: expected a line of JSON"),
    "metadata that is a list": (outer(metadata=b"[]"), "expected a JSON object, found list"),
    "metadata without end": (outer(metadata=b"[" * 500_000), "nested too deeply|expected a line of JSON"),
    "metadata too large": (outer(metadata=bytes(1 << 21)), "expected at most 1048576 bytes, found 2097152"),
    "no vocabulary": (
        outer(part=None, **{"fields/vocabulary/part-00001": None}),
        "expected tokens with the ids from 0, each once, found 0",
    ),
    "half a vocabulary": (outer(part=None), "expected tokens with the ids from 0, each once, found 15"),
    "a token twice": (outer(part=DUPLICATE), "fields/vocabulary/part-00000: the token 'a' is there twice, as 0 and 0"),
    "an id twice": (
        outer(part=OUTER[PART].replace(b"[CLS]", b"[SLC]"), part2=None, **{"fields/vocabulary/part-2": OUTER[PART]}),
        "there twice",
    ),
    "a vocabulary of parquet": (outer(part=b"PAR1" + bytes(100)), "fields/vocabulary/part-00000: .* expected a Hadoop SequenceFile"),
    "no graph": (outer(graph=None), r"expected one file <annotator>_tensorflow, found nothing"),
    "another engine": (outer(graph=None, bert_onnx=b"abc"), "expected one file <annotator>_tensorflow, found bert_onnx"),
    "two graphs": (outer(bert_tensorflow=b"abc"), "found bert_sentence_tensorflow, bert_tensorflow"),
    "a graph that is not a zip": (outer(graph=b"abc"), "bert_sentence_tensorflow: expected a zip archive"),
    "a bomb within": (
        outer(graph=zipped({"variables.index": bytes(9_000_000)}, zipfile.ZIP_DEFLATED)),
        r"tensorflow: expected members that unpack to at most \d+ bytes",
    ),
    "no variables": (inner(variables_index=None), "bert_sentence_tensorflow: expected one variables.index, found 0 in saved_model.pb"),
    "two indices": (inner(**{"x/variables_index": b"abc"}), "expected one variables.index, found 2"),
    "an index too large": (inner(variables_index=bytes(5_000_000)), "variables.index: expected at most 2097152 bytes, found 5000000"),
    "an index that is none": (inner(variables_index=bytes(100)), "variables.index: expected a sorted string table"),
    "no data": (
        inner(**{"variables_data_00000_of_00001": None}),
        "expected variables.data-00000-of-00001, of which the index speaks, found",
    ),
    "data that is cut off": (
        inner(**{"variables_data_00000_of_00001": bytes(9)}),
        "variables.data-00000-of-00001: expected [0-9]+ bytes, as the index says, found 9",
    ),
}


def test_two_archives_have_one_bound(tmp_path: Path, work: Path) -> None:
    """Zeros shrink twice: the inner archive would unpack to 60 MB, the outer one has some kilobytes."""
    graph = zipped(INNER | {"saved_model.pb": bytes(60_000_000)}, zipfile.ZIP_DEFLATED)
    (tmp_path / "x.zip").write_bytes(zipped(OUTER | {GRAPH: graph}, zipfile.ZIP_DEFLATED))
    with pytest.raises(
        ValueError, match=r"tensorflow: expected members that unpack to at most \d{7} bytes, 20 times the archive, found 60\d{6}"
    ):
        load_spark_zip(tmp_path / "x.zip", work)
    assert [path.name for path in work.iterdir()] == ["inner.zip"]


def test_the_index_is_read_before_the_data_are_unpacked(tmp_path: Path, work: Path) -> None:
    data = b"".join(random.Random(number).randbytes(16) * 16 for number in range(20_000))  # 5 MB that shrink to a 12th
    for index, message in ((bytes(100), "expected a sorted string table"), (INNER["variables.index"], "as the index says, found 5120000")):
        graph = zipped({"variables.index": index, "variables.data-00000-of-00001": data}, zipfile.ZIP_DEFLATED)
        (tmp_path / "x.zip").write_bytes(zipped(OUTER | {GRAPH: graph}, zipfile.ZIP_DEFLATED))
        with pytest.raises(ValueError, match=message):
            load_spark_zip(tmp_path / "x.zip", work)
        assert sorted(path.name for path in work.iterdir()) == ["inner.zip", "variables.index"]
        for path in work.iterdir():
            path.unlink()


def test_shards_that_the_index_does_not_name_stay_packed(tmp_path: Path, work: Path) -> None:
    more = {"variables.data-00001-of-00002": bytes(1000), "variables.data-00000-of-00001x": bytes(1000)}
    (tmp_path / "x.zip").write_bytes(zipped(OUTER | {GRAPH: zipped(INNER | more)}))
    load_spark_zip(tmp_path / "x.zip", work)
    assert sorted(path.name for path in work.iterdir()) == ["variables.data-00000-of-00001", "variables.index"]


def test_a_directory_of_a_million_entries_is_refused_before_it_is_parsed(tmp_path: Path, work: Path) -> None:
    data = zipped(OUTER)
    begin, end = data.index(b"PK\1\2"), data.rindex(b"PK\5\6")
    directory = data[begin:end] * (MAX_DIRECTORY_BYTES // (end - begin) + 1)
    count = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), begin, 0)
    (tmp_path / "x.zip").write_bytes(data[:begin] + directory + count)
    tracemalloc.start()
    with pytest.raises(ValueError, match="expected a directory of at most 2097152 bytes"):
        load_spark_zip(tmp_path / "x.zip", work)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MAX_DIRECTORY_BYTES


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
@pytest.mark.parametrize("name", [METADATA, PART, GRAPH])
def test_only_regular_files_of_a_folder_are_opened(unzipped: Path, work: Path, name: str) -> None:
    (unzipped / name).unlink()
    os.mkfifo(unzipped / name)
    with pytest.raises(ValueError, match="expected"):
        load_spark_zip(unzipped, work)
    assert unzipped / name not in spark_files(unzipped)


def test_links_in_a_folder_do_not_lead_out_or_around(unzipped: Path, tmp_path: Path) -> None:
    before = spark_files(unzipped)
    assert [path.relative_to(unzipped).as_posix() for path in before] == sorted([GRAPH, PART, PART[:-1] + "1", METADATA])
    (unzipped / "loop").symlink_to(".")
    (unzipped / "fields" / "root").symlink_to("/")
    assert spark_files(unzipped) == before
    (unzipped / METADATA).rename(tmp_path / "outside")
    (unzipped / METADATA).symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match="metadata/part-00000: is a link to a file outside the folder"):
        spark_files(unzipped)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(tmp_path: Path, work: Path, name: str) -> None:
    make, message = HOSTILE[name]
    make(tmp_path / "x.zip")
    with pytest.raises(ValueError, match=message) as error:
        load_spark_zip(tmp_path / "x.zip", work)
    assert str(error.value).startswith(str(tmp_path / "x.zip"))
    allowed = {"inner.zip", "variables.index", "variables.data-00000-of-00001"}
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} <= {"work", "x.zip"} | {
        f"work/{each}" for each in allowed
    }


def test_folders_that_are_not_there_or_not_empty(tmp_path: Path, work: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere: no such folder"):
        load_spark_zip(PATH, tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"y\.zip: no such file"):
        load_spark_zip(tmp_path / "y.zip", work)
    for name in ("variables.index", "inner.zip"):
        (work / name).write_bytes(b"mine")
        with pytest.raises(ValueError, match="expected an empty folder to work in, found this file"):
            load_spark_zip(PATH, work)
        assert (work / name).read_bytes() == b"mine"
        for path in work.iterdir():
            path.unlink()


def test_archives_that_are_cut_off_are_refused(tmp_path: Path) -> None:
    whole = PATH.read_bytes()
    for size in {0, 1, len(whole) - 1, *range(0, len(whole), len(whole) // 60)}:
        (tmp_path / "x.zip").write_bytes(whole[:size])
        with scratch() as work, pytest.raises(ValueError, match=r"x\.zip: expected a zip archive"):
            load_spark_zip(tmp_path / "x.zip", Path(work))


# Mutants


def mutant_zip(source: random.Random, folder: Path) -> Path:
    """An archive with something wrong: in itself, in a file with the right checksum, in the archive within, or in a file of that."""
    files, variables = dict(OUTER), dict(INNER)
    variables["saved_model.pb"], level = b"a graph", source.randrange(5)
    if level < 2:
        name = source.choice([METADATA, PART, "fields/vocabulary/part-00001"])
        files[name] = mutate(source, files[name])
    elif level == 2:
        name = source.choice(["variables.index", "variables.data-00000-of-00001"])
        variables[name] = mutate(source, variables[name])
    files[GRAPH] = mutate(source, zipped(variables)) if level == 3 else zipped(variables)
    data = zipped(files, source.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    if level == 4:
        data = source.choice([data, PATH.read_bytes()])
        start = source.choice((0, data.rindex(b"PK\1\2", 0, -200), data.rindex(b"PK\1\2")))  # most often the directory
        data = data[:start] + mutate(source, data[start:])
    path = folder / "x.zip"
    path.write_bytes(data)
    return path


def accepts_zip(path: Path) -> bool:
    """Whether a model came back; anything but a refusal that names the file is an error."""
    with scratch() as work:
        try:
            arrays, vocabulary, metadata = load_spark_zip(path, Path(work))
        except (ValueError, FileNotFoundError) as error:
            return check_refusal(path, error)
        for array in arrays.values():
            array.tobytes()
        return bool(vocabulary) and json.dumps(metadata) != ""


def test_mutants() -> None:
    source = random.Random(0)
    with scratch() as folder:
        accepted = sum(accepts_zip(mutant_zip(source, Path(folder))) for _ in range(2000))
    assert 0 < accepted < 1800
