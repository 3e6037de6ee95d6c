"""What comes in is checked here, once. An error says what was expected, what came, what to do."""

import operator
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .arrays import Array, Bools, Int32
from .bert.config import BertConfig
from .files.fields import shown
from .pooling import POOLINGS, Pooling
from .texts import PAIR, is_pair, listed_texts, no_text

if TYPE_CHECKING:
    import numpy.typing as npt

Truncation = Literal["warn", "error", "silent"]
TRUNCATIONS: tuple[Truncation, ...] = ("warn", "error", "silent")


class TruncationWarning(UserWarning):
    """Texts were longer than `max_length` and were cut."""


def check_choice(name: str, value: object, allowed: Sequence[str]) -> None:
    """Raise ValueError unless an argument has one of the allowed values."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}: expected {' or '.join(map(repr, allowed))}, found {shown(value)}")


def check_flag(name: str, value: object) -> None:
    """Raise TypeError unless an argument is True, False or None."""
    if value is not None and not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}: expected True, False or None, found {shown(value)}")


def check_integer(name: str, value: Any, least: int, most: int | None = None, meaning: str = "") -> int:
    """Return the value as an int.

    Raises TypeError for what is not a whole number, such as True. Raises ValueError outside of
    least..most.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name}: expected a whole number, found {shown(value)}")
    if number < least or (most is not None and number > most):
        limits = f"{least} to {most}" if most is not None else f"at least {least}"
        raise ValueError(f"{name}: expected {limits}{meaning}, found {shown(number)}")
    return number


def check_text(text: object, name: str, several: str = "") -> str:
    """Return the text. Raise TypeError for what is not a str."""
    if not isinstance(text, str):
        raise no_text(text, f"{name}: expected a str", name, several)
    return text


def check_texts(texts: object) -> list[str]:
    """Return one text or several as a list. Raise TypeError for pairs and for what is no text."""
    several = listed_texts(texts)
    if {*map(type, several)} <= {str}:
        return several
    return [check_text(text, f"texts[{index}]", "only `encode` takes pairs of texts") for index, text in enumerate(several)]


def check_texts_or_pairs(texts: object) -> list[str | tuple[str, str]]:
    """Return texts and pairs of texts as a list. Raise TypeError for anything else."""
    several = listed_texts(texts)
    if {*map(type, several)} <= {str}:
        return several
    return [(text[0], text[1]) if is_pair(text) else check_text(text, f"texts[{index}]", PAIR) for index, text in enumerate(several)]


def check_poolings(pooling: Pooling | Sequence[Pooling]) -> tuple[Pooling, ...]:
    """Return one pooling or several as a tuple."""
    poolings = tuple(pooling) if isinstance(pooling, list | tuple) else (pooling,)
    if not 1 <= len(poolings) <= len(POOLINGS):
        raise ValueError(f"pooling: expected one or several of {', '.join(POOLINGS)}, found {len(poolings)}")
    for each in poolings:
        check_choice("pooling", each, POOLINGS)
    return poolings


def check_layers(layer: int | Sequence[int], num_layers: int) -> list[int]:
    """Return one layer or several as numbers from 0, the embeddings, to `num_layers`."""
    layers = [layer] if isinstance(layer, int | str) or not isinstance(layer, Sequence) else list(layer)
    if not layers:
        raise ValueError("layer: expected one number or several, found none")
    num_states = num_layers + 1
    return [check_integer("layer", each, -num_states, num_states - 1) % num_states for each in layers]


def check_length(max_length: int | None, default: int, config: BertConfig) -> int:
    """Return how many tokens of a text are read, [CLS] and [SEP] included."""
    if max_length is None:
        return default
    return check_integer("max_length", max_length, 2, config.max_position_embeddings, " ([CLS] and [SEP], to all positions)")


def chosen_prompt(prompt: str | None, prompt_name: str | None, prompts: Mapping[str, str]) -> str:
    """Return the text to put before each text: `prompt`, else the one of that name, else none."""
    if prompt is not None:
        return check_text(prompt, "prompt")
    if prompt_name is None:
        return ""
    if not isinstance(prompt_name, str) or prompt_name not in prompts:
        raise ValueError(f"prompt_name: expected one of {', '.join(prompts)}, found {shown(prompt_name)}")
    return prompts[prompt_name]


