"""The tokenizer beside both originals, live.

Needs the extra `test` and `pip install --no-deps bert-tensorflow==1.0.4`.

Google's tokenizer is the original on CPython 3.11 alone. On another Python it has another version
of Unicode.
"""

import itertools
import json
import pydoc
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from minibert.tokenizer import AddedToken, TokenizerSettings, WordPieceTokenizer, load_settings
from tests.support.differences import ROWS, settings_of_both, shown_pieces
from tests.support.hard_texts import (
    COMPATS,
    SETTINGS,
    TEXTS,
    adversarial_texts,
    character_settings,
    code_point_ranges,
    code_points,
    digest,
    tokenizer_json,
)
from tests.support.originals import google_tokenizer, hf_tokenizer

DIGESTS = json.loads((Path(__file__).parents[1] / "golden" / "code_points.json").read_text())["digests"]
STRATEGIES = ("longest_first", "only_first", "only_second")
on_its_unicode = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="Google's tokenizer is the original on CPython 3.11 only")


@pytest.fixture(scope="module")
def uncased(tmp_path_factory: pytest.TempPathFactory) -> TokenizerSettings:
    folder = tmp_path_factory.mktemp("uncased")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json()), encoding="utf-8")
    return load_settings(folder)


def with_options(settings: TokenizerSettings, name: str) -> TokenizerSettings:
    """One of SETTINGS."""
    options = {"lowercase": True, "strip_accents": None} | SETTINGS[name]
    accents = options["lowercase"] if options["strip_accents"] is None else options["strip_accents"]
    return replace(settings, **options | {"strip_accents": accents})


class Pair:
    """The original and ours, with the same settings."""

    def __init__(self, settings: TokenizerSettings) -> None:
        self.original = hf_tokenizer(settings)
        self.ours = WordPieceTokenizer(settings)

    def assert_equal(self, text: str | Sequence[str], text_pair: str | Sequence[str] | None = None, **options: Any) -> None:
        """Compare everything, overflow included.

        If one refuses the texts, the other must do so too.
        """
        max_length, stride = options.get("max_length"), options.get("stride", 0)
        are_words = options.get("is_split_into_words", False)
        where = ascii((text, text_pair, options))
        try:
            if max_length is not None:
                self.original.enable_truncation(max_length, stride=stride, strategy=options.get("truncation", "longest_first"))
            expected = [self.original.encode(text, text_pair, is_pretokenized=are_words)]
            expected += expected[0].overflowing
        except BaseException as error:  # a panic of Rust is no Exception
            if isinstance(error, KeyboardInterrupt):
                raise
            if "bad split" in str(error):  # added tokens with whitespace inside and around: it has no result
                return
            with pytest.raises(ValueError, match=r"truncation: |stride: "):
                self.ours(text, text_pair, return_overflowing_tokens=True, **options)
            return
        finally:
            self.original.no_truncation()
        first = self.ours(text, text_pair, return_overflowing_tokens=True, **options)
        actual = [first, *first.overflowing]
        for name, theirs in (("input_ids", "ids"), ("offsets", "offsets"), ("token_type_ids", "type_ids"), ("word_ids", "word_ids")):
            assert [getattr(each, name) for each in actual] == [getattr(each, theirs) for each in expected], where


def test_the_digests_are_those_of_the_originals() -> None:
    """Every seventh of them; tests/make/golden.py makes all."""
    names = [(compat, name) for compat, settings in COMPATS.items() for name in settings]
    if sys.version_info[:2] != (3, 11):
        names = [(compat, name) for compat, name in names if compat == "hf"]
    for number, (compat, name) in enumerate(names):
        settings = character_settings(name)
        hf, google = hf_tokenizer(settings), google_tokenizer(settings)
        for first, last in code_point_ranges()[number % 7 :: 7]:
            texts = code_points(first, last)
            encodings = hf.encode_batch(texts) if compat == "hf" else []
            results = [(e.ids, e.offsets, e.word_ids) for e in encodings] or [google.ids(text) for text in texts]
            assert digest(results) == DIGESTS[name][f"{first:x}"]


@on_its_unicode
def test_the_differences_between_the_originals() -> None:
    hf, google = settings_of_both()
    original, other = hf_tokenizer(hf), google_tokenizer(google)
    for row in ROWS:
        assert shown_pieces(other.tokenize(row.text)) == row.google
        if row.text.isascii() or row.text.encode("utf-8", "replace").decode() == row.text:  # `tokenizers` refuses lone surrogates
            assert shown_pieces(original.encode(row.text).tokens[1:-1]) == row.hf


def real_texts() -> Iterator[str]:
    """Texts that every Python has: the language reference in pydoc, and the source of its
    library.
    """
    import pydoc_data.topics

    for topic in pydoc_data.topics.topics.values():
        yield from topic.split("\n")
    for path in sorted(Path(pydoc.__file__).parent.glob("*.py")):
        yield from path.read_text(encoding="utf-8").split("\n")


def test_many_texts(uncased: TokenizerSettings) -> None:
    pairs = [Pair(with_options(uncased, name)) for name in SETTINGS]
    for number, text in enumerate(adversarial_texts(30_000, seed=1)):
        pairs[number % len(pairs)].assert_equal(text)
    real = list(itertools.islice(filter(None, real_texts()), 30_000))
    assert len(real) == 30_000
    for text in real:
        pairs[0].assert_equal(text)


@on_its_unicode
@pytest.mark.parametrize("lowercase", [True, False])
def test_many_texts_of_google(uncased: TokenizerSettings, lowercase: bool) -> None:
    settings = replace(uncased, lowercase=lowercase, strip_accents=lowercase).as_google()
    original, ours = google_tokenizer(settings), WordPieceTokenizer(settings)
    for text in itertools.chain(TEXTS, adversarial_texts(10_000, seed=11), itertools.islice(filter(None, real_texts()), 3000)):
        expected = original.ids(text)
        assert ours(text).input_ids == expected, ascii(text)
        assert ours.encode_batch([text]).input_ids.tolist() == expected, ascii(text)


