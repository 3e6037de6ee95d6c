"""The readable tokenizer beside golden files: every code point, the calls and their errors."""

import ast
import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minibert.tokenizer
from minibert.tokenizer import AddedToken, TokenizerSettings, WordPieceTokenizer, differences, make_tokenizer, readable
from minibert.tokenizer import tokenizer as calls
from minibert.tokenizer.unicode import original
from tests.support.differences import ROWS, Row, settings_of_both, shown_pieces, table
from tests.support.hard_texts import COMPATS, SETTINGS, TEXTS, character_settings, code_point_ranges, code_points, digest

VOCABULARY = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "tokenizer.json").read_text(encoding="utf-8"))
DIGESTS = json.loads((Path(__file__).parents[1] / "golden" / "code_points.json").read_text())["digests"]


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
def test_every_code_point_as_the_original_has_it(number: int, name: str) -> None:
    """Ids of both originals, and offsets and words of Hugging Face, whatever Python this is.

    Each of the settings gets another third of the ranges. The test of the compiled tokenizer gives
    all ranges to each.
    """
    tokenizer = WordPieceTokenizer(character_settings(name))
    for first, last in code_point_ranges()[number % 3 :: 3]:
        encodings = [tokenizer(text) for text in code_points(first, last)]
        is_google = name in COMPATS["google"]
        results = [each.input_ids if is_google else (each.input_ids, each.offsets, each.word_ids) for each in encodings]
        assert digest(results) == DIGESTS[name][f"{first:x}"], f"{name}, U+{first:04X} to U+{last:04X}"


def test_no_rule_depends_on_the_unicode_of_the_interpreter() -> None:
    """Methods of str that depend on it are called for ASCII alone, and `unicodedata` is not
    used.
    """
    dependent = {
        "lower",
        "casefold",
        "isspace",
        "isalpha",
        "isalnum",
        "isprintable",
        "split",
        "strip",
        "isupper",
        "istitle",
        "title",
        "upper",
    }
    allowed = {("readable", "lower"), ("readable", "isprintable")}  # after `text.isascii()`
    for path in Path(readable.__file__).parent.rglob("*.py"):
        if path.stem in ("settings", "spark") or path.stem.startswith("tables_"):  # which read files and other rules, or are data
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in dependent:
                is_of_a_table = node.func.attr in ("split", "strip") and (node.args or path.stem == "unicode")
                assert is_of_a_table or (path.stem, node.func.attr) in allowed, f"{path.name}:{node.lineno}: {ast.unparse(node)}"
            assert not (isinstance(node, ast.Import) and any(alias.name == "unicodedata" for alias in node.names))


@pytest.mark.parametrize("row", ROWS, ids=[row.why for row in ROWS])
def test_the_differences_between_the_originals(row: Row) -> None:
    hf, google = (WordPieceTokenizer(settings) for settings in settings_of_both())
    for tokenizer, expected in ((hf, row.hf), (google, row.google)):
        pieces = tokenizer.tokenize(row.text)
        assert shown_pieces(pieces) == expected
    found = differences(hf(row.text), google(row.text))
    assert found
    assert all(row.text[each.start : each.end] for each in found)


def test_the_docstring_has_the_table_of_differences() -> None:
    assert "\n".join(f"    {line}" for line in table()).rstrip() in (minibert.tokenizer.__doc__ or "")


def test_the_numbers_in_the_table_of_differences() -> None:
    """The numbers of characters in the rows are those of the frozen tables."""
    hf, google = original("hf"), original("google")
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
def test_max_length_holds_the_special_tokens(uncased: WordPieceTokenizer, pair: str | None, smallest: int) -> None:
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
        make_tokenizer(uncased.settings, backend="rust")
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


def test_a_tokenizer_cannot_be_changed(uncased: WordPieceTokenizer) -> None:
    for name in ("settings", "vocab", "special_tokens", "unk_id", "normalize", "backend"):
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
    monkeypatch.setattr(calls, "MAX_TEXT_CHARS", 10)
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


def test_a_text_in_ascii_needs_no_tables_of_marks() -> None:
    vocab = {token: id for id, token in enumerate(["[UNK]", "[CLS]", "[SEP]", "a", "e"])}
    tokenizer = WordPieceTokenizer(TokenizerSettings(vocab))
    assert tokenizer("A text, in ASCII").tokens == ["[CLS]", "a", "[UNK]", "[UNK]", "[UNK]", "[UNK]", "[SEP]"]
    assert "surviving_marks" not in vars(tokenizer.normalize)
    assert tokenizer("É").tokens == ["[CLS]", "e", "[SEP]"]
    assert "surviving_marks" in vars(tokenizer.normalize)
