"""Text -> ids with offsets: WordPiece, readable, exact against both originals.

    clean and lower-case every character      "Él ate: 3 naïve kiwis"  ->  "el ate: 3 naive kiwis"      (unicode.py)
    split at whitespace and punctuation       el  ate  :  3  naive  kiwis
    longest known piece first, left to right  el  ate  :  3  naive  ki ##wi ##s
    frame                                     [CLS] el ate : 3 naive ki ##wi ##s [SEP]                  (encoding.py)

A word with any part that is not in the vocabulary becomes one [UNK]. Special tokens written in a text (`[MASK]`) count as such,
as they do in transformers, unless `split_special_tokens=True`. Whitespace ends a word whatever stands around it, so two dictionaries
are the speed here: a stretch that was seen before is not taken apart again (`_known`), and in plain ASCII most words are entries of
the vocabulary themselves (`_ids`). compiled.py does the same to many texts at once, some twenty times faster.

Sources: Wu et al. 2016 (WordPiece); google-research/bert, tokenization.py; Hugging Face tokenizers, `BertNormalizer`,
`BertPreTokenizer` and `WordPiece`, with which ids, offsets, types and word ids agree.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import habits
from ..files.fields import shown
from ..habits import explain, explain_attributes
from ..runtime.jit import can_compile
from ..texts import PAIR, Text, is_pair, listed_texts, no_text, whole_numbers
from .added import AddedTokens
from .encoding import (
    Encoding,
    Frame,
    PackedEncoding,
    TruncationStrategy,
    WordPieces,
    join_pairs,
    overflow,
    truncate,
    windows,
)
from .loading import load_settings
from .settings import TokenizerSettings
from .unicode import CAPITAL_SIGMA, canonical_order, final_sigmas

if TYPE_CHECKING:
    from .compiled.batch import CompiledTokenizer

MAX_KNOWN_WORDS = 16_384  # words remembered: 36 MB if all are 24 punctuation marks, the worst case, and less than half of it in prose
MAX_KNOWN_WORD_CHARS = 24  # longer ones (addresses, lines of Chinese) rarely come back
COMPILED_LIMIT = 10_000  # characters of a word that the compiled twin has room for
SEVERAL = "encode_batch takes several texts"
MAX_TEXT_CHARS = (1 << 31) - 1  # offsets are 32-bit numbers
COMPILED_PAYS = 3_000_000  # characters in one call from which on "auto" loads the compiled twin: plain Python takes a second for them


@explain_attributes(habits.TOKENIZER_ATTRIBUTES)
class WordPieceTokenizer:
    """Text -> ids as Hugging Face `tokenizers`, or Google's original, gives them (`settings.compat`).

    Safe to share between threads: a call changes nothing but the memory of words. Attributes cannot be set: the compiled tables are
    made of them once.

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
    >>> tokenizer.encode_batch(["Playing", "Chess!"]).cu_seqlens
    array([0, 4, 8])
    """

    __slots__ = (
        "_added", "_added_after", "_alone", "_compiled", "_find_ascii", "_find_words", "_first", "_following", "_known", "_letters",
        "_longest_first", "_longest_following", "_token_of", "backend", "compiled_pays", "frame", "normalize", "referent", "settings",
        "unk_id", "vocab",
    )  # fmt: skip

    def __init__(self, settings: TokenizerSettings, backend: str = "auto", compiled_pays: int = COMPILED_PAYS) -> None:
        if backend not in ("auto", "numba", "numpy"):
            raise ValueError(f"backend: expected 'auto', 'numba' or 'numpy', found {backend!r}")
        self.settings = settings
        self.backend = backend
        self.compiled_pays = 0 if backend == "numba" else compiled_pays
        self.vocab = settings.vocab
        ids = settings.ids
        cls_token, sep_token = settings.cls_token, settings.sep_token
        self.frame = Frame(cls_token, ids[cls_token], sep_token, ids[sep_token], int(settings.has_types))
        self.unk_id = ids[settings.unk_token]
        limit, prefix = settings.max_input_chars_per_word, settings.continuing_subword_prefix
        # the pieces with which a word begins and goes on, without those that are longer than a word
        self._first = {token: id for token, id in settings.vocab.items() if len(token) <= limit}
        self._following = {
            token[len(prefix) :]: id
            for token, id in settings.vocab.items()
            if token.startswith(prefix) and len(token) - len(prefix) < limit
        }
        self._longest_first = max(map(len, self._first), default=0)
        self._longest_following = max(map(len, self._following), default=0)
        self._token_of = {id: token for token, id in ids.items()}
        self.normalize = settings.character_map()
        self.referent = self.normalize.referent
        # What ends a word for certain. Without cleaning, U+000B, U+000C, U+0085 do; with it, they vanish and join their neighbours.
        whitespace = self.referent.characters("CLEANED_TO_SPACE" if settings.clean_text else "WHITESPACE")
        self._find_words = re.compile(f"[^{''.join(sorted(whitespace))}]+")
        self._alone: frozenset[str] = self.referent.characters("PUNCTUATION") if settings.split_punctuation else frozenset()
        self._letters = self.referent.ranges("WORD_CHARACTERS") if settings.split_symbols else None
        self._find_ascii = _ascii_tokens(settings.split_punctuation, settings.split_symbols).findall
        self._added = AddedTokens(token for token in settings.added_tokens if not token.normalized)
        self._added_after = AddedTokens((token for token in settings.added_tokens if token.normalized), self._cleaned)
        self._known: dict[str, WordPieces] = {}
        self._compiled: CompiledTokenizer | None = None

    @classmethod
    def from_folder(cls, folder: str | Path) -> "WordPieceTokenizer":
        """The tokenizer of a model folder; see `load_settings` for the files and the errors."""
        return cls(load_settings(Path(folder)))

    def __setattr__(self, name: str, value: object) -> None:
        if name != "_compiled" and hasattr(self, name):
            raise AttributeError(f"{name}: a tokenizer cannot be changed; make another one: WordPieceTokenizer(replace(settings, ...))")
        super().__setattr__(name, value)

    def __reduce__(self) -> tuple[type["WordPieceTokenizer"], tuple[TokenizerSettings, str, int]]:
        return WordPieceTokenizer, (self.settings, self.backend, self.compiled_pays)

    @explain("a tokenizer's call", habits.TOKENIZER)
    def __call__(
        self,
        text: str | Sequence[str],
        text_pair: str | Sequence[str] | None = None,
        max_length: int | None = None,
        split_special_tokens: bool = False,
        *,
        is_split_into_words: bool = False,
        truncation: TruncationStrategy = "longest_first",
        stride: int = 0,
        return_overflowing_tokens: bool = False,
    ) -> Encoding:
        """Encode a text, or a pair of texts, with its frame: `[CLS] text [SEP]` or `[CLS] text [SEP] text_pair [SEP]`.

        Args:
            text: any str. Lone surrogates count as U+FFFD ("hf") or as letters ("google"); an empty text is [CLS][SEP].
            text_pair: a second text, with token type 1.
            max_length: at most so many tokens, frame included. None never cuts, whatever the length of the model.
            split_special_tokens: treat `[SEP]` and its like in the text as ordinary characters: the safe way with text from strangers.
            is_split_into_words: texts are lists of words. `word_ids` are then places in the list, offsets places in the word.
            truncation: who gives when a pair is too long: "longest_first" (the longer text until both are even), "only_first" or
                "only_second". Texts are cut at their end.
            stride: pieces that each overflowing encoding repeats from the one before.
            return_overflowing_tokens: also encode what was cut off: `Encoding.overflowing`.

        Raises:
            TypeError: a text is not a str. ValueError: `max_length` has no room for the frame; the text that should give has too little;
            `stride` is no less than what a text may keep.
        """
        texts = [text] if text_pair is None else [text, text_pair]
        pieces = [self._pieces_of(each, split_special_tokens, is_split_into_words) for each in texts]
        lengths = [len(each.ids) for each in pieces]
        kept = truncate(lengths, max_length, truncation)
        num_truncated = sum(lengths) - sum(kept)
        shown = [(0, length) for length in kept]
        encoding = self.frame.around(pieces, shown, self._token_of, num_truncated)
        if return_overflowing_tokens and num_truncated:
            cuts = [windows(*numbers, stride) for numbers in zip(lengths, kept, strict=True)]
            encoding.overflowing.extend(self.frame.around(pieces, each, self._token_of, 0) for each in overflow(cuts))
        return encoding

    @explain("tokenize", habits.TOKENIZE)
    def tokenize(self, text: str, split_special_tokens: bool = False) -> list[str]:
        """The pieces of a text, without frame."""
        return [self._token_of[id] for id in self._pieces(text, split_special_tokens).ids]

    @explain("encode_batch", habits.ENCODE_BATCH)
    def encode_batch(
        self, texts: Iterable[Text], max_length: int | None = None, split_special_tokens: bool = False, return_offsets: bool = False
    ) -> PackedEncoding:
        """Encode many texts, or pairs of texts, each with its frame, onto one token axis.

        The compiled twin does it, with the same result, if `backend` is "numba" or, where Numba is at hand, if the call brings
        `compiled_pays` characters: three million, or ten thousand for a model whose encoder is compiled.

        Args:
            texts: any iterable of str; a tuple or a list of two str in it is a pair, which is cut as "longest_first" says.
            max_length, split_special_tokens: as in a call.
            return_offsets: also offsets and word ids.

        Raises:
            TypeError: a text is not a str. ValueError: `max_length` has no room for the frame.
        """
        if isinstance(texts, str):
            raise TypeError(f"expected several texts, found one str: {texts!r:.80}; put it into a list")
        several = listed_texts(texts)
        if {*map(type, several)} <= {str} and max(map(len, several), default=0) <= MAX_TEXT_CHARS:
            return self._encode_texts(several, max_length, split_special_tokens, return_offsets)
        flat: list[str] = []
        are_second: list[bool] = []
        for text in several:
            if not isinstance(text, str) and not is_pair(text):
                raise no_text(text, "expected a text (str)", several=PAIR)
            parts = [text] if isinstance(text, str) else text
            flat += map(_check_text, parts)
            are_second += (False, True)[: len(parts)]
        if not any(are_second):
            return self._encode_texts(flat, max_length, split_special_tokens, return_offsets)
        truncate([0, 0], max_length)
        single = self._encode_texts(flat, None, split_special_tokens, return_offsets)
        return join_pairs(single, np.array(are_second), max_length, self.frame.second_type)

    def _encode_texts(self, texts: list[str], max_length: int | None, split_special_tokens: bool, return_offsets: bool) -> PackedEncoding:
        truncate([0], max_length)
        encode = compiled.encode_batch if (compiled := self._twin(texts)) else self.encode_each
        return encode(texts, max_length, split_special_tokens, return_offsets)

    def encode_each(self, texts: list[str], max_length: int | None, split_special_tokens: bool, return_offsets: bool) -> PackedEncoding:
        """`encode_batch` in plain Python, text by text."""
        ids, spans, words, num_truncated, cu_seqlens = array("i"), array("i"), array("i"), array("i"), array("q", [0])
        for text in texts:
            pieces = self._pieces(text, split_special_tokens) if return_offsets else None
            found = pieces.ids if pieces else self._ids(text, split_special_tokens)
            (kept,) = truncate([len(found)], max_length)
            ids.append(self.frame.cls_id)
            ids.extend(found[:kept])
            ids.append(self.frame.sep_id)
            if pieces:
                spans.extend([0, 0, *(place for span in pieces.offsets[:kept] for place in span), 0, 0])
                words.extend([-1, *pieces.words[:kept], -1])
            num_truncated.append(len(found) - kept)
            cu_seqlens.append(len(ids))
        return PackedEncoding(
            np.array(ids, np.int32),
            np.array(cu_seqlens, np.int64),
            np.array(num_truncated, np.int32),
            np.array(spans, np.int32).reshape(-1, 2) if return_offsets else None,
            np.array(words, np.int32) if return_offsets else None,
        )

    def words(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of every stretch of text between whitespace, in code points."""
        return [match.span() for match in self._find_words.finditer(text)]

    def tokens_of(self, ids: Iterable[int]) -> list[str]:
        """Return the spelling of each id in the vocabulary."""
        return [self._token_of[id] for id in ids]

    @explain("decode", habits.DECODE)
    def decode(self, ids: Any, skip_special_tokens: bool = True) -> str:
        """Readable text of the ids of one text. Case, accents and spacing that the tokenizer dropped do not come back.

        Args:
            ids: whole numbers in a list, an array, a tensor, or any other iterable; or one number.
            skip_special_tokens: leave out [CLS], [SEP] and their like.

        Raises TypeError for what is no id, ValueError for an id that is not in the vocabulary.
        """
        special = {token.id for token in self.settings.added_tokens if token.special} | {self.frame.cls_id, self.frame.sep_id}
        tokens = []
        for id in whole_numbers(ids):
            if (token := self._token_of.get(id)) is None:
                raise ValueError(f"expected ids of the vocabulary of {len(self._token_of)} tokens, found {shown(id)}")
            if not (skip_special_tokens and id in special):
                tokens.append(token)
        prefix = self.settings.continuing_subword_prefix
        spaced = (token.removeprefix(prefix) if token.startswith(prefix) else " " + token for token in tokens[1:])
        return "".join(map(_close_up if self.settings.decoder_cleanup else str, [*tokens[:1], *spaced]))

    def _twin(self, texts: list[str]) -> "CompiledTokenizer | None":
        """The compiled twin, if this call is for it."""
        settings = self.settings
        if self.backend == "numpy" or self._added_after or not settings.is_bert or settings.max_input_chars_per_word > COMPILED_LIMIT:
            return None
        if self.compiled_pays and sum(map(len, texts)) < self.compiled_pays:
            return None
        if self._compiled is None:
            if not can_compile():
                if self.backend == "auto":
                    return None
                raise ImportError("backend='numba': Numba does not import here, or may not compile (NUMBA_DISABLE_JIT)")
            from .compiled.batch import CompiledTokenizer

            self._compiled = CompiledTokenizer(self)
        return self._compiled

    def _pieces_of(self, text: str | Sequence[str], split_special_tokens: bool, is_split_into_words: bool) -> WordPieces:
        """All pieces of a text, or of a list of words, each of which stands alone."""
        if not is_split_into_words:
            return self._pieces(text, split_special_tokens)  # type: ignore[arg-type]  # looked at there
        if isinstance(text, str | bytes | bytearray | Mapping) or not isinstance(text, Iterable):
            found = f"found {type(text).__name__}: {shown(text):.80}"
            raise TypeError(f"expected a list of words (is_split_into_words=True), {found}")
        result = WordPieces([], [], [])
        for number, word in enumerate(text):
            pieces = self._pieces(word, split_special_tokens)
            result.extend(pieces.ids, pieces.offsets, [number] * len(pieces.ids))
        return result

    def _pieces(self, text: str, split_special_tokens: bool) -> WordPieces:
        """All pieces of a text, with offsets into it."""
        _check_text(text)
        result = WordPieces([], [], [])
        num_words = 0
        for shift, pieces in self._parts(text, split_special_tokens):
            if pieces.ids:
                spans = [(start + shift, end + shift) for start, end in pieces.offsets]
                result.extend(pieces.ids, spans, [word + num_words for word in pieces.words])
                num_words = result.words[-1] + 1
        return result

    def _parts(self, text: str, split_special_tokens: bool) -> Iterator[tuple[int, WordPieces]]:
        """(where it starts, its pieces) for every part of a text that stands alone: added tokens, stretches without whitespace."""
        for start, end, token in self._added.split(text, split_special_tokens):
            if token is not None:
                yield start, WordPieces([token.id], [(0, end - start)], [0])
            elif self._added_after:
                yield start, self._cleaned_pieces(text[start:end], split_special_tokens)
            else:
                for match in self._find_words.finditer(text, start, end):
                    yield match.start(), self._known.get(match[0]) or self._learn(match[0])

    def _ids(self, text: str, split_special_tokens: bool) -> Sequence[int]:
        """The ids of `_pieces` alone, sooner.

        In plain ASCII, a word is a run of letters and digits, and most words are entries of the vocabulary.
        """
        if self._added_after or self._added.are_in(text):
            return self._pieces(text, split_special_tokens).ids
        ids: list[int] = []
        first, known = self._first, self._known
        for stretch in (text,) if _is_plain(text) else self._find_words.findall(text):
            if not _is_plain(stretch):
                ids += (known.get(stretch) or self._learn(stretch)).ids
                continue
            for word in self._find_ascii(stretch.lower() if self.settings.lowercase else stretch):
                if (id := first.get(word)) is not None:
                    ids.append(id)
                else:
                    ids += (known.get(word) or self._learn(word)).ids
        return ids

    def _learn(self, word: str) -> WordPieces:
        """The pieces of a stretch without whitespace, remembered."""
        pieces = self._split(_each_character(self._normalized(word)))
        if len(word) <= MAX_KNOWN_WORD_CHARS and len(pieces.ids) <= MAX_KNOWN_WORD_CHARS:  # a syllable of Hangul may have three
            if len(self._known) >= MAX_KNOWN_WORDS:
                self._known.clear()
            self._known[word] = pieces
        return pieces

    def _cleaned(self, text: str) -> str:
        return "".join(replacement for _, replacement in self._normalized(text))

    def _cleaned_pieces(self, text: str, split_special_tokens: bool) -> WordPieces:
        """The pieces of a text in which added tokens are to be found after cleaning."""
        characters = list(_each_character(self._normalized(text)))
        sources = [source for source, _ in characters]
        cleaned = "".join(character for _, character in characters)
        result = WordPieces([], [], [])
        for start, end, token in self._added_after.split(cleaned, split_special_tokens):
            num_words = result.words[-1] + 1 if result.words else 0
            if token is not None:
                result.extend([token.id], [(sources[start], sources[end - 1] + 1)], [num_words])
            else:
                pieces = self._split(iter(characters[start:end]))
                result.extend(pieces.ids, pieces.offsets, [word + num_words for word in pieces.words])
        return result

    def _normalized(self, text: str) -> Iterator[tuple[int, str]]:
        """(index of a character, what cleaning makes of it)."""
        normalize = self.normalize
        if self.referent.is_google and self.settings.lowercase and CAPITAL_SIGMA in text:
            text = final_sigmas(text, normalize)
        if not (text.isascii() or normalize.surviving_marks.isdisjoint(text)):
            return canonical_order(text, normalize)
        return enumerate(map(normalize.__getitem__, text))

    def _split(self, characters: Iterator[tuple[int, str]]) -> WordPieces:
        """The pieces of a cleaned text, given as characters with their places in the text."""
        result = WordPieces([], [], [])
        for number, (token, sources) in enumerate(self._basic_tokens(characters)):
            spans = self.wordpiece(token)
            offsets = [(sources[first], sources[last - 1] + 1) for _, first, last in spans]
            result.extend([id for id, _, _ in spans], offsets, [number] * len(spans))
        return result

    def _basic_tokens(self, characters: Iterator[tuple[int, str]]) -> Iterator[tuple[str, list[int]]]:
        """Words and punctuation marks, each with the index in the text that every character comes from.

        A token beyond the limit of WordPiece keeps only its first characters and its last index: a word of 10 MB costs no memory.
        """
        whitespace, alone, letters = self.referent.characters("WHITESPACE"), self._alone, self._letters
        limit = self.settings.max_input_chars_per_word
        token: list[str] = []
        sources: list[int] = []
        for source, character in characters:
            if character not in alone and character not in whitespace:
                if letters and token and (character in letters) != (token[-1] in letters):
                    yield "".join(token), sources
                    token, sources = [], []
                if len(token) <= limit:
                    token.append(character)
                    sources.append(source)
                else:
                    sources[-1] = source
                continue
            if token:
                yield "".join(token), sources
                token, sources = [], []
            if character in alone:
                yield character, [source]
        if token:
            yield "".join(token), sources

    def wordpiece(self, token: str) -> list[tuple[int, int, int]]:
        """(id, start, end) of the longest known pieces of a token from left to right; one [UNK] if any part has none.

        The longest piece bounds every search, and `settings.MAX_PIECE_CHARS` bounds the piece: time is linear in the token.
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


CONTROLS = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")  # in ASCII: what cleaning removes


def _ascii_tokens(split_punctuation: bool, split_symbols: bool) -> re.Pattern[str]:
    """Finds the words of plain ASCII. In ASCII, what is no letter and no digit is punctuation, `_` too, which is also a word character."""
    if split_punctuation:
        return re.compile("[A-Za-z0-9]+|[^A-Za-z0-9 \t\n\r]")
    return re.compile("[A-Za-z0-9_]+|[^A-Za-z0-9_ \t\n\r]+" if split_symbols else "[^ \t\n\r]+")


def _is_plain(text: str) -> bool:
    """Whether all of it is ASCII that cleaning leaves as it is, up to case and whitespace."""
    return text.isascii() and (text.isprintable() or not CONTROLS.search(text))


def _each_character(replacements: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    return ((source, character) for source, text in replacements for character in text)


def _check_text(text: object) -> str:
    if not isinstance(text, str):
        raise no_text(text, "expected a text (str)", several=SEVERAL)
    if len(text) > MAX_TEXT_CHARS:
        raise ValueError(f"expected a text of at most {MAX_TEXT_CHARS:,} characters, found {len(text):,}; split it")
    return text


# The decoder of `tokenizers`, in its order: it spaces every token and then closes some gaps, piece by piece.
GAPS = [(" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" do not", " don't")]
GAPS += [(" 's", "'s"), (" 've", "'ve"), (" 're", "'re")]


def _close_up(token: str) -> str:
    for gap, closed in GAPS:
        token = token.replace(gap, closed)
    return token
