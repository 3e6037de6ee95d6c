"""Added tokens such as `[MASK]`, which are found before a text is split into words."""

import re
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from .unicode import original

MAX_IDS = 1 << 31  # ids are 32-bit numbers in the arrays
STATE_BITS = 24  # of a state of LongestMatches in the key of a transition
FEW_LETTERS = 256  # of a set for a regular expression, which may compare all of them at each place of a text, in half a microsecond


@dataclass(frozen=True)
class AddedToken:
    """A token with an id of its own, found in the text before cleaning, or after it if
    `normalized`.
    """

    content: str
    id: int
    special: bool = True
    lstrip: bool = False  # the whitespace before it belongs to it
    rstrip: bool = False  # the whitespace after it belongs to it
    normalized: bool = False  # its cleaned content is looked for in the cleaned text
    single_word: bool = False  # not beside a letter, a digit or _

    def __post_init__(self) -> None:
        if not isinstance(self.content, str) or not self.content:
            raise ValueError(f"content: expected a text, found {self.content!r:.200}")
        if type(self.id) is not int or not 0 <= self.id < MAX_IDS:
            raise ValueError(f"id: expected a whole number from 0 to 2^31 - 1, found {self.id!r:.200}")


class Alternatives:
    """Finds the members of a small set in a text, from left to right.

    Of several that begin at one place, it finds the longest.

    >>> list(Alternatives(["ab", "abc", "c"]).find("abcabc ab"))
    [(0, 3), (3, 6), (7, 9)]
    """

    def __init__(self, members: Collection[str]) -> None:
        self._pattern = re.compile("|".join(map(re.escape, sorted(members, key=len, reverse=True))))

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """(start, end) of each match."""
        return (match.span() for match in self._pattern.finditer(text))

    def is_in(self, text: str) -> bool:
        """Whether there is a match."""
        return self._pattern.search(text) is not None


class Automaton:
    """Finds what Alternatives finds, for a set of any size: time is linear in the text.

    The automaton of Aho and Corasick (1975) reads a text and has, at each place, the longest member
    that ends there. Here it is made of the reversed members and reads the text from its end. So it
    has the longest member that begins at each place, and reads no place twice. It reads windows
    only: from a letter that begins a member, as far as the longest member reaches.

    >>> list(Automaton(["ab", "abc", "c"]).find("abcabc ab"))
    [(0, 3), (3, 6), (7, 9)]
    """

    def __init__(self, members: Collection[str]) -> None:
        self._reach = max(map(len, members))
        self._next: dict[int, int] = {}  # letter << STATE_BITS | state -> state; a state is the beginning of a reversed member
        self._matched = array("i", [0])  # state -> letters of the longest member that ends with it
        self._fallback = array("i", [0])  # state -> the longest other state that it ends with
        depths, parents, letters = array("i", [0]), array("i", [0]), array("i", [0])  # of a state; the last letter leads to it
        for member in members:
            state = 0
            for depth, letter in enumerate(map(ord, reversed(member)), 1):
                key = letter << STATE_BITS | state
                if key not in self._next:
                    self._next[key] = len(depths)
                    for states, value in zip(
                        (depths, parents, letters, self._matched, self._fallback), (depth, state, letter, 0, 0), strict=True
                    ):
                        states.append(value)
                state = self._next[key]
            self._matched[state] = len(member)
        for state in sorted(range(1, len(depths)), key=depths.__getitem__):
            if depths[state] > 1:
                self._fallback[state] = fallback = self._step(self._fallback[parents[state]], letters[state])
                self._matched[state] = self._matched[state] or self._matched[fallback]
        self._find_first = _any_of({member[0] for member in members})

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """(start, end) of each match."""
        end = 0
        for first, stop in self._windows(text):
            for start, length in reversed(self._matches(text, first, stop)):
                if start >= end:
                    end = start + length
                    yield start, end

    def is_in(self, text: str) -> bool:
        """Whether there is a match."""
        return any(True for _ in self.find(text))

    def _windows(self, text: str) -> Iterator[tuple[int, int]]:
        """(start, end) of the parts of the text that have all matches. They do not overlap."""
        first = stop = 0
        for match in self._find_first.finditer(text):
            if match.start() >= stop:
                if first < stop:
                    yield first, min(stop, len(text))
                first = match.start()
            stop = match.end() - 1 + self._reach
        if first < stop:
            yield first, min(stop, len(text))

    def _matches(self, text: str, first: int, stop: int) -> list[tuple[int, int]]:
        """(place, length of the longest member that begins there) in a window, the last place
        first.
        """
        found = []
        state = 0
        for place in range(stop - 1, first - 1, -1):
            state = self._step(state, ord(text[place]))
            if length := self._matched[state]:
                found.append((place, length))
        return found

    def _step(self, state: int, letter: int) -> int:
        """The longest state that is an end of `state` with a letter behind it.

        There are no more steps back than there were steps forward before, so time is linear.
        """
        letter <<= STATE_BITS
        while (following := self._next.get(letter | state)) is None and state:
            state = self._fallback[state]
        return following or 0


