"""The compiled tokenizer beside the readable one."""

import json
import pickle
import random
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minibert.runtime.records import Record
from minibert.tokenizer import AddedToken, TokenizerSettings, WordPieceTokenizer, choose, make_tokenizer
from minibert.tokenizer.compiled import batch, tables
from minibert.tokenizer.compiled.tables import prepare
from minibert.tokenizer.loading import load_vocab
from minibert.tokenizer.readable import ReadableEncoder
from tests.support.backends import COMPILED, needs_compiled
from tests.support.encodings import assert_same, both, compiled_encoder
from tests.support.hard_texts import (
    COMPATS,
    SETTINGS,
    TEXTS,
    VOCAB,
    adversarial_texts,
    character_settings,
    code_point_ranges,
    code_points,
    digest,
)

pytestmark = needs_compiled
DIGESTS = json.loads((Path(__file__).parents[1] / "golden" / "code_points.json").read_text())["digests"]
VOCABULARY = load_vocab(VOCAB)
SPECIAL = tuple(AddedToken(token, VOCABULARY[token]) for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))


@pytest.fixture(scope="module")
def uncased() -> WordPieceTokenizer:
    return make_tokenizer(TokenizerSettings(VOCABULARY, added_tokens=SPECIAL), backend=COMPILED)


@pytest.fixture(scope="module", params=[*SETTINGS, *COMPATS["google"]])
def pair(request: pytest.FixtureRequest) -> tuple[WordPieceTokenizer, WordPieceTokenizer]:
    settings = replace(character_settings(request.param), vocab=VOCABULARY)
    return both(settings if settings.compat == "google" else replace(settings, added_tokens=SPECIAL))


@pytest.mark.parametrize("name", DIGESTS)
def test_every_code_point_as_the_original_has_it(name: str) -> None:
    tokenizer = make_tokenizer(character_settings(name), backend=COMPILED)
    for first, last in code_point_ranges():
        texts = code_points(first, last)
        encoding = tokenizer.encode_batch(texts, return_offsets=True)
        results: list[object] = []
        for index in range(len(texts)):
            one = encoding.between(index, index + 1)
            spans, words = [tuple(span) for span in one.offsets.tolist()], [None if word < 0 else word for word in one.word_ids.tolist()]
            results.append(one.input_ids.tolist() if name in COMPATS["google"] else (one.input_ids.tolist(), spans, words))
        assert digest(results) == DIGESTS[name][f"{first:x}"], f"{name}, U+{first:04X} to U+{last:04X}"
        np.testing.assert_array_equal(tokenizer.encode_batch(texts).input_ids, encoding.input_ids)


@pytest.mark.parametrize("return_offsets", [False, True])
@pytest.mark.parametrize("split_special_tokens", [False, True])
def test_hard_texts(pair: tuple[WordPieceTokenizer, WordPieceTokenizer], return_offsets: bool, split_special_tokens: bool) -> None:
    plain, fast = pair
    texts = [*TEXTS, "a\ud800b \udfff c", *adversarial_texts(1500, seed=6)]
    for max_length in (None, 2, 7):
        arguments = (texts, max_length, split_special_tokens, return_offsets)
        assert_same(fast.encode_batch(*arguments), plain.encode_batch(*arguments), texts)


def test_words_long_and_short(uncased: WordPieceTokenizer) -> None:
    """Every length around the sizes of words and chunks in the compiled tokenizer."""
    plain = WordPieceTokenizer(uncased.settings)
    source = random.Random(7)
    texts = ["x" * length + end for length in range(210) for end in ("", ".", "é", "\x00", " y", "[MASK]")]
    texts += ["".join(source.choices("aeéiost.,-'\x00\t\u00a0漢", k=length)) for length in range(40) for _ in range(200)]
    for return_offsets in (False, True):
        expected = plain.encode_batch(texts, return_offsets=return_offsets)
        for _ in range(2):  # the second time, most of them are known
            assert_same(uncased.encode_batch(texts, return_offsets=return_offsets), expected, texts)


@pytest.mark.parametrize("name", ["uncased", "cased without accents", "google uncased"])
def test_marks_in_canonical_order(name: str) -> None:
    """Runs of marks of many classes, kept and stripped, with what begins a run and what does
    not.
    """
    plain, fast = both(character_settings(name))
    original = plain.normalize.original
    source = random.Random(10)
    stripped = [mark for mark in original.combining_classes if mark in original.ranges("NONSPACING_MARKS")]
    parts = [*sorted(original.surviving_marks) * 3, *source.sample(stripped, 60), *"ae.漢가é \u034f\u00ad\x00\u0901"]
    texts = ["".join(source.choices(parts, k=source.randrange(1, 25))) for _ in range(5000)]
    texts += ["".join(source.choices(parts[:100], k=length)) for length in range(90, 110)]
    for return_offsets in (False, True):
        expected = plain.encode_batch(texts, return_offsets=return_offsets)
        assert_same(fast.encode_batch(texts, return_offsets=return_offsets), expected, texts)


