"""Added tokens: texts such as `[MASK]` that are tokens as they stand, found before a text is split into words."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .unicode import referent


@dataclass(frozen=True)
class AddedToken:
    """A token with an id of its own, found in the text as it is or, if `normalized`, in the text after cleaning."""

    content: str
    id: int
    special: bool = True
    lstrip: bool = False  # swallows the whitespace before it
    rstrip: bool = False  # swallows the whitespace after it
    normalized: bool = False  # looked for, cleaned itself, in the cleaned text
    single_word: bool = False  # not beside a letter, a digit or _


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
        if "" in self._tokens:
            raise ValueError(f"nothing is left of the added token {self._tokens[''].content!r} after cleaning; say normalized: false")
        contents = sorted(self._tokens, key=len, reverse=True)  # of those that start at one place, the longest
        self._find = re.compile("|".join(map(re.escape, contents))) if contents else None
        self._whitespace = referent("hf").characters("WHITESPACE")
        self._word_characters = referent("hf").ranges("WORD_CHARACTERS")

    def __bool__(self) -> bool:
        return self._find is not None

    def are_in(self, text: str) -> bool:
        """Whether there is anything to find, quickly."""
        return self._find is not None and self._find.search(text) is not None

    def split(self, text: str, split_special_tokens: bool = False) -> Iterator[tuple[int, int, AddedToken | None]]:
        """(start, end, added token or None for plain text), in order, all of the text."""
        position = 0
        for match in self._find.finditer(text) if self._find else ():
            token, (start, end) = self._tokens[match[0]], match.span()
            if (split_special_tokens and token.special) or (token.single_word and self._is_part_of_a_word(text, start, end)):
                continue
            if token.lstrip:
                start = max(start, position)  # a content that begins with whitespace: the token before may have swallowed it
                while start > position and text[start - 1] in self._whitespace:
                    start -= 1
            if token.rstrip:
                while end < len(text) and text[end] in self._whitespace:
                    end += 1
            if position < start:
                yield position, start, None
            if start < end:
                yield start, end, token
            position = end
        if position < len(text):
            yield position, len(text), None

    def _is_part_of_a_word(self, text: str, start: int, end: int) -> bool:
        return (start > 0 and text[start - 1] in self._word_characters) or (end < len(text) and text[end] in self._word_characters)
