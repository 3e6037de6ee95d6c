"""JSON files whose fields are checked as they are read, so that a wrong one is named with its file and not met later as a TypeError."""

import json
import math
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from reprlib import Repr
from typing import Any, TypeVar, overload

from .access import MAX_JSON_BYTES, read_text, recognised
from .sources import broken_link

T = TypeVar("T")
NAMES = {dict: "an object", list: "a list", str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
SHOWN = 200  # characters of a value in an error
MAX_DIGITS = 300  # of a whole number: one of 309 digits may be no float, and one of 4,301 is none that Python writes
# Control characters (C0, DEL, C1), line and paragraph separators, changes of the writing direction, lone surrogates
UNSHOWN = "[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff]"

_brief = Repr()  # deep and long values are cut as they are written
_brief.maxlevel, _brief.maxstring, _brief.maxother, _brief.maxlong = 4, SHOWN, SHOWN, SHOWN
_brief.maxdict = _brief.maxlist = _brief.maxtuple = 20


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
        return default if value is None else _checked(self._place(name), value, kind)

    def need(self, name: str, kind: type[T]) -> T:
        """The field, which must be there."""
        return _checked(self._place(name), self.content.get(name), kind)

    def child(self, name: str) -> "Fields":
        """The object in a field; an empty one if it is absent."""
        return Fields(self._place(name), self.get(name, dict) or {})

    def children(self, name: str) -> list["Fields"]:
        """The objects in a field that holds a list of them."""
        return _objects(self._place(name), self.get(name, list) or [])

    def refuse(self, name: str, expected: str) -> ValueError:
        """The error for a field that asks for something else than what is implemented."""
        return ValueError(f"{self._place(name)}: expected {expected}, found {shown(self.content.get(name))}, which is not implemented")

    def _place(self, name: str) -> str:
        return f"{self.where}: {shown_name(name)}"


def shown(value: object) -> str:
    """A value as an error shows it: as Python writes it, on one line of at most 200 characters."""
    try:
        return " ".join(_brief.repr(value).splitlines())[:SHOWN]  # tables and arrays are written in several
    except ValueError:  # Python writes no number of more than 4,300 digits
        return f"a {type(value).__name__} that is too long to be shown"


def shown_name(name: str) -> str:
    """A name as an error shows it: as it is, if that is short and does nothing to a terminal."""
    return name if len(name) <= SHOWN and name.isprintable() else shown(name)


def visible(text: str) -> str:
    """Text without the characters that a terminal obeys instead of showing them."""
    return re.sub(UNSHOWN, "\ufffd", text)


def is_there(path: Path) -> bool:
    """Whether a folder has an entry of this name: a link that leads nowhere is one, and reading it fails."""
    return os.path.lexists(path)


def load_fields(path: Path) -> Fields:
    """The object in a JSON file. Raises FileNotFoundError, or ValueError for anything else."""
    return Fields(str(path), _checked(str(path), _load(path), dict))


def optional_fields(path: Path) -> Fields:
    """As `load_fields`, and no fields at all if there is no such file."""
    return load_fields(path) if is_there(path) else Fields(str(path), {})


def load_list(path: Path) -> list[Fields]:
    """The list of objects in a JSON file. Raises like `load_fields`."""
    return _objects(str(path), _checked(str(path), _load(path), list))


def load_text(path: Path, limit: int) -> str:
    """A UTF-8 file of a model folder. Raises FileNotFoundError or PermissionError, or ValueError for anything else."""
    if "\0" in str(path):
        raise ValueError(f"{ascii(str(path))[1:-1]}: expected the name of a file, found a zero in it")
    try:
        os.fsencode(path)
        return read_text(path, limit)
    except UnicodeEncodeError as error:  # a name with a lone surrogate
        raise ValueError(f"{ascii(str(path))[1:-1]}: expected the name of a file: {error.reason}") from None
    except FileNotFoundError:
        if is_there(path):
            raise FileNotFoundError(broken_link(path)) from None
        raise
    except PermissionError:
        raise
    except OSError as error:  # a link to itself, a name that is too long, a folder that is none
        raise ValueError(f"{path}: expected a file, found none: {error.strerror}") from None


def _load(path: Path) -> Any:
    try:
        with recognised(path, "JSON"):
            return json.loads(load_text(path, MAX_JSON_BYTES), parse_int=_number, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: expected JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"{path}: expected JSON: found too many lists and objects in each other") from None
    except _TwiceError as error:
        raise ValueError(f"{path}: expected each name once in an object, found {error} twice") from None


class _TwiceError(Exception):
    """An object has two fields of one name."""


def _number(digits: str) -> float:
    """A whole number; one that is too long becomes a float, which is no whole number to any field."""
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise _TwiceError(shown(name))
    return content


def _objects(where: str, items: list[Any]) -> list[Fields]:
    return [Fields(f"{where}[{index}]", _checked(f"{where}[{index}]", item, dict)) for index, item in enumerate(items)]


def _checked(where: str, value: Any, kind: type[T]) -> T:
    if kind is float and type(value) is int:
        value = float(value)
    if (
        not isinstance(value, kind)
        or (isinstance(value, bool) and kind is not bool)
        or (isinstance(value, float) and not math.isfinite(value))
    ):
        raise ValueError(f"{where}: expected {NAMES[kind]}, found {'nothing' if value is None else shown(value)}")
    return value