ADDED = [
    AddedToken("<left>", 40000, lstrip=True),
    AddedToken("<right>", 40001, rstrip=True, special=False),
    AddedToken("<left>long", 40002, special=False),
    AddedToken("kiwi", 40003),
    AddedToken("[=]", 40004),
    AddedToken("[=]=]", 40005, special=False),
    AddedToken("(é)", 40006),
    AddedToken("=word", 40007, single_word=True),
    AddedToken("[a b]", 40008),
    AddedToken("<a\nb>", 40009),
]


@pytest.mark.parametrize("number", range(len(ADDED) + 1))
def test_added_tokens(number: int) -> None:
    plain, fast = both(TokenizerSettings(VOCABULARY, added_tokens=(*SPECIAL, *ADDED[:number])))
    source = random.Random(number)
    parts = [*(token.content for token in (*SPECIAL, *ADDED)), "[", "=]", "é", "\u0301", " ", "  ", "a", "words", "\u3000", "\x00", ","]
    texts = ["".join(source.choices(parts, k=source.randrange(8))) for _ in range(3000)]
    for split_special_tokens in (False, True):
        for return_offsets in (False, True):
            arguments = (texts, None, split_special_tokens, return_offsets)
            assert_same(fast.encode_batch(*arguments), plain.encode_batch(*arguments), texts)


@pytest.mark.parametrize("limit", [1, 2, 7, 13, 14, 15, 16, 99, 9_999, 10**12])
def test_limits_of_a_word(limit: int) -> None:
    plain, fast = both(TokenizerSettings(VOCABULARY, max_input_chars_per_word=limit))
    texts = ["áb" * 7, "a", ".", "漢", *("a" * size for size in range(20)), *("é" * size for size in range(20)), "x" * 20_000, *TEXTS] * 2
    for return_offsets in (False, True):
        expected = plain.encode_batch(texts, return_offsets=return_offsets)
        assert_same(fast.encode_batch(texts, 10**30, return_offsets=return_offsets), expected, texts)


@pytest.mark.parametrize(
    "more", [[], ["a.b"], ["\0", "a\0b", "##\0"], ["##", "##a", "a"], ["ab" * 60, "##" + "ab" * 60], ["\ud800", "##\ud800"]]
)
def test_odd_vocabularies(more: list[str]) -> None:
    plain, fast = both(TokenizerSettings({token: id for id, token in enumerate(["[UNK]", "[CLS]", "[SEP]", *more])}))
    texts = [*TEXTS, "a\0b \0", "ab" * 50, "\ud800 \ud800a"]
    assert_same(fast.encode_batch(texts), plain.encode_batch(texts), texts)


def test_many_added_tokens() -> None:
    tokens = tuple(AddedToken(f"[{'a' * size}]", 30522 + size) for size in range(300))
    plain, fast = both(TokenizerSettings(VOCABULARY, added_tokens=tokens))
    texts = [*TEXTS, *(f"x[{'a' * size}]]b" for size in range(310)), "[aaa" * 50]
    for return_offsets in (False, True):
        expected = plain.encode_batch(texts, return_offsets=return_offsets)
        assert_same(fast.encode_batch(texts, return_offsets=return_offsets), expected, texts)
    assert max(len(token.content) for token in tokens if tables.is_simple(token)) == tables.MAX_SIMPLE


@pytest.mark.parametrize(("name", "value"), [("max_input_chars_per_word", -1), ("max_input_chars_per_word", 0), ("vocab", {})])
def test_whatever_is_forced_into_the_settings_reaches_no_loop(name: str, value: object) -> None:
    """Before the tables are made and after it, nothing of these is read again from the settings."""
    texts = ["unaffable kiwis " * 100, "a" * 18_000]
    fast = both(TokenizerSettings(VOCABULARY))[1]
    expected = fast.encode_batch(texts)
    object.__setattr__(fast.settings, name, value)
    assert_same(fast.encode_batch(texts), expected, texts)
    late = both(TokenizerSettings(VOCABULARY))[1]
    object.__setattr__(late.settings, name, value)
    assert_same(late.encode_batch(texts), expected, texts)


def test_a_subclass_of_str_makes_no_bytes_for_the_loops() -> None:
    class Text(str):
        def encode(self, *_: object) -> bytes:
            return b"\xff"

    plain, fast = both(TokenizerSettings(VOCABULARY))
    texts = [Text("unaffable"), Text("a\ud800b kiwis")]
    assert_same(fast.encode_batch(texts), plain.encode_batch(texts), texts)