def report_truncation(num_truncated: Int32, max_length: int, truncation: Truncation) -> None:
    """Warn once, or refuse, if texts were cut.

    `num_truncated` has the tokens that each text lost.
    """
    check_choice("truncation", truncation, TRUNCATIONS)
    num_cut = np.count_nonzero(num_truncated)
    if not num_cut or truncation == "silent":
        return
    message = (
        f"{num_cut} of {len(num_truncated)} texts are longer than {max_length} tokens; {num_truncated.sum()} tokens "
        f"{'would be' if truncation == 'error' else 'were'} cut off. Raise max_length if the model allows it, split the texts, "
        "or say truncation='silent'"
    )
    if truncation == "error":
        raise ValueError(message)
    warnings.warn(message, TruncationWarning, stacklevel=_stacklevel_of_caller())


def _stacklevel_of_caller() -> int:
    """Return the `stacklevel` at which a warning names the caller outside of this package."""
    package, caller, level = os.path.dirname(__file__), sys._getframe(1), 1
    while caller.f_back is not None and caller.f_code.co_filename.startswith(package):
        caller, level = caller.f_back, level + 1
    return level


def check_rectangle(
    input_ids: "npt.ArrayLike", attention_mask: "npt.ArrayLike | None", token_type_ids: "npt.ArrayLike | None", config: BertConfig
) -> tuple[Int32, Bools, Int32]:
    """Return the arguments of a forward pass as new arrays (num_sequences, seq_len), checked.

    They are copied before they are checked, because another thread may write to the arrays of the
    caller meanwhile. Raises ValueError, or TypeError for texts and encodings.
    """
    is_encoding = isinstance(input_ids, Mapping) or hasattr(input_ids, "input_ids")
    if is_encoding or (ids := _copied("input_ids", input_ids)).dtype.kind in "SUT":
        expected = "input_ids: expected whole numbers (num_sequences, seq_len)"
        advice = "give its input_ids, attention_mask and token_type_ids" if is_encoding else "`encode` takes texts"
        raise TypeError(f"{expected}, found {type(input_ids).__name__}: {shown(input_ids):.80}; {advice}")
    if ids.ndim != 2 or ids.size == 0 or ids.dtype.kind not in "iu":
        raise ValueError(f"input_ids: expected whole numbers (num_sequences, seq_len), found {ids.dtype} {ids.shape}")
    if ids.shape[1] > config.max_position_embeddings:
        raise ValueError(
            f"input_ids: expected at most {config.max_position_embeddings} columns, the length of the model, found {ids.shape[1]}"
        )
    if ids.min() < 0 or ids.max() >= config.vocab_size:
        raise ValueError(f"input_ids: expected 0 to {config.vocab_size - 1}, found {ids.min()} to {ids.max()}")
    return ids.astype(np.int32), _checked_mask(attention_mask, ids.shape), _checked_types(token_type_ids, ids.shape, config.type_vocab_size)


def _copied(name: str, values: "npt.ArrayLike") -> Array:
    try:
        return np.array(values)
    except ValueError as error:
        raise ValueError(f"{name}: expected rows of equal length, padded, with an attention_mask: {error}") from None


def _checked_mask(attention_mask: "npt.ArrayLike | None", shape: tuple[int, ...]) -> Bools:
    mask = np.ones(shape, np.bool_) if attention_mask is None else _copied("attention_mask", attention_mask)
    if mask.shape != shape:
        raise ValueError(f"attention_mask: expected the shape of input_ids {shape}, found {mask.shape}")
    if mask.dtype.kind not in "biuf":
        raise ValueError(f"attention_mask: expected 0 and 1, found {mask.dtype}")
    if len(others := mask[~np.isin(mask, (0, 1))]):
        raise ValueError(f"attention_mask: expected 0 and 1, found {np.unique(others)[:5]}")
    if not mask.any(axis=1).all():
        raise ValueError(f"attention_mask: expected a 1 in every row, found none in row {int(np.argmin(mask.any(axis=1)))}")
    return mask.astype(np.bool_)


def _checked_types(token_type_ids: "npt.ArrayLike | None", shape: tuple[int, ...], number: int) -> Int32:
    types = np.zeros(shape, np.int32) if token_type_ids is None else _copied("token_type_ids", token_type_ids)
    if types.shape != shape:
        raise ValueError(f"token_type_ids: expected the shape of input_ids {shape}, found {types.shape}")
    if types.dtype.kind not in "iu":  # NumPy counts spans of time among the whole numbers
        raise ValueError(f"token_type_ids: expected whole numbers 0 to {number - 1}, found {types.dtype}")
    if types.min() < 0 or types.max() >= number:
        raise ValueError(f"token_type_ids: expected whole numbers 0 to {number - 1}, found {types.min()} to {types.max()}")
    return types.astype(np.int32)
