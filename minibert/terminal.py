"""What a terminal shows in color: pieces of the vocabulary."""

import os
import re

from .tokenizer import TokenizerSettings

RED, GREEN, YELLOW, BLUE, CYAN, GRAY = 31, 32, 33, 34, 36, 90


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


def painted(text: str, offsets: list[tuple[int, int]]) -> str:
    """A text with its pieces in turns of two colors."""
    shown, position = [], 0
    for number, (start, end) in enumerate(span for span in offsets if span[0] >= position and span[1] > span[0]):
        shown += [visible(text[position:start]), paint(visible(text[start:end]), (GREEN, BLUE)[number % 2])]
        position = end
    return "".join([*shown, visible(text[position:])])


def visible(text: str) -> str:
    """Text without control characters, which a terminal might obey."""
    return re.sub("[\0-\x1f\x7f-\x9f]", "\ufffd", text)
