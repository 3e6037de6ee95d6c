"""A model folder -> TokenizerSettings: what to clean, which vocabulary, which special tokens.

From `tokenizer.json` where there is one, else from `tokenizer_config.json` (and `special_tokens_map.json`) and `vocab.txt`, else BERT's
defaults (lower-cased) with `vocab.txt` alone, as Google's folders have it. What these files can say and this tokenizer does not do is
refused by name, and so are files that contradict each other. Truncation and padding in `tokenizer.json` are ignored: they are leftovers
of somebody's last call.
"""

import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..fields import Fields, is_there, load_fields, load_text, optional_fields, shown, shown_name
from ..files import MAX_VOCABULARY_BYTES
from .added import MAX_IDS, AddedToken, num_suffixes
from .unicode import COMPATS, CharacterMap, Compat

# Where a folder without tokenizer.json names its kind of tokenizer, only these read vocab.txt as BERT does.
CLASSES = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "PreTrainedTokenizer", "TokenizersBackend")
ADDED_TOKEN_FLAGS = ("special", "lstrip", "rstrip", "normalized", "single_word")
NO_LIMIT = 1e9
ROLES = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]"}

# What bounds the time and the memory that a file can ask for. LaBSE, the largest vocabulary that is known, has 501,153 entries.
MAX_ENTRIES = 1 << 20
MAX_VOCABULARY_CHARS = 1 << 24
MAX_PIECE_CHARS = 200  # of a piece that can match: WordPiece looks that often at each character of a word. Google's words have no more
MAX_ADDED_CHARS = 1 << 21  # of all added tokens
MAX_ADDED_SUFFIXES = 1 << 19  # different ends of added tokens: a state of added.Automaton each, 200 bytes
MAX_LENGTH = (1 << 63) - 1


