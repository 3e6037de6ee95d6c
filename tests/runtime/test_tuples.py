"""FieldTuple is what NamedTuple is."""

import pickle
from typing import Any, NamedTuple

import pytest

from minibert.runtime.tuples import FieldTuple


class Named(NamedTuple):
    first: int
    second: str


class Fast(FieldTuple):
    first: int
    second: str


class WithDefault(FieldTuple):
    first: int
    second: str = "a"


def test_it_does_what_a_named_tuple_does() -> None:
    named, fast = Named(1, "a"), Fast(1, "a")
    assert fast == named
    assert (fast.first, fast.second) == (1, "a")
    assert fast._fields == named._fields
    assert fast._asdict() == named._asdict()
    assert fast._replace(second="b") == named._replace(second="b")
    assert repr(fast) == repr(named).replace("Named", "Fast")
    assert Fast(1, second="a") == Fast(second="a", first=1) == fast
    again = pickle.loads(pickle.dumps(fast))
    assert (again, type(again)) == (fast, Fast)


def test_a_field_may_have_a_default_value() -> None:
    assert WithDefault(1) == WithDefault(first=1) == (1, "a")
    assert WithDefault(1, "b") == WithDefault(1, second="b") == (1, "b")
    assert WithDefault(1)._replace(first=2).second == "a"
    with pytest.raises(TypeError, match="WithDefault: expected values of first, second, found 1 and "):
        WithDefault(second="b")  # type: ignore[call-arg]


def test_wrong_values_are_refused() -> None:
    wrong: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((1,), {}), ((1, "a", 2), {}), ((1,), {"third": "a"}), ((1, "a"), {"third": 3}), ((1, "a"), {"first": 1}),
        ((1,), {"first": 1, "second": "a"}), ((), {"second": "a"}),
    ]  # fmt: skip
    for values, named in wrong:
        for kind in (Named, Fast):
            with pytest.raises(TypeError):
                kind(*values, **named)
    with pytest.raises(ValueError, match="expected names of first, second, found third"):
        Fast(1, "a")._replace(third=3)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Fast(1, "a").first = 2  # type: ignore[misc]
