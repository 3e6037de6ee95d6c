"""Text -> ids with offsets: WordPiece, readable, exact against Hugging Face `tokenizers`.

    clean and lower-case every character      "Él ate: 3 naïve kiwis"  ->  "el ate: 3 naive kiwis"      (unicode.py)
    split at whitespace and punctuation       el  ate  :  3  naive  kiwis
    longest known piece first, left to right  el  ate  :  3  naive  ki ##wi ##s
    frame                                     [CLS] el ate : 3 naive ki ##wi ##s [SEP]

A word with any part that is not in the vocabulary becomes one [UNK]. Special tokens written in a text (`[MASK]`) count as such,
as they do in transformers, unless `split_special_tokens=True`. Whitespace ends a word whatever stands around it, so a word that
was seen before is looked up instead of taken apart; that dictionary is the whole of the speed here.

Sources: Wu et al. 2016 (WordPiece); google-research/bert, tokenization.py; Hugging Face tokenizers, `BertNormalizer`,
`BertPreTokenizer` and `WordPiece`, with which ids, offsets, types and word ids agree.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .settings import AddedToken, TokenizerSettings, load_settings
from .unicode import CharacterMap, canonical_order, characters, surviving_marks

MAX_KNOWN_WORDS = 16_384  # words remembered: 36 MB if all are 24 punctuation marks, the worst case, and less than half of it in prose
MAX_KNOWN_WORD_CHARS = 24  # longer ones (addresses, lines of Chinese) rarely come back


@dataclass(frozen=True)
class Encoding:
    """One text, or a pair of texts, as the model reads it. All lists have one entry per token.

    Attributes:
        input_ids: ids, [CLS] and [SEP] included.
        token_type_ids: 0 for the first text and its frame, 1 for the second text and its [SEP].
        tokens: the pieces as the vocabulary spells them.
        offsets: (start, end) of each piece in its text, in code points; (0, 0) for [CLS] and [SEP].
        word_ids: number of the word or punctuation mark that a piece belongs to, from 0 in each text; None for [CLS] and [SEP].
        num_truncated: how many pieces were cut off to respect `max_length`.
    """

    input_ids: list[int]
    token_type_ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]
    word_ids: list[int | None]
    num_truncated: int

    def __len__(self) -> int:
        return len(self.input_ids)


class WordPieces(NamedTuple):
    """The pieces of one stretch of text; offsets and word numbers count from its start."""

    ids: Sequence[int]
    offsets: Sequence[tuple[int, int]]
    words: Sequence[int]


class WordPieceTokenizer:
    """Text -> ids as Hugging Face `tokenizers` gives them. Safe to share between threads: a call changes nothing but the memory of words.

    >>> from minibert.tokenizer import TokenizerSettings
    >>> vocab = ["[UNK]", "[CLS]", "[SEP]", "play", "##ing", "chess", "!"]
    >>> tokenizer = WordPieceTokenizer(TokenizerSettings({token: index for index, token in enumerate(vocab)}))
    >>> encoding = tokenizer("Playing Chess!")
    >>> encoding.tokens
    ['[CLS]', 'play', '##ing', 'chess', '!', '[SEP]']
    >>> encoding.offsets
    [(0, 0), (0, 4), (4, 7), (8, 13), (13, 14), (0, 0)]
    >>> tokenizer.decode(encoding.input_ids)
    'playing chess!'
    """

    def __init__(self, settings: TokenizerSettings) -> None:
        self.settings = settings
        self.vocab = settings.vocab
        self.cls_id, self.sep_id, self.unk_id = (
            settings.ids[token] for token in (settings.cls_token, settings.sep_token, settings.unk_token)
        )
        prefix = settings.continuing_subword_prefix
        self._first = settings.vocab
        self._following = {token[len(prefix) :]: id for token, id in settings.vocab.items() if token.startswith(prefix)}
        self._longest_first = max(map(len, self._first))
        self._longest_following = max(map(len, self._following), default=0)
        self._token_of = {id: token for token, id in settings.ids.items()}
        self._normalize = CharacterMap(
            clean_text=settings.clean_text,
            handle_chinese_chars=settings.handle_chinese_chars,
            strip_accents=settings.strip_accents,
            lowercase=settings.lowercase,
        )
        # What ends a word for certain. Without cleaning, U+000B, U+000C and U+0085 do; with it, they vanish and join their neighbours.
        whitespace = characters("CLEANED_TO_SPACE" if settings.clean_text else "WHITESPACE")
        self._find_words = re.compile(f"[^{''.join(sorted(whitespace))}]+")
        self._added = {token.content: token for token in settings.added_tokens}
        self._find_added = _pattern(settings.added_tokens)
        self._find_added_not_special = _pattern([token for token in settings.added_tokens if not token.special])
        self._known: dict[str, WordPieces] = {}

    @classmethod
    def from_folder(cls, folder: str | Path) -> "WordPieceTokenizer":
        """The tokenizer of a model folder; see `load_settings` for the files and the errors."""
        return cls(load_settings(Path(folder)))

    def __call__(
        self, text: str, text_pair: str | None = None, max_length: int | None = None, split_special_tokens: bool = False
    ) -> Encoding:
        """Encode a text, or a pair of texts, with its frame: `[CLS] text [SEP]` or `[CLS] text [SEP] text_pair [SEP]`.

        Args:
            text: any str. Lone surrogates count as U+FFFD; an empty text is [CLS][SEP].
            text_pair: a second text, with token type 1.
            max_length: at most so many tokens, frame included: cut from the end of the longer text first. None never cuts, whatever the
                length of the model.
            split_special_tokens: treat `[SEP]` and its like in the text as ordinary characters: the safe way with text from strangers.

        Raises:
            TypeError: `text` is not a str. ValueError: `max_length` has no room for the frame.
        """
        texts = [text] if text_pair is None else [text, text_pair]
        pieces = [self._pieces(each, split_special_tokens) for each in texts]
        kept = self._truncate([len(each.ids) for each in pieces], max_length)
        ids, types, offsets = [self.cls_id], [0], [(0, 0)]
        words: list[int | None] = [None]
        for type_id, (each, length) in enumerate(zip(pieces, kept, strict=True)):
            ids += [*each.ids[:length], self.sep_id]
            types += [type_id] * (length + 1)
            offsets += [*each.offsets[:length], (0, 0)]
            words += [*each.words[:length], None]
        num_truncated = sum(len(each.ids) for each in pieces) - sum(kept)
        return Encoding(ids, types, [self._token_of[id] for id in ids], offsets, words, num_truncated)

    def tokenize(self, text: str, split_special_tokens: bool = False) -> list[str]:
        """The pieces of a text, without frame."""
        return [self._token_of[id] for id in self._pieces(text, split_special_tokens).ids]

    def input_ids(self, text: str, max_length: int | None = None) -> tuple[list[int], int]:
        """(ids with their frame, number of pieces cut): `__call__` for those who need no more than that, which is most of the time."""
        _check_text(text)
        ids = [self.cls_id]
        if self._find_added and self._find_added.search(text):
            ids += self._pieces(text, split_special_tokens=False).ids
        else:
            known = self._known
            for word in self._find_words.findall(text):
                pieces = known.get(word)
                ids += pieces.ids if pieces is not None else self._learn(word).ids
        (kept,) = self._truncate([len(ids) - 1], max_length)
        num_truncated = len(ids) - 1 - kept
        del ids[kept + 1 :]
        ids.append(self.sep_id)
        return ids, num_truncated

    def words(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of every stretch of text between whitespace, in code points."""
        return [match.span() for match in self._find_words.finditer(text)]

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """Readable text of some ids. Case, accents and spacing that the tokenizer dropped do not come back.

        Raises ValueError for an id that is not in the vocabulary.
        """
        special = {token.id for token in self.settings.added_tokens if token.special} | {self.cls_id, self.sep_id}
        tokens = []
        for id in ids:
            if (token := self._token_of.get(int(id))) is None:
                raise ValueError(f"expected ids of the vocabulary of {len(self._token_of)} tokens, found {id}")
            if not (skip_special_tokens and id in special):
                tokens.append(token)
        prefix = self.settings.continuing_subword_prefix
        spaced = (token.removeprefix(prefix) if token.startswith(prefix) else " " + token for token in tokens[1:])
        return "".join(map(_close_up if self.settings.decoder_cleanup else str, [*tokens[:1], *spaced]))

    def _pieces(self, text: str, split_special_tokens: bool) -> WordPieces:
        """All pieces of a text, with offsets into it."""
        _check_text(text)
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        words: list[int] = []
        num_words = 0
        for start, end, added in self._stretches(text, split_special_tokens):
            if added is not None:
                ids.append(added.id)
                offsets.append((start, end))
                words.append(num_words)
                num_words += 1
                continue
            for match in self._find_words.finditer(text, start, end):
                pieces = self._known.get(match[0]) or self._learn(match[0])
                if not pieces.ids:
                    continue
                shift = match.start()
                ids += pieces.ids
                offsets += [(first + shift, last + shift) for first, last in pieces.offsets]
                words += [word + num_words for word in pieces.words]
                num_words += pieces.words[-1] + 1
        return WordPieces(ids, offsets, words)

    def _stretches(self, text: str, split_special_tokens: bool) -> Iterator[tuple[int, int, AddedToken | None]]:
        """(start, end, added token or None for plain text), in order, all of the text."""
        find = self._find_added_not_special if split_special_tokens else self._find_added
        whitespace = characters("WHITESPACE")
        position = 0
        for match in find.finditer(text) if find else ():
            token, (start, end) = self._added[match[0]], match.span()
            while token.lstrip and start > position and text[start - 1] in whitespace:
                start -= 1
            while token.rstrip and end < len(text) and text[end] in whitespace:
                end += 1
            yield position, start, None
            yield start, end, token
            position = end
        yield position, len(text), None

    def _learn(self, word: str) -> WordPieces:
        """The pieces of a stretch without whitespace, remembered."""
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        words: list[int] = []
        for number, (token, sources) in enumerate(self._basic_tokens(word)):
            spans = self._wordpiece(token)
            ids += [id for id, _, _ in spans]
            offsets += [(sources[first], sources[last - 1] + 1) for _, first, last in spans]
            words += [number] * len(spans)
        pieces = WordPieces(tuple(ids), tuple(offsets), tuple(words))
        if len(word) <= MAX_KNOWN_WORD_CHARS:
            if len(self._known) >= MAX_KNOWN_WORDS:
                self._known.clear()
            self._known[word] = pieces
        return pieces

    def _basic_tokens(self, word: str) -> Iterator[tuple[str, list[int]]]:
        """Words and punctuation marks in a stretch of text, each with the index in the text that every character comes from.

        A token beyond the limit of WordPiece keeps only its first characters and its last index: a word of 10 MB costs no memory.
        """
        whitespace, punctuation = characters("WHITESPACE"), characters("PUNCTUATION")
        limit = self.settings.max_input_chars_per_word
        token: list[str] = []
        sources: list[int] = []
        for source, text in self._normalized(word):
            for character in text:
                if character not in punctuation and character not in whitespace:
                    if len(token) <= limit:
                        token.append(character)
                        sources.append(source)
                    else:
                        sources[-1] = source
                    continue
                if token:
                    yield "".join(token), sources
                    token, sources = [], []
                if character in punctuation:
                    yield character, [source]
        if token:
            yield "".join(token), sources

    def _normalized(self, word: str) -> Iterator[tuple[int, str]]:
        normalize = self._normalize
        if self.settings.strip_accents and not surviving_marks().isdisjoint(word):
            return canonical_order(word, normalize)
        return enumerate(map(normalize.__getitem__, word))

    def _wordpiece(self, token: str) -> list[tuple[int, int, int]]:
        """(id, start, end) of the longest known pieces of a token from left to right; one [UNK] if any part has none.

        The longest entry of the vocabulary bounds every search, so time is linear in the token.
        """
        if len(token) > self.settings.max_input_chars_per_word:
            return [(self.unk_id, 0, len(token))]
        spans: list[tuple[int, int, int]] = []
        start, pieces, longest = 0, self._first, self._longest_first
        while start < len(token):
            for end in range(min(len(token), start + longest), start, -1):
                if (id := pieces.get(token[start:end])) is not None:
                    break
            else:
                return [(self.unk_id, 0, len(token))]
            spans.append((id, start, end))
            start, pieces, longest = end, self._following, self._longest_following
        return spans

    def _truncate(self, lengths: list[int], max_length: int | None) -> list[int]:
        """How many pieces of each text stay: the longer text gives first (`longest_first` of transformers)."""
        frame = len(lengths) + 1
        if max_length is None or sum(lengths) + frame <= max_length:
            return lengths
        room = max_length - frame
        if room < 0:
            raise ValueError(f"expected max_length of at least {frame}, the size of the frame of special tokens, found {max_length}")
        if len(lengths) == 1:
            return [room]
        shorter = min(lengths)
        if 2 * shorter > room:
            halves = [room // 2, room - room // 2]  # the odd one goes to the longer text, to the second if they are equal
            return halves if lengths[0] <= lengths[1] else halves[::-1]
        return [shorter, room - shorter] if lengths[0] <= lengths[1] else [room - shorter, shorter]


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise TypeError(f"expected a text (str), found {type(text).__name__}: {text!r:.80}")


def _pattern(tokens: Iterable[AddedToken]) -> re.Pattern[str] | None:
    """A search for added tokens in raw text, the longest of those that start at one place."""
    contents = sorted((token.content for token in tokens), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, contents))) if contents else None


# The decoder of `tokenizers`, in its order: it spaces every token and then closes some gaps, piece by piece.
GAPS = [(" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" do not", " don't")]
GAPS += [(" 's", "'s"), (" 've", "'ve"), (" 're", "'re")]


def _close_up(token: str) -> str:
    for gap, closed in GAPS:
        token = token.replace(gap, closed)
    return token
