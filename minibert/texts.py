"""What counts as a text, as a pair of texts, as several of them, and as ids. Anything else is refused with what to write instead."""

import operator
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

import numpy as np

from .files.fields import shown

Pair = tuple[str, str] | list[str]  # of two
Text = str | Pair
PAIR = "a pair has two texts, each a str"


def is_pair(text: object) -> TypeGuard[Pair]:
    """Whether it is a tuple or a list of two texts."""
    return isinstance(text, tuple | list) and len(text) == 2 and isinstance(text[0], str) and isinstance(text[1], str)


def listed_texts(texts: object, name: str = "texts") -> list[Any]:
    """Several texts as a new list, not looked at one by one; a str alone is a list of one.

    Raises TypeError for what has no texts in it, and for a table or a dict, because iteration would give its keys.
    """
    if isinstance(texts, str):
        return [texts]
    if type(texts) is list:
        return texts.copy()
    found = f"{name}: expected a str or several, found {'an' if (kind := type(texts).__name__)[0] in 'aeiouAEIOU' else 'a'} {kind}"
    if isinstance(texts, bytes | bytearray | memoryview):
        raise TypeError(f"{found}; decode it, as in {name}.decode('utf-8')")
    if isinstance(texts, Mapping) or hasattr(texts, "columns"):
        raise TypeError(f"{found}, whose keys or columns are no texts; give one column, as in {name}['name'], or the values")
    if not isinstance(texts, Iterable) or getattr(texts, "ndim", 1) == 0:  # an array without dimensions has `__iter__`, and it fails
        raise TypeError(f"{found}: {shown(texts)}")
    return texts.tolist() if isinstance(texts, np.ndarray) else list(texts)


def no_text(text: object, expected: str, name: str = "text", several: str = "") -> TypeError:
    """The error for something that is no text, with what to write where that is known; `several` is that for a list and its like."""
    advice = several if isinstance(text, Iterable) else ""
    if isinstance(text, bytes | bytearray | memoryview):
        advice = f"decode it, as in {name}.decode('utf-8')"
    elif hasattr(text, "as_py"):  # pyarrow's
        advice = "give texts.to_pylist()"
    elif isinstance(text, Mapping) or hasattr(text, "columns"):
        advice = "its keys or columns are no texts"
    return TypeError(f"{expected}, found {type(text).__name__}: {shown(text):.80}" + (f"; {advice}" if advice else ""))


def whole_numbers(ids: Any) -> list[int]:
    """The ids of one text: whole numbers in an iterable, an array or a tensor, or one of them.

    Raises TypeError for anything else. True and False are no ids, though they are numbers to Python.
    """
    if type(ids) is list and {*map(type, ids)} <= {int}:
        return ids
    if isinstance(ids, Mapping) or hasattr(ids, "input_ids"):
        raise TypeError(f"expected the ids of one text, found {type(ids).__name__}; give its input_ids")
    found = ids.tolist() if hasattr(ids, "tolist") else ids  # arrays and tensors
    if isinstance(found, str | bytes | bytearray | memoryview):
        raise TypeError(f"expected ids, found {type(ids).__name__}: {shown(ids):.80}; a tokenizer's call makes ids of a text")
    return [_whole_number(id) for id in (found if isinstance(found, Iterable) else [found])]


def _whole_number(id: Any) -> int:
    if isinstance(id, Iterable) and not isinstance(id, str) and getattr(id, "ndim", 1) != 0:
        raise TypeError(f"expected the ids of one text, found {type(id).__name__} among them: {shown(id):.80}; decode one text at a time")
    if not isinstance(id, bool):
        try:
            return operator.index(id)
        except TypeError:
            pass
    raise TypeError(f"expected whole numbers, found {type(id).__name__}: {shown(id):.80}")
