"""do_lower_case of a converted folder, where the source does or does not tell it."""

import json
from pathlib import Path
from typing import Any

import pytest

import minibert
from minibert.cli.main import main
from minibert.importers.convert import convert


def cased(folder: Path) -> Path:
    tokens = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    tokens[20000] = "Paris"
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    return folder


@pytest.mark.parametrize("config", [None, {}, {"do_lower_case": None}, {"do_lower_case": False}, {"do_lower_case": True}])
def test_load_and_convert_have_the_same_rule(config: Any, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rule is that of transformers 5.24: lower case, unless the folder says otherwise."""
    cased(source)
    if config is not None:
        (source / "tokenizer_config.json").write_text(json.dumps(config))
    assert main(["convert", str(source), str(tmp_path / "model")]) == 0
    said = capsys.readouterr().out
    is_silent = (config or {}).get("do_lower_case") is None
    assert ("vocab.txt has capital letters" in said) == is_silent
    assert ("do_lower_case in tokenizer_config.json changes that" in said) == is_silent
    tokens = [minibert.load(folder, backend="numpy").tokenizer.tokenize("Paris") for folder in (source, tmp_path / "model")]
    assert tokens == [["Paris"] if (config or {}).get("do_lower_case") is False else ["paris"]] * 2


def test_a_vocabulary_without_capitals_gets_no_note(source: Path, tmp_path: Path) -> None:
    assert convert(source, tmp_path / "model")["notes"] == []
    assert json.loads((tmp_path / "model" / "tokenizer_config.json").read_text()) == {"do_lower_case": True}


def test_a_tokenizer_json_is_read_by_the_same_rule(source: Path, tmp_path: Path) -> None:
    content = {
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "normalizer": {"type": "BertNormalizer", "lowercase": False},
        "post_processor": {"type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 3]},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                  "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "Paris": 4}},
    }  # fmt: skip
    (source / "tokenizer.json").write_text(json.dumps(content))
    before = minibert.WordPieceTokenizer.from_folder(cased(source)).tokenize("Paris")
    assert before == ["[UNK]"]  # BertTokenizer of transformers 5.24 lower-cases, whatever tokenizer.json says
    assert convert(source, tmp_path / "model")["notes"] == []
    assert minibert.WordPieceTokenizer.from_folder(tmp_path / "model").tokenize("Paris") == before