@pytest.mark.parametrize("limit", [-1, 0, 10_001])
def test_the_limit_of_a_word_is_checked(limit: int) -> None:
    readable = ReadableEncoder(TokenizerSettings(VOCABULARY))
    with pytest.raises(ValueError, match="max_input_chars_per_word: expected 1 to 10000"):
        prepare(readable.rules._replace(max_word_chars=limit))


@pytest.mark.parametrize("ids", [(-1, 102), (101, 1 << 31)])
def test_ids_of_special_tokens_are_checked(ids: tuple[int, int]) -> None:
    readable = ReadableEncoder(TokenizerSettings(VOCABULARY))
    special = readable.rules.special_tokens._replace(cls_id=ids[0], sep_id=ids[1])
    with pytest.raises(ValueError, match="expected ids from 0"):
        prepare(readable.rules._replace(special_tokens=special))


def test_threads_do_not_share(uncased: WordPieceTokenizer) -> None:
    fast = make_tokenizer(uncased.settings, backend=COMPILED)
    texts = [list(adversarial_texts(500, seed)) for seed in range(8)]
    expected = [uncased.encode_batch(each).input_ids for each in texts]
    found: list[bool] = []

    def work(number: int) -> None:
        found.extend(np.array_equal(fast.encode_batch(texts[number]).input_ids, expected[number]) for _ in range(20))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 160
    assert len(compiled_encoder(fast)._idle[False]) <= 8


def test_a_work_that_a_caller_keeps(uncased: WordPieceTokenizer) -> None:
    loop = choose._loop_of(COMPILED)
    assert loop
    encoder = uncased.compiled()
    assert encoder
    assert not encoder.leaves_added_tokens
    work = encoder.work_for(64, max_length=6)
    for text in (*TEXTS, "a [MASK]", *adversarial_texts(300, seed=11)):
        content = text.encode("utf-8", "surrogatepass")
        if len(content) <= 64:
            work.data[: len(content) + len(batch.PADDING)] = np.frombuffer(content + batch.PADDING, np.uint8)[: len(work.data)]
            work.ends[0] = len(content)
            n = loop(Record(work._replace(data=work.data[: len(content) + len(batch.PADDING)])))
            assert not work.output.needs_fallback[0]
            expected = uncased.encode_batch([text], 6)
            assert work.output.input_ids[:n].tolist() == expected.input_ids.tolist(), text
            assert work.output.num_truncated[0] == expected.num_truncated[0]
            work = encoder.renew(work)


def test_the_compiled_encoder_is_made_after_enough_characters(uncased: WordPieceTokenizer) -> None:
    """In one call or in several."""
    text = "words " * 8
    for calls in ([[text] * 3], [[text]] * 3):
        tokenizer = make_tokenizer(uncased.settings, COMPILED, compiled_pays=2 * len(text) + 1)
        for texts in calls:
            assert tokenizer.compiled() is None
            assert_same(tokenizer.encode_batch(texts), uncased.encode_batch(texts), texts)
        assert tokenizer.compiled()


def test_nothing(uncased: WordPieceTokenizer) -> None:
    encoding = uncased.encode_batch([], return_offsets=True)
    assert (len(encoding), encoding.input_ids.shape, encoding.cu_seqlens.tolist()) == (0, (0,), [0])
    assert encoding.offsets is not None
    assert encoding.offsets.shape == (0, 2)
    with pytest.raises(TypeError, match="expected a text"):
        uncased.encode_batch(["a", None])
    with pytest.raises(TypeError, match="expected several texts"):
        uncased.encode_batch("abc")
    again = pickle.loads(pickle.dumps(uncased))
    assert again.encode_batch(("a", "b")).input_ids.tolist() == uncased.encode_batch(iter(["a", "b"])).input_ids.tolist()


@pytest.mark.parametrize("word", ["a", "é", "漢", "a.", "\u0301", "\x00", "x\u200d", "가", "[", "ab "])
def test_a_long_text_takes_linear_time(uncased: WordPieceTokenizer, word: str) -> None:
    """Sixteen times the length takes less than a hundred times the time and a second.

    Quadratic time would be 256 times. Compiled loops count nothing, so this is processor time of
    this thread, the least of three, on which other programs have little influence.
    """

    def seconds(length: int) -> float:
        texts = [word * (length // len(word))]
        times = []
        for _ in range(3):
            start = time.thread_time()
            uncased.encode_batch(texts)
            times.append(time.thread_time() - start)
        return min(times)

    assert seconds(3_200_000) < 100 * seconds(200_000) + 1
