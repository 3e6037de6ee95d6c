r"""Where the two originals of BERT's tokenizer differ, with a text and its pieces for each
difference.

The vocabulary has an entry for nearly every character, so the pieces show what is left of a text.
The docstring of minibert/tokenizer/__init__.py has the same table.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from minibert.tokenizer import AddedToken, TokenizerSettings
from tests.support.hard_texts import character_settings


class Row(NamedTuple):
    text: str
    hf: str
    google: str
    why: str


ROWS = [
    Row("a [SEP]", "a [SEP]", "a [ s ##e ##p ]", "special tokens in a text count as such"),
    Row("ΑΣ", "α ##σ", "α ##ς", "Google makes a Σ at the end of a word ς"),
    Row("x" * 101, "[UNK]", "x ##x (101 pieces)", "words have 100 characters; Google's 200"),
    Row("a\ue000b", "a ##b", "a ##\ue000 ##b", "private use is removed; Google keeps it"),
    Row("a\ud800", "a", "[UNK]", "a lone surrogate counts as U+FFFD"),
    Row("a\U0002b820b", "[UNK]", "a [UNK] b", "256 rare Chinese characters stay in words"),
    Row("a\u2e43b", "a ##\u2e43 ##b", "a \u2e43 b", "104 punctuation marks since Unicode 8"),
    Row("a\u166db", "a \u166d b", "a ##\u166d ##b", "2 characters are punctuation no longer"),
    Row("a\u08e2b", "a ##\u08e2 ##b", "a ##b", "13 format characters since Unicode 8"),
    Row("a\u07fdb", "a ##\u07fd ##b", "a ##b", "384 marks since Unicode 8"),
    Row("a\u1734b", "a ##b", "a ##\u1734 ##b", "1 character is a mark no longer"),
    Row("a\ua7dc", "a ##\u019b", "a ##\ua7dc", "55 capital letters since Unicode 14"),
    Row("\U00011938", "\U00011938", "\U00011935 ##\U00011930", "Google decomposes 1 character more"),
]


def settings_of_both() -> tuple[TokenizerSettings, TokenizerSettings]:
    """The settings of Hugging Face and of Google."""
    settings = character_settings("uncased")
    special = tuple(AddedToken(token, settings.vocab[token]) for token in ("[CLS]", "[SEP]"))
    return replace(settings, added_tokens=special), settings.as_google()


def shown_pieces(pieces: Sequence[str]) -> str:
    return " ".join(pieces) if len(pieces) < 10 else f"{' '.join(pieces[:2])} ({len(pieces)} pieces)"


def shown(text: str) -> str:
    """A text with rare characters as escapes, or a long text as its first character and its
    length.
    """
    if len(text) > 30:
        return f"{text[0]} * {len(text)}"
    return "".join(character if character < "\u0530" else character.encode("unicode-escape").decode() for character in text)


def table() -> list[str]:
    rows = [("text", "hf", "google", ""), *((shown(row.text), shown(row.hf), shown(row.google), row.why) for row in ROWS)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows]
