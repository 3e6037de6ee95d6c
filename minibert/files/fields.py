"""JSON files whose fields are checked when they are read.

An error names the file and the field. Without the check, a wrong field would become a TypeError in
later code.
"""

import json
import math
import os
import re
from collections import Counter
from reprlib import Repr
from typing import Any, TypeVar, overload

from . import StrPath
from .access import MAX_JSON_BYTES, read_text, recognised

T = TypeVar("T")
NAMES = {dict: "an object", list: "a list", str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
SHOWN = 200  # characters of a value in an error
# Of a whole number. With 309 digits it may not fit in a float; Python writes none with 4,301
# digits.
MAX_DIGITS = 300
# Control characters (C0, DEL, C1), line and paragraph separators, changes of the writing direction,
# lone surrogates
UNSHOWN = "[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff]"

_brief = Repr()  # cuts deep and long values while it writes them
_brief.maxlevel, _brief.maxstring, _brief.maxother, _brief.maxlong = 4, SHOWN, SHOWN, SHOWN
_brief.maxdict = _brief.maxlist = _brief.maxtuple = 20


class Fields:
    """A JSON object, and the file and field where it is.

    `null` counts as absent, as in every reader of these files.
    """

    __slots__ = ("content", "where")

    def __init__(self, where: str, content: dict[str, Any]) -> None:
        self.where = where
        self.content = content

    @overload
    def get(self, name: str, kind: type[T]) -> T | None: ...
    @overload
    def get(self, name: str, kind: type[T], default: T) -> T: ...
    def get(self, name: str, kind: type[T], default: T | None = None) -> T | None:
        """A field of this type; the default if it is absent. Raises ValueError for another type."""
        value = self.content.get(name)
        return default if value is None else _checked(self._place(name), value, kind)

    def need(self, name: str, kind: type[T]) -> T:
        """A field of this type. Raises ValueError for another type and for an absent field."""
        return _checked(self._place(name), self.content.get(name), kind)

    def child(self, name: str) -> "Fields":
        """The object in a field; an empty object if it is absent."""
        return Fields(self._place(name), self.get(name, dict) or {})

    def children(self, name: str) -> list["Fields"]:
        """The objects in a field that holds a list of them."""
        return _objects(self._place(name), self.get(name, list) or [])

    def refuse(self, name: str, expected: str) -> ValueError:
        """The error for a field whose value is not implemented."""
        return ValueError(f"{self._place(name)}: expected {expected}, found {shown(self.content.get(name))}, which is not implemented")

    def _place(self, name: str) -> str:
        return f"{self.where}: {shown_name(name)}"


def shown(value: object) -> str:
    """A value as an error shows it: its repr, on one line of at most 200 characters."""
    try:
        return " ".join(_brief.repr(value).splitlines())[:SHOWN]  # the repr of an array has several lines
    except ValueError:  # Python writes no number of more than 4,300 digits
        return f"a {type(value).__name__} that is too long to be shown"


def shown_name(name: str) -> str:
    """A name as an error shows it: itself, if it is short and harmless to a terminal."""
    return name if len(name) <= SHOWN and name.isprintable() else shown(name)


def visible(text: str) -> str:
    """A text with U+FFFD for each character that would control a terminal."""
    return re.sub(UNSHOWN, "\ufffd", text)


def is_there(path: StrPath) -> bool:
    """Whether a folder has an entry of this name. A broken link counts, and reading it fails."""
    return os.path.lexists(path)


def load_fields(path: StrPath) -> Fields:
    """The object in a JSON file. Raises FileNotFoundError, or ValueError for anything else."""
    return Fields(str(path), _checked(str(path), _load(path), dict))


def optional_fields(path: StrPath) -> Fields:
    """Like `load_fields`, but an empty object if there is no such file."""
    return load_fields(path) if is_there(path) else Fields(str(path), {})


def load_list(path: StrPath) -> list[Fields]:
    """The list of objects in a JSON file. Raises like `load_fields`."""
    return _objects(str(path), _checked(str(path), _load(path), list))


def load_text(path: StrPath, limit: int) -> str:
    """The text of a UTF-8 file of a model folder.

    Raises FileNotFoundError or PermissionError, or ValueError for anything else.
    """
    if "\0" in str(path):
        raise ValueError(f"{ascii(str(path))[1:-1]}: expected the name of a file, found a null character in it")
    try:
        os.fsencode(path)
        return read_text(path, limit)
    except UnicodeEncodeError as error:  # a name with a lone surrogate
        raise ValueError(f"{ascii(str(path))[1:-1]}: expected the name of a file: {error.reason}") from None
    except FileNotFoundError:
        if is_there(path):
            from .sources import broken_link  # only this error needs it

            raise FileNotFoundError(broken_link(path)) from None
        raise
    except PermissionError:
        raise
    except OSError as error:  # a link to itself, a name that is too long, a file in place of a folder
        raise ValueError(f"{path}: expected a file, found none: {error.strerror}") from None


def parsed_fields(where: str, text: str) -> Fields:
    """The object in a JSON text. Raises ValueError for anything else."""
    return Fields(where, _checked(where, _parsed(where, text), dict))


def _load(path: StrPath) -> Any:
    with recognised(path, "JSON"):
        return _parsed(str(path), load_text(path, MAX_JSON_BYTES))


def _parsed(where: str, text: str) -> Any:
    try:
        return json.loads(text, parse_int=_number, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: expected JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"{where}: expected JSON: found too many lists and objects inside each other") from None
    except _TwiceError as error:
        raise ValueError(f"{where}: expected each name once in an object, found {error} twice") from None


class _TwiceError(Exception):
    """An object has two fields of one name."""


def _number(digits: str) -> float:
    """A whole number.

    A number with too many digits becomes a float, which no field accepts as whole.
    """
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
