r"""Many texts in plain Python, and what makes that fast.

Whitespace ends a word whatever stands around it. So a text falls into chunks between whitespace,
and a chunk that was seen before is looked up instead of taken apart (`KnownChunks`). In plain
ASCII, a word is a run of letters and digits, and most words are entries of the vocabulary
themselves (`ReadableEncoder.ids`).

Added tokens come first: `[MASK]` in a text is one token, as it is for transformers, unless
`split_special_tokens` is set.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from sys import maxsize

import numpy as np

from .added import AddedTokens
from .encoding import PackedEncoding
from .one_text import Pieces
from .settings import TokenizerSettings
from .wordpiece import WordPiece, make_rules

MAX_KNOWN_CHUNKS = 16_384  # 36 MB if all are 24 punctuation marks, the worst case; less than half of it in prose
MAX_KNOWN_CHARS = 24  # of a chunk, and pieces of it; longer ones (addresses, lines of Chinese) rarely come back
CONTROLS = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")  # in ASCII: what cleaning removes


class KnownChunks(dict[str, Pieces]):
    """A chunk of text without whitespace -> its pieces.

    An unknown chunk is computed and remembered.
    """

    def __init__(self, wordpiece: WordPiece) -> None:
        self._pieces = wordpiece.pieces

    def __missing__(self, chunk: str) -> Pieces:
        pieces = self._pieces(chunk)
        if len(chunk) <= MAX_KNOWN_CHARS and len(pieces.ids) <= MAX_KNOWN_CHARS:  # a syllable of Hangul may have three pieces
            if len(self) >= MAX_KNOWN_CHUNKS:
                self.clear()
            self[chunk] = pieces
        return pieces


class ReadableEncoder:
    """Texts -> ids, by the algorithm of wordpiece.py.

    Threads may share it: a call changes nothing but the memory of chunks.
    """

    __slots__ = ("_added", "_added_after", "_find_ascii", "_find_chunks", "_known", "_lowercase", "rules", "wordpiece")

    def __init__(self, settings: TokenizerSettings) -> None:
        self.rules = make_rules(settings)
        self.wordpiece = WordPiece(self.rules)
        self._known = KnownChunks(self.wordpiece)
        # Only what ends a word for certain parts two chunks. Cleaning removes U+000B, U+000C and
        # U+0085, which joins their neighbours. They are whitespace without cleaning.
        whitespace = self.rules.normalize.original.characters("CLEANED_TO_SPACE" if settings.clean_text else "WHITESPACE")
        self._find_chunks = re.compile(f"[^{''.join(sorted(whitespace))}]+")
        self._find_ascii = _ascii_words(settings.split_punctuation, settings.split_symbols).findall
        self._lowercase = settings.lowercase
        self._added = AddedTokens(token for token in settings.added_tokens if not token.normalized)
        self._added_after = AddedTokens((token for token in settings.added_tokens if token.normalized), self.wordpiece.cleaned)

    def encode_batch(self, texts: list[str], max_length: int | None, split_special_tokens: bool, return_offsets: bool) -> PackedEncoding:
        """Encode each text as `[CLS] text [SEP]`, as BatchEncoder says."""
        capacity = maxsize if max_length is None else int(max_length) - 2
        cls_id, sep_id = self.rules.special_tokens.cls_id, self.rules.special_tokens.sep_id
        ids: list[int] = []
        cu_seqlens, num_truncated = [0], []
        spans, words = array("i"), array("i")  # of int32, which takes less memory than lists of tuples
        for text in texts:
            if return_offsets:
                pieces = self.pieces(text, split_special_tokens)
                found: Sequence[int] = pieces.ids
                spans.extend((0, 0, *chain.from_iterable(pieces.offsets[:capacity]), 0, 0))
                words.extend((-1, *pieces.words[:capacity], -1))
            else:
                found = self.ids(text, split_special_tokens)
            num_cut = len(found) - capacity
            ids.append(cls_id)
            ids += found if num_cut <= 0 else found[:capacity]
            ids.append(sep_id)
            num_truncated.append(num_cut if num_cut > 0 else 0)
            cu_seqlens.append(len(ids))
        return PackedEncoding(
            np.array(ids, np.int32),
            np.array(cu_seqlens, np.int64),
            np.array(num_truncated, np.int32),
            np.array(spans, np.int32).reshape(-1, 2) if return_offsets else None,
            np.array(words, np.int32) if return_offsets else None,
        )

    def pieces(self, text: str, split_special_tokens: bool) -> Pieces:
        """All pieces of a text, with offsets into it."""
        result = Pieces([], [], [])
        num_words = 0
        for shift, part in self._parts(text, split_special_tokens):
            if part.ids:
                spans = [(start + shift, end + shift) for start, end in part.offsets]
                result.extend(part.ids, spans, [word + num_words for word in part.words])
                num_words = result.words[-1] + 1
        return result

    def ids(self, text: str, split_special_tokens: bool) -> Sequence[int]:
        """The ids of `pieces` alone, in less time."""
        if self._added_after or self._added.are_in(text):
            return self.pieces(text, split_special_tokens).ids
        ids: list[int] = []
        if _is_plain(text):
            self._append_plain(text, ids)
            return ids
        for chunk in self._find_chunks.findall(text):
            if _is_plain(chunk):
                self._append_plain(chunk, ids)
            else:
                ids += self._known[chunk].ids
        return ids

    def _append_plain(self, text: str, ids: list[int]) -> None:
        """Append the ids of a text in plain ASCII."""
        first = self.rules.first
        for word in self._find_ascii(text.lower() if self._lowercase else text):
            if (id := first.get(word)) is not None:
                ids.append(id)
            else:
                ids += self._known[word].ids

    def chunks(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of every part of a text between whitespace, in code points."""
        return [match.span() for match in self._find_chunks.finditer(text)]

    def _parts(self, text: str, split_special_tokens: bool) -> Iterator[tuple[int, Pieces]]:
        """(start, pieces) of each part that does not depend on the others: added token or chunk."""
        for start, end, token in self._added.split(text, split_special_tokens):
            if token is not None:
                yield start, Pieces([token.id], [(0, end - start)], [0])
            elif self._added_after:
                yield start, self._cleaned_pieces(text[start:end], split_special_tokens)
            else:
                for match in self._find_chunks.finditer(text, start, end):
                    yield match.start(), self._known[match[0]]

    def _cleaned_pieces(self, text: str, split_special_tokens: bool) -> Pieces:
        """The pieces of a text where some added tokens are found after cleaning."""
        characters = list(self.wordpiece.characters(text))
        places = [place for place, _ in characters]
        cleaned = "".join(character for _, character in characters)
        result = Pieces([], [], [])
        for start, end, token in self._added_after.split(cleaned, split_special_tokens):
            num_words = result.words[-1] + 1 if result.words else 0
            if token is not None:
                result.extend([token.id], [(places[start], places[end - 1] + 1)], [num_words])
            else:
                pieces = self.wordpiece.split(characters[start:end])
                result.extend(pieces.ids, pieces.offsets, [word + num_words for word in pieces.words])
        return result


def _ascii_words(split_punctuation: bool, split_symbols: bool) -> re.Pattern[str]:
    """Finds the words of plain ASCII.

    In ASCII, any character but letters, digits and whitespace is punctuation. `_` is also a word
    character.
    """
    if split_punctuation:
        return re.compile("[A-Za-z0-9]+|[^A-Za-z0-9 \t\n\r]")
    return re.compile("[A-Za-z0-9_]+|[^A-Za-z0-9_ \t\n\r]+" if split_symbols else "[^ \t\n\r]+")


def _is_plain(text: str) -> bool:
    """Whether a text is ASCII that cleaning leaves as it is, except for case and whitespace."""
    return text.isascii() and (text.isprintable() or not CONTROLS.search(text))
