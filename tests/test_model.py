"""MiniBert: arguments, shapes, order, errors, threads."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.scheduling import SMALL_BATCH, plan_batches

TEXTS = ["I hate cancer", "Antibiotics aren't painkiller", "", "hello " * 40, "unaffable", "I love NLP", "a", "b c d"]


def test_shapes(tiny: minibert.MiniBert) -> None:
    assert tiny.encode(TEXTS).shape == (len(TEXTS), 24)
    assert tiny.encode(TEXTS).dtype == np.float32
    assert tiny.encode("one").shape == (24,)
    assert tiny.encode([]).shape == (0, 24)
    assert tiny.encode([], truncate_dim=3).shape == (0, 3)
    assert tiny.encode(text for text in TEXTS).shape == (len(TEXTS), 24)
    assert tiny.encode_tokens([]) == []
    assert tiny.predict([]) == []


def test_an_empty_text_is_two_special_tokens(tiny: minibert.MiniBert) -> None:
    expected = tiny([[101, 102]]).last_hidden_state[0]
    np.testing.assert_allclose(tiny.encode(""), expected.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(tiny.encode("", pooling="mean_words"), np.zeros(24))
    assert tiny.encode_tokens("").tokens == ["[CLS]", "[SEP]"]
    assert tiny.encode_tokens("", level="word").vectors.shape == (0, 24)


def test_rows_come_back_in_order_whatever_the_batch(miniature: minibert.MiniBert) -> None:
    expected = np.stack([miniature.encode(text) for text in TEXTS])
    for batch_tokens in (1, 7, 30, 1000):
        np.testing.assert_allclose(miniature.encode(TEXTS, batch_tokens=batch_tokens), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(miniature.encode(TEXTS[::-1]), expected[::-1], rtol=0, atol=1e-5)


def test_plan_takes_every_text_once_and_keeps_the_budget() -> None:
    seqlens = np.random.default_rng(0).integers(1, 50, 300).tolist()
    for num_threads in (1, 2, 3, 8):
        plan = plan_batches(seqlens, 60, num_threads)
        assert sorted(index for batch in plan for index in batch) == list(range(300))
        assert all(sum(seqlens[index] for index in batch) <= 60 for batch in plan)


@pytest.mark.parametrize("num_threads", [2, 3, 8])
@pytest.mark.parametrize("batch_tokens", [1000, 100_000])
def test_threads_get_batches_of_one_size(num_threads: int, batch_tokens: int) -> None:
    """All batches but one have the same size, so all threads end together."""
    seqlens = [20] * 3000
    batches = [20 * len(batch) for batch in plan_batches(seqlens, batch_tokens, num_threads)]
    turns = max(2, -(-60_000 // (batch_tokens * num_threads)))
    assert turns * num_threads <= len(batches) <= turns * num_threads * 1.03 + 1
    assert max(batches) == min(batches[:-1]) <= 60_000 / (turns * num_threads)


def test_no_batch_is_too_small_for_a_thread() -> None:
    assert [len(batch) for batch in plan_batches([8] * 20, 1000, 16)] == [SMALL_BATCH // 8, SMALL_BATCH // 8, 4]


def test_pooling(tiny: minibert.MiniBert) -> None:
    ids = tiny.tokenizer("I love NLP").input_ids
    output = tiny([ids], output_hidden_states=True)
    assert output.hidden_states is not None
    assert output.pooler_output is not None
    hidden = output.last_hidden_state[0]
    expected = {
        "mean": hidden.mean(axis=0),
        "cls": hidden[0],
        "max": hidden.max(axis=0),
        "mean_words": hidden[1:-1].mean(axis=0),
        "pooler": output.pooler_output[0],
    }
    for pooling, vector in expected.items():
        both = tiny.encode(["I love NLP", "a longer text beside it", ""], pooling=pooling)
        np.testing.assert_allclose(both[0], vector, atol=1e-6, err_msg=pooling)
    for layer, states in [(0, [0]), (-3, [0]), (1, [1]), ((0, -1), [0, 2]), ([1, 1, 2], [1, 1, 2])]:
        mean = np.mean([output.hidden_states[state][0] for state in states], axis=0)
        np.testing.assert_allclose(tiny.encode("I love NLP", layer=layer), mean.mean(axis=0), atol=1e-6)


def test_normalisation_and_dimensions(tiny: minibert.MiniBert) -> None:
    raw, unit = tiny.encode(TEXTS), tiny.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(unit, raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_array_equal(tiny.encode(TEXTS, truncate_dim=7), raw[:, :7])
    assert tiny.encode("", truncate_dim=7).shape == (7,)


BAD_ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "pooling": ({"pooling": "average"}, "pooling: expected 'mean' or"),
    "layer too high": ({"layer": 3}, "layer: expected -3 to 2, found 3"),
    "layer too low": ({"layer": -4}, "layer: expected"),
    "no layer": ({"layer": ()}, "layer: expected"),
    "truncate_dim 0": ({"truncate_dim": 0}, "truncate_dim: expected 1 to 24"),
    "truncate_dim too large": ({"truncate_dim": 25}, "truncate_dim: expected 1 to 24"),
    "max_length too large": ({"max_length": 65}, r"max_length: expected 2 to 64"),
    "max_length too small": ({"max_length": 1}, "max_length: expected 2"),
    "truncation": ({"truncation": "cut"}, "truncation: expected 'warn' or"),
    "prompt_name": ({"prompt_name": "nothing"}, "expected one of query, document, found 'nothing'"),
    "batch_tokens": ({"batch_tokens": 0}, "batch_tokens: expected at least 1"),
}


WRONG_KINDS: dict[str, Any] = {
    "layer": (0.5,),
    "truncate_dim": True,
    "max_length": "12",
    "batch_tokens": 1.5,
    "prompt": 3,
}


@pytest.mark.parametrize("name", WRONG_KINDS)
def test_arguments_of_the_wrong_kind(tiny: minibert.MiniBert, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name}: expected"):
        tiny.encode(["text"], **{name: WRONG_KINDS[name]})


def test_numbers_of_numpy_are_numbers(tiny: minibert.MiniBert) -> None:
    expected = tiny.encode("text", layer=1, truncate_dim=5, max_length=9)
    five, nine = np.array([5, 9])
    np.testing.assert_array_equal(tiny.encode("text", layer=np.int64(1), truncate_dim=five, max_length=nine), expected)


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
def test_bad_arguments(tiny: minibert.MiniBert, name: str) -> None:
    arguments, message = BAD_ARGUMENTS[name]
    with pytest.raises(ValueError, match=message):
        tiny.encode(["text"], **arguments)


@pytest.mark.parametrize("bad", [None, 7, b"bytes", ["nested"], float("nan")])
def test_a_text_is_a_str(tiny: minibert.MiniBert, bad: object) -> None:
    for call in (tiny.encode, tiny.encode_tokens, tiny.predict):
        with pytest.raises(TypeError, match=r"texts\[1\]: expected a str"):
            call(["fine", bad])  # type: ignore[operator]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "cuda"}, "backend: expected"),
        ({"precision": "float16"}, "precision: expected"),
        ({"tokenizer_compat": "spacy"}, "tokenizer_compat: expected"),
        ({"num_threads": 0}, "num_threads: expected at least 1"),
    ],
)
def test_bad_options_of_load(tiny_folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        minibert.load(tiny_folder, **options)


def test_truncation(tiny: minibert.MiniBert) -> None:
    long = "word " * 100
    with pytest.warns(minibert.TruncationWarning, match="2 of 3 texts are longer than 64 tokens; 76 tokens were cut off") as caught:
        vectors = tiny.encode([long, "short", long])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    np.testing.assert_allclose(vectors[0], tiny.encode("word " * 62), atol=1e-6)
    with pytest.raises(ValueError, match=r"1 of 1 texts .* 38 tokens would be cut off"):
        tiny.encode(long, truncation="error")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(tiny.encode(long, truncation="silent"), vectors[0])
    with pytest.warns(minibert.TruncationWarning, match="97 tokens"):
        tiny.encode_tokens(long, max_length=5)


@pytest.mark.parametrize("name", ["encode", "encode_query", "encode_document", "encode_tokens", "predict"])
def test_a_warning_names_the_line_that_called(tiny: minibert.MiniBert, name: str) -> None:
    with pytest.warns(minibert.TruncationWarning) as caught:
        getattr(tiny, name)("word " * 100)
    assert [warning.filename for warning in caught] == [__file__]


def test_strange_texts(tiny: minibert.MiniBert) -> None:
    for text, same in [("a\x00b", "ab"), ("\ud800 x", "x"), ("\u200b", ""), ("x" * 10_000_000, "x" * 101)]:
        np.testing.assert_array_equal(tiny.encode(text), tiny.encode(same))


# Tokens


def test_token_vectors_are_rows_of_the_hidden_states(tiny: minibert.MiniBert) -> None:
    text = "Él didn't eat: 漢字 [MASK]"
    encoding = tiny.tokenizer(text)
    tokens = tiny.encode_tokens(text)
    assert (tokens.tokens, tokens.offsets) == (encoding.tokens, encoding.offsets)
    np.testing.assert_allclose(tokens.vectors, tiny([encoding.input_ids]).last_hidden_state[0], atol=1e-6)
    np.testing.assert_allclose(tiny.encode_tokens(text, layer=0).vectors, tiny.encode_tokens([text, "x"], layer=0)[0].vectors, atol=1e-6)


def test_words_are_those_of_str_split(tiny: minibert.MiniBert) -> None:
    text = "  Unaffable kiwis,\tdidn't \u200b eat! "
    pieces, first, mean = tiny.encode_tokens(text), tiny.encode_tokens(text, level="word"), None
    mean = tiny.encode_tokens(text, level="word", word_pooling="mean")
    assert first.tokens == mean.tokens == text.split()
    assert [text[start:end] for start, end in first.offsets] == text.split()
    assert tiny.encode_tokens("one\x0ctwo", level="word").tokens == ["one\x0ctwo"]  # BERT deletes a form feed
    assert pieces.tokens[1:-1] == ["una", "##ffa", "##ble", "ki", "##wi", "##s", ",", "didn", "'", "t", "eat", "!"]
    rows = {0: (1, 4), 1: (4, 8), 2: (8, 11), 4: (11, 13)}
    for word, (start, end) in rows.items():
        np.testing.assert_array_equal(first.vectors[word], pieces.vectors[start])
        np.testing.assert_allclose(mean.vectors[word], pieces.vectors[start:end].mean(axis=0), atol=1e-6)
    assert not first.vectors[3].any()  # a zero width space has no piece
    assert not mean.vectors[3].any()


def test_words_that_are_cut_off_are_zeros(tiny: minibert.MiniBert) -> None:
    words = tiny.encode_tokens("one two three four", level="word", max_length=4, truncation="silent")
    assert words.tokens == ["one", "two", "three", "four"]
    assert words.vectors[:2].any(axis=1).all()
    assert not words.vectors[2:].any()


def test_predict(tiny: minibert.MiniBert) -> None:
    texts = ["I love NLP", "me too"]
    rows = tiny.predict(texts)
    assert [(row["origin_index"], row["token"]) for row in rows] == [(0, "I"), (0, "love"), (0, "NLP"), (1, "me"), (1, "too")]
    # one batch for both, because the order in which BLAS adds depends on the batch
    np.testing.assert_array_equal(rows[1]["embeddings"], tiny.encode_tokens(texts, level="word")[0].vectors[1])
    rows = tiny.predict("I hate cancer", output_level="sentence")
    assert [row["sentence"] for row in rows] == ["I hate cancer"]
    np.testing.assert_array_equal(rows[0]["embeddings"], tiny.encode("I hate cancer"))
    with pytest.raises(ValueError, match="output_level"):
        tiny.predict("x", output_level="chunk")  # type: ignore[arg-type]


# Rectangles of ids

GOOD = [[101, 7592, 102], [101, 102, 0]]
BAD_RECTANGLES: dict[str, tuple[tuple[Any, ...], str]] = {
    "one dimension": (([101, 102],), "input_ids: expected whole numbers"),
    "no rows": (([],), "input_ids: expected whole numbers"),
    "no columns": (([[]],), "input_ids: expected whole numbers"),
    "floats": (([[101.0]],), "input_ids: expected whole numbers"),
    "negative": (([[-1]],), "input_ids: expected 0 to 30521, found -1 to -1"),
    "too large": (([[30522]],), "input_ids: expected 0 to 30521"),
    "too long": ((np.zeros((1, 65), int),), "at most 64 columns"),
    "ragged": (([[1, 2], [3]],), "input_ids: expected rows of equal length"),
    "mask of another shape": ((GOOD, [[1, 1, 1]]), "attention_mask: expected the shape"),
    "mask of other values": ((GOOD, [[1, 2, 1], [1, 1, 0]]), "attention_mask: expected 0 and 1"),
    "mask of zeros": ((GOOD, [[1, 1, 1], [0, 0, 0]]), "attention_mask: expected a 1 in every row, found none in row 1"),
    "types of another shape": ((GOOD, None, [[0]]), "token_type_ids: expected the shape"),
    "types too large": ((GOOD, None, [[0, 0, 2], [0, 0, 0]]), "token_type_ids: expected whole numbers 0 to 1"),
    "types of floats": ((GOOD, None, np.zeros((2, 3))), "token_type_ids: expected whole numbers"),
}


@pytest.mark.parametrize("name", BAD_RECTANGLES)
def test_bad_rectangles(tiny: minibert.MiniBert, name: str) -> None:
    arguments, message = BAD_RECTANGLES[name]
    with pytest.raises(ValueError, match=message):
        tiny(*arguments)


def test_outputs_are_those_requested(tiny: minibert.MiniBert) -> None:
    plain = tiny(GOOD, [[1, 1, 1], [1, 1, 0]])
    assert plain.hidden_states is plain.attentions is None
    full = tiny(GOOD, np.array([[True, True, True], [True, True, False]]), None, output_hidden_states=True, output_attentions=True)
    assert full.hidden_states is not None
    assert full.attentions is not None
    assert len(full.hidden_states) == 3
    np.testing.assert_array_equal(full.hidden_states[-1], plain.last_hidden_state)
    assert [each.shape for each in full.attentions] == [(2, 3, 3, 3)] * 2
    np.testing.assert_allclose(full.attentions[0].sum(axis=-1)[:, :, :2], 1, atol=1e-6)
    assert not full.attentions[0][1, :, :, 2].any()
    assert not full.attentions[0][1, :, 2].any()


def test_the_tokenizer_of_google(tiny_folder: Path, tiny: minibert.MiniBert) -> None:
    """`tokenizer_compat="google"` reaches `encode`: there, [SEP] in a text is plain text."""
    google = minibert.load(tiny_folder, tokenizer_compat="google")
    assert google.tokenizer("a [SEP]").tokens == ["[CLS]", "a", "[", "sep", "]", "[SEP]"]
    assert not np.allclose(google.encode("a [SEP]"), tiny.encode("a [SEP]"))
    np.testing.assert_array_equal(google.encode("a cat"), tiny.encode("a cat"))
    assert minibert.load(tiny_folder, backend="numpy").tokenizer.backend == "numpy"
