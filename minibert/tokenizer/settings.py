"""What decides how a text becomes ids: what to clean, where to split, which vocabulary, which
special tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from ..files.fields import shown, shown_name
from .added import MAX_IDS, AddedToken, num_suffixes
from .unicode import COMPATS, CharacterMap, Compat

# Bounds of the time and the memory that a file can take. The largest known vocabulary, LaBSE, has
# 501,153 entries.
MAX_ENTRIES = 1 << 20
MAX_VOCABULARY_CHARS = 1 << 24
MAX_PIECE_CHARS = 200  # of a piece that can match: WordPiece looks that often at each character. Google's words have no more
MAX_ADDED_CHARS = 1 << 21  # of all added tokens
MAX_ADDED_SUFFIXES = 1 << 19  # different ends of added tokens: a state of added.Automaton each, 200 bytes
MAX_LENGTH = (1 << 63) - 1


@dataclass(frozen=True)
class TokenizerSettings:
    """Everything that decides how a text becomes ids.

    Settings cannot be changed: make others with `dataclasses.replace`.

    Raises ValueError for what does not fit together or is out of range.
    """

    vocab: dict[str, int] | MappingProxyType[str, int]  # the entries of WordPiece; added tokens may have ids of their own
    lowercase: bool = True
    strip_accents: bool = True
    handle_chinese_chars: bool = True
    clean_text: bool = True
    unk_token: str = "[UNK]"
    cls_token: str = "[CLS]"
    sep_token: str = "[SEP]"
    continuing_subword_prefix: str = "##"
    max_input_chars_per_word: int = 100  # Hugging Face's; Google's is 200
    added_tokens: tuple[AddedToken, ...] = ()
    decoder_cleanup: bool = True  # whether `decode` closes the gaps before punctuation and in contractions
    model_max_length: int | None = None
    compat: Compat = "hf"  # whose rules: Hugging Face `tokenizers`, or "google", google-research/bert
    has_types: bool = True  # the second text of a pair has token type 1
    names_sep: bool = True  # transformers counts [SEP] among the special tokens, since a file names it as one
    # The rules of other pipelines of `tokenizers`; BERT's are the defaults.
    strip_all_marks: bool = False  # strip_accents also strips combining marks that take space, as StripAccents does
    split_punctuation: bool = True  # a punctuation mark is a word of its own
    split_symbols: bool = False  # a word is a run of letters, digits, marks and `_`, or a run of other characters, as for Whitespace

    def __post_init__(self) -> None:
        # `copy` of a MappingProxyType is eight times as fast as `dict`
        vocab = self.vocab.copy() if isinstance(self.vocab, MappingProxyType) else dict(self.vocab)
        object.__setattr__(self, "vocab", MappingProxyType(vocab))
        object.__setattr__(self, "added_tokens", tuple(self.added_tokens))
        self._check_kinds()
        self._check_ids()
        self._check_sizes()
        if any(token.normalized for token in self.added_tokens):
            normalize = self.character_map()
            for token in self.added_tokens:
                if token.normalized and not any(map(normalize.__getitem__, token.content)):
                    content = shown(token.content)
                    raise ValueError(f"nothing is left of the added token {content} after cleaning; say normalized: false")

    def _check_kinds(self) -> None:
        for name, kind in (("str", str), ("bool", bool)):
            for each in fields(self):
                if each.type == kind and type(value := getattr(self, each.name)) is not kind:
                    raise ValueError(f"{each.name}: expected {name}, found {shown(value)}")
        if self.compat not in COMPATS:
            raise ValueError(f"compat: expected {' or '.join(map(repr, COMPATS))}, found {shown(self.compat)}")
        for name in ("max_input_chars_per_word", "model_max_length"):
            value = getattr(self, name)
            if not (value is None and name == "model_max_length") and (type(value) is not int or not 1 <= value <= MAX_LENGTH):
                raise ValueError(f"{name}: expected a whole number from 1 to 2^63 - 1, found {shown(value)}")
        for token in self.added_tokens:
            if not isinstance(token, AddedToken):
                raise ValueError(f"added_tokens: expected an AddedToken, found {shown(token)}")

    def _check_ids(self) -> None:
        check_vocab(self.vocab)
        for token in self.added_tokens:
            if (id := self.vocab.get(token.content, token.id)) != token.id:
                raise ValueError(f"the added token {shown(token.content)} has id {token.id}, and in the vocabulary {id}")
        ids = self.ids
        needed = ((self.unk_token, self.vocab), (self.cls_token, ids), (self.sep_token, ids))
        missing = sorted({token for token, entries in needed if token not in entries})
        if missing:
            raise ValueError(
                f"the vocabulary of {len(self.vocab)} entries has no {', '.join(map(shown_name, missing))}, which BERT needs; "
                "is this the vocabulary of a BERT model, one token a line?"
            )

    def _check_sizes(self) -> None:
        """Raise ValueError for what no model has and what would take much time or memory."""
        limit, prefix = self.max_input_chars_per_word, len(self.continuing_subword_prefix)
        contents = [token.content for token in self.added_tokens]
        long = [len(token) for token in self.vocab if len(token) > MAX_PIECE_CHARS]
        longest = max((size for length in long for size in (length, length - prefix) if size <= limit), default=0)
        sizes = {
            "entries of the vocabulary": (len(self.vocab), MAX_ENTRIES),
            "characters in the vocabulary": (sum(map(len, self.vocab)), MAX_VOCABULARY_CHARS),
            "characters in a piece of max_input_chars_per_word": (longest, MAX_PIECE_CHARS),
            "characters in a special token": (max(map(len, (self.unk_token, self.cls_token, self.sep_token))), MAX_PIECE_CHARS),
            "added tokens": (len(contents), MAX_ENTRIES),
            "characters in added tokens": (sum(map(len, contents)), MAX_ADDED_CHARS),
        }
        for what, (number, most) in sizes.items():
            if number > most:
                raise ValueError(f"expected at most {most:,} {what}, found {number:,}")
        if sum(map(len, contents)) > MAX_ADDED_SUFFIXES and (number := num_suffixes(contents)) > MAX_ADDED_SUFFIXES:
            raise ValueError(f"expected at most {MAX_ADDED_SUFFIXES:,} different ends of added tokens, found {number:,}")

    def __reduce__(self) -> tuple[type["TokenizerSettings"], tuple[Any, ...]]:
        return TokenizerSettings, (self.vocab.copy(), *(getattr(self, each.name) for each in fields(self)[1:]))

    def character_map(self) -> CharacterMap:
        """What cleaning makes of each character."""
        return CharacterMap(
            self.compat,
            clean_text=self.clean_text,
            handle_chinese_chars=self.handle_chinese_chars,
            strip_accents=self.strip_accents,
            lowercase=self.lowercase,
            strip_all_marks=self.strip_all_marks,
        )

    @property
    def is_bert(self) -> bool:
        """Whether accents are stripped and words are split as BERT does it.

        The compiled tokenizer has these rules alone.
        """
        return self.split_punctuation and not (self.split_symbols or self.strip_all_marks)

    def as_google(self) -> "TokenizerSettings":
        """The same vocabulary and case under the rules of google-research/bert.

        Raises ValueError for cleaning that its tokenizer cannot do.
        """
        fixed = {"strip_accents": self.lowercase, "handle_chinese_chars": True, "clean_text": True, "continuing_subword_prefix": "##",
                 "strip_all_marks": False, "split_punctuation": True, "split_symbols": False}  # fmt: skip
        for name, expected in fixed.items():
            if (found := getattr(self, name)) != expected:
                raise ValueError(f"compat 'google': expected {name} {expected!r}, as google-research/bert has it, found {found!r}")
        return replace(self, compat="google", max_input_chars_per_word=200, added_tokens=())

    @property
    def last_id(self) -> int:
        """The greatest id for which the weights must have a row.

        An empty line of `vocab.txt` is no token. An added token that is not in the vocabulary may
        never be used, such as the [MASK] that transformers adds to every vocabulary without one.
        Each call checks its ids.
        """
        ids, vocab = self.ids, self.vocab.copy()
        vocab.pop("", None)
        return max(ids[self.cls_token], ids[self.sep_token], max(vocab.values(), default=0))

    @property
    def ids(self) -> dict[str, int]:
        """Token -> id, added tokens included."""
        return self.vocab | {token.content: token.id for token in self.added_tokens}


def check_vocab(vocab: Mapping[str, int]) -> None:
    """Raise ValueError unless a vocabulary maps texts to ids."""
    tokens, ids = vocab.keys(), vocab.values()
    if {*map(type, tokens)} - {str} or {*map(type, ids)} - {int} or min(ids, default=0) < 0 or max(ids, default=0) >= MAX_IDS:
        bad = [
            f"{shown(token)}: {shown(id)}"
            for token, id in vocab.items()
            if type(token) is not str or type(id) is not int or not 0 <= id < MAX_IDS
        ]
        raise ValueError(f"expected whole numbers from 0 to 2^31 - 1 as ids of the vocabulary, found {', '.join(bad[:5])}")
