"""A map from strings to whole numbers, as Spark's saveAsObjectFile writes it -> its pairs.

The file is a Hadoop SequenceFile. It begins with magic bytes, the names of classes and a sync
marker. Then records follow: a length, no key, and a value of bytes. Each value is a Java
serialization stream of an array of up to ten `scala.Tuple2` of a `java.lang.String` and a
`java.lang.Integer`. This reader accepts those classes and refuses all others. It looks up nothing
by name and calls nothing.

Bounds: those of the bytes that are given. Objects take at most ten times as much memory. Time is
linear: an object to which others refer is made once, and nothing is nested.

Sources: "Object Serialization Stream Protocol" in the Java Object Serialization Specification;
SequenceFile in Hadoop's API documentation; RDD.saveAsObjectFile in Spark.
"""

from dataclasses import dataclass, field

SEQUENCE_FILE = b"SEQ\x06"
KEY_CLASS, VALUE_CLASS = "org.apache.hadoop.io.NullWritable", "org.apache.hadoop.io.BytesWritable"
SYNC_BYTES = 16

MAGIC = b"\xac\xed\x00\x05"
NULL, REFERENCE, CLASS, OBJECT, STRING, ARRAY, END_BLOCK_DATA = b"\x70", b"\x71", b"\x72", b"\x73", b"\x74", b"\x75", b"\x78"
FIRST_HANDLE = 0x7E0000
SERIALIZABLE = b"\x02"
# Class -> its fields, as type and name, and its superclass. The fields of Tuple2 are objects, so
# their class follows in the stream.
TUPLE, INTEGER, NUMBER, TUPLES, OBJECTS = "scala.Tuple2", "java.lang.Integer", "java.lang.Number", "[Lscala.Tuple2;", "[Ljava.lang.Object;"
CLASSES: dict[str, tuple[tuple[str, ...], str | None]] = {
    TUPLE: (("L_1", "L_2"), None),
    INTEGER: (("Ivalue",), NUMBER),
    NUMBER: ((), None),
    TUPLES: ((), None),
    OBJECTS: ((), None),
}


@dataclass(frozen=True)
class ClassName:
    """A class among the handles of a stream."""

    name: str


Item = str | int | tuple[str, int] | ClassName | None  # of a handle; None is an array, to which no reference is allowed


