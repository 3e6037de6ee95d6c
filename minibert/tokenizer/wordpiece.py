"""The algorithm: text -> pieces with offsets, exact against both originals.

    clean and lower-case every character      "Él ate: 3 naïve kiwis"  ->  "el ate: 3 naive kiwis"
    split at whitespace and punctuation       el  ate  :  3  naive  kiwis
    longest known piece first, left to right  el  ate  :  3  naive  ki ##wi ##s

The four methods of `WordPiece` are these steps. A word with any part that is not in the vocabulary
becomes one [UNK]. unicode.py has the rules for characters. readable.py finds added tokens such as
[MASK] and remembers words. The folder compiled/ has the same algorithm for many texts at once.

Sources: Wu et al. 2016 (WordPiece); google-research/bert, tokenization.py; Hugging Face tokenizers,
`BertNormalizer`, `BertPreTokenizer` and `WordPiece`.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import NamedTuple

from .encoding import Facts, SpecialTokens
from .one_text import Pieces
from .settings import TokenizerSettings
from .unicode import CAPITAL_SIGMA, CharacterMap, canonical_order, final_sigmas


class Entries(NamedTuple):
    """Entries of the vocabulary."""

    ids: dict[str, int]  # a piece -> id
    longest: int  # characters of the longest piece


class Rules(NamedTuple):
    """What the settings say, in the form in which it is looked up.

    Nothing reads the settings again, so the readable tokenizer and the compiled tokenizer cannot
    differ.
    """

    settings: TokenizerSettings
    normalize: CharacterMap  # a character -> the text that replaces it
    first: dict[str, int]  # a piece that begins a word -> id
    continuing: Callable[[], Entries]  # pieces that continue a word, without their prefix; made when they are first needed
    unk_id: int
    max_word_chars: int  # a longer word is one [UNK]
    special_tokens: SpecialTokens


def make_rules(settings: TokenizerSettings) -> Rules:
    """The rules of a tokenizer. Pieces that are longer than a word can be are left out."""
    ids, cls_token, sep_token = settings.ids, settings.cls_token, settings.sep_token
    limit, prefix = settings.max_input_chars_per_word, settings.continuing_subword_prefix
    vocab = settings.vocab.copy()
    first = vocab.copy()
    for token in [token for token in first if len(token) > limit]:
        del first[token]

    @cache
    def continuing() -> Entries:
        following = {
            token[len(prefix) :]: id for token, id in vocab.items() if token.startswith(prefix) and len(token) - len(prefix) < limit
        }
        return Entries(following, max(map(len, following), default=0))

    return Rules(
        settings=settings,
        normalize=settings.character_map(),
        first=first,
        continuing=continuing,
        unk_id=ids[settings.unk_token],
        max_word_chars=limit,
        special_tokens=SpecialTokens(cls_token, ids[cls_token], sep_token, ids[sep_token], int(settings.has_types)),
    )


def facts_of(rules: Rules) -> Facts:
    """What a model needs of the settings."""
    settings = rules.settings
    return Facts(rules.special_tokens, rules.unk_id, settings.last_id, settings.model_max_length, settings.names_sep)


class WordPiece:
    r"""The pieces of a text in which added tokens do not count.

    >>> vocab = ["[UNK]", "[CLS]", "[SEP]", "el", "ate", ":", "ki", "##wi", "##s"]
    >>> settings = TokenizerSettings({token: id for id, token in enumerate(vocab)})
    >>> wordpiece = WordPiece(make_rules(settings))
    >>> wordpiece.cleaned("Él ate:\tKiwis")
    'el ate: kiwis'
    >>> [word for word, _ in wordpiece.words(wordpiece.characters("Él ate:\tKiwis"))]
    ['el', 'ate', ':', 'kiwis']
    >>> wordpiece.match("kiwis")
    [(6, 0, 2), (7, 2, 4), (8, 4, 5)]
    >>> wordpiece.match("kiwifruit")
    [(0, 0, 9)]
    """

    __slots__ = ("_alone", "_letters", "_longest_first", "_sorts_sigmas", "_whitespace", "rules")

    def __init__(self, rules: Rules) -> None:
        settings, original = rules.settings, rules.normalize.original
        self.rules = rules
        self._longest_first = max(map(len, rules.first), default=0)
        self._whitespace = original.characters("WHITESPACE")
        self._alone: frozenset[str] = original.characters("PUNCTUATION") if settings.split_punctuation else frozenset()
        self._letters = original.ranges("WORD_CHARACTERS") if settings.split_symbols else None
        self._sorts_sigmas = original.is_google and settings.lowercase

    def pieces(self, text: str) -> Pieces:
        """The pieces of a text, with offsets into it."""
        return self.split(self.characters(text))

    def split(self, characters: Iterable[tuple[int, str]]) -> Pieces:
        """The pieces of a cleaned text, given as characters with their places in the text."""
        result = Pieces([], [], [])
        for number, (word, places) in enumerate(self.words(characters)):
            spans = self.match(word)
            offsets = [(places[first], places[last - 1] + 1) for _, first, last in spans]
            result.extend([id for id, _, _ in spans], offsets, [number] * len(spans))
        return result

    def characters(self, text: str) -> Iterator[tuple[int, str]]:
        """Step 1: clean. The characters of the cleaned text, each with its place in the text."""
        return ((place, character) for place, replacement in self._replacements(text) for character in replacement)

    def cleaned(self, text: str) -> str:
        """The text after cleaning."""
        return "".join(replacement for _, replacement in self._replacements(text))

    def _replacements(self, text: str) -> Iterator[tuple[int, str]]:
        """(place of a character, the text that replaces it).

        Two rules look at the neighbours of a character.
        """
        normalize = self.rules.normalize
        if self._sorts_sigmas and CAPITAL_SIGMA in text:
            text = final_sigmas(text, normalize)
        if not (text.isascii() or normalize.surviving_marks.isdisjoint(text)):
            return canonical_order(text, normalize)
        return enumerate(map(normalize.__getitem__, text))

    def words(self, characters: Iterable[tuple[int, str]]) -> Iterator[tuple[str, list[int]]]:
        """Step 2: split. Words and punctuation marks, each with the place of every character.

        A word beyond the limit of WordPiece keeps only its first characters and its last place, so
        a word of 10 MB costs no memory.
        """
        whitespace, alone, letters, limit = self._whitespace, self._alone, self._letters, self.rules.max_word_chars
        word: list[str] = []
        places: list[int] = []
        for place, character in characters:
            if character not in alone and character not in whitespace:
                if letters and word and (character in letters) != (word[-1] in letters):
                    yield "".join(word), places
                    word, places = [], []
                if len(word) <= limit:
                    word.append(character)
                    places.append(place)
                else:
                    places[-1] = place
                continue
            if word:
                yield "".join(word), places
                word, places = [], []
            if character in alone:
                yield character, [place]
        if word:
            yield "".join(word), places

    def match(self, word: str) -> list[tuple[int, int, int]]:
        """Step 3: match. (id, start, end) of the longest known pieces, from left to right.

        The result is one [UNK] if any part of the word has no piece. The longest piece bounds every
        search, and `settings.MAX_PIECE_CHARS` bounds the pieces, so time is linear in the word.
        """
        unknown = [(self.rules.unk_id, 0, len(word))]
        if len(word) > self.rules.max_word_chars:
            return unknown
        spans: list[tuple[int, int, int]] = []
        start, pieces, longest = 0, self.rules.first, self._longest_first
        while start < len(word):
            for end in range(min(len(word), start + longest), start, -1):
                if (id := pieces.get(word[start:end])) is not None:
                    break
            else:
                return unknown
            spans.append((id, start, end))
            start, (pieces, longest) = end, self.rules.continuing()
        return spans
