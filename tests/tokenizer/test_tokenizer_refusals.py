"""The tokenizer files of a model folder: what is read, and what is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from minibert.tokenizer import WordPieceTokenizer
from tests.support.hard_texts import TEXTS, VOCAB, tokenizer_json


def test_vocab_alone_means_lower_case(tmp_path: Path, uncased: WordPieceTokenizer) -> None:
    (tmp_path / "vocab.txt").write_bytes(VOCAB.read_bytes())
    tokenizer = WordPieceTokenizer.from_folder(tmp_path)
    assert [tokenizer(text) for text in TEXTS] == [uncased(text) for text in TEXTS]


@pytest.mark.parametrize("windows", [False, True])
def test_tokenizer_config_beside_vocab(tmp_path: Path, tokenizers: dict[str, WordPieceTokenizer], windows: bool) -> None:
    vocab = VOCAB.read_bytes()
    (tmp_path / "vocab.txt").write_bytes(vocab.replace(b"\n", b"\r\n") if windows else vocab)
    config = {"do_lower_case": False, "strip_accents": True, "cls_token": {"content": "[CLS]"}, "model_max_length": 1e30}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = WordPieceTokenizer.from_folder(tmp_path)
    assert [tokenizer(text) for text in TEXTS] == [tokenizers["cased without accents"](text) for text in TEXTS]
    assert tokenizer.settings.model_max_length is None


def test_truncation_in_tokenizer_json_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer_json()))
    assert len(WordPieceTokenizer.from_folder(tmp_path)("one two three four five six")) == 8


REFUSED = {
    "normalizer": ({"normalizer": {"type": "NFKC"}}, "normalizer"),
    "a normalizer among others": (
        {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "BertNormalizer"}]}},
        "normalizer",
    ),
    "accents that stay in their letters": ({"normalizer": {"type": "StripAccents"}}, "normalizer"),
    "pre_tokenizer": ({"pre_tokenizer": {"type": "ByteLevel"}}, "pre_tokenizer"),
    "words with blanks": ({"pre_tokenizer": {"type": "Punctuation"}}, "pre_tokenizer"),
    "punctuation that sticks": (
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}, {"type": "Punctuation", "behavior": "Removed"}]}},
        "pre_tokenizer",
    ),
    "model": ({"model": {"type": "BPE", "vocab": {}, "merges": []}}, "model"),
    "post_processor": ({"post_processor": {"type": "RobertaProcessing"}}, "post_processor"),
    "no post_processor": ({"post_processor": None}, "post_processor"),
    "template": (
        {"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}], "pair": []}},
        "post_processor",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_implemented_is_refused_by_name(tmp_path: Path, name: str) -> None:
    change, message = REFUSED[name]
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer_json() | change))
    with pytest.raises(ValueError, match=f"tokenizer.json: .*{message}: expected .*not implemented"):
        WordPieceTokenizer.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"tokenizer_class": "MPNetTokenizer"}, "tokenizer_class"),
        ({"padding_side": "left"}, "padding_side: expected right, found 'left'"),
        ({"split_special_tokens": True}, "split_special_tokens: expected false"),
        ({"fast_tokenizer_files": ["tokenizer.json", "tokenizer.4.0.0.json"]}, "fast_tokenizer_files: expected"),
        ({"sep_token": None}, "sep_token: expected a token"),
        ({"cls_token": 5}, "cls_token"),
        ({"added_tokens_decoder": {"-5": {"content": "x"}}}, "added_tokens_decoder"),
        ({"added_tokens_decoder": {"9" * 5000: {"content": "x"}}}, r"tokenizer_config\.json: added_tokens_decoder: expected ids as names"),
        ({"added_tokens_decoder": {"\u0663": {"content": "x"}}}, "added_tokens_decoder: expected ids as names"),
        ({"added_tokens_decoder": {"9999999999": {"content": "x"}}}, "added_tokens_decoder: 9999999999: id: expected"),
        ({"model_max_length": -float("inf")}, r"tokenizer_config\.json: model_max_length: expected a number, found -inf"),
        ({"model_max_length": 0}, "model_max_length: expected a positive whole number"),
        ({"max_len": 12.5}, "max_len: expected a positive whole number"),
        ({"mask_token": ""}, "mask_token: expected a token"),
    ],
)
def test_tokenizer_config_refusals(tmp_path: Path, config: dict[str, object], message: str) -> None:
    (tmp_path / "vocab.txt").write_bytes(VOCAB.read_bytes())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        WordPieceTokenizer.from_folder(tmp_path)


def write_vocab(folder: Path, *more: str) -> None:
    (folder / "vocab.txt").write_text(VOCAB.read_text(encoding="utf-8") + "".join(f"{token}\n" for token in more), encoding="utf-8")


def test_special_tokens_beside_vocab(tmp_path: Path) -> None:
    write_vocab(tmp_path, "[E1]", "[E2]", "[OTHER]")
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"cls_token": "[unused1]", "additional_special_tokens": ["[E1]"]}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"additional_special_tokens": [{"content": "[E2]"}], "max_len": 30}))
    tokenizer = WordPieceTokenizer.from_folder(tmp_path)
    assert tokenizer("a[E2]").tokens == ["[unused1]", "a", "[E2]", "[SEP]"]
    assert tokenizer("[E2]", split_special_tokens=True).tokens[1:-1] == ["[", "e", "##2", "]"]
    assert tokenizer.settings.model_max_length == 30


def test_added_tokens_are_no_pieces(tmp_path: Path) -> None:
    content = tokenizer_json()
    added = {"id": 30522, "content": "kiwi", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    content["added_tokens"].append(added)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = WordPieceTokenizer.from_folder(tmp_path)
    assert tokenizer.tokenize("kiwi") == ["kiwi"]
    assert tokenizer.tokenize("Kiwi") == ["ki", "##wi"]
    assert tokenizer.tokenize("kiwi", split_special_tokens=True) == ["ki", "##wi"]
    assert tokenizer.decode([30522], skip_special_tokens=False) == "kiwi"


def test_lower_casing_as_sentence_transformers_saves_it(tmp_path: Path, tokenizers: dict[str, WordPieceTokenizer]) -> None:
    content = tokenizer_json(lowercase=False, strip_accents=False)
    content["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, content["normalizer"]]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = WordPieceTokenizer.from_folder(tmp_path)
    assert [tokenizer(text) for text in TEXTS] == [tokenizers["uncased with accents"](text) for text in TEXTS]


def test_decoder_without_clean_up(tmp_path: Path) -> None:
    content = tokenizer_json()
    content["decoder"]["cleanup"] = False
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = WordPieceTokenizer.from_folder(tmp_path)
    assert tokenizer.decode(tokenizer("Don't!").input_ids) == "don ' t !"


MALFORMED: dict[str, tuple[dict[str, Any], str]] = {
    "no vocab": ({"model": {"type": "WordPiece", "unk_token": "[UNK]"}}, "model: vocab: expected an object, found nothing"),
    "negative id": ({"model": tokenizer_json()["model"] | {"vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "bad": -1}}}, "'bad': -1"),
    "id of text": ({"model": tokenizer_json()["model"] | {"vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "bad": "7"}}}, "'bad': '7'"),
    "normalizer is a list": ({"normalizer": []}, "normalizer: expected an object"),
    "lowercase is a text": ({"normalizer": {"type": "BertNormalizer", "lowercase": "false"}}, "lowercase: expected true or false"),
    "added token without content": ({"added_tokens": [{"id": 1}]}, r"added_tokens\[0\]: content: expected a text"),
    "empty added token": ({"added_tokens": [{"id": 1, "content": ""}]}, "content: expected a text"),
    "limit of nothing": ({"model": tokenizer_json()["model"] | {"max_input_chars_per_word": None}}, "max_input_chars_per_word"),
    "another decoder": ({"decoder": {"type": "ByteLevel"}}, "decoder: expected WordPiece"),
    "limit of -1": ({"model": tokenizer_json()["model"] | {"max_input_chars_per_word": -1}}, r"tokenizer\.json: max_input_chars_per_word"),
    "id of an added token": ({"added_tokens": [{"id": 1 << 31, "content": "x"}]}, r"tokenizer\.json: added_tokens\[0\]: id: expected"),
    "special tokens without an id": (
        {"post_processor": {"type": "BertProcessing", "cls": ["[CLS]", None], "sep": ["[SEP]", 102]}},
        "post_processor",
    ),
    "another id of [SEP]": (
        {"post_processor": {"type": "BertProcessing", "cls": ["[CLS]", 101], "sep": ["[SEP]", 100]}},
        r"post_processor: \[SEP\]: expected id 102, as in the vocabulary, found \[100\]",
    ),
    "half a template": ({"post_processor": {"type": "TemplateProcessing", "single": []}}, "post_processor: expected"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_tokenizer_json(tmp_path: Path, name: str) -> None:
    change, message = MALFORMED[name]
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer_json() | change))
    with pytest.raises(ValueError, match=message):
        WordPieceTokenizer.from_folder(tmp_path)


def test_broken_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected tokenizer.json or vocab.txt"):
        WordPieceTokenizer.from_folder(tmp_path)
    (tmp_path / "vocab.txt").write_text("just\nsome\nwords\n")
    with pytest.raises(ValueError, match=r"no \[CLS\], \[SEP\], \[UNK\]"):
        WordPieceTokenizer.from_folder(tmp_path)
    (tmp_path / "vocab.txt").write_text("a\n" * (1 << 20) + "b")
    with pytest.raises(ValueError, match=r"vocab\.txt: expected at most 1,048,576 tokens"):
        WordPieceTokenizer.from_folder(tmp_path)
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="UTF-8"):
        WordPieceTokenizer.from_folder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("[")
    with pytest.raises(ValueError, match="expected JSON"):
        WordPieceTokenizer.from_folder(tmp_path)
