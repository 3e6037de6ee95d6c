"""Text cleaning, character by character: control characters, Chinese, accents, case.

This is step 1 of 3 of the algorithm in wordpiece.py. Nearly every rule of BERT's cleaning looks at
one character alone. So nearly all of it is one dictionary from a character to the text that
replaces it, filled as characters are met (`CharacterMap`). Two rules look at neighbours: the
canonical order of combining marks (`canonical_order`) and Greek final sigma (`final_sigmas`).

What the rules say about a character is frozen in tables_hf.py and tables_google.py, an `Original`
each. Nothing here depends on the Unicode version of the interpreter.

Sources: `BertNormalizer` of Hugging Face tokenizers; `BasicTokenizer` in tokenization.py of
google-research/bert.
"""

from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

from ..runtime.cached import cached_attribute

Compat = Literal["hf", "google"]
COMPATS: tuple[Compat, ...] = ("hf", "google")

HANGUL_FIRST, HANGUL_LAST = 0xAC00, 0xD7A3
REPLACEMENT = "\ufffd"  # a lone surrogate counts as this for "hf": `tokenizers` refuses one, and cleaning removes this
MAX_KNOWN_CHARACTERS = 32_768  # of a CharacterMap: 6 MB
CAPITAL_SIGMA, FINAL_SIGMA = "Σ", "ς"


def is_surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


class CharacterRanges:
    r"""A set of characters as sorted ranges.

    As a set of strings, Hugging Face's REMOVED alone would have 137,000 members.

    >>> ranges = CharacterRanges("9-a d 20")
    >>> "\n" in ranges, "\x0b" in ranges, list(ranges)
    (True, False, ['\t', '\n', '\r', ' '])
    """

    def __init__(self, table: str) -> None:
        ends = [item.split("-") for item in table.split()]
        self.pairs = [(int(pair[0], 16), int(pair[-1], 16)) for pair in ends]  # first and last code point of each range
        self._firsts = [chr(first) for first, _ in self.pairs]
        self._lasts = [chr(last) for _, last in self.pairs]

    def __contains__(self, character: str) -> bool:
        index = bisect_right(self._firsts, character) - 1
        return index >= 0 and character <= self._lasts[index]

    def __iter__(self) -> Iterator[str]:
        for first, last in zip(self._firsts, self._lasts, strict=True):
            yield from map(chr, range(ord(first), ord(last) + 1))


class Original:
    """One of the two originals: what its rules say about characters."""

    def __init__(self, compat: Compat) -> None:
        self.is_google = compat == "google"
        # Imported here, because a program reads one of them. Imported by statements, because the
        # tools that freeze programs follow import statements.
        if self.is_google:
            from . import tables_google as tables
        else:
            from . import tables_hf as tables  # type: ignore[no-redef]
        self._tables: Any = tables
        self._ranges: dict[str, CharacterRanges] = {}
        self._characters: dict[str, frozenset[str]] = {}

    def ranges(self, table: str) -> CharacterRanges:
        """A set of the tables by name."""
        if table not in self._ranges:
            self._ranges[table] = CharacterRanges(getattr(self._tables, table))
        return self._ranges[table]

    def characters(self, table: str) -> frozenset[str]:
        """A small set of the tables by name, to look up every character of a text in."""
        if table not in self._characters:
            self._characters[table] = frozenset(self.ranges(table))
        return self._characters[table]

    @cached_attribute
    def combining_classes(self) -> dict[str, int]:
        """Canonical combining class of every character that has one; all others have 0."""
        classes = {}
        for line in self._tables.COMBINING_CLASSES.split("\n"):
            number, _, members = line.partition(":")
            classes.update(dict.fromkeys(CharacterRanges(members), int(number or "0", 16)))
        return classes

    @cached_attribute
    def decompositions(self) -> dict[str, str]:
        """Full canonical decompositions, without the Hangul syllables."""
        entries = (item.split("=") for item in self._tables.DECOMPOSITIONS.replace("\n", "").split(";") if item)
        return {chr(int(code, 16)): "".join(chr(int(part, 16)) for part in parts.split()) for code, parts in entries}

    @cached_attribute
    def lowercase(self) -> dict[str, str]:
        """Lower case of every character that has one. Σ gives σ, wherever it stands.

        The table says `41-5a/1+20`: from U+0041 to U+005A, every character, 0x20 up.
        """
        mapping = {}
        for item in self._tables.LOWERCASE.split():
            if "=" in item:
                code, parts = item.split("=")
                mapping[chr(int(code, 16))] = "".join(chr(int(part, 16)) for part in parts.split("+"))
                continue
            run, _, step_and_shift = item.partition("/")
            first, last = (int(code, 16) for code in run.split("-"))
            step, shift = int(step_and_shift[0], 16), int(step_and_shift[1:], 16)
            mapping.update({chr(code): chr(code + shift) for code in range(first, last + 1, step)})
        return mapping

    def decompose(self, character: str) -> str:
        """Full canonical decomposition of one character (the D of NFD).

        Hangul syllables by arithmetic: The Unicode Standard, section 3.12.
        """
        if HANGUL_FIRST <= ord(character) <= HANGUL_LAST:
            leading, rest = divmod(ord(character) - HANGUL_FIRST, 21 * 28)
            vowel, trailing = divmod(rest, 28)
            return chr(0x1100 + leading) + chr(0x1161 + vowel) + (chr(0x11A7 + trailing) if trailing else "")
        return self.decompositions.get(character, character)

    @cached_attribute
    def surviving_marks(self) -> frozenset[str]:
        """Characters that leave a mark with a combining class when accents are stripped.

        There are fewer than a hundred, and canonical order matters for them alone. They are spacing
        marks, musical notation and Hangul tone marks, and for Hugging Face marks newer than its
        table.
        """
        candidates = [*self.combining_classes, *self.decompositions]
        kept = {mark for mark in self.combining_classes if mark not in self.ranges("NONSPACING_MARKS")}
        return frozenset(character for character in candidates if not kept.isdisjoint(self.decompose(character)))


