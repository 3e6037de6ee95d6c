"""The reader of protocol buffers."""

from hypothesis import given
from hypothesis import strategies as st

from minibert.formats import protobuf
from minibert.formats.protobuf import Message, read_varint
from tests.formats.bundle_writer import varint


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3))
def test_varints(value: int, tail: bytes) -> None:
    assert read_varint(varint(value) + tail, 0) == (value, len(varint(value)))


@given(st.binary(max_size=60))
def test_random_bytes_raise_at_most_a_value_error(data: bytes) -> None:
    try:
        parsed = Message.parse(data)
    except ValueError:
        return
    assert all(
        kind in (protobuf.VARINT, protobuf.FIXED64, protobuf.BYTES, protobuf.FIXED32) for each in parsed.fields.values() for kind, _ in each
    )


def test_absent_fields_are_zero() -> None:
    empty = Message.parse(b"")
    assert (empty.natural(1), empty.fixed32(2), empty.text(3), list(empty.messages(4)), empty.message(5)) == (0, 0, "", [], empty)
