"""JSON files whose fields are checked as they are read, so that a wrong one is named with its file and not met later as a TypeError."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, overload

T = TypeVar("T")
NAMES = {dict: "an object", list: "a list", str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Fields:
    """A JSON object and where it stands. `null` counts as absent, as it does for every reader of these files."""

    where: str
    content: dict[str, Any]

    @overload
    def get(self, name: str, kind: type[T]) -> T | None: ...
    @overload
    def get(self, name: str, kind: type[T], default: T) -> T: ...
    def get(self, name: str, kind: type[T], default: T | None = None) -> T | None:
        """The field, which must be of a kind; the default if it is absent."""
        value = self.content.get(name)
        return default if value is None else _checked(f"{self.where}: {name}", value, kind)

    def need(self, name: str, kind: type[T]) -> T:
        """The field, which must be there."""
        return _checked(f"{self.where}: {name}", self.content.get(name), kind)

    def child(self, name: str) -> "Fields":
        """The object in a field; an empty one if it is absent."""
        return Fields(f"{self.where}: {name}", self.get(name, dict) or {})

    def children(self, name: str) -> list["Fields"]:
        """The objects in a field that holds a list of them."""
        return _objects(f"{self.where}: {name}", self.get(name, list) or [])

    def refuse(self, name: str, expected: str) -> ValueError:
        """The error for a field that asks for something else than what is implemented."""
        return ValueError(f"{self.where}: {name}: expected {expected}, found {self.content.get(name)!r:.200}, which is not implemented")


def load_fields(path: Path) -> Fields:
    """The object in a JSON file. Raises FileNotFoundError, or ValueError for anything else."""
    return Fields(str(path), _checked(str(path), _load(path), dict))


def load_list(path: Path) -> list[Fields]:
    """The list of objects in a JSON file. Raises like `load_fields`."""
    return _objects(str(path), _checked(str(path), _load(path), list))


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON: {error}") from None


def _objects(where: str, items: list[Any]) -> list[Fields]:
    return [Fields(f"{where}[{index}]", _checked(f"{where}[{index}]", item, dict)) for index, item in enumerate(items)]


def _checked(where: str, value: Any, kind: type[T]) -> T:
    if kind is float and type(value) is int:
        value = float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where}: expected {NAMES[kind]}, found {'nothing' if value is None else repr(value)[:200]}")
    return value
