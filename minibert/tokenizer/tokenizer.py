"""The tokenizer that users call: texts, pairs and lists of words -> ids, and ids -> text.

It checks what it is given, surrounds texts with special tokens and cuts them. readable.py makes the
pieces.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import habits
from ..habits import explain, explain_attributes
from ..runtime.threads import forks_wait
from ..texts import PAIR, Text, is_pair, listed_texts, no_text, whole_numbers
from .encoding import Facts, PackedEncoding
from .late import LateEncoder
from .truncation import TruncationStrategy, check_max_length, join_pairs, overflow, truncate, windows

if TYPE_CHECKING:
    from pathlib import Path
    from types import MappingProxyType

    from .compiled.batch import CompiledEncoder
    from .one_text import Encoding, Pieces
    from .protocols import Accelerator, BatchEncoder
    from .readable import ReadableEncoder
    from .settings import TokenizerSettings
    from .unicode import CharacterMap

MAX_TEXT_CHARS = (1 << 31) - 1  # offsets are 32-bit numbers
SEVERAL = "encode_batch takes several texts"
STR_ONLY = frozenset({str})


@explain_attributes(habits.TOKENIZER_ATTRIBUTES)
class WordPieceTokenizer:
    """Text -> ids as one of the originals gives them (`settings.compat`).

    Threads may share it: a call changes nothing but the memory of chunks. Attributes cannot be set,
    because the tables of the encoders are made of them once. `make_tokenizer` makes a tokenizer
    that encodes large batches faster.

    >>> from minibert.tokenizer import TokenizerSettings
    >>> vocab = ["[UNK]", "[CLS]", "[SEP]", "play", "##ing", "chess", "!"]
    >>> settings = TokenizerSettings({token: id for id, token in enumerate(vocab)})
    >>> tokenizer = WordPieceTokenizer(settings)
    >>> encoding = tokenizer("Playing Chess!")
    >>> encoding.tokens
    ['[CLS]', 'play', '##ing', 'chess', '!', '[SEP]']
    >>> encoding.offsets
    [(0, 0), (0, 4), (4, 7), (8, 13), (13, 14), (0, 0)]
    >>> tokenizer.decode(encoding.input_ids)
    'playing chess!'
    >>> tokenizer.encode_batch(["Playing", "Chess!"]).cu_seqlens
    array([0, 4, 8])

    Attributes:
        settings: what decides how a text becomes ids.
        vocab: token -> id.
        unk_id: the id of [UNK].
        special_tokens: [CLS] and [SEP] with their ids, and the token type of a second text.
        normalize: a character -> the text that replaces it.
        backend: what encodes a batch: "numpy" (the readable encoder), "library" or "numba" (the
            compiled encoder where that pays), or "auto" (the first of these that can run).
    """

    __slots__ = ("_accelerated", "_accelerator", "_late", "facts", "special_tokens", "unk_id")

    def __init__(self, settings: "TokenizerSettings", accelerator: "Accelerator | None" = None) -> None:
        from .wordpiece import facts_of

        late = LateEncoder(lambda: settings)
        self._begin(facts_of(late().rules), late, accelerator)

    @classmethod
    def unread(cls, facts: Facts, settings: "Callable[[], TokenizerSettings]", accelerator: "Accelerator") -> "WordPieceTokenizer":
        """A tokenizer whose settings are made when they are first needed."""
        self = cls.__new__(cls)
        self._begin(facts, LateEncoder(settings), accelerator)
        return self

    def _begin(self, facts: Facts, late: LateEncoder, accelerator: "Accelerator | None") -> None:
        self.facts = facts  # what a model needs of the settings
        self.special_tokens = facts.special_tokens
        self.unk_id = facts.unk_id
        self._late = late
        self._accelerator = accelerator
        self._accelerated = None if accelerator is None else accelerator.encoder(late)

    @classmethod
    def from_folder(cls, folder: "str | Path") -> "WordPieceTokenizer":
        """The tokenizer of a model folder; see `load_settings` for the files and the errors."""
        from .loading import load_settings

        return cls(load_settings(folder))

    @property
    def settings(self) -> "TokenizerSettings":
        return self._readable.rules.settings

    @property
    def vocab(self) -> "MappingProxyType[str, int] | dict[str, int]":
        return self.settings.vocab

    @property
    def normalize(self) -> "CharacterMap":
        return self._readable.rules.normalize

    @property
    def backend(self) -> str:
        return "numpy" if self._accelerator is None else self._accelerator.backend

    @property
    def _readable(self) -> "ReadableEncoder":
        return self._late()

    @property
    def _batch_encoder(self) -> "BatchEncoder":
        return self._accelerated or self._late()

    def compiled(self) -> "CompiledEncoder | None":
        """The compiled encoder, if it has been made or pays for any text."""
        return None if self._accelerated is None else self._accelerated.compiled()

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, name):
            raise AttributeError(f"{name}: a tokenizer cannot be changed; make another one: WordPieceTokenizer(replace(settings, ...))")
        super().__setattr__(name, value)

    def __reduce__(self) -> tuple[type["WordPieceTokenizer"], tuple["TokenizerSettings", "Accelerator | None"]]:
        return WordPieceTokenizer, (self.settings, self._accelerator)

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
    ) -> "Encoding":
        """Encode a text as `[CLS] text [SEP]`, a pair as `[CLS] text [SEP] text_pair [SEP]`.

        Args:
            text: any str. A lone surrogate counts as U+FFFD ("hf") or as a letter ("google"). An
                empty text is [CLS][SEP].
            text_pair: a second text, with token type 1.
            max_length: at most so many tokens, special tokens included. None never cuts, whatever
                the length of the model.
            split_special_tokens: treat `[SEP]` and its like in the text as ordinary characters.
                This is the safe way with untrusted text.
            is_split_into_words: texts are lists of words. Then `word_ids` are places in the list,
                and offsets are places in the word.
            truncation: which text is cut when a pair is too long: "longest_first" (the longer text
                until both are even), "only_first" or "only_second". A text is cut at its end.
            stride: pieces that each overflowing encoding repeats from the one before.
            return_overflowing_tokens: also encode what was cut off: `Encoding.overflowing`.

        Raises:
            TypeError: a text is not a str.
            ValueError: `max_length` does not hold the special tokens; the text to be cut is too
                short; `stride` is not less than the number of pieces that a text may keep.
        """
        with forks_wait():
            from .one_text import around

        texts = [text] if text_pair is None else [text, text_pair]
        pieces = [self._pieces(each, split_special_tokens, is_split_into_words) for each in texts]
        lengths = [len(each.ids) for each in pieces]
        kept = truncate(lengths, max_length, truncation)
        num_truncated = sum(lengths) - sum(kept)
        special = self.special_tokens
        encoding = around(special, pieces, [(0, length) for length in kept], self._late.token_of(), num_truncated)
        if return_overflowing_tokens and num_truncated:
            windows_of = [windows(*numbers, stride) for numbers in zip(lengths, kept, strict=True)]
            encoding.overflowing.extend(around(special, pieces, each, self._late.token_of(), 0) for each in overflow(windows_of))
        return encoding

    @explain("tokenize", habits.TOKENIZE)
    def tokenize(self, text: str, split_special_tokens: bool = False) -> list[str]:
        """The pieces of a text, without special tokens around them."""
        return self.tokens_of(self._readable.pieces(check_text(text), split_special_tokens).ids)

    @explain("encode_batch", habits.ENCODE_BATCH)
    def encode_batch(
        self, texts: Iterable[Text], max_length: int | None = None, split_special_tokens: bool = False, return_offsets: bool = False
    ) -> PackedEncoding:
        """Encode many texts, or pairs of texts, onto one token axis.

        Each text is encoded as by a call.

        Args:
            texts: any iterable of str. A tuple or a list of two str in it is a pair, which is cut
                as "longest_first" says.
            max_length, split_special_tokens: as in a call.
            return_offsets: also offsets and word ids.

        Raises:
            TypeError: a text is not a str.
            ValueError: `max_length` does not hold the special tokens.
        """
        if isinstance(texts, str):
            raise TypeError(f"expected several texts, found one str: {texts!r:.80}; put it into a list")
        several = listed_texts(texts)
        if STR_ONLY.issuperset(map(type, several)) and sum(map(len, several)) <= MAX_TEXT_CHARS:
            check_max_length(max_length)
            return self._batch_encoder.encode_batch(several, max_length, split_special_tokens, return_offsets)
        flat: list[str] = []
        are_second: list[bool] = []
        for text in several:
            if not isinstance(text, str) and not is_pair(text):
                raise no_text(text, "expected a text (str)", several=PAIR)
            parts = [text] if isinstance(text, str) else text
            flat += map(check_text, parts)
            are_second += (False, True)[: len(parts)]
        has_pairs = any(are_second)
        check_max_length(max_length, 2 + has_pairs)
        if not has_pairs:
            return self._batch_encoder.encode_batch(flat, max_length, split_special_tokens, return_offsets)
        single = self._batch_encoder.encode_batch(flat, None, split_special_tokens, return_offsets)
        return join_pairs(single, np.array(are_second), max_length, self.special_tokens.second_type)

    def words(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of every part of a text between whitespace, in code points."""
        return self._readable.chunks(text)

    def wordpiece(self, word: str) -> list[tuple[int, int, int]]:
        """(id, start, end) of the pieces of one word that is clean already."""
        return self._readable.wordpiece.match(word)

    def tokens_of(self, ids: Iterable[int]) -> list[str]:
        """The spelling of each id in the vocabulary."""
        return list(map(self._late.token_of().__getitem__, ids))

    @explain("decode", habits.DECODE)
    def decode(self, ids: Any, skip_special_tokens: bool = True) -> str:
        """Readable text of the ids of one text.

        Case, accents and spacing that the tokenizer dropped do not come back.

        Args:
            ids: whole numbers in a list, an array, a tensor, or any other iterable; or one number.
            skip_special_tokens: leave out [CLS], [SEP] and their like.

        Raises:
            TypeError: something is not an id.
            ValueError: an id is not in the vocabulary.
        """
        with forks_wait():
            from ..files.fields import shown
            from .decode import joined

        special = {token.id for token in self.settings.added_tokens if token.special}
        special |= {self.special_tokens.cls_id, self.special_tokens.sep_id}
        tokens = []
        for id in whole_numbers(ids):
            if (token := self._late.token_of().get(id)) is None:
                raise ValueError(f"expected ids of the vocabulary of {len(self._late.token_of())} tokens, found {shown(id)}")
            if not (skip_special_tokens and id in special):
                tokens.append(token)
        return joined(tokens, self.settings.continuing_subword_prefix, self.settings.decoder_cleanup)

    def _pieces(self, text: str | Sequence[str], split_special_tokens: bool, is_split_into_words: bool) -> "Pieces":
        """All pieces of a text, or of a list of words. Each word is encoded alone."""
        with forks_wait():
            from ..files.fields import shown
            from .one_text import Pieces

        if not is_split_into_words:
            return self._readable.pieces(check_text(text), split_special_tokens)
        if isinstance(text, str | bytes | bytearray | Mapping) or not isinstance(text, Iterable):
            found = f"found {type(text).__name__}: {shown(text):.80}"
            raise TypeError(f"expected a list of words (is_split_into_words=True), {found}")
        result = Pieces([], [], [])
        for number, word in enumerate(text):
            pieces = self._readable.pieces(check_text(word), split_special_tokens)
            result.extend(pieces.ids, pieces.offsets, [number] * len(pieces.ids))
        return result


def check_text(text: object) -> str:
    """The text itself.

    Raises TypeError for anything but a str, and ValueError for a text that is too long.
    """
    if not isinstance(text, str):
        raise no_text(text, "expected a text (str)", several=SEVERAL)
    if len(text) > MAX_TEXT_CHARS:
        raise ValueError(f"expected a text of at most {MAX_TEXT_CHARS:,} characters, found {len(text):,}; split it")
    return text
