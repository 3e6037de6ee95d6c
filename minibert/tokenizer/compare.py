"""Where two encodings of one text differ."""

from collections.abc import Iterator
from typing import NamedTuple

from .one_text import Encoding


class Difference(NamedTuple):
    """A part of a text that has other pieces in the other encoding."""

    start: int
    end: int
    tokens: list[str]
    other_tokens: list[str]


def differences(encoding: Encoding, other: Encoding) -> list[Difference]:
    """The parts of a text for which two tokenizers give different pieces, from left to right.

    >>> from minibert.tokenizer import TokenizerSettings, WordPieceTokenizer
    >>> vocab = ["[UNK]", "[CLS]", "[SEP]", "a", "##b", "##σ", "##ς"]
    >>> settings = TokenizerSettings({token: id for id, token in enumerate(vocab)})
    >>> hf, google = WordPieceTokenizer(settings), WordPieceTokenizer(settings.as_google())
    >>> differences(hf("a ABΣ a"), google("a ABΣ a"))
    [Difference(start=4, end=5, tokens=['##σ'], other_tokens=['##ς'])]
    """
    pieces = sorted([*_pieces(encoding, 0), *_pieces(other, 1)])
    found: list[Difference] = []
    index = 0
    while index < len(pieces):
        start, end = pieces[index][:2]
        sides: tuple[list[str], list[str]] = ([], [])
        while index < len(pieces) and (pieces[index][0] < end or not sides[0] + sides[1]):  # pieces that overlap belong together
            end = max(end, pieces[index][1])
            sides[pieces[index][2]].append(pieces[index][4])
            index += 1
        if sides[0] != sides[1]:
            found.append(Difference(start, end, *sides))
    return found


def _pieces(encoding: Encoding, side: int) -> Iterator[tuple[int, int, int, int, str]]:
    """(start, end, side, its number, token) without [CLS] and [SEP]."""
    for number, (token, word, (start, end)) in enumerate(zip(encoding.tokens, encoding.word_ids, encoding.offsets, strict=True)):
        if word is not None:
            yield start, end, side, number, token