@on_its_unicode
def test_final_sigma() -> None:
    """Characters of every kind that `str.lower` distinguishes, around a Σ."""
    settings = character_settings("google uncased")
    original, ours = google_tokenizer(settings), WordPieceTokenizer(settings)
    source = random.Random(12)
    parts = ["Σ", "Σ", "a", "Ο", "'", "\u0301", "\u00ad", "\x00", "漢", ".", "1", " ", "ʰ", "ͅ", "\u2028", "ǅ", "ª", ":"]
    texts = [" ".join("".join(source.choices(parts, k=source.randrange(1, 8))) for _ in range(10)) for _ in range(3000)]
    texts += ["Σ" * 50, "A" + "'" * 300 + "Σ", "Σ\u0301" * 20]
    for text in texts:
        assert ours(text).input_ids == original.ids(text), ascii(text)


def test_pairs_and_truncation_at_every_length(uncased: TokenizerSettings) -> None:
    pair = Pair(uncased)
    texts = list(adversarial_texts(40, seed=2))
    source = random.Random(2)
    for text, text_pair in zip(texts[::2], texts[1::2], strict=True):
        for max_length in range(3, 40):
            for truncation in STRATEGIES:
                options = {"max_length": max_length, "truncation": truncation, "stride": source.choice((0, 0, 1, 2, 5)) % (max_length - 2)}
                pair.assert_equal(text, text_pair, **options)
                if truncation != "only_second":
                    pair.assert_equal(text, None, **options)


def test_lists_of_words(uncased: TokenizerSettings) -> None:
    pair = Pair(replace(uncased, added_tokens=(*uncased.added_tokens, AddedToken("a b", 30522, lstrip=True))))
    source = random.Random(3)
    words = [*" ".join(TEXTS).split(" "), "", " ", "two words", "[MASK]", "x [SEP]", "\u0301", " a b", "a b"]
    for _ in range(2000):
        text, text_pair = (source.choices(words, k=source.randrange(8)) for _ in range(2))
        pair.assert_equal(text, source.choice((None, text_pair)), is_split_into_words=True)
        pair.assert_equal(text, text_pair, is_split_into_words=True, max_length=source.randrange(6, 20), stride=source.randrange(3))


@pytest.mark.parametrize("seed", range(12))
def test_added_tokens(uncased: TokenizerSettings, seed: int) -> None:
    """Random tokens with random flags, in texts made of them and of their possible neighbours."""
    source = random.Random(seed)
    contents = [
        "\n",
        " a",
        "[a b]",
        "Ü",
        "u",
        "<left>",
        "<right>",
        "<left>long",
        "long",
        "Ünï",
        "uni",
        "a b",
        "kiwi",
        "[MASK]x",
        "x[SEP",
        "K",
        "é",
        "漢字",
        "=",
        " lead",
        "_",
        "Σ",
    ]
    ids = itertools.count(30522)
    added = [
        AddedToken(content, uncased.vocab.get(content) or next(ids), *(source.random() < 0.4 for _ in range(5)))
        for content in source.sample(contents, 6)
    ]
    settings = with_options(replace(uncased, added_tokens=(*uncased.added_tokens, *added)), source.choice(list(SETTINGS)))
    pair = Pair(settings)
    parts = [
        *contents,
        *contents,
        "a",
        " ",
        "  ",
        "\u3000",
        "\n",
        "\u200b",
        "[MASK]",
        "<left",
        "words",
        "1",
        "-",
        "\u0301",
        "b",
        "UNI",
        "lo",
    ]
    for split_special_tokens in (False, True):
        pair.original.encode_special_tokens = split_special_tokens
        for _ in range(1500):
            text = "".join(source.choices(parts, k=source.randrange(10)))
            pair.assert_equal(text, split_special_tokens=split_special_tokens)


def test_special_tokens_as_text(uncased: TokenizerSettings) -> None:
    pair = Pair(uncased)
    pair.original.encode_special_tokens = True
    for text in [*TEXTS, *adversarial_texts(2000, seed=3)]:
        pair.assert_equal(text, split_special_tokens=True)


def test_decoding(uncased: TokenizerSettings) -> None:
    pair = Pair(uncased)
    pair.original.decoder = tokenizers.decoders.WordPiece()
    source = random.Random(4)
    for _ in range(3000):
        ids = [*source.choices(range(30522), k=source.randrange(12)), 101, 1005, 1012, 2102, 2079, 2025]
        source.shuffle(ids)
        for skip in (True, False):
            assert pair.ours.decode(ids, skip) == pair.original.decode(ids, skip_special_tokens=skip)


def test_a_file_means_the_same_to_both(tmp_path: Path) -> None:
    """tokenizer.json with an added token of each kind, read by each."""
    content = tokenizer_json() | {"truncation": None}
    flags = ("special", "lstrip", "rstrip", "normalized", "single_word")
    for number, flag in enumerate(flags):
        content["added_tokens"].append({"id": 30522 + number, "content": f"<{flag}>"} | {name: name == flag for name in flags})
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    original, ours = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json")), WordPieceTokenizer.from_folder(tmp_path)
    for flag in flags:
        for text in (f"a <{flag}> b", f"a<{flag}>b", f"A <{flag.upper()}> B"):
            expected, actual = original.encode(text), ours(text)
            assert (actual.input_ids, actual.offsets, actual.word_ids) == (expected.ids, expected.offsets, expected.word_ids), text