def num_suffixes(texts: Iterable[str]) -> int:
    """How many different ends the texts have. An Automaton has one state more.

    >>> num_suffixes(["ab", "aab", "b"])
    3
    """
    ordered = sorted(text[::-1] for text in texts)
    return sum(len(text) - _num_common(before, text) for before, text in pairwise(["", *ordered]))


def _num_common(text: str, other: str) -> int:
    """How many letters two texts have in common at their beginning."""
    return next((index for index, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))


def _any_of(letters: set[str]) -> re.Pattern[str]:
    """Finds runs of some letters.

    Beyond U+FFFF it finds any letter, because a regular expression compares those one by one.
    """
    near = "".join(re.escape(letter) for letter in letters if letter <= "\uffff")
    far = "\U00010000-\U0010ffff" if max(letters) > "\uffff" else ""
    return re.compile(f"[{near}{far}]+")


class AddedTokens:
    """Finds some added tokens in a text, as the `AddedVocabulary` of Hugging Face tokenizers does.

    >>> added = AddedTokens([AddedToken("[MASK]", 103)])
    >>> [(start, end, token and token.id) for start, end, token in added.split("a [MASK]!")]
    [(0, 2, None), (2, 8, 103), (8, 9, None)]
    """

    def __init__(self, tokens: Iterable[AddedToken], clean: Callable[[str], str] = str) -> None:
        self._tokens: dict[str, AddedToken] = {}
        for token in tokens:
            self._tokens.setdefault(clean(token.content), token)
        num_letters = sum(map(len, self._tokens))
        self._finder = Alternatives(self._tokens) if num_letters <= FEW_LETTERS else Automaton(self._tokens)
        self._whitespace = original("hf").characters("WHITESPACE")
        self._word_characters = original("hf").ranges("WORD_CHARACTERS")

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def are_in(self, text: str) -> bool:
        """Whether there is anything to find, quickly."""
        return bool(self._tokens) and self._finder.is_in(text)

    def split(self, text: str, split_special_tokens: bool = False) -> Iterator[tuple[int, int, AddedToken | None]]:
        """(start, end, added token or None for plain text), in order, all of the text."""
        position = 0
        blank = 0  # the end of the whitespace that was taken last: none of it is read again
        for start, end in self._finder.find(text) if self._tokens else ():
            token = self._tokens[text[start:end]]
            if (split_special_tokens and token.special) or (token.single_word and self._is_part_of_a_word(text, start, end)):
                continue
            if token.lstrip:
                start = max(start, position)  # the token before may have taken whitespace with which this content begins
                while start > position and text[start - 1] in self._whitespace:
                    start -= 1
            if token.rstrip:
                end = max(end, blank)
                while end < len(text) and text[end] in self._whitespace:
                    end += 1
                blank = end
            if position < start:
                yield position, start, None
            if start < end:
                yield start, end, token
            position = end
        if position < len(text):
            yield position, len(text), None

    def _is_part_of_a_word(self, text: str, start: int, end: int) -> bool:
        return (start > 0 and text[start - 1] in self._word_characters) or (end < len(text) and text[end] in self._word_characters)
