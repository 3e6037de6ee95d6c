"""Attributes that are computed when they are first read."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class cached_attribute(Generic[T]):  # it is used like `property`
    """`functools.cached_property` without its lock, which Python had until 3.11.

    All objects of a class shared that lock, and it was held during the computation. A fork of
    another thread left it held in the child, where the attribute could never be read. Without it,
    two threads may compute the same value, and either may stay.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> "cached_attribute[T]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> "cached_attribute[T] | T":
        """Compute the value. From then on it is found in the object itself."""
        if instance is None:
            return self
        value = vars(instance)[self._name] = self._compute(instance)
        return value
