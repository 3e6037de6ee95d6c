"""`encode_tokens(level="spark")`: the tokens of Spark NLP, their first words, and their vectors."""

import unicodedata

import numpy as np
import pytest

import minibert
from minibert.tokenizer import TokenizerSettings, WordPieceTokenizer
from minibert.tokenizer.loading import load_vocab
from minibert.tokenizer.spark import PUNCTUATION, first_word, spark_tokens
from tests.support.models import VOCAB, make_config, write_model


@pytest.fixture(scope="module")
def google() -> WordPieceTokenizer:
    return WordPieceTokenizer(TokenizerSettings(load_vocab(VOCAB)).as_google())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> minibert.MiniBert:
    return minibert.load(write_model(tmp_path_factory.mktemp("model") / "tiny", make_config(2, 24, 3)), backend="numpy")


# Text -> (token, the part of it that reaches the model). The first text is the example in Spark
# NLP's own tests of its Tokenizer.
CASES = {
    "I'd like to say we didn't expect that. Jane's boyfriend.": [
        ("I'd", "i"), ("like", "like"), ("to", "to"), ("say", "say"), ("we", "we"), ("didn't", "didn"), ("expect", "expect"),
        ("that", "that"), (".", "."), ("Jane's", "jane"), ("boyfriend", "boyfriend"), (".", "."),
    ],
    "e-mail U.S 3.14 user@x.com $5 #tag ... what?!": [
        ("e-mail", "e"), ("U.S", "u"), ("3.14", "3"), ("user@x.com", "user"), ("$5", "$"), ("#tag", "#"), ("...", "."),
        ("what", "what"), ("?!", "?"),
    ],
    "(\"Café\") naïve": [('("', "("), ("Café", "cafe"), ('")', '"'), ("naïve", "naive")],
    "“so” he said—now": [("“so”", "“so”"), ("he", "he"), ("said—now", "said—now")],  # beyond ASCII, these are letters
    "東京 is": [("東京", "東"), ("is", "is")],
    # a no-break space is no space to Java; other spaces beyond ASCII end a word, and no token
    "a\u00a0b c\u2003d": [("a\u00a0b", "a\u00a0b"), ("c\u2003d", "c")],
    "a" + "." * 50_000 + "b": [("a" + "." * 50_000 + "b", "a")],
    "ab\x01cd x\u200dy": [("ab\x01cd", "ab"), ("x\u200dy", "x\u200dy")],  # Cc ends a word, Cf stays in it
    "\x01 \u0301": [("\x01", ""), ("\u0301", "")],
    "": [],
}  # fmt: skip


@pytest.mark.parametrize("text", CASES)
def test_tokens_and_their_first_words(google: WordPieceTokenizer, text: str) -> None:
    found = [(text[token.start : token.end], token) for token in spark_tokens(text, google)]
    assert [(token, first_word(token, google)) for token, _ in found] == CASES[text]
    for _, token in found:
        assert 0 <= token.start < token.end <= len(text)


def test_punctuation_is_what_ascii_or_the_name_says() -> None:
    """The frozen list equals the names of this interpreter: all of them are older than it."""
    ascii_marks = {chr(code) for first, last in ((33, 47), (58, 64), (91, 96), (123, 126)) for code in range(first, last + 1)}
    named = {chr(code) for code in range(0x80, 0x10000) if "PUNCTUATION" in unicodedata.name(chr(code), "")} - {"\u2008"}  # a space first
    assert set(PUNCTUATION) == ascii_marks | named
    assert len(named) == 57


def test_a_word_of_more_than_200_characters_is_unknown(google: WordPieceTokenizer) -> None:
    unknown = google.unk_id
    assert [len(token.ids) > 1 for token in spark_tokens("a" * 200 + " " + "a" * 201, google)] == [True, False]
    assert spark_tokens("a" * 201, google)[0].ids == [unknown]


def rows(model: minibert.MiniBert, google: WordPieceTokenizer, pieces: list[str]) -> np.ndarray:
    """Hidden states of [CLS] pieces [SEP], by way of `__call__`."""
    return model([[101, *(google.vocab[piece] for piece in pieces), 102]]).last_hidden_state[0]


def test_each_token_has_the_vector_of_its_first_piece(model: minibert.MiniBert, google: WordPieceTokenizer) -> None:
    text = "Antibiotics aren't painkillers!"
    result = model.encode_tokens(text, level="spark")
    assert result.tokens == ["Antibiotics", "aren't", "painkillers", "!"]
    assert [text[start:end] for start, end in result.offsets] == result.tokens
    hidden = rows(model, google, ["antibiotics", "aren", "pain", "##kill", "##ers", "!"])
    np.testing.assert_allclose(result.vectors, hidden[[1, 2, 3, 6]], rtol=0, atol=1e-5)


def test_a_token_without_pieces_has_zeros(model: minibert.MiniBert, google: WordPieceTokenizer) -> None:
    result = model.encode_tokens("I \x01 love", level="spark")
    assert result.tokens == ["I", "\x01", "love"]
    hidden = rows(model, google, ["i", "love"])
    np.testing.assert_allclose(result.vectors, [hidden[1], np.zeros(24), hidden[2]], rtol=0, atol=1e-5)


def test_128_positions(model: minibert.MiniBert, google: WordPieceTokenizer) -> None:
    """126 pieces reach the model. The next one has the vector of [SEP], and the rest have zeros."""
    words = ["love"] * 130
    with pytest.warns(minibert.TruncationWarning, match="1 of 1 texts are longer than 128 tokens; 4 tokens were cut off"):
        result = model.encode_tokens(" ".join(words), level="spark")
    assert len(result.tokens) == 130
    hidden = rows(model, google, words[:126])
    np.testing.assert_allclose(result.vectors[:127], hidden[1:], rtol=0, atol=1e-5)
    assert not result.vectors[127:].any()
    longer = model.encode_tokens(" ".join(words), level="spark", max_length=512)
    assert longer.vectors.any(axis=1).all()


def test_a_folder_with_other_rules_has_spark_tokens_too(model: minibert.MiniBert) -> None:
    texts = ["I love NLP", "", "don't"]
    for one, each in zip(texts, model.encode_tokens(texts, level="spark"), strict=True):
        np.testing.assert_allclose(each.vectors, model.encode_tokens(one, level="spark").vectors, rtol=0, atol=1e-5)
    assert model.tokenizer.settings.compat == "hf"