@dataclass(frozen=True)
class TokenizerSettings:
    """Everything that decides how a text becomes ids. Nothing of it can be changed: make others with `dataclasses.replace`.

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
    max_input_chars_per_word: int = 100  # Hugging Face's; Google's original has 200
    added_tokens: tuple[AddedToken, ...] = ()
    decoder_cleanup: bool = True  # whether `decode` closes the gaps before punctuation and in contractions
    model_max_length: int | None = None
    compat: Compat = "hf"  # whose rules: Hugging Face `tokenizers`, or "google", google-research/bert

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
        tokens, ids = self.vocab.keys(), self.vocab.values()
        if {*map(type, tokens)} - {str} or {*map(type, ids)} - {int} or min(ids, default=0) < 0 or max(ids, default=0) >= MAX_IDS:
            bad = [
                f"{shown(token)}: {shown(id)}"
                for token, id in self.vocab.items()
                if type(token) is not str or type(id) is not int or not 0 <= id < MAX_IDS
            ]
            raise ValueError(f"expected whole numbers from 0 to 2^31 - 1 as ids of the vocabulary, found {', '.join(bad[:5])}")
        for token in self.added_tokens:
            if (id := self.vocab.get(token.content, token.id)) != token.id:
                raise ValueError(f"the added token {shown(token.content)} has id {token.id}, and in the vocabulary {id}")
        needed = ((self.unk_token, self.vocab), (self.cls_token, self.ids), (self.sep_token, self.ids))
        missing = sorted({token for token, entries in needed if token not in entries})
        if missing:
            raise ValueError(
                f"the vocabulary of {len(self.vocab)} entries has no {', '.join(map(shown_name, missing))}, which BERT needs; "
                "is this the vocabulary of a BERT model, one token a line?"
            )

    def _check_sizes(self) -> None:
        """Refuse what would take much time or memory, and what no model has."""
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
        )

    def as_google(self) -> "TokenizerSettings":
        """The same vocabulary and case under the rules of google-research/bert.

        Raises ValueError for cleaning that its tokenizer cannot be told to do.
        """
        fixed = {"strip_accents": self.lowercase, "handle_chinese_chars": True, "clean_text": True, "continuing_subword_prefix": "##"}
        for name, expected in fixed.items():
            if (found := getattr(self, name)) != expected:
                raise ValueError(f"compat 'google': expected {name} {expected!r}, as google-research/bert has it, found {found!r}")
        return replace(self, compat="google", max_input_chars_per_word=200, added_tokens=())

    @property
    def ids(self) -> dict[str, int]:
        """Token -> id, added tokens included."""
        return self.vocab | {token.content: token.id for token in self.added_tokens}


def load_settings(folder: Path) -> TokenizerSettings:
    """Tokenizer settings of a model folder.

    Raises FileNotFoundError without `tokenizer.json` and `vocab.txt`, ValueError for a setting that is not implemented.
    """
    path, vocab_path, config_path = (folder / name for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json"))
    config = optional_fields(config_path)
    if config.get("truncation_side", str, "right") != "right":
        raise config.refuse("truncation_side", "right")
    names = ("model_max_length", "max_len")  # the second is what the first was called long ago
    model_max_length = next((length for name in names if (length := _length(config, name))), None)
    if is_there(path):
        values = _from_tokenizer_json(load_fields(path), config)
    elif is_there(vocab_path):
        path, values = vocab_path, _from_vocab(folder, config, load_vocab(vocab_path))
    else:
        raise FileNotFoundError(f"{folder}: expected tokenizer.json or vocab.txt, found neither; copy one of them from the model's source")
    try:
        return TokenizerSettings(**values, model_max_length=model_max_length)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _length(config: Fields, name: str) -> int | None:
    """A length in tokens. transformers writes 1e30 where there is no limit."""
    length = config.get(name, float)
    if length is None or length >= NO_LIMIT:
        return None
    if length < 1 or length != int(length):
        raise ValueError(f"{config.where}: {name}: expected a positive whole number, found {length}")
    return int(length)


def load_vocab(path: Path) -> dict[str, int]:
    """Token -> id from a `vocab.txt`, one token a line, ids from 0."""
    text = load_text(path, MAX_VOCABULARY_BYTES).replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    if (number := text.count("\n") + 1) > MAX_ENTRIES:
        raise ValueError(f"{path}: expected at most {MAX_ENTRIES:,} tokens, one a line, found {number:,}")
    return {line.rstrip(): index for index, line in enumerate(text.split("\n"))}


def _from_tokenizer_json(file: Fields, config: Fields) -> dict[str, Any]:
    for part, expected in (("pre_tokenizer", "BertPreTokenizer"), ("model", "WordPiece")):
        if file.child(part).get("type", str, "WordPiece") != expected:
            raise file.refuse(part, expected)
    if file.child("decoder").get("type", str, "WordPiece") != "WordPiece":
        raise file.refuse("decoder", "WordPiece")
    normalizer, lowercase_before = _normalizer(file)
    _check_agreement(normalizer, config)
    model = file.child("model")
    cls_token, sep_token = _template(file)
    lowercase, strip_accents = normalizer.get("lowercase", bool, True), normalizer.get("strip_accents", bool)
    return {
        "vocab": model.need("vocab", dict),
        "lowercase": lowercase or lowercase_before,
        "strip_accents": lowercase if strip_accents is None else strip_accents,
        "handle_chinese_chars": normalizer.get("handle_chinese_chars", bool, True),
        "clean_text": normalizer.get("clean_text", bool, True),
        "unk_token": model.need("unk_token", str),
        "cls_token": cls_token,
        "sep_token": sep_token,
        "continuing_subword_prefix": model.need("continuing_subword_prefix", str),
        "max_input_chars_per_word": model.need("max_input_chars_per_word", int),
        "added_tokens": tuple(_added_token(token, token.need("id", int)) for token in file.children("added_tokens")),
        "decoder_cleanup": file.child("decoder").get("cleanup", bool, True),
    }


def _normalizer(file: Fields) -> tuple[Fields, bool]:
    """(the BertNormalizer, whether a Lowercase stands before it, as sentence-transformers saves `do_lower_case`)."""
    normalizer = file.child("normalizer")
    parts = normalizer.children("normalizers") if normalizer.get("type", str) == "Sequence" else [normalizer]
    if [part.get("type", str) for part in parts] not in (["BertNormalizer"], ["Lowercase", "BertNormalizer"]):
        raise file.refuse("normalizer", "BertNormalizer")
    return parts[-1], len(parts) == 2


def _check_agreement(normalizer: Fields, config: Fields) -> None:
    """`tokenizers` reads tokenizer.json, transformers corrects it by tokenizer_config.json: where they differ, so would the ids."""
    names = {"do_lower_case": "lowercase", "strip_accents": "strip_accents", "tokenize_chinese_chars": "handle_chinese_chars"}
    for theirs, ours in names.items():
        one, other = config.get(theirs, bool), normalizer.get(ours, bool)
        if one is not None and other is not None and one != other:
            raise ValueError(f"{config.where}: {theirs} is {one}, and {ours} in tokenizer.json {other}; make them say the same")


def _template(file: Fields) -> tuple[str, str]:
    """([CLS], [SEP]) of a post-processor that writes `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, B with type 1."""
    processor = file.child("post_processor")
    if processor.get("type", str) == "BertProcessing":
        frame = [processor.need(part, list) for part in ("cls", "sep")]
        if all(len(pair) == 2 and isinstance(pair[0], str) and type(pair[1]) is int for pair in frame):
            return frame[0][0], frame[1][0]
    elif processor.get("type", str) == "TemplateProcessing":
        single, pair = (_items(processor, part) for part in ("single", "pair"))
        if len(single) == 3:
            cls_token, sep_token = str(single[0][0]), str(single[-1][0])
            expected = [(cls_token, 0), ("A", 0), (sep_token, 0)]
            if single == expected and pair == [*expected, ("B", 1), (sep_token, 1)]:
                return cls_token, sep_token
    raise file.refuse("post_processor", "[CLS] A [SEP] and [CLS] A [SEP] B [SEP]")


def _items(processor: Fields, part: str) -> list[tuple[Any, Any]]:
    """(name, type id) of each item of a template, each an object with a single object in it."""
    items = [item.child(name) for item in processor.children(part) for name in item.content]
    return [(item.get("id", str), item.get("type_id", int)) for item in items]


def _added_token(token: Fields, id: int) -> AddedToken:
    content, flags = token.need("content", str), [token.get(name, bool, False) for name in ADDED_TOKEN_FLAGS]
    try:
        return AddedToken(content, id, *flags)
    except ValueError as error:
        raise ValueError(f"{token.where}: {error}") from None


def _from_vocab(folder: Path, config: Fields, vocab: dict[str, int]) -> dict[str, Any]:
    if not config.get("do_basic_tokenize", bool, True):
        raise config.refuse("do_basic_tokenize", "true")
    if config.get("never_split", list):
        raise config.refuse("never_split", "null")
    if (config.get("tokenizer_class", str) or CLASSES[0]).removesuffix("Fast") not in CLASSES:
        raise config.refuse("tokenizer_class", f"one of {', '.join(CLASSES)}")
    if is_there(folder / "added_tokens.json") and "added_tokens_decoder" not in config.content:
        raise ValueError(f"{folder}: added_tokens.json is not read without tokenizer.json; save the tokenizer again with transformers")
    names = ROLES | _special_tokens(folder, config)
    added = {name: AddedToken(name, vocab[name]) for name in names.values() if name in vocab}
    unknown = [name for role, name in names.items() if name not in vocab and role not in ROLES]
    decoder = config.child("added_tokens_decoder")
    for number in decoder.content:
        if not re.fullmatch("[0-9]{1,10}", number):
            raise ValueError(f"{decoder.where}: expected ids as names, found {shown(number)}")
        token = _added_token(decoder.child(number), int(number))
        added[token.content] = token
    if unknown := [name for name in unknown if name not in added]:
        raise ValueError(
            f"{folder}: expected every special token in vocab.txt, found {', '.join(map(shown_name, unknown[:5]))} elsewhere only"
        )
    lowercase, strip_accents = config.get("do_lower_case", bool, True), config.get("strip_accents", bool)
    return {
        "vocab": vocab,
        "lowercase": lowercase,
        "strip_accents": lowercase if strip_accents is None else strip_accents,
        "handle_chinese_chars": config.get("tokenize_chinese_chars", bool, True),
        "unk_token": names["unk_token"],
        "cls_token": names["cls_token"],
        "sep_token": names["sep_token"],
        "added_tokens": tuple(added.values()),
    }


def _special_tokens(folder: Path, config: Fields) -> dict[str, str]:
    """Role -> token, from special_tokens_map.json and then tokenizer_config.json; additional ones have a number as their role."""
    tokens: dict[str, str] = {}
    for file in (optional_fields(folder / "special_tokens_map.json"), config):
        for role in (*ROLES, "bos_token", "eos_token"):
            if file.content.get(role) is not None:
                tokens[role] = _content(file, role, file.content[role])
        for role in ("additional_special_tokens", "extra_special_tokens"):
            for number, token in enumerate(file.get(role, list) or [] if not isinstance(file.content.get(role), dict) else []):
                tokens[f"{role} {number}"] = _content(file, role, token)
    return tokens


def _content(file: Fields, role: str, token: Any) -> str:
    """A token written as a text or as an object with the text in it."""
    content = token.get("content") if isinstance(token, dict) else token
    if not isinstance(content, str) or not content:
        raise file.refuse(role, "a token")
    return content
