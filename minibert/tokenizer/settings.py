"""A model folder -> TokenizerSettings: what to clean, which vocabulary, which special tokens.

From `tokenizer.json` where there is one, else from `tokenizer_config.json` and `vocab.txt`, else BERT's defaults (lower-cased) with
`vocab.txt` alone, as Google's folders have it. What these files can say and this tokenizer does not do is refused by name.
Truncation and padding in `tokenizer.json` are ignored: they are leftovers of somebody's last call.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import load_json


@dataclass(frozen=True)
class AddedToken:
    """A token found in the raw text before anything else happens to it, such as `[MASK]`."""

    content: str
    id: int
    special: bool = True
    lstrip: bool = False  # swallows the whitespace before it
    rstrip: bool = False  # swallows the whitespace after it


@dataclass(frozen=True)
class TokenizerSettings:
    """Everything that decides how a text becomes ids."""

    vocab: dict[str, int]
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
    model_max_length: int | None = None

    def __post_init__(self) -> None:
        missing = sorted({self.unk_token, self.cls_token, self.sep_token} - self.vocab.keys())
        if missing:
            raise ValueError(
                f"the vocabulary of {len(self.vocab)} entries has no {', '.join(missing)}, which BERT needs; "
                "is this the vocabulary of a BERT model, one token a line?"
            )


def load_settings(folder: Path) -> TokenizerSettings:
    """Tokenizer settings of a model folder.

    Raises FileNotFoundError without `tokenizer.json` and `vocab.txt`, ValueError for a setting that is not implemented.
    """
    path, vocab_path, config_path = (folder / name for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json"))
    config = load_json(config_path) if config_path.exists() else {}
    if path.exists():
        return _from_tokenizer_json(path, load_json(path), _max_length(config))
    if vocab_path.exists():
        return _from_vocab(folder, config_path, config, load_vocab(vocab_path))
    raise FileNotFoundError(f"{folder}: expected tokenizer.json or vocab.txt, found neither; copy one of them from the model's source")


def load_vocab(path: Path) -> dict[str, int]:
    """Token -> id from a `vocab.txt`, one token a line, ids from 0."""
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8 text, one token a line: {error}") from None
    return {line.rstrip(): index for index, line in enumerate(lines)}


def _max_length(config: dict[str, Any]) -> int | None:
    """`model_max_length`; transformers writes 1e30 where there is no limit."""
    length = config.get("model_max_length")
    return int(length) if length is not None and length < 1e9 else None


def _refuse(path: Path, what: str, found: object, expected: str) -> ValueError:
    return ValueError(f"{path}: expected {what} {expected}, found {found!r}, which minibert does not implement")


def _from_tokenizer_json(path: Path, content: dict[str, Any], model_max_length: int | None) -> TokenizerSettings:
    normalizer, splitter, model = (content.get(part) or {} for part in ("normalizer", "pre_tokenizer", "model"))
    if normalizer.get("type") != "BertNormalizer":
        raise _refuse(path, "normalizer", normalizer.get("type"), "BertNormalizer")
    if splitter.get("type") != "BertPreTokenizer":
        raise _refuse(path, "pre_tokenizer", splitter.get("type"), "BertPreTokenizer")
    if model.get("type", "WordPiece") != "WordPiece" or "continuing_subword_prefix" not in model:
        raise _refuse(path, "model", model.get("type"), "WordPiece")
    cls_token, sep_token = _template(path, content.get("post_processor") or {})
    lowercase = normalizer.get("lowercase", True)
    strip_accents = normalizer.get("strip_accents")
    return TokenizerSettings(
        vocab=model["vocab"] | {token["content"]: token["id"] for token in content.get("added_tokens", [])},
        lowercase=lowercase,
        strip_accents=lowercase if strip_accents is None else strip_accents,
        handle_chinese_chars=normalizer.get("handle_chinese_chars", True),
        clean_text=normalizer.get("clean_text", True),
        unk_token=model["unk_token"],
        cls_token=cls_token,
        sep_token=sep_token,
        continuing_subword_prefix=model["continuing_subword_prefix"],
        max_input_chars_per_word=model.get("max_input_chars_per_word", 100),
        added_tokens=tuple(_added_token(path, token) for token in content.get("added_tokens", [])),
        model_max_length=model_max_length,
    )


def _template(path: Path, processor: dict[str, Any]) -> tuple[str, str]:
    """([CLS], [SEP]) of a post-processor that writes `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, B with type 1."""
    if processor.get("type") == "BertProcessing":
        return processor["cls"][0], processor["sep"][0]
    if processor.get("type") != "TemplateProcessing":
        raise _refuse(path, "post_processor", processor.get("type"), "TemplateProcessing or BertProcessing")

    def items(template: list[dict[str, Any]]) -> list[tuple[str, int]]:
        return [(part["id"], part["type_id"]) for item in template for part in item.values()]

    single, pair = items(processor["single"]), items(processor["pair"])
    cls_token, sep_token = single[0][0], single[-1][0]
    expected = [(cls_token, 0), ("A", 0), (sep_token, 0)]
    if single != expected or pair != [*expected, ("B", 1), (sep_token, 1)]:
        raise _refuse(path, "post_processor", {"single": single, "pair": pair}, "[CLS] A [SEP] and [CLS] A [SEP] B [SEP]")
    return cls_token, sep_token


def _added_token(path: Path, token: dict[str, Any]) -> AddedToken:
    if token.get("normalized") or token.get("single_word"):
        wanted = "single_word" if token.get("single_word") else "normalized"
        raise _refuse(path, f"added token {token['content']!r} with {wanted}", True, "false")
    return AddedToken(token["content"], token["id"], token["special"], token["lstrip"], token["rstrip"])


def _from_vocab(folder: Path, path: Path, config: dict[str, Any], vocab: dict[str, int]) -> TokenizerSettings:
    if config.get("do_basic_tokenize", True) is not True:
        raise _refuse(path, "do_basic_tokenize", config["do_basic_tokenize"], "true")
    if config.get("never_split"):
        raise _refuse(path, "never_split", config["never_split"], "null")
    if (folder / "added_tokens.json").exists() and "added_tokens_decoder" not in config:
        raise ValueError(f"{folder}: added_tokens.json is not read without tokenizer.json; save the tokenizer again with transformers")

    def content(token: str | dict[str, str]) -> str:
        return token if isinstance(token, str) else token["content"]

    names = {role: content(config.get(f"{role}_token") or f"[{role.upper()}]") for role in ("unk", "cls", "sep", "pad", "mask")}
    added = {name: AddedToken(name, vocab[name]) for name in names.values() if name in vocab}
    for number, token in config.get("added_tokens_decoder", {}).items():
        vocab[token["content"]] = int(number)
        added[token["content"]] = _added_token(path, {**token, "id": int(number)})
    lowercase = config.get("do_lower_case", True)
    strip_accents = config.get("strip_accents")
    return TokenizerSettings(
        vocab=vocab,
        lowercase=lowercase,
        strip_accents=lowercase if strip_accents is None else strip_accents,
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        unk_token=names["unk"],
        cls_token=names["cls"],
        sep_token=names["sep"],
        added_tokens=tuple(added.values()),
        model_max_length=_max_length(config),
    )
