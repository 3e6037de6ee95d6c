"""Where things lie in a file, and a check that no two of them overlap."""

from collections.abc import Iterable
from itertools import chain

from ..runtime.tuples import FieldTuple


class Span(FieldTuple):
    """Bytes of a file, and the name of what they are."""

    begin: int
    end: int  # the byte after the last one
    name: str


def check_spans(spans: Iterable[Span], size: int, *, may_leave_holes: bool) -> None:
    """Check that spans lie side by side within `size` bytes.

    Raises ValueError for two spans that overlap and for a span beyond the end. Raises it for bytes
    in no span too, unless `may_leave_holes`. The caller adds the name of the file. It has checked
    that no span ends before it begins.
    """
    previous = Span(0, 0, "the start")
    for span in chain(sorted(spans), [Span(size, size, "the end")]):
        if span.begin < previous.end or (span.begin > previous.end and not may_leave_holes):
            what = "overlap" if span.begin < previous.end else "leave a hole"
            raise ValueError(f"{previous.name:.200} (ends at {previous.end}) and {span.name:.200} (begins at {span.begin}) {what}")
        previous = span