@dataclass
class _Bytes:
    """Bytes that are read from the first to the last."""

    data: bytes
    position: int = 0

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self.data) - self.position:
            raise ValueError(f"at byte {self.position}: expected {size} bytes, found {len(self.data) - self.position}")
        self.position += size
        return self.data[self.position - size : self.position]

    def natural(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def signed(self) -> int:
        return int.from_bytes(self.take(4), "big", signed=True)

    def expect(self, expected: bytes, what: str) -> None:
        found = self.take(len(expected))
        if found != expected:
            raise ValueError(f"at byte {self.position - len(expected)}: expected {what} ({expected.hex()}), found {found.hex()}")

    def text(self) -> str:
        """A text in Java's "modified UTF-8", after its size.

        A zero has two bytes. A character above 16 bits has two surrogates.
        """
        data = self.take(self.natural(2))
        if any(byte >= 0xF0 or byte == 0 for byte in data):
            raise ValueError(f"at byte {self.position}: expected modified UTF-8, found {data!r:.100}")
        units = data.replace(b"\xc0\x80", b"\0").decode("utf-8", "surrogatepass")
        return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def parse_sequence_file(data: bytes) -> list[tuple[str, int]]:
    """All pairs of a file. Raises ValueError, which leaves the name of the file to the caller."""
    stream = _Bytes(data)
    stream.expect(SEQUENCE_FILE, "a Hadoop SequenceFile of version 6")
    for expected in (KEY_CLASS, VALUE_CLASS):
        name = stream.take(stream.natural(1))
        if name != expected.encode():
            raise ValueError(f"expected records of {expected}, found {name!r:.100}")
    stream.expect(b"\0\0", "records that are not compressed")
    stream.expect(bytes(4), "no metadata")
    sync = stream.take(SYNC_BYTES)
    pairs: list[tuple[str, int]] = []
    while stream.position < len(data):
        length = stream.signed()
        if length == -1:  # a marker, which lets a reader start in the middle of a file
            stream.expect(sync, "the sync marker")
            continue
        stream.expect(bytes(4), "an empty key")
        size = stream.signed()
        if size != length - 4:
            raise ValueError(f"at byte {stream.position}: expected {length - 4} bytes in a record of {length}, found {size}")
        start = stream.position
        try:
            pairs += _Objects(_Bytes(stream.take(size))).pairs()
        except ValueError as error:
            raise ValueError(f"the objects at byte {start}: {error}") from None
    return pairs


@dataclass
class _Objects:
    """A serialization stream.

    Strings, classes, objects and arrays have numbers in the order in which they occur. A later
    object refers to them by these numbers.
    """

    stream: _Bytes
    handles: list[Item] = field(default_factory=list)

    def pairs(self) -> list[tuple[str, int]]:
        self.stream.expect(MAGIC, "Java objects")
        self.stream.expect(ARRAY, "an array")
        self._class((TUPLES, OBJECTS))
        self.handles.append(None)
        pairs = [self._tuple() for _ in range(self.stream.natural(4))]
        if self.stream.position != len(self.stream.data):
            raise ValueError(f"expected the end after {len(pairs)} pairs, found {len(self.stream.data) - self.stream.position} bytes")
        return pairs

    def _reference(self) -> Item:
        index = self.stream.natural(4) - FIRST_HANDLE
        if not 0 <= index < len(self.handles):
            raise ValueError(f"at byte {self.stream.position}: expected one of {len(self.handles)} objects, found number {index}")
        return self.handles[index]

    def _class(self, allowed: tuple[str, ...]) -> None:
        """Read a class descriptor.

        Its serialVersionUID is ignored: Scala's depends on the version, and the fields suffice.
        """
        kind = self.stream.take(1)
        if kind == REFERENCE:
            known = self._reference()
            if not isinstance(known, ClassName) or known.name not in allowed:
                raise ValueError(f"expected the class {' or '.join(allowed)}, found a reference to {known!r:.100}")
            return
        if kind != CLASS:
            raise ValueError(f"expected the class {' or '.join(allowed)}, found type code {kind.hex()}")
        name = self.stream.text()
        if name not in allowed:
            raise ValueError(f"expected the class {' or '.join(allowed)}, found {name!r:.200}; no other is read")
        self.stream.take(8)
        self.handles.append(ClassName(name))
        self.stream.expect(SERIALIZABLE, "a class that is serialized by its fields")
        fields, superclass = CLASSES[name]
        self.stream.expect(len(fields).to_bytes(2, "big"), f"{len(fields)} fields of {name}")
        for expected in fields:
            self.stream.expect(expected[:1].encode(), f"the type of {expected[1:]}")
            found = self.stream.text()
            if found != expected[1:] or (expected[0] == "L" and self._string() != "Ljava/lang/Object;"):
                raise ValueError(f"expected the field {expected[1:]} of {name}, an object, found {found!r:.100} or another type")
        self.stream.expect(END_BLOCK_DATA, f"no annotations of {name}")
        if superclass is None:
            self.stream.expect(NULL, f"no superclass of {name}")
        else:
            self._class((superclass,))

    def _string(self) -> str:
        kind = self.stream.take(1)
        known = self._reference() if kind == REFERENCE else None
        if kind == STRING:
            known = self.stream.text()
            self.handles.append(known)
        if not isinstance(known, str):
            raise ValueError(f"at byte {self.stream.position}: expected a string, found type code {kind.hex()}")
        return known

    def _integer(self) -> int:
        kind = self.stream.take(1)
        known = self._reference() if kind == REFERENCE else None
        if kind == OBJECT:
            self._class((INTEGER,))
            place = len(self.handles)
            self.handles.append(None)
            known = self.handles[place] = self.stream.signed()
        if not isinstance(known, int):
            raise ValueError(f"at byte {self.stream.position}: expected a java.lang.Integer, found type code {kind.hex()}")
        return known

    def _tuple(self) -> tuple[str, int]:
        kind = self.stream.take(1)
        known = self._reference() if kind == REFERENCE else None
        if kind == OBJECT:
            self._class((TUPLE,))
            place = len(self.handles)
            self.handles.append(None)
            known = self.handles[place] = (self._string(), self._integer())
        if not isinstance(known, tuple):
            raise ValueError(f"at byte {self.stream.position}: expected a scala.Tuple2, found type code {kind.hex()}")
        return known
