"""Bounds of time and memory of the readable tokenizer, and settings that are refused."""

import random
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest

from minibert.tokenizer import AddedToken, TokenizerSettings, WordPieceTokenizer, added, readable
from minibert.tokenizer import settings as tokenizer_settings
from minibert.tokenizer.added import AddedTokens

VOCABULARY = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}


def test_memory_of_words_is_bounded(uncased: WordPieceTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readable, "MAX_KNOWN_CHUNKS", 100)
    fresh = WordPieceTokenizer(uncased.settings)
    fresh(" ".join(map(str, range(1000))) + " " + "x" * 1000)
    assert 0 < len(fresh._readable._known) <= 100
    assert "x" * 1000 not in fresh._readable._known


def test_words_of_many_pieces_are_not_remembered() -> None:
    jamo = [f"##{chr(code)}" for code in range(0x1100, 0x1200)]
    tokens = ["[UNK]", "[CLS]", "[SEP]", "\u1112", *jamo]
    tokenizer = WordPieceTokenizer(TokenizerSettings({token: id for id, token in enumerate(tokens)}))
    short, long = "한" * 8, "한" * 9
    assert [len(tokenizer.tokenize(word)) for word in (short, long, short, long)] == [24, 27, 24, 27]
    assert [*tokenizer._readable._known] == [short]


def num_lines(call: Callable[[], object]) -> int:
    """How many lines of Python a call runs."""
    count = 0

    def trace(_: FrameType, event: str, argument: object) -> Any:
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


@pytest.mark.parametrize("few_letters", [0, 256])
def test_added_tokens_are_found_as_a_regular_expression_finds_them(few_letters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few are found by a regular expression, many by an automaton. Here each finds all.

    The sets have members that begin and end each other.
    """
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
    """At each place of a text, nearly all tokens may begin.

    A regular expression would compare their 32,000 letters there.
    """
    tokens = tuple(replace(token, **flags) for token in many_tokens(250))
    tokenizer = WordPieceTokenizer(replace(uncased.settings, added_tokens=tokens))
    for text in ("z" * 2000, "z" * 1999 + "q", "zq" * 1000):
        assert num_lines(lambda text=text: tokenizer(text)) < 60 * len(text) + 20_000
    assert tokenizer("." + "z" * 249 + "q").tokens[1:-1] == [".", "z" * 249 + "q"]


def test_whitespace_beside_added_tokens_takes_linear_time() -> None:
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
