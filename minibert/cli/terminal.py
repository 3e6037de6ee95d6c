"""Text for a terminal: colors for pieces of the vocabulary, and no control characters."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..files.fields import visible

if TYPE_CHECKING:
    from ..tokenizer import TokenizerSettings

RED, GREEN, YELLOW, BLUE, CYAN, GRAY = 31, 32, 33, 34, 36, 90
MESSAGE_LENGTH = 3000  # limit for an error, in characters

Part = str | tuple[str, int]  # a text, or a text and its color
Line = str | list[Part]


def one_line(text: str) -> str:
    """Return a message as one line of bounded length.

    So a name or a text in a message cannot look like another message.
    """
    line = visible(re.sub(r"\n +", "; ", text))  # lists in our own messages are indented
    half = MESSAGE_LENGTH // 2
    return line if len(line) <= MESSAGE_LENGTH else f"{line[:half]} … {line[-half:]}"


def rendered(line: Line | Path) -> str:
    """Return a line with the colors of its parts."""
    parts = line if isinstance(line, list) else [str(line)]
    return "".join(visible(part) if isinstance(part, str) else paint(visible(part[0]), part[1]) for part in parts)


def paint(text: str, color: int) -> str:
    """Return a text in a color, unless the environment refuses colors (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{color}m{text}\x1b[0m"


def color_of(token: str, start: int, end: int, settings: "TokenizerSettings") -> int:
    """Return the color of a token.

    Gray: a special token without a place in the text. Red: [UNK]. Blue: a piece inside a word.
    Green: the first piece of a word.
    """
    if start == end:
        return GRAY
    if token == settings.unk_token:
        return RED
    return BLUE if token.startswith(settings.continuing_subword_prefix) else GREEN


def pieces(text: str, offsets: list[tuple[int, int]]) -> list[Part]:
    """Return a text whose pieces alternate between two colors."""
    parts: list[Part] = []
    position = 0
    for number, (start, end) in enumerate(span for span in offsets if span[0] >= position and span[1] > span[0]):
        parts += [text[position:start], (text[start:end], (GREEN, BLUE)[number % 2])]
        position = end
    return [*parts, text[position:]]