@cache
def original(compat: Compat) -> Original:
    """The tables of "hf" or "google", read once."""
    return Original(compat)


class CharacterMap(dict[str, str]):
    r"""A character -> the text that replaces it, filled as characters are met.

    >>> rules = dict(clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True)
    >>> normalize = CharacterMap("hf", **rules)
    >>> [normalize[character] for character in "É\t東\0"]
    ['e', ' ', ' 東 ', '']
    """

    def __init__(
        self,
        compat: Compat,
        *,
        clean_text: bool,
        handle_chinese_chars: bool,
        strip_accents: bool,
        lowercase: bool,
        strip_all_marks: bool = False,
    ) -> None:
        self.original = original(compat)
        self.clean_text = clean_text
        self.handle_chinese_chars = handle_chinese_chars
        self.strip_accents = strip_accents
        self.lowercase = lowercase
        self.strip_all_marks = strip_all_marks
        self.marks = self.original.ranges("COMBINING_MARKS" if strip_all_marks else "NONSPACING_MARKS")  # what is stripped

    @cached_attribute
    def surviving_marks(self) -> frozenset[str]:
        """The marks that survive, for which the order of marks matters.

        Reading them takes 6 ms. So they are read for the first text that is not ASCII, and not when
        a model is loaded.
        """
        return self.original.surviving_marks if self.strip_accents and not self.strip_all_marks else frozenset()

    def parts(self, character: str) -> str:
        """The character cleaned and decomposed, with its marks, which may have to be sorted first.

        Google lower-cases before it decomposes, Hugging Face after.
        """
        text = REPLACEMENT if is_surrogate(character) and not self.original.is_google else character
        if self.clean_text and text in self.original.ranges("REMOVED"):
            return ""
        if self.clean_text and text in self.original.ranges("CLEANED_TO_SPACE"):
            return " "
        if self.lowercase and self.original.is_google:
            text = self.original.lowercase.get(text, text)
        return "".join(map(self.original.decompose, text)) if self.strip_accents else text

    def __missing__(self, character: str) -> str:
        text = self.parts(character)
        if self.strip_accents:
            text = "".join(part for part in text if part not in self.marks)
        if self.lowercase and not self.original.is_google:
            text = "".join(self.original.lowercase.get(part, part) for part in text)
        if self.handle_chinese_chars and character in self.original.ranges("CHINESE"):
            text = f" {text} "
        if len(self) >= MAX_KNOWN_CHARACTERS:
            self.clear()
        self[character] = text
        return text


def canonical_order(word: str, normalize: CharacterMap) -> Iterator[tuple[int, str]]:
    r"""(index into `word`, replacement) of each character, with runs of marks in canonical order.

    Sorting moves characters, and `tokenizers` does not move their places with them. After the sort,
    it gives the places of the run from left to right, one to each character that stood in the text.
    A character that a decomposition added has the place before it. In "a\u302e\u0323" the dot below
    sorts before the tone mark and takes its place, 1. The tone mark alone survives, with place 2
    instead of its own.
    """
    classes, marks = normalize.original.combining_classes, normalize.marks
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
        parts = normalize.parts(character)
        if not parts:
            continue  # cleaning comes before sorting
        if parts[0] not in classes:
            yield from flush()
        places.append(index)
        run += [(classes.get(part, 0), part, position == 0) for position, part in enumerate(parts)]
    yield from flush()


def final_sigmas(word: str, normalize: CharacterMap) -> str:
    """The text with ς for each Σ that ends a word: a cased letter before it, and none after it.

    Case-ignorable characters (apostrophes, marks) do not count, and neither does what cleaning
    removes. A Chinese character ends a word. Source: Unicode, SpecialCasing.txt, Final_Sigma, as
    `str.lower` has it. Hugging Face has no such rule.
    """
    cased, ignorable, chinese = (normalize.original.ranges(name) for name in ("CASED", "CASE_IGNORABLE", "CHINESE"))

    def is_beside_cased(characters: Iterator[str]) -> Iterator[bool]:
        """Whether the letter before each character is cased."""
        state = False
        for character in characters:
            yield state
            if character in chinese or (character not in ignorable and normalize.parts(character)):
                state = character in cased

    before, after = list(is_beside_cased(iter(word))), list(is_beside_cased(reversed(word)))[::-1]
    return "".join(
        FINAL_SIGMA if character == CAPITAL_SIGMA and before[index] and not after[index] else character
        for index, character in enumerate(word)
    )
