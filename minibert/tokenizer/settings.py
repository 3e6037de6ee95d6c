"""A model folder -> TokenizerSettings: what to clean, which vocabulary, which special tokens.

From `tokenizer.json` where there is one, else from `tokenizer_config.json` (and `special_tokens_map.json`) and `vocab.txt`, else BERT's
defaults (lower-cased) with `vocab.txt` alone, as Google's folders have it. What these files can say and this tokenizer does not do is
refused by name, and so are files that contradict each other. Truncation and padding in `tokenizer.json` are ignored: they are leftovers
of somebody's last call.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..fields import Fields, load_fields
from .added import AddedToken
from .unicode import Compat

# Where a folder without tokenizer.json names its kind of tokenizer, only these read vocab.txt as BERT does.
CLASSES = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "PreTrainedTokenizer", "TokenizersBackend")
ADDED_TOKEN_FLAGS = ("special", "lstrip", "rstrip", "normalized", "single_word")
ROLES = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]"}


@dataclass(frozen=True)
class TokenizerSettings:
    """Everything that decides how a text becomes ids."""

    vocab: dict[str, int]  # the entries of WordPiece; added tokens may have ids of their own
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
        bad = [f"{token!r}: {id!r}" for token, id in self.ids.items() if type(id) is not int or not 0 <= id < 1 << 31]
        if bad:
            raise ValueError(f"expected whole numbers from 0 to 2^31 - 1 as ids of the vocabulary, found {', '.join(bad[:5])}")
        for token in self.added_tokens:
            if self.vocab.get(token.content, token.id) != token.id:
                raise ValueError(f"the added token {token.content!r} has id {token.id}, and in the vocabulary {self.vocab[token.content]}")
        missing = sorted(({self.unk_token} - self.vocab.keys()) | ({self.cls_token, self.sep_token} - self.ids.keys()))
        if missing:
            raise ValueError(
                f"the vocabulary of {len(self.vocab)} entries has no {', '.join(missing)}, which BERT needs; "
                "is this the vocabulary of a BERT model, one token a line?"
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
    config = load_fields(config_path) if config_path.exists() else Fields(str(config_path), {})
    if config.get("truncation_side", str, "right") != "right":
        raise config.refuse("truncation_side", "right")
    # transformers writes 1e30 where there is no limit; max_len is what it was called long ago
    length = config.get("model_max_length", float) or config.get("max_len", float)
    model_max_length = int(length) if length is not None and length < 1e9 else None
    if path.exists():
        return _from_tokenizer_json(load_fields(path), config, model_max_length)
    if vocab_path.exists():
        return _from_vocab(folder, config, load_vocab(vocab_path), model_max_length)
    raise FileNotFoundError(f"{folder}: expected tokenizer.json or vocab.txt, found neither; copy one of them from the model's source")


def load_vocab(path: Path) -> dict[str, int]:
    """Token -> id from a `vocab.txt`, one token a line, ids from 0."""
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8 text, one token a line: {error}") from None
    return {line.rstrip(): index for index, line in enumerate(lines)}


def _from_tokenizer_json(file: Fields, config: Fields, model_max_length: int | None) -> TokenizerSettings:
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
    return TokenizerSettings(
        vocab=model.need("vocab", dict),
        lowercase=lowercase or lowercase_before,
        strip_accents=lowercase if strip_accents is None else strip_accents,
        handle_chinese_chars=normalizer.get("handle_chinese_chars", bool, True),
        clean_text=normalizer.get("clean_text", bool, True),
        unk_token=model.need("unk_token", str),
        cls_token=cls_token,
        sep_token=sep_token,
        continuing_subword_prefix=model.need("continuing_subword_prefix", str),
        max_input_chars_per_word=model.need("max_input_chars_per_word", int),
        added_tokens=tuple(_added_token(token, token.need("id", int)) for token in file.children("added_tokens")),
        decoder_cleanup=file.child("decoder").get("cleanup", bool, True),
        model_max_length=model_max_length,
    )


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
        if all(len(pair) == 2 and isinstance(pair[0], str) for pair in frame):
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
    content = token.need("content", str)
    if not content:
        raise token.refuse("content", "a text")
    return AddedToken(content, id, *(token.get(name, bool, False) for name in ADDED_TOKEN_FLAGS))


def _from_vocab(folder: Path, config: Fields, vocab: dict[str, int], model_max_length: int | None) -> TokenizerSettings:
    if not config.get("do_basic_tokenize", bool, True):
        raise config.refuse("do_basic_tokenize", "true")
    if config.get("never_split", list):
        raise config.refuse("never_split", "null")
    if (config.get("tokenizer_class", str) or CLASSES[0]).removesuffix("Fast") not in CLASSES:
        raise config.refuse("tokenizer_class", f"one of {', '.join(CLASSES)}")
    if (folder / "added_tokens.json").exists() and "added_tokens_decoder" not in config.content:
        raise ValueError(f"{folder}: added_tokens.json is not read without tokenizer.json; save the tokenizer again with transformers")
    names = ROLES | _special_tokens(folder, config)
    added = {name: AddedToken(name, vocab[name]) for name in names.values() if name in vocab}
    unknown = [name for role, name in names.items() if name not in vocab and role not in ROLES]
    decoder = config.child("added_tokens_decoder")
    for number in decoder.content:
        if not number.isdecimal():
            raise decoder.refuse(number, "ids as names")
        token = _added_token(decoder.child(number), int(number))
        added[token.content] = token
    if unknown := [name for name in unknown if name not in added]:
        raise ValueError(f"{folder}: expected every special token in vocab.txt, found {', '.join(unknown)} elsewhere only")
    lowercase, strip_accents = config.get("do_lower_case", bool, True), config.get("strip_accents", bool)
    return TokenizerSettings(
        vocab=vocab,
        lowercase=lowercase,
        strip_accents=lowercase if strip_accents is None else strip_accents,
        handle_chinese_chars=config.get("tokenize_chinese_chars", bool, True),
        unk_token=names["unk_token"],
        cls_token=names["cls_token"],
        sep_token=names["sep_token"],
        added_tokens=tuple(added.values()),
        model_max_length=model_max_length,
    )


def _special_tokens(folder: Path, config: Fields) -> dict[str, str]:
    """Role -> token, from special_tokens_map.json and then tokenizer_config.json; additional ones have a number as their role."""
    path = folder / "special_tokens_map.json"
    tokens: dict[str, str] = {}
    for fields in (load_fields(path) if path.exists() else Fields(str(path), {}), config):
        for role in (*ROLES, "bos_token", "eos_token"):
            if fields.content.get(role) is not None:
                tokens[role] = _content(fields, role, fields.content[role])
        for role in ("additional_special_tokens", "extra_special_tokens"):
            for number, token in enumerate(fields.get(role, list) or [] if not isinstance(fields.content.get(role), dict) else []):
                tokens[f"{role} {number}"] = _content(fields, role, token)
    return tokens


def _content(fields: Fields, role: str, token: Any) -> str:
    """A token written as a text or as an object with the text in it."""
    content = token.get("content") if isinstance(token, dict) else token
    if not isinstance(content, str):
        raise fields.refuse(role, "a token")
    return content
