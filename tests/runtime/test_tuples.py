"""FieldTuple is what NamedTuple is, for classes without default values."""

import pickle
from typing import NamedTuple

import pytest

from minibert.runtime.tuples import FieldTuple


class Named(NamedTuple):
    first: int
    second: str


class Light(FieldTuple):
    first: int
    second: str


def test_it_does_what_a_named_tuple_does() -> None:
    named, light = Named(1, "a"), Light(1, "a")
    assert light == named
    assert (light.first, light.second) == (1, "a")
    assert light._fields == named._fields
    assert light._asdict() == named._asdict()
    assert light._replace(second="b") == named._replace(second="b")
    assert repr(light) == repr(named).replace("Named", "Light")
    again = pickle.loads(pickle.dumps(light))
    assert (again, type(again)) == (light, Light)


def test_wrong_values_are_refused() -> None:
    with pytest.raises(TypeError, match="Light: expected 2 values, found 1"):
        Light(1)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="expected names of first, second, found third"):
        Light(1, "a")._replace(third=3)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Light(1, "a").first = 2  # type: ignore[misc]
