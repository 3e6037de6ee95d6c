"""A writer of Spark NLP's models: changed archives of the golden model, and Java's objects."""

import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

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
    """A model with one more member."""

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
    """A model whose directory has other bytes in the entry of the metadata."""
    data = zipped(OUTER)
    place = data.rindex(b"PK\1\2", 0, data.rindex(METADATA.encode())) + offset
    return lambda path: path.write_bytes(data[:place] + value + data[place + len(value) :]) and None
