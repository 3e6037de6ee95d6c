"""The files of a tokenizer are read as transformers reads them, also where they disagree."""

import json
from pathlib import Path

import pytest

from minibert import WordPieceTokenizer
from tests.support.tokenizer_folders import CASES, REFUSED, Case, bert_json, both, docs_json, vocab_txt


@pytest.mark.parametrize("name", CASES)
def test_tokens_as_transformers_gives_them(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    encoding = WordPieceTokenizer.from_folder(case.write(tmp_path / "folder"))(case.text)
    assert encoding.tokens[1:-1] == case.tokens
    assert not case.ids or encoding.input_ids[1:-1] == case.ids


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_transformers_reads_otherwise_are_refused(tmp_path: Path, name: str) -> None:
    files, message = REFUSED[name]
    folder = Case(files, "", []).write(tmp_path / "folder")
    with pytest.raises(ValueError, match=message) as error:
        WordPieceTokenizer.from_folder(folder)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize(
    ("config", "names_sep"),
    [
        ({}, True),
        ({"tokenizer_class": "PreTrainedTokenizerFast"}, False),
        ({"tokenizer_class": "PreTrainedTokenizerFast", "sep_token": "[SEP]"}, True),
        ({"tokenizer_class": "PreTrainedTokenizerFast", "extra_special_tokens": ["[SEP]"]}, True),
    ],
)
def test_whether_a_file_names_sep(tmp_path: Path, config: dict[str, object], names_sep: bool) -> None:
    """If one does, `all_special_ids` of transformers has its id, which decides the length of a
    prompt.
    """
    folder = Case(both(bert_json(), **config), "", []).write(tmp_path / "folder")
    assert WordPieceTokenizer.from_folder(folder).settings.names_sep == names_sep


MANY = range(1 << 17 | 1)


@pytest.mark.parametrize(
    "files",
    [
        {"tokenizer_config.json": {"extra_special_tokens": [f"t{number}" for number in MANY]}},
        {"tokenizer_config.json": {"extra_special_tokens": {f"t{number}": "x" for number in MANY}}},
        {"tokenizer_config.json": {"added_tokens_decoder": {str(20 + number): {"content": f"t{number}"} for number in MANY}}},
        {"tokenizer_config.json": {f"{number}_token": "x" for number in MANY}},
        {"special_tokens_map.json": {f"{number}_token": "x" for number in MANY}},
        {"added_tokens.json": {f"t{number}": 20 + number for number in MANY}},
        {"tokenizer.json": bert_json() | {"added_tokens": [{} for _ in MANY]}},
    ],
    ids=["list", "roles", "decoder", "config", "map", "added", "tokenizer"],
)
def test_no_file_names_tokens_without_end(tmp_path: Path, files: dict[str, object]) -> None:
    folder = Case(({} if "tokenizer.json" in files else {"vocab.txt": vocab_txt()}) | files, "", []).write(tmp_path / "folder")
    with pytest.raises(ValueError, match=r"expected at most 131,072 special and added tokens, found 131,07"):
        WordPieceTokenizer.from_folder(folder)


@pytest.mark.parametrize(
    ("config", "types"),
    [
        ({}, [0, 0, 0, 1, 1]),
        ({"tokenizer_class": "DistilBertTokenizer"}, [0] * 5),
        ({"tokenizer_class": "PreTrainedTokenizerFast"}, [0] * 5),
        ({"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "token_type_ids"]}, [0, 0, 0, 1, 1]),
        ({"tokenizer_class": "BertTokenizer", "model_input_names": ["input_ids", "attention_mask"]}, [0] * 5),
    ],
)
def test_types_that_a_model_is_given(tmp_path: Path, config: dict[str, object], types: list[int]) -> None:
    """Without token_type_ids from its tokenizer, BertModel takes 0 for all."""
    folder = Case(both(bert_json(), **config), "", []).write(tmp_path / "folder")
    assert WordPieceTokenizer.from_folder(folder)("a", "a").token_type_ids == types


@pytest.mark.parametrize(
    ("steps", "tokens"),
    [
        (["NFD", "Lowercase", "StripAccents"], ["und", "und"]),
        (["Lowercase", "NFD", "StripAccents"], ["und", "und"]),
        (["NFD", "StripAccents", "Lowercase"], ["und", "und"]),
        (["NFD", "StripAccents"], ["Und", "Und"]),
        (["Lowercase"], ["ünd", "und"]),
    ],
)
def test_normalizers_of_a_pipeline(tmp_path: Path, steps: list[str], tokens: list[str]) -> None:
    """The tokens are those of tokenizers 0.23.3."""
    content = docs_json() | {"normalizer": {"type": "Sequence", "normalizers": [{"type": step} for step in steps]}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    assert WordPieceTokenizer.from_folder(tmp_path).tokenize("Ünd Und") == tokens


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (["BertPreTokenizer"], ["a", "_", "b", "°", "5°", ".", ".", ".", "'", "x"]),
        (["Whitespace"], ["a_b", "°", "5", "°...", "'", "x"]),
        (["WhitespaceSplit"], ["a_b", "°", "5°...", "'x"]),
        (["WhitespaceSplit", "Punctuation"], ["a", "_", "b", "°", "5°", ".", ".", ".", "'", "x"]),
        (["Whitespace", "Punctuation"], ["a", "_", "b", "°", "5", "°", ".", ".", ".", "'", "x"]),
    ],
)
def test_pre_tokenizers_of_a_pipeline(tmp_path: Path, parts: list[str], words: list[str]) -> None:
    """A word without pieces becomes one [UNK], so its span shows where it was split.

    The words are those of tokenizers 0.23.3.
    """
    content = docs_json() | {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": part} for part in parts]}}
    content["model"]["vocab"] = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    text = "a_b ° 5°... 'x"
    tokenizer = WordPieceTokenizer.from_folder(tmp_path)
    encoding = tokenizer(text)
    assert [text[start:end] for start, end in encoding.offsets[1:-1]] == words
    assert tokenizer.encode_batch([text])[0].tolist() == encoding.input_ids
