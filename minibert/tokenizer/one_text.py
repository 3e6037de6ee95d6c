"""What a call returns for one text: its pieces, and an Encoding of them.

Source: `Encoding` and `BertProcessing` of Hugging Face tokenizers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from .. import habits
from ..habits import explain_attributes
from .encoding import SpecialTokens
from .truncation import Window


class Pieces(NamedTuple):
    """The pieces of a text or of a part of it. Offsets and word numbers count from its start."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    words: list[int]

    def extend(self, ids: Iterable[int], offsets: Iterable[tuple[int, int]], words: Iterable[int]) -> None:
        self.ids.extend(ids)
        self.offsets.extend(offsets)
        self.words.extend(words)


@explain_attributes(habits.ENCODING_ATTRIBUTES)
@dataclass(frozen=True)
class Encoding:
    """One text, or a pair of texts, as the model reads it.

    All lists but the last have one entry per token.

    Attributes:
        input_ids: ids, [CLS] and [SEP] included.
        token_type_ids: 0 for the first text and its special tokens, 1 for the second text and its
            [SEP]. All are 0 where the tokenizer of the folder gives the model no types.
        tokens: the pieces as the vocabulary spells them.
        offsets: (start, end) of each piece in its text, in code points; (0, 0) for [CLS] and [SEP].
            If words were given, the offsets are those in the word.
        word_ids: number of the word or punctuation mark that a piece belongs to, from 0 in each
            text; None for [CLS] and [SEP].
        num_truncated: how many pieces were cut off to respect `max_length`.
        overflowing: what was cut off, as further encodings, if the caller wanted it.
    """

    input_ids: list[int]
    token_type_ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]
    word_ids: list[int | None]
    num_truncated: int
    overflowing: list["Encoding"] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.input_ids)

    if not TYPE_CHECKING:  # type checkers find without it that there are no items

        def __getitem__(self, name: object) -> NoReturn:
            raise TypeError("an Encoding has attributes instead of items: write encoding.input_ids")


def around(
    special: SpecialTokens, texts: Sequence[Pieces], windows: Sequence[Window], token_of: dict[int, str], num_truncated: int
) -> Encoding:
    """`[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]` with the given window of each text."""
    encoding = Encoding([special.cls_id], [0], [special.cls_token], [(0, 0)], [None], num_truncated)
    for type_id, pieces, (start, end) in zip((0, special.second_type), texts, windows, strict=False):
        ids = pieces.ids[start:end]
        encoding.input_ids.extend([*ids, special.sep_id])
        encoding.token_type_ids.extend([type_id] * (len(ids) + 1))
        encoding.tokens.extend([*(token_of[id] for id in ids), special.sep_token])
        encoding.offsets.extend([*pieces.offsets[start:end], (0, 0)])
        encoding.word_ids.extend([*pieces.words[start:end], None])
    return encoding
