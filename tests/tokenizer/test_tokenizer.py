"""The tokenizer without its referent: golden files, edges, files it reads and files it refuses."""

import ast
import copy
import json
import pickle
import random
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minibert.tokenizer
from minibert.tokenizer import AddedToken, TokenizerSettings, WordPieceTokenizer, added, differences, wordpiece
from minibert.tokenizer import settings as tokenizer_settings
from minibert.tokenizer.added import AddedTokens
from minibert.tokenizer.unicode import referent
from tests.support.differences import ROWS, Row, lesson_settings, shown_pieces, table
from tests.support.hard_texts import (
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

VOCABULARY = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "tokenizer.json").read_text(encoding="utf-8"))
DIGESTS = json.loads((Path(__file__).parents[1] / "golden" / "code_points.json").read_text())["digests"]


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
    tokenizer = WordPieceTokenizer(character_settings(name))
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


def test_words_of_many_pieces_are_not_remembered() -> None:
    jamo = [f"##{chr(code)}" for code in range(0x1100, 0x1200)]
    tokens = ["[UNK]", "[CLS]", "[SEP]", "\u1112", *jamo]
    tokenizer = WordPieceTokenizer(TokenizerSettings({token: id for id, token in enumerate(tokens)}), backend="numpy")
    short, long = "한" * 8, "한" * 9
    assert [len(tokenizer.tokenize(word)) for word in (short, long, short, long)] == [24, 27, 24, 27]
    assert [*tokenizer._known] == [short]


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


@pytest.mark.parametrize("text", [None, 3, b"bytes", ["a", "longer", "list"], ["nested"]])
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


def num_lines(call: Callable[[], object]) -> int:
    """How many lines of Python a call runs."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("word", ["a", "é", "漢", "a.", "\u0301", "\u302e\u0323", "\x00", "x\u200d", "[", "[MASK]", " [MASK] "])
def test_a_long_text_takes_linear_time(uncased: WordPieceTokenizer, word: str) -> None:
    """Eight times the length is eight times the work; quadratic would be 64 times."""
    tokenizer = WordPieceTokenizer(uncased.settings)
    tokenizer.encode_batch([word * 8])  # characters and words are learnt once
    short, long = (num_lines(lambda number=number: tokenizer.encode_batch([word * number])) for number in (1000, 8000))
    assert long < 10 * short + 1000


def test_a_word_of_ten_megabytes(uncased: WordPieceTokenizer) -> None:
    encoding = uncased("a" * 10_000_000)
    assert encoding.tokens == ["[CLS]", "[UNK]", "[SEP]"]
    assert encoding.offsets[1] == (0, 10_000_000)


# Bounds


@pytest.mark.parametrize("few_letters", [0, 256])
def test_added_tokens_are_found_as_a_regular_expression_finds_them(few_letters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few by a regular expression, many by an automaton: here all by each, from sets of texts that begin and end each other."""
    monkeypatch.setattr(added, "FEW_LETTERS", few_letters)
    source = random.Random(few_letters)
    for _ in range(1000):
        alphabet = source.choice(["ab", "abc", "aé\U00010400\ud800", "]^-\\", "a \u3000b"])
        contents = {"".join(source.choices(alphabet, k=source.randrange(1, 6))) for _ in range(source.randrange(1, 8))}
        text = "".join(source.choices(alphabet + "x", k=source.randrange(40)))
        pattern = re.compile("|".join(map(re.escape, sorted(contents, key=len, reverse=True))))
        finder = AddedTokens(AddedToken(content, id) for id, content in enumerate(contents))
        assert [text[start:end] for start, end, token in finder.split(text) if token] == pattern.findall(text)
        assert finder.are_in(text) == (pattern.search(text) is not None)


def many_tokens(number: int) -> tuple[AddedToken, ...]:
    return tuple(AddedToken("z" * size + "q", 30522 + size) for size in range(5, number))


