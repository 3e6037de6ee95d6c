"""Archives of Spark NLP that are refused."""

import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from minibert.formats.spark_zip import load_spark_zip
from tests.formats.spark_writer import METADATA, OUTER, PAIR, PART, inner, member, objects, outer, patched, record, sequence, zipped

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
    "a name twice": (member(times=2), "x: occurs twice"),
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
    "a token twice": (outer(part=DUPLICATE), "fields/vocabulary/part-00000: the token 'a' occurs twice, as 0 and 0"),
    "an id twice": (
        outer(part=OUTER[PART].replace(b"[CLS]", b"[SLC]"), part2=None, **{"fields/vocabulary/part-2": OUTER[PART]}),
        "occurs twice",
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
    "an index that is not a table": (inner(variables_index=bytes(100)), "variables.index: expected a sorted string table"),
    "no data": (
        inner(**{"variables_data_00000_of_00001": None}),
        "expected variables.data-00000-of-00001, which the index names, found",
    ),
    "data that is cut off": (
        inner(**{"variables_data_00000_of_00001": bytes(9)}),
        "variables.data-00000-of-00001: expected [0-9]+ bytes, as the index says, found 9",
    ),
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


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
