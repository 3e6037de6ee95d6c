"""Protocol buffer bytes -> fields by number. The caller knows what the fields mean.

Bounds: those of the bytes that are given. Fields take up to forty times as much memory as their
bytes. A message within a message is parsed when it is read, one at a time.

Source: "Encoding", the page on the wire format in the documentation of Protocol Buffers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4 were groups, which are no longer written
Value = tuple[int, int | bytes]  # wire type, number or bytes


def read_varint(data: bytes, position: int, bits: int = 64) -> tuple[int, int]:
    r"""The number at a position, and the position after it.

    A byte has seven bits, the lowest come first.

    >>> read_varint(b"\x96\x01", 0)
    (150, 2)
    """
    value = shift = 0
    while True:
        if position >= len(data):
            raise ValueError("a varint runs over the end")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if value >> bits:
            raise ValueError(f"a varint has more than {bits} bits")
        if byte < 0x80:
            return value, position
        shift += 7
        if shift >= 70:
            raise ValueError(f"a varint has more than {bits} bits")


@dataclass(frozen=True)
class Message:
    """The fields of one message. An absent number is 0, as in proto3."""

    fields: dict[int, list[Value]]

    @staticmethod
    def parse(data: bytes) -> "Message":
        """The fields of a message.

        Raises ValueError, which leaves the name of the file to the caller.
        """
        fields: dict[int, list[Value]] = {}
        position = 0
        while position < len(data):
            tag, position = read_varint(data, position, 32)
            kind, number = tag & 7, tag >> 3
            if kind not in (VARINT, FIXED64, BYTES, FIXED32) or number == 0:
                raise ValueError(f"expected a protobuf field, found number {number} of wire type {kind}")
            if kind == VARINT:
                value, position = read_varint(data, position)
                fields.setdefault(number, []).append((kind, value))
                continue
            size, position = read_varint(data, position) if kind == BYTES else ({FIXED64: 8, FIXED32: 4}[kind], position)
            if size > len(data) - position:
                raise ValueError(f"protobuf field {number}: expected {size} bytes, found {len(data) - position}")
            fields.setdefault(number, []).append((kind, data[position : position + size]))
            position += size
        return Message(fields)

    def _single(self, number: int, kind: int) -> int | bytes | None:
        values = self.fields.get(number, [])
        if len(values) > 1:
            raise ValueError(f"protobuf field {number}: expected it once, found it {len(values)} times")
        if values and values[0][0] != kind:
            raise ValueError(f"protobuf field {number}: expected wire type {kind}, found {values[0][0]}")
        return values[0][1] if values else None

    def natural(self, number: int) -> int:
        """A whole number from 0 to 2**63 - 1. A negative number is written as itself plus 2**64."""
        value = self._single(number, VARINT) or 0
        assert isinstance(value, int)
        if value >= 2**63:
            raise ValueError(f"protobuf field {number}: expected a whole number from 0, found {value - 2**64}")
        return value

    def fixed32(self, number: int) -> int:
        value = self._single(number, FIXED32) or b""
        assert isinstance(value, bytes)
        return int.from_bytes(value, "little")

    def text(self, number: int) -> str:
        value = self._single(number, BYTES) or b""
        assert isinstance(value, bytes)
        return value.decode("utf-8")

    def message(self, number: int) -> "Message":
        value = self._single(number, BYTES) or b""
        assert isinstance(value, bytes)
        return Message.parse(value)

    def messages(self, number: int) -> "Iterator[Message]":
        """The messages of a repeated field, one at a time: objects are much larger than bytes."""
        for kind, value in self.fields.get(number, []):
            if kind != BYTES or not isinstance(value, bytes):
                raise ValueError(f"protobuf field {number}: expected wire type {BYTES}, found {kind}")
            yield Message.parse(value)
