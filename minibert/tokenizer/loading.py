"""A model folder -> TokenizerSettings, as transformers reads it.

transformers' BertTokenizer takes the vocabulary from `tokenizer.json`, or else from `vocab.txt`.
How to clean a text comes from `tokenizer_config.json`. For what that does not say, the class has
defaults: texts become lower case, accents are stripped with them, and Chinese characters are words.
What tokenizer.json says about cleaning does not count. These are the rules for every folder of a
BERT.

A tokenizer.json is read by its own rules (`pipeline`) in three cases:

* its class is `PreTrainedTokenizerFast` or `TokenizersBackend`;
* it is another pipeline than BERT's, and no file names a class;
* it stands alone, without config.json and tokenizer_config.json.

Source: transformers 5.24, `PreTrainedTokenizerBase._from_pretrained`, `TokenizersBackend`,
`BertTokenizer` and `AutoTokenizer`.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import repeat
from typing import Any

from ..files import StrPath
from ..files.access import MAX_VOCABULARY_BYTES
from ..files.fields import Fields
from .model_files import ModelFiles
from .named_tokens import read_tokens
from .pipeline import check_ids, check_model, is_bert, read_pipeline
from .settings import MAX_ENTRIES, TokenizerSettings, check_vocab
from .unicode import original

# Values of `tokenizer_class`, with or without "Fast", by the rules with which transformers reads a
# folder.
BERT_CLASSES = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer", "ConvBertTokenizer", "LayoutLMTokenizer",
                "LxmertTokenizer", "SqueezeBertTokenizer", "DPRContextEncoderTokenizer", "DPRQuestionEncoderTokenizer")  # fmt: skip
OWN_CLASSES = ("PreTrainedTokenizer", "TokenizersBackend")
UNTYPED_CLASSES = ("DistilBertTokenizer", *OWN_CLASSES)  # these give a model no token types unless model_input_names says so
# Fields of tokenizer_config.json that may only say this.
FIXED = {"truncation_side": "right", "padding_side": "right", "split_special_tokens": False, "fast_tokenizer_files": ["tokenizer.json"]}
CLEANING = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")  # fields that say how BertTokenizer cleans
NO_LIMIT = 1e9
VOCABULARIES = ("tokenizer.json", "vocab.txt")  # the first that is there counts


def load_settings(folder: StrPath) -> TokenizerSettings:
    """Tokenizer settings of a model folder.

    Raises FileNotFoundError without `tokenizer.json` and `vocab.txt`, ValueError for a setting that
    is not implemented.
    """
    return settings_of(ModelFiles(folder))


def settings_of(files: ModelFiles) -> TokenizerSettings:
    """Like `load_settings`, from files that may have been read before."""
    config = files.fields("tokenizer_config.json")
    for name, expected in FIXED.items():
        if config.content.get(name) not in (None, expected):
            raise config.refuse(name, expected if isinstance(expected, str) else json.dumps(expected))
    model_max_length = _length(config, "model_max_length" if "model_max_length" in config.content else "max_len")  # its old name
    declared = _declared_class(files, config)
    vocabulary = next(filter(files.has, VOCABULARIES), None)
    if vocabulary is None:
        from ..files.sources import missing  # only this error needs it

        raise FileNotFoundError(missing(files.folder, " or ".join(VOCABULARIES), beside=True))
    path = files.path(vocabulary)
    if vocabulary == "tokenizer.json":
        file = files.fields(vocabulary)
        values = _from_tokenizer_json(file, config, files, declared)
    else:
        file = Fields(path, {})
        values = _bert_rules(config) | {"vocab": _vocab(files, vocabulary)}
    sep_token = values.get("sep_token")  # BertTokenizer's comes from all files
    if file.content:
        with _errors_of(path):
            check_vocab(values["vocab"])  # before its numbers become ids of tokens
    named = read_tokens(files, config, file, values["vocab"], sep_token)
    with files.recognised(vocabulary, "a vocabulary"), _errors_of(path):
        settings = TokenizerSettings(**values | named, model_max_length=model_max_length, has_types=_has_types(config, declared))
    if sep_token is not None:
        check_ids(file, settings.ids)
    return settings


def forced_lower(settings: TokenizerSettings) -> TokenizerSettings:
    """The same settings for lower case."""
    return settings if settings.lowercase else replace(settings, lowercase=True)


@contextmanager
def _errors_of(path: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _declared_class(files: ModelFiles, config: Fields) -> str | None:
    """The class that a file names, without "Fast".

    Raises ValueError for a class that is not implemented.
    """
    for file in (config, files.fields("config.json")):
        if name := file.get("tokenizer_class", str):
            if name.removesuffix("Fast") not in (*BERT_CLASSES, *OWN_CLASSES):
                raise file.refuse("tokenizer_class", f"one of {', '.join((*BERT_CLASSES, *OWN_CLASSES))}")
            return name.removesuffix("Fast")
    return None


def _from_tokenizer_json(file: Fields, config: Fields, files: ModelFiles, declared: str | None) -> dict[str, Any]:
    check_model(file)
    for part, side in (("truncation", "truncation_side"), ("padding", "padding_side")):
        if config.content.get(side) is None and file.child(part).get("direction", str, "Right") != "Right":
            raise file.child(part).refuse("direction", "'Right'")
    is_alone = not files.has("config.json") and not files.has("tokenizer_config.json")
    if declared in OWN_CLASSES or is_alone:
        return read_pipeline(file)
    if is_bert(file):
        if (prefix := file.child("model").get("continuing_subword_prefix", str, "##")) != "##":
            raise ValueError(
                f"{file.where}: continuing_subword_prefix: expected '##', which BertTokenizer looks for, found {prefix!r:.200}"
            )
        return _bert_rules(config) | {"vocab": file.child("model").need("vocab", dict)}
    said = [name for name in CLEANING if config.content.get(name) is not None]
    if declared or said:
        advice = "say tokenizer_class 'PreTrainedTokenizerFast' there, and nothing of how to clean, to keep the rules of tokenizer.json"
        rules = ", ".join(["tokenizer_class"] * (declared is not None) + said)
        raise ValueError(f"{config.where}: {rules}: expected no rules of BertTokenizer beside another tokenizer.json; {advice}")
    return read_pipeline(file)


def _bert_rules(config: Fields) -> dict[str, Any]:
    """How BertTokenizer cleans."""
    lowercase = config.get("do_lower_case", bool, True)
    strip_accents = config.get("strip_accents", bool)
    return {
        "lowercase": lowercase,
        "strip_accents": lowercase if strip_accents is None else strip_accents,
        "handle_chinese_chars": config.get("tokenize_chinese_chars", bool, True),
    }


def _has_types(config: Fields, declared: str | None) -> bool:
    """Whether the model gets token types, so that the second text of a pair has type 1."""
    names = config.get("model_input_names", list)
    return "token_type_ids" in names if names is not None else declared not in UNTYPED_CLASSES


def _length(config: Fields, name: str) -> int | None:
    """A length in tokens. transformers writes 1e30 where there is no limit."""
    length = config.get(name, float)
    if length is None or length >= NO_LIMIT:
        return None
    if length < 1 or length != int(length):
        raise ValueError(f"{config.where}: {name}: expected a positive whole number, found {length}")
    return int(length)


def load_vocab(path: StrPath) -> dict[str, int]:
    """Token -> id from a `vocab.txt`, one token a line, ids from 0.

    Only a line feed ends a line. Blanks before it do not count.
    """
    folder, name = os.path.split(path)
    return _vocab(ModelFiles(folder), name)


def _vocab(files: ModelFiles, name: str) -> dict[str, int]:
    with files.recognised(name, "a vocabulary"):
        text = files.text(name, MAX_VOCABULARY_BYTES).removesuffix("\n")
    if (number := text.count("\n") + 1) > MAX_ENTRIES:
        raise ValueError(f"{files.path(name)}: expected at most {MAX_ENTRIES:,} tokens, one a line, found {number:,}")
    blanks = "".join(sorted(original("hf").characters("WHITESPACE")))
    lines = map(str.rstrip, text.split("\n"), repeat(blanks))
    return {line: index for index, line in enumerate(lines)}