@pytest.mark.parametrize("flags", [{}, {"single_word": True}, {"normalized": True}, {"lstrip": True, "rstrip": True}])
def test_many_added_tokens_take_linear_time(uncased: WordPieceTokenizer, flags: dict[str, bool]) -> None:
    """Each text begins nearly all of the tokens at each place; a regular expression would compare their 32,000 letters there."""
    tokens = tuple(replace(token, **flags) for token in many_tokens(250))
    tokenizer = WordPieceTokenizer(replace(uncased.settings, added_tokens=tokens))
    for text in ("z" * 2000, "z" * 1999 + "q", "zq" * 1000):
        assert num_lines(lambda text=text: tokenizer(text)) < 60 * len(text) + 20_000
    assert tokenizer("." + "z" * 249 + "q").tokens[1:-1] == [".", "z" * 249 + "q"]


def test_whitespace_is_swallowed_in_linear_time(uncased: WordPieceTokenizer) -> None:
    tokens = (AddedToken(" ", 30522, lstrip=True, rstrip=True), AddedToken("x", 30523, rstrip=True))
    finder = AddedTokens(tokens)
    assert list(finder.split("x    ")) == [(0, 5, tokens[1])]
    short, long = (num_lines(lambda number=number: list(finder.split("x" + " " * number))) for number in (1000, 8000))
    assert long < 10 * short


TOO_MUCH: dict[str, tuple[dict[str, Any], str]] = {
    "a long piece": ({"vocab": VOCABULARY | {"x" * 100_000: 9}, "max_input_chars_per_word": 10**9}, "200 characters in a piece"),
    "a long end": ({"vocab": VOCABULARY | {"##" + "x" * 201: 9}, "max_input_chars_per_word": 201}, "200 characters in a piece"),
    "long added tokens": ({"added_tokens": tuple(AddedToken("x" * 2000 + str(id), id) for id in range(2000))}, "characters in added"),
    "many ends": ({"added_tokens": tuple(AddedToken(f"{id}" + "x" * 400 + f"{id}", id) for id in range(2000))}, "different ends"),
    "a limit of -1": ({"max_input_chars_per_word": -1}, "max_input_chars_per_word: expected a whole number from 1"),
    "a limit of 0": ({"max_input_chars_per_word": 0}, "max_input_chars_per_word: expected a whole number from 1"),
    "a limit of 2^63": ({"max_input_chars_per_word": 1 << 63}, "max_input_chars_per_word: expected a whole number from 1"),
    "a limit of 10^5000": ({"max_input_chars_per_word": 10**5000}, "max_input_chars_per_word: expected a whole number from 1"),
    "a limit of true": ({"max_input_chars_per_word": True}, "found True"),
    "a length of -1": ({"model_max_length": -1}, "model_max_length: expected a whole number from 1"),
    "an id of a float": ({"vocab": VOCABULARY | {"x": 1.0}}, "'x': 1.0"),
    "an id of true": ({"vocab": VOCABULARY | {"x": True}}, "'x': True"),
    "a token of a number": ({"vocab": VOCABULARY | {5: 5}}, "5: 5"),
    "case of a text": ({"lowercase": "yes"}, "lowercase: expected bool, found 'yes'"),
    "prefix of nothing": ({"continuing_subword_prefix": None}, "continuing_subword_prefix: expected str, found None"),
    "a long special token": (
        {"vocab": VOCABULARY | {"u" * 201: 7}, "unk_token": "u" * 201, "max_input_chars_per_word": 200},
        "at most 200 characters in a special token, found 201",
    ),
    "other rules": ({"compat": "bert"}, "compat: expected 'hf' or 'google', found 'bert'"),
    "added tokens of texts": ({"added_tokens": ("x",)}, "added_tokens: expected an AddedToken, found 'x'"),
    "nothing after cleaning": ({"added_tokens": (AddedToken("\0", 7, normalized=True),)}, "nothing is left of the added token"),
}


def test_the_vocabulary_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, what in (("MAX_ENTRIES", "entries of the vocabulary"), ("MAX_VOCABULARY_CHARS", "characters in the vocabulary")):
        with monkeypatch.context() as patch:
            patch.setattr(tokenizer_settings, name, 2)
            with pytest.raises(ValueError, match=f"at most 2 {what}, found (3|15)"):
                TokenizerSettings(VOCABULARY)


