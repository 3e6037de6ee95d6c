"""The tokenizer without its referent: golden files, edges, files it reads and files it refuses."""

import ast
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from differences import ROWS, Row, lesson_settings, shown_pieces, table
from hard_texts import (
    COMPATS,
    SETTINGS,
    TEXTS,
    VOCAB,
    character_settings,
    code_point_ranges,
    code_points,
    digest,
    tokenizer_folders,
    tokenizer_json,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import minibert.tokenizer
from minibert.tokenizer import AddedToken, TokenizerSettings, WordPieceTokenizer, differences, wordpiece
from minibert.tokenizer.unicode import referent

GOLDEN = json.loads((Path(__file__).parent / "golden" / "tokenizer.json").read_text(encoding="utf-8"))
DIGESTS = json.loads((Path(__file__).parent / "golden" / "code_points.json").read_text())["digests"]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, WordPieceTokenizer]:
    folders = tokenizer_folders(tmp_path_factory.mktemp("tokenizers"))
    return {name: WordPieceTokenizer.from_folder(folder) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def uncased(tokenizers: dict[str, WordPieceTokenizer]) -> WordPieceTokenizer:
    return tokenizers["uncased"]


@pytest.mark.parametrize("name", SETTINGS)
def test_equals_the_golden_file(name: str, tokenizers: dict[str, WordPieceTokenizer]) -> None:
    assert GOLDEN["texts"] == TEXTS
    for text, expected in zip(TEXTS, GOLDEN["results"][name], strict=True):
        actual = tokenizers[name](text)
        assert actual.input_ids == expected["ids"], text
        assert [list(span) for span in actual.offsets] == expected["offsets"], text
        assert actual.word_ids == expected["word_ids"], text
        assert tokenizers[name].encode_batch([text]).input_ids.tolist() == expected["ids"], text
        assert tokenizers[name].decode(actual.input_ids) == expected["decoded"], text


@pytest.mark.parametrize(("number", "name"), list(enumerate(DIGESTS)))
def test_every_code_point_as_the_referent_has_it(number: int, name: str) -> None:
    """Here and on every Python, whatever its Unicode version: ids of both referents, and offsets and words of Hugging Face.

    Each of the settings gets another third of the ranges; the compiled twin's test gives all of them to each.
    """
    tokenizer = WordPieceTokenizer(character_settings(name), backend="numpy")
    for first, last in code_point_ranges()[number % 3 :: 3]:
        encodings = [tokenizer(text) for text in code_points(first, last)]
        is_google = name in COMPATS["google"]
        results = [each.input_ids if is_google else (each.input_ids, each.offsets, each.word_ids) for each in encodings]
        assert digest(results) == DIGESTS[name][f"{first:x}"], f"{name}, U+{first:04X} to U+{last:04X}"


def test_the_interpreter_is_never_asked_about_characters() -> None:
    """No `unicodedata`, and no method of str that depends on the Unicode version, but where a text is known to be ASCII."""
    asking = {"lower", "casefold", "isspace", "isalpha", "isalnum", "isprintable", "split", "strip", "isupper", "istitle", "title", "upper"}
    allowed = {("wordpiece", "lower"), ("wordpiece", "isprintable")}  # after `text.isascii()`
    for path in Path(wordpiece.__file__).parent.glob("[!st]*.py"):  # settings.py reads files, tables are data
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in asking:
                is_of_a_table = node.func.attr in ("split", "strip") and (node.args or path.stem == "unicode")
                assert is_of_a_table or (path.stem, node.func.attr) in allowed, f"{path.name}:{node.lineno}: {ast.unparse(node)}"
            assert not (isinstance(node, ast.Import) and any(alias.name == "unicodedata" for alias in node.names))


@pytest.mark.parametrize("row", ROWS, ids=[row.why for row in ROWS])
def test_the_differences_between_the_originals(row: Row) -> None:
    hf, google = (WordPieceTokenizer(settings) for settings in lesson_settings())
    for tokenizer, expected in ((hf, row.hf), (google, row.google)):
        pieces = tokenizer.tokenize(row.text)
        assert shown_pieces(pieces) == expected
    found = differences(hf(row.text), google(row.text))
    assert found
    assert all(row.text[each.start : each.end] for each in found)


def test_the_differences_are_the_lesson_of_the_docstring() -> None:
    assert "\n".join(f"    {line}" for line in table()).rstrip() in (minibert.tokenizer.__doc__ or "")


def test_the_numbers_in_the_lesson() -> None:
    """How many characters each row speaks for, by the frozen tables."""
    hf, google = referent("hf"), referent("google")
    newer, older = {}, {}
    for name in ("PUNCTUATION", "REMOVED", "NONSPACING_MARKS", "CHINESE"):
        ours, theirs = set(hf.ranges(name)), set(google.ranges(name))
        newer[name], older[name] = len(theirs - ours - hf.decompositions.keys()), len(ours - theirs - set(hf.ranges("REMOVED")))
    assert newer == {"PUNCTUATION": 104, "REMOVED": 13, "NONSPACING_MARKS": 384, "CHINESE": 256}
    assert older == {"PUNCTUATION": 2, "REMOVED": 0, "NONSPACING_MARKS": 1, "CHINESE": 0}
    for name, expected in (("lowercase", 55), ("decompositions", 1)):
        ours, theirs = getattr(hf, name), getattr(google, name)
        assert sum(ours.get(each, each) != theirs.get(each, each) for each in ours | theirs) == expected


def test_a_word_seen_before_gives_the_same(uncased: WordPieceTokenizer) -> None:
    text = "Unaffable Électro-[MASK]kiwis " * 2
    fresh = WordPieceTokenizer(uncased.settings)
    assert fresh(text) == fresh(text)


def test_memory_of_words_is_bounded(uncased: WordPieceTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordpiece, "MAX_KNOWN_WORDS", 100)
    fresh = WordPieceTokenizer(uncased.settings)
    fresh(" ".join(map(str, range(1000))) + " " + "x" * 1000)
    assert 0 < len(fresh._known) <= 100
    assert "x" * 1000 not in fresh._known


def test_split_special_tokens(uncased: WordPieceTokenizer) -> None:
    assert uncased.tokenize("a [SEP] b") == ["a", "[SEP]", "b"]
    assert uncased.tokenize("a [SEP] b", split_special_tokens=True) == ["a", "[", "sep", "]", "b"]


def test_lone_surrogates_count_as_replacement_characters(tokenizers: dict[str, WordPieceTokenizer]) -> None:
    for tokenizer in tokenizers.values():
        assert tokenizer("a\ud800b \udfff c").tokens == tokenizer("a\ufffdb \ufffd c").tokens


def test_pairs(uncased: WordPieceTokenizer) -> None:
    encoding = uncased("a cat", "two dogs")
    assert encoding.tokens == ["[CLS]", "a", "cat", "[SEP]", "two", "dogs", "[SEP]"]
    assert encoding.token_type_ids == [0, 0, 0, 0, 1, 1, 1]
    assert encoding.offsets == [(0, 0), (0, 1), (2, 5), (0, 0), (0, 3), (4, 8), (0, 0)]
    assert encoding.word_ids == [None, 0, 1, None, 0, 1, None]


def test_truncation_counts_what_it_cuts(uncased: WordPieceTokenizer) -> None:
    encoding = uncased("one two three four five", max_length=4)
    assert encoding.tokens == ["[CLS]", "one", "two", "[SEP]"]
    assert encoding.num_truncated == 3
    batch = uncased.encode_batch(["one two three four five", "six"], max_length=4)
    assert (batch[0].tolist(), batch.num_truncated.tolist()) == (encoding.input_ids, [3, 0])
    assert batch[-1].tolist() == uncased("six").input_ids
    with pytest.raises(IndexError, match="one of 2 texts"):
        batch[2]
    pair = uncased("one two three four five", "six", max_length=6)
    assert pair.tokens == ["[CLS]", "one", "two", "[SEP]", "six", "[SEP]"]
    assert pair.num_truncated == 3
    assert uncased("one", max_length=2).tokens == ["[CLS]", "[SEP]"]


@pytest.mark.parametrize(("pair", "smallest"), [(None, 2), ("b", 3)])
def test_max_length_has_room_for_the_frame(uncased: WordPieceTokenizer, pair: str | None, smallest: int) -> None:
    with pytest.raises(ValueError, match=f"max_length of at least {smallest}"):
        uncased("a", pair, max_length=smallest - 1)


@pytest.mark.parametrize("text", [None, 3, b"bytes", ["a", "list"]])
def test_only_str_is_a_text(uncased: WordPieceTokenizer, text: object) -> None:
    for call in (lambda: uncased(text), lambda: uncased.tokenize(text), lambda: uncased.encode_batch(["a", text])):
        with pytest.raises(TypeError, match="expected a text"):
            call()


def test_wrong_arguments_are_refused(uncased: WordPieceTokenizer) -> None:
    for options in ({"truncation": "only-first"}, {"truncation": True}, {"stride": -1, "return_overflowing_tokens": True}):
        with pytest.raises(ValueError, match=r"truncation: expected|stride: expected"):
            uncased("one two three", max_length=4, **options)
    with pytest.raises(ValueError, match="backend: expected"):
        WordPieceTokenizer(uncased.settings, backend="rust")
    with pytest.raises(TypeError, match="expected a list of words"):
        uncased("one two", is_split_into_words=True)
    with pytest.raises(ValueError, match="the added token 'the' has id 7"):
        replace(uncased.settings, added_tokens=(AddedToken("the", 7),))
    with pytest.raises(ValueError, match="2\\^31"):
        replace(uncased.settings, vocab=uncased.vocab | {"new": 1 << 31})
    with pytest.raises(ValueError, match="compat 'google': expected strip_accents True"):
        replace(uncased.settings, strip_accents=False).as_google()


def test_decode_refuses_unknown_ids(uncased: WordPieceTokenizer) -> None:
    assert uncased.decode([101, 7592, 102], skip_special_tokens=False) == "[CLS] hello [SEP]"
    with pytest.raises(ValueError, match="found 30522"):
        uncased.decode([30522])


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=60))
def test_offsets_point_into_the_text(text: str) -> None:
    tokenizer = WordPieceTokenizer(TokenizerSettings({token: id for id, token in enumerate(["[UNK]", "[CLS]", "[SEP]", "a", "##a"])}))
    encoding = tokenizer(text)
    assert encoding.input_ids == tokenizer.encode_batch([text]).input_ids.tolist()
    assert all(0 <= start < end <= len(text) for start, end in encoding.offsets[1:-1])


