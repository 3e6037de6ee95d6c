"""Text cleaning, character by character: control characters, Chinese, accents, case.

Step 1 of 3 of the tokenizer (then splitting and WordPiece, in wordpiece.py). Every rule of BERT's cleaning looks at one character
alone, so the whole of it is one lazily filled dictionary from a character to the text that replaces it. The one exception, the
canonical order of combining marks, is `canonical_order`.

Source: `BertNormalizer` of Hugging Face tokenizers, after `BasicTokenizer` of google-research/bert's tokenization.py.
"""

from bisect import bisect_right
from collections.abc import Iterator
from functools import cache

from . import tables_hf as tables

HANGUL_FIRST, HANGUL_LAST = 0xAC00, 0xD7A3
REPLACEMENT = "\ufffd"  # what a lone surrogate counts as: `tokenizers` cannot take one, and cleaning removes this


def is_surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


class CharacterRanges:
    r"""A set of characters as sorted ranges: REMOVED alone would be 137,000 strings as a set.

    >>> ranges = CharacterRanges("9-a d 20")
    >>> "\n" in ranges, "\x0b" in ranges, list(ranges)
    (True, False, ['\t', '\n', '\r', ' '])
    """

    def __init__(self, table: str) -> None:
        pairs = [item.split("-") for item in table.split()]
        self._firsts = [chr(int(pair[0], 16)) for pair in pairs]
        self._lasts = [chr(int(pair[-1], 16)) for pair in pairs]

    def __contains__(self, character: str) -> bool:
        index = bisect_right(self._firsts, character) - 1
        return index >= 0 and character <= self._lasts[index]

    def __iter__(self) -> Iterator[str]:
        for first, last in zip(self._firsts, self._lasts, strict=True):
            yield from map(chr, range(ord(first), ord(last) + 1))


@cache
def ranges(table: str) -> CharacterRanges:
    """A set of tables_hf.py by name."""
    return CharacterRanges(getattr(tables, table))


@cache
def characters(table: str) -> frozenset[str]:
    """A small set of tables_hf.py by name, for questions about every character of a text."""
    return frozenset(ranges(table))


@cache
def combining_classes() -> dict[str, int]:
    """Canonical combining class of every character that has one; all others have 0."""
    classes = {}
    for line in tables.COMBINING_CLASSES.split("\n"):
        number, _, members = line.partition(":")
        classes.update(dict.fromkeys(CharacterRanges(members), int(number or "0", 16)))
    return classes


@cache
def decompositions() -> dict[str, str]:
    """Full canonical decompositions, without the Hangul syllables."""
    entries = (item.split("=") for item in tables.DECOMPOSITIONS.replace("\n", "").split(";") if item)
    return {chr(int(code, 16)): "".join(chr(int(part, 16)) for part in parts.split()) for code, parts in entries}


@cache
def lowercase() -> dict[str, str]:
    """Lower case of every character that has one. Per character: a final sigma stays σ.

    The table says `41-5a/1+20`: from U+0041 to U+005A, every character, 0x20 up.
    """
    mapping = {}
    for item in tables.LOWERCASE.split():
        if "=" in item:
            code, parts = item.split("=")
            mapping[chr(int(code, 16))] = "".join(chr(int(part, 16)) for part in parts.split("+"))
            continue
        run, _, step_and_shift = item.partition("/")
        first, last = (int(code, 16) for code in run.split("-"))
        step, shift = int(step_and_shift[0], 16), int(step_and_shift[1:], 16)
        mapping.update({chr(code): chr(code + shift) for code in range(first, last + 1, step)})
    return mapping


def decompose(character: str) -> str:
    """Full canonical decomposition of one character (the D of NFD).

    Hangul syllables by arithmetic: The Unicode Standard, section 3.12.
    """
    if HANGUL_FIRST <= ord(character) <= HANGUL_LAST:
        leading, rest = divmod(ord(character) - HANGUL_FIRST, 21 * 28)
        vowel, trailing = divmod(rest, 28)
        return chr(0x1100 + leading) + chr(0x1161 + vowel) + (chr(0x11A7 + trailing) if trailing else "")
    return decompositions().get(character, character)


class CharacterMap(dict[str, str]):
    r"""A character -> the text that replaces it, filled as characters are met.

    >>> normalize = CharacterMap(clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True)
    >>> [normalize[character] for character in "É\t東\0"]
    ['e', ' ', ' 東 ', '']
    """

    def __init__(self, *, clean_text: bool, handle_chinese_chars: bool, strip_accents: bool, lowercase: bool) -> None:
        self.clean_text = clean_text
        self.handle_chinese_chars = handle_chinese_chars
        self.strip_accents = strip_accents
        self.lowercase = lowercase

    def __missing__(self, character: str) -> str:
        text = REPLACEMENT if is_surrogate(character) else character
        if self.clean_text and text in ranges("REMOVED"):
            text = ""
        elif self.clean_text and text in ranges("CLEANED_TO_SPACE"):
            text = " "
        if text and self.strip_accents:
            text = "".join(part for part in decompose(text) if part not in ranges("NONSPACING_MARKS"))
        if self.lowercase:
            text = "".join(lowercase().get(part, part) for part in text)
        if self.handle_chinese_chars and character in ranges("CHINESE"):
            text = f" {text} "
        self[character] = text
        return text


@cache
def surviving_marks() -> frozenset[str]:
    """Characters that leave a mark with a combining class behind even when accents are stripped.

    There are a few dozen (Hangul tone marks, musical notation, spacing marks): the only ones for which canonical order matters.
    """
    candidates = [*combining_classes(), *decompositions()]
    kept = {mark for mark in combining_classes() if mark not in ranges("NONSPACING_MARKS")}
    return frozenset(character for character in candidates if not kept.isdisjoint(decompose(character)))


def canonical_order(word: str, normalize: CharacterMap) -> Iterator[tuple[int, str]]:
    r"""Pairs (index into `word`, replacement) as `normalize` gives them, with runs of combining marks in canonical order.

    Sorting moves letters, and `tokenizers` does not follow them: after the sort it hands out the places of the run from left to right,
    one to each character that stood in the text (those that a decomposition added take the place before them). In "a\u302e\u0323" the
    dot below sorts before the tone mark and takes its place, 1; the tone mark, which alone survives, gets place 2 instead of its own.
    """
    classes, marks = combining_classes(), ranges("NONSPACING_MARKS")
    run: list[tuple[int, str, bool]] = []  # combining class, character, whether it opens its decomposition
    places: list[int] = []  # where the characters of the run stand in the text

    def flush() -> Iterator[tuple[int, str]]:
        place = -1
        for _, part, opens in sorted(run, key=lambda item: item[0]):
            place += opens
            if part not in marks:
                yield places[place], normalize[part]
        run.clear()
        places.clear()

    for index, character in enumerate(word):
        if normalize.clean_text and character in ranges("REMOVED"):
            continue  # cleaning comes before sorting
        parts = decompose(character)
        if parts[0] not in classes:
            yield from flush()
        places.append(index)
        run += [(classes.get(part, 0), part, position == 0) for position, part in enumerate(parts)]
    yield from flush()