@pytest.mark.parametrize("name", TOO_MUCH)
def test_settings_that_are_refused(name: str) -> None:
    options, message = TOO_MUCH[name]
    with pytest.raises(ValueError, match=message) as error:
        TokenizerSettings(**({"vocab": VOCABULARY} | options))
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize("id", [-1, 1 << 31, 1.0, True, "1", None])
def test_an_added_token_has_an_id(id: Any) -> None:
    with pytest.raises(ValueError, match="id: expected a whole number from 0"):
        AddedToken("x", id)


def test_a_limit_of_a_billion_costs_no_memory(uncased: WordPieceTokenizer) -> None:
    settings = replace(uncased.settings, max_input_chars_per_word=10**9)
    text = "unaffable" * 300
    assert WordPieceTokenizer(settings)(text).tokens[1:5] == ["una", "##ffa", "##ble", "##una"]
    assert WordPieceTokenizer(settings).encode_batch([text]).input_ids.tolist() == WordPieceTokenizer(settings)(text).input_ids


def test_a_tokenizer_cannot_be_changed(uncased: WordPieceTokenizer) -> None:
    for name in ("settings", "vocab", "frame", "unk_id", "normalize", "backend", "compiled_pays"):
        with pytest.raises(AttributeError, match=f"{name}: a tokenizer cannot be changed"):
            setattr(uncased, name, None)
    with pytest.raises(AttributeError, match="unknown"):
        uncased.unknown = 1  # type: ignore[attr-defined]
    for vocab in (uncased.vocab, uncased.settings.vocab):
        with pytest.raises(TypeError, match="item assignment"):
            vocab["new"] = 5  # type: ignore[index]
    with pytest.raises(AttributeError):
        uncased.settings.unk_token = "x"  # type: ignore[misc]
    vocab = dict(VOCABULARY)
    settings = TokenizerSettings(vocab)
    vocab["new"] = -1
    assert "new" not in settings.vocab


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_give_the_same_ids(tokenizers: dict[str, WordPieceTokenizer], again: Callable[[Any], Any]) -> None:
    for tokenizer in (tokenizers["uncased"], tokenizers["nothing"]):
        other = again(tokenizer)
        assert (other.settings, again(tokenizer.settings)) == (tokenizer.settings, tokenizer.settings)
        assert [other(text) for text in TEXTS] == [tokenizer(text) for text in TEXTS]


def test_a_text_is_no_longer_than_offsets_reach(uncased: WordPieceTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordpiece, "MAX_TEXT_CHARS", 10)
    for call in (uncased, uncased.tokenize, lambda text: uncased.encode_batch(["a", text])):
        assert call("a" * 10)
        with pytest.raises(ValueError, match="at most 10 characters, found 11"):
            call("a" * 11)


@pytest.mark.parametrize("number", [3.5, True, "7", [7]])
def test_lengths_are_whole_numbers(uncased: WordPieceTokenizer, number: Any) -> None:
    for call in (lambda: uncased("a", max_length=number), lambda: uncased.encode_batch(["a"], number)):
        with pytest.raises(TypeError, match="max_length: expected a whole number"):
            call()
    with pytest.raises(TypeError, match="stride: expected a whole number"):
        uncased("a b c d", max_length=4, stride=number, return_overflowing_tokens=True)


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
    "frame of nothing": ({"post_processor": {"type": "BertProcessing", "cls": ["[CLS]", None], "sep": ["[SEP]", 102]}}, "post_processor"),
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


def test_a_text_in_ascii_needs_no_tables_of_marks() -> None:
    vocab = {token: id for id, token in enumerate(["[UNK]", "[CLS]", "[SEP]", "a", "e"])}
    tokenizer = WordPieceTokenizer(TokenizerSettings(vocab))
    assert tokenizer("A text, in ASCII").tokens == ["[CLS]", "a", "[UNK]", "[UNK]", "[UNK]", "[UNK]", "[SEP]"]
    assert "surviving_marks" not in vars(tokenizer.normalize)
    assert tokenizer("É").tokens == ["[CLS]", "e", "[SEP]"]
    assert "surviving_marks" in vars(tokenizer.normalize)