@pytest.mark.parametrize("word", ["a", "é", "漢", "a.", "\u0301", "\u302e\u0323", "\x00", "x\u200d"])
def test_a_long_word_takes_linear_time(uncased: WordPieceTokenizer, word: str) -> None:
    """Sixteen times the length in less than forty times the time: quadratic would be 256 times."""

    def seconds(length: int) -> float:
        text = word * (length // len(word))
        start = time.perf_counter()
        uncased.encode_batch([text])
        return time.perf_counter() - start

    short = min(seconds(20_000) for _ in range(3))
    assert seconds(320_000) < 40 * short + 0.1


def test_a_word_of_ten_megabytes(uncased: WordPieceTokenizer) -> None:
    encoding = uncased("a" * 10_000_000)
    assert encoding.tokens == ["[CLS]", "[UNK]", "[SEP]"]
    assert encoding.offsets[1] == (0, 10_000_000)


# Files


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
    "pre_tokenizer": ({"pre_tokenizer": {"type": "Whitespace"}}, "pre_tokenizer"),
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
        ({"do_basic_tokenize": False}, "do_basic_tokenize"),
        ({"never_split": ["a"]}, "never_split"),
        ({"tokenizer_class": "MPNetTokenizer"}, "tokenizer_class"),
        ({"cls_token": 5}, "cls_token"),
        ({"added_tokens_decoder": {"-5": {"content": "x"}}}, "added_tokens_decoder"),
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
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"additional_special_tokens": ["[E9]"]}))
    with pytest.raises(ValueError, match=r"\[E9\]"):
        WordPieceTokenizer.from_folder(tmp_path)


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
    "half a template": ({"post_processor": {"type": "TemplateProcessing", "single": []}}, "post_processor: expected"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_tokenizer_json(tmp_path: Path, name: str) -> None:
    change, message = MALFORMED[name]
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer_json() | change))
    with pytest.raises(ValueError, match=message):
        WordPieceTokenizer.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"do_lower_case": False}, "do_lower_case is False, and lowercase in tokenizer.json True"),
        ({"tokenize_chinese_chars": False}, "tokenize_chinese_chars is False"),
        ({"truncation_side": "left"}, "truncation_side: expected right"),
        ({"model_max_length": "512"}, "model_max_length: expected a number"),
    ],
)
def test_files_that_contradict_each_other(tmp_path: Path, config: dict[str, object], message: str) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer_json()))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        WordPieceTokenizer.from_folder(tmp_path)


def test_broken_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected tokenizer.json or vocab.txt"):
        WordPieceTokenizer.from_folder(tmp_path)
    (tmp_path / "vocab.txt").write_text("just\nsome\nwords\n")
    with pytest.raises(ValueError, match=r"no \[CLS\], \[SEP\], \[UNK\]"):
        WordPieceTokenizer.from_folder(tmp_path)
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="UTF-8"):
        WordPieceTokenizer.from_folder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("[")
    with pytest.raises(ValueError, match="expected JSON"):
        WordPieceTokenizer.from_folder(tmp_path)
