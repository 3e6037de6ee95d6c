"""What is accepted as a text, a pair of texts, several texts, or ids.

Everything else is refused, and the error says what to write instead.
"""

import operator
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

import numpy as np

from .files.fields import shown

Pair = tuple[str, str] | list[str]  # a list has two texts
Text = str | Pair
PAIR = "a pair has two texts, each a str"


def is_pair(text: object) -> TypeGuard[Pair]:
    """Whether an object is a tuple or a list of two texts."""
    return isinstance(text, tuple | list) and len(text) == 2 and isinstance(text[0], str) and isinstance(text[1], str)


def listed_texts(texts: object, name: str = "texts") -> list[Any]:
    """Several texts as a new list. A single str becomes a list of one. The texts are not checked.

    Args:
        texts: a str or an iterable.
        name: what errors call it.

    Raises TypeError for an object that contains no texts. Raises TypeError for a table or a dict
    too, because iteration would give its keys.
    """
    if isinstance(texts, str):
        return [texts]
    if type(texts) is list:
        return texts.copy()
    found = f"{name}: expected a str or several, found {'an' if (kind := type(texts).__name__)[0] in 'aeiouAEIOU' else 'a'} {kind}"
    if isinstance(texts, bytes | bytearray | memoryview):
        raise TypeError(f"{found}; decode it, as in {name}.decode('utf-8')")
    if isinstance(texts, Mapping) or hasattr(texts, "columns"):
        raise TypeError(f"{found}, whose keys or columns are not texts; give one column, as in {name}['name'], or the values")
    if not isinstance(texts, Iterable) or getattr(texts, "ndim", 1) == 0:  # an array without dimensions has an `__iter__` that fails
        raise TypeError(f"{found}: {shown(texts)}")
    return texts.tolist() if isinstance(texts, np.ndarray) else list(texts)


def no_text(text: object, expected: str, name: str = "text", several: str = "") -> TypeError:
    """The error for an object that is not a text, with an advice if one is known.

    Args:
        text: the object.
        expected: what the message begins with.
        name: what the advice calls the object.
        several: the advice for a list and other iterables.
    """
    advice = several if isinstance(text, Iterable) else ""
    if isinstance(text, bytes | bytearray | memoryview):
        advice = f"decode it, as in {name}.decode('utf-8')"
    elif hasattr(text, "as_py"):  # pyarrow's
        advice = "give texts.to_pylist()"
    elif isinstance(text, Mapping) or hasattr(text, "columns"):
        advice = "its keys or columns are not texts"
    return TypeError(f"{expected}, found {type(text).__name__}: {shown(text):.80}" + (f"; {advice}" if advice else ""))


def whole_numbers(ids: Any) -> list[int]:
    """The ids of one text, from whole numbers in an iterable, an array or a tensor, or one number.

    Raises TypeError for anything else, also for True and False, which are numbers in Python.
    """
    if type(ids) is list and {*map(type, ids)} <= {int}:
        return ids
    if isinstance(ids, Mapping) or hasattr(ids, "input_ids"):
        raise TypeError(f"expected the ids of one text, found {type(ids).__name__}; give its input_ids")
    found = ids.tolist() if hasattr(ids, "tolist") else ids  # arrays and tensors
    if isinstance(found, str | bytes | bytearray | memoryview):
        raise TypeError(f"expected ids, found {type(ids).__name__}: {shown(ids):.80}; tokenizer(text) makes ids of a text")
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
