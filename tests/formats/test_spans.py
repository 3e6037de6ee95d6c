"""The check of spans, against one that marks every byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.formats.spans import Span, check_spans

SPANS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4)), max_size=5)


@given(SPANS, st.integers(0, 12), st.booleans())
def test_spans_agree_with_marks_on_bytes(places: list[tuple[int, int]], size: int, may_leave_holes: bool) -> None:
    spans = [Span(begin, begin + length, "x") for begin, length in places]
    marks = [sum(span.begin <= byte < span.end for span in spans) for byte in range(size)]
    is_inside = all(span.end <= size for span in spans)
    inner = any(other.begin < span.begin < other.end for span in spans if span.begin == span.end for other in spans)
    is_right = is_inside and not inner and all(mark <= 1 and (mark or may_leave_holes) for mark in marks)
    if is_right:
        check_spans(spans, size, may_leave_holes=may_leave_holes)
    else:
        with pytest.raises(ValueError, match=r"overlap|leave a hole"):
            check_spans(spans, size, may_leave_holes=may_leave_holes)


def test_the_error_names_both_neighbours() -> None:
    with pytest.raises(ValueError, match=r"^a \(ends at 3\) and b \(begins at 2\) overlap$"):
        check_spans([Span(2, 4, "b"), Span(0, 3, "a")], 4, may_leave_holes=True)
    with pytest.raises(ValueError, match=r"^the start \(ends at 0\) and a \(begins at 1\) leave a hole$"):
        check_spans([Span(1, 3, "a")], 3, may_leave_holes=False)
    with pytest.raises(ValueError, match=r"^a \(ends at 3\) and the end \(begins at 2\) overlap$"):
        check_spans([Span(0, 3, "a")], 2, may_leave_holes=False)
