"""What a terminal shows: colors for pieces of the vocabulary, and no character that would make it do something else."""

import os
import re
from pathlib import Path

from ..tokenizer import TokenizerSettings

RED, GREEN, YELLOW, BLUE, CYAN, GRAY = 31, 32, 33, 34, 36, 90
# Control characters (C0, DEL, C1), line and paragraph separators, what turns the direction of writing, and lone surrogates
UNSHOWN = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff]")
MESSAGE_LENGTH = 3000  # characters of an error, at most

Part = str | tuple[str, int]  # a text, or a text and its color
Line = str | list[Part]


def visible(text: str) -> str:
    """Text without characters that a terminal obeys instead of showing them."""
    return UNSHOWN.sub("\ufffd", text)


def one_line(text: str) -> str:
    """A message as a single line of bounded length, so that a name or a text in it cannot pose as another message."""
    line = visible(re.sub(r"\n +", "; ", text))  # how our own messages indent their lists
    half = MESSAGE_LENGTH // 2
    return line if len(line) <= MESSAGE_LENGTH else f"{line[:half]} … {line[-half:]}"


def shown(line: Line | Path) -> str:
    """A line for people, with the colors of its parts."""
    parts = line if isinstance(line, list) else [str(line)]
    return "".join(visible(part) if isinstance(part, str) else paint(visible(part[0]), part[1]) for part in parts)


def paint(text: str, color: int) -> str:
    """Text in a color, at a terminal that has them (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{color}m{text}\x1b[0m"


def color_of(token: str, start: int, end: int, settings: TokenizerSettings) -> int:
    """Gray for [CLS] and [SEP], which have no place in the text; red for [UNK]; blue for what continues a word."""
    if start == end:
        return GRAY
    if token == settings.unk_token:
        return RED
    return BLUE if token.startswith(settings.continuing_subword_prefix) else GREEN


def pieces(text: str, offsets: list[tuple[int, int]]) -> list[Part]:
    """A text with its pieces in turns of two colors."""
    parts: list[Part] = []
    position = 0
    for number, (start, end) in enumerate(span for span in offsets if span[0] >= position and span[1] > span[0]):
        parts += [text[position:start], (text[start:end], (GREEN, BLUE)[number % 2])]
        position = end
    return [*parts, text[position:]]
