"""The reader of Java's objects in Spark's files."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.formats.java_objects import parse_sequence_file
from tests.formats.spark_writer import HEADER, INTEGER, OUTER, PAIR, PART, SYNC, TUPLE, TUPLES, described, objects, record, sequence, utf


def test_the_writer_can_write_right_objects() -> None:
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
def test_random_bytes_raise_at_most_a_value_error(data: bytes) -> None:
    for prefix in (b"", HEADER + SYNC):
        try:
            parse_sequence_file(prefix + data)
        except ValueError:
            continue
        assert prefix + data == HEADER + SYNC
