r"""Where the two originals of BERT's tokenizer differ: one row a difference, with a text and what each makes of it.

Pieces as a vocabulary with an entry for nearly every character gives them, so that what is left of a text can be seen. The same table
stands in the docstring of minibert/tokenizer/__init__.py.
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
    Row(
        "a [SEP]",
        "a [SEP]",
        "a [ s ##e ##p ]",
        "special tokens in a text count as such; Google has none",
    ),
    Row("ΑΣ", "α ##σ", "α ##ς", "Google lower-cases whole words, so a Σ at the end of one becomes ς"),
    Row("x" * 101, "[UNK]", "x ##x (101 pieces)", "a word may have 100 characters; Google's 200"),
    Row("a\ue000b", "a ##b", "a ##\ue000 ##b", "characters of private use are removed; Google keeps them"),
    Row("a\ud800", "a", "[UNK]", "a lone surrogate counts as U+FFFD and is removed; Google keeps it"),
    Row("a\U0002b820b", "[UNK]", "a [UNK] b", "256 rare Chinese characters are no words of their own: a slip of a digit"),
    Row(
        "a\u2e43b",
        "a ##\u2e43 ##b",
        "a \u2e43 b",
        "104 punctuation marks are newer than its tables (Unicode 8; Google's: 14)",
    ),
    Row("a\u166db", "a \u166d b", "a ##\u166d ##b", "2 characters have ceased to be punctuation since"),
    Row("a\u08e2b", "a ##\u08e2 ##b", "a ##b", "13 format characters are newer than its tables"),
    Row("a\u07fdb", "a ##\u07fd ##b", "a ##b", "384 marks are newer than its tables and are no accents to it"),
    Row("a\u1734b", "a ##b", "a ##\u1734 ##b", "1 mark has ceased to be one since"),
    Row("a\ua7dc", "a ##\u019b", "a ##\ua7dc", "55 capital letters are newer than Google's tables, not than its own"),
    Row("a\U00011938", "a ##\U00011938", "a ##\U00011935 ##\U00011930", "1 character is taken apart by Google only"),
]


def lesson_settings() -> tuple[TokenizerSettings, TokenizerSettings]:
    """Of Hugging Face and of Google."""
    settings = character_settings("uncased")
    special = tuple(AddedToken(token, settings.vocab[token]) for token in ("[CLS]", "[SEP]"))
    return replace(settings, added_tokens=special), settings.as_google()


def shown_pieces(pieces: Sequence[str]) -> str:
    return " ".join(pieces) if len(pieces) < 10 else f"{' '.join(pieces[:2])} ({len(pieces)} pieces)"


def shown(text: str) -> str:
    """Unprintable and rare characters as escapes, long texts with their length."""
    if len(text) > 30:
        return f"{text[0]} * {len(text)}"
    return "".join(character if character < "\u0530" else character.encode("unicode-escape").decode() for character in text)


def table() -> list[str]:
    rows = [("text", "hf", "google", ""), *((shown(row.text), shown(row.hf), shown(row.google), row.why) for row in ROWS)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows]
