"""The tokenizer beside Hugging Face `tokenizers`, live: every code point, and 100,000 texts. Needs the extra `test`."""

import json
import pydoc
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import tokenizers
from hard_texts import SETTINGS, TEXTS, tokenizer_folders, tokenizer_json

from minibert.tokenizer import WordPieceTokenizer


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return tokenizer_folders(tmp_path_factory.mktemp("tokenizers"))


class Pair:
    """Referent and ours, on the same folder."""

    def __init__(self, folder: Path) -> None:
        self.referent = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.ours = WordPieceTokenizer.from_folder(folder)

    def assert_equal(self, text: str, text_pair: str | None = None, max_length: int | None = None) -> None:
        if max_length is not None:
            self.referent.enable_truncation(max_length)
        expected, actual = self.referent.encode(text, text_pair), self.ours(text, text_pair, max_length)
        if max_length is not None:
            self.referent.no_truncation()
        where = ascii((text, text_pair, max_length))
        assert actual.input_ids == expected.ids, where
        assert actual.offsets == expected.offsets, where
        assert actual.token_type_ids == expected.type_ids, where
        assert actual.word_ids == expected.word_ids, where


@pytest.mark.parametrize("name", SETTINGS)
def test_every_code_point(name: str, folders: dict[str, Path]) -> None:
    """Alone in a word, and between marks, so that its combining class shows. Twenty a text, each a word of its own."""
    pair = Pair(folders[name])
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000 and not 0x40000 <= code < 0xE0000]
    for start in range(0, len(codes), 20):
        characters = [chr(code) for code in codes[start : start + 20]]
        pair.assert_equal(" ".join(f"a{character}b" for character in characters))
        pair.assert_equal(" ".join(f"{character} e\u0301{character}\u0323" for character in characters))


ALPHABET = [
    *(chr(code) for code in range(0x20, 0x7F)), *"\t\n\r\x00\x0b\x0c\x1c\x85\xa0\xad\u200b\u200d\u2028\u3000\ufeff\ufffd\ue000",
    *"éÉàÅñßẞŉİıΣςσǅﬁ½²Ⅻ", *"\u0301\u0323\u0308\u0344\u0345\u0f73\u0ddd\u302e\u302f\u034f", *"¡¿«»‘’“”–—…•€£",
    *"漢字東京豈\U0002b820\U0002b920\U0002f800", *"가각힣\u1100\u1161\u11a8", *"हिन्दीதமிழ்ไทย", *"مَرْשָׁлйЁ", *"😀👨🏳️☕",
    *"\U0001d15e\U0001d165\U0001d16d\U0001d17b\U000e0041", "the", "ing", "un", "aff", "able", "##s", "[CLS]", "[SEP]", "[MASK]", "[PAD]",
    "[UNK]", "[unused1]", "A" * 99, *[" "] * 60,
]  # fmt: skip


def adversarial_texts(number: int, seed: int) -> Iterator[str]:
    source = random.Random(seed)
    for _ in range(number):
        yield "".join(source.choices(ALPHABET, k=source.randrange(30)))


def real_texts() -> Iterator[str]:
    """What every Python carries: the language reference as pydoc has it, and the source of its own library."""
    import pydoc_data.topics

    for topic in pydoc_data.topics.topics.values():
        yield from topic.split("\n")
    for path in sorted(Path(pydoc.__file__).parent.glob("*.py")):
        yield from path.read_text(encoding="utf-8").split("\n")


def test_a_hundred_thousand_texts(folders: dict[str, Path]) -> None:
    pairs = [Pair(folders[name]) for name in SETTINGS]
    number = 0
    for number, text in enumerate(adversarial_texts(50_000, seed=1), 1):
        pairs[number % len(pairs)].assert_equal(text)
    real = [text for text in real_texts() if text][: 100_000 - number]
    assert len(real) == 50_000
    for text in real:
        pairs[0].assert_equal(text)


def test_pairs_and_truncation_at_every_length(folders: dict[str, Path]) -> None:
    pair = Pair(folders["uncased"])
    texts = list(adversarial_texts(60, seed=2))
    for text, text_pair in zip(texts[::2], texts[1::2], strict=True):
        for max_length in range(3, 40):
            pair.assert_equal(text, text_pair, max_length)
            pair.assert_equal(text, None, max_length)


def test_special_tokens_as_text(folders: dict[str, Path]) -> None:
    pair = Pair(folders["uncased"])
    pair.referent.encode_special_tokens = True
    for text in [*TEXTS, *adversarial_texts(2000, seed=3)]:
        expected, actual = pair.referent.encode(text), pair.ours(text, split_special_tokens=True)
        assert (actual.input_ids, actual.offsets, actual.word_ids) == (expected.ids, expected.offsets, expected.word_ids), ascii(text)


def test_decoding(folders: dict[str, Path]) -> None:
    pair = Pair(folders["uncased"])
    source = random.Random(4)
    for _ in range(3000):
        ids = [*source.choices(range(30522), k=source.randrange(12)), 101, 1005, 1012, 2102, 2079, 2025]
        source.shuffle(ids)
        for skip in (True, False):
            assert pair.ours.decode(ids, skip) == pair.referent.decode(ids, skip_special_tokens=skip)


def test_added_tokens_that_swallow_spaces(tmp_path: Path) -> None:
    content = tokenizer_json()
    content["truncation"] = None
    new = {"single_word": False, "normalized": False}
    content["added_tokens"] += [
        {"id": 30522, "content": "<left>", "lstrip": True, "rstrip": False, "special": True, **new},
        {"id": 30523, "content": "<right>", "lstrip": False, "rstrip": True, "special": False, **new},
        {"id": 30524, "content": "<left>long", "lstrip": False, "rstrip": False, "special": False, **new},
    ]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    pair = Pair(tmp_path)
    parts = ["<left>", "<right>", "<left>long", "long", "a", " ", "\u3000", "\n", "\u200b", "[MASK]", "<left"]
    source = random.Random(5)
    for _ in range(3000):
        pair.assert_equal("".join(source.choices(parts, k=source.randrange(10))))
