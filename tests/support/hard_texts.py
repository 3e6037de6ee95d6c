"""Texts and settings on which tokenizers disagree. No original is imported here."""

import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from minibert.tokenizer import TokenizerSettings

VOCAB = Path(__file__).parents[2] / "weights" / "vocab.txt"

TEXTS = [
    "",
    " ",
    "I hate cancer",
    "Antibiotics aren't painkiller",
    "I love NLP",
    "Hello, World! How's the naïve café façade?",
    "unaffable embeddings; transformers' tokenizers...",
    "A" * 100,
    "A" * 101,
    "électroencéphalographie " * 3,
    "Tiếng Việt có dấu phụ, ĐƯỜNG ĐI",
    "ΟΔΥΣΣΕΥΣ Σίσυφος ΣΑΣ ς",
    "İstanbul ısı İIiı",
    "Straße ẞ ß ﬁ ﬂ ŉ ǅ",
    "日本語とEnglishのmixed文、そして漢字。",
    "中文分词 很 difficult 吗？",
    "\U0002b820\U0002b91f\U0002b920 \U00020000 \uf900 \U0002f800",
    "한국어 텍스트 가각힣 \u1112\u1161\u11ab",
    "हिन्दी भाषा में पाठ",
    "தமிழ் கொ \u0b95\u0bca",
    "ภาษาไทยไม่มีช่องว่าง",
    "العربية مَرْحَبًا بالعالم",
    "עִבְרִית שָׁלוֹם",
    "e\u0301 e\u0323\u0301 e\u0301\u0323 \u00e9\u0323 \u1ec7 o\u031b\u0301",
    "\u0301leading mark, trailing mark\u0301",
    "a\u302e\u0301\u0323b \u1100\u1161\u302f",
    "\U0001d15e\U0001d165\U0001d16d x\U0001d16d\U0001d165\u0323",
    "tab\tnewline\ncarriage\rreturn\x0bvertical\x0cfeed\x85next\u2028line\u2029paragraph",
    "non\xa0breaking\u2007figure\u202fnarrow\u3000ideographic\u1680ogham",
    "zero\u200bwidth\u200djoiner\ufeffbom\xadsoft\x00nul\ufffdreplacement\ue000private",
    "¡Hola! ¿Qué? «quoted» “curly” ‘single’ — dash – en … ellipsis • bullet",
    "$5.00 + 10% = £6 ^_^ `code` ~tilde |pipe| <tag> @user #tag \\ /",
    "3.14 1,000,000 2020-08-25T12:00:00Z U.S.A. e-mail user@example.com",
    "👨‍👩‍👧‍👦 family 🏳️‍🌈 flag 😀😃 🇩🇪 ☕️",
    "[CLS] in text [SEP] and [MASK][MASK] [PAD] [UNK] [unused1] [mask]",
    "[MASK]",
    "[CLS][SEP]",
    "foo[SEP]bar [ SEP ]",
    "##ing ## # ing##",
    "\u0385\u1fed\u1fc1 \u0344 \u0f73 \u0ddd",
    "supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis",
    "qwrtzx zzzzzqqq \u0c95\u0ccb",
    "word " * 40,
    "Ａｆｕｌｌｗｉｄｔｈ！ ｶﾀｶﾅ",
    "𝕄𝕒𝕥𝕙 𝓢𝓬𝓻𝓲𝓹𝓽 Ⅻ ⑨ ½ ² ₂",
    "\u07fd\u0898 newer marks \U0001e08f",
    "a\u034fb\u2060c\u180ed",
    "don't do not can't won't it's I'm we've they're",
    "\ud55c\u3131\u314f \u302a\u302b",
]


def tokenizer_json(**normalizer: Any) -> dict[str, Any]:
    """A tokenizer.json with the uncased vocabulary and the given BertNormalizer options."""
    vocab = {token: index for index, token in enumerate(VOCAB.read_text(encoding="utf-8").split("\n")[:-1])}
    truncation = {"max_length": 5, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    return bert_json(vocab, **normalizer) | {"truncation": truncation}


def bert_json(vocab: dict[str, int], **normalizer: Any) -> dict[str, Any]:
    """A tokenizer.json of a BERT with a vocabulary and the given BertNormalizer options."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    options = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True} | normalizer
    no = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": vocab[token], "content": token, **no} for token in special],
        "normalizer": {"type": "BertNormalizer", **options},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", vocab["[SEP]"]], "cls": ["[CLS]", vocab["[CLS]"]]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocab,
        },
    }


SETTINGS: dict[str, dict[str, Any]] = {
    "uncased": {},
    "cased": {"lowercase": False},
    "cased without accents": {"lowercase": False, "strip_accents": True},
    "uncased with accents": {"strip_accents": False},
    "without Chinese": {"handle_chinese_chars": False},
    "without cleaning": {"clean_text": False},
    "nothing": {"clean_text": False, "handle_chinese_chars": False, "lowercase": False},
}


def tokenizer_folders(parent: Path) -> dict[str, Path]:
    """A folder with a tokenizer.json for each of SETTINGS."""
    folders = {}
    for name, options in SETTINGS.items():
        folders[name] = parent / name
        folders[name].mkdir()
        content = tokenizer_json(**options)
        content["truncation"] = None
        (folders[name] / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    return folders


# Every code point. The vocabulary has an entry for each character, at the start of a word and
# within it, so the ids show what cleaning did.
PLANES = (0, 1, 2, 3, 14)  # the others are unassigned or private from end to end; benchmarks/tokenizer_parity.py has them too
COMPATS = {"hf": SETTINGS, "google": {"google uncased": {}, "google cased": {"lowercase": False}}}


@cache
def character_vocab() -> dict[str, int]:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = [chr(code) for code in (*range(0x21, 0xD800), *range(0xE000, 0x14800), *range(0x16000, 0x1F000), *range(0x20000, 0x20100))]
    tokens = [*special, *characters, *("##" + character for character in characters)]
    return {token: id for id, token in enumerate(dict.fromkeys(tokens))}


def character_settings(name: str) -> TokenizerSettings:
    """One of SETTINGS, or of Google's two, with the vocabulary of characters."""
    options = {option: value for settings in COMPATS.values() for option, value in settings.get(name, {}).items()}
    lowercase = options.setdefault("lowercase", True)
    if options.get("strip_accents") is None:
        options["strip_accents"] = lowercase
    settings = TokenizerSettings(character_vocab(), **options)
    return settings.as_google() if name in COMPATS["google"] else settings


def code_points(first: int, last: int) -> list[str]:
    """Texts with every character of a range alone, in a word, beside punctuation and beside marks.

    Sixteen a text.
    """
    forms = "{0} a{0}b .{0}! e\u0301{0}\u0323"
    return [
        " ".join(forms.format(chr(code)) for code in range(start, start + 16) if not 0xD800 <= code < 0xE000)
        for start in range(first, last, 16)
    ]


def code_point_ranges() -> list[tuple[int, int]]:
    return [(start, start + 0x2000) for plane in PLANES for start in range(plane << 16, (plane + 1) << 16, 0x2000)]


def digest(results: Iterable[object]) -> str:
    return hashlib.sha256("\n".join(map(repr, results)).encode()).hexdigest()[:16]


ALPHABET = [
    *(chr(code) for code in range(0x20, 0x7F)), *"\t\n\r\x00\x0b\x0c\x1c\x85\xa0\xad\u200b\u200d\u2028\u3000\ufeff\ufffd\ue000",
    *"éÉàÅñßẞŉİıΣςσΟǅﬁ½²Ⅻ", *"\u0301\u0323\u0308\u0344\u0345\u0f73\u0ddd\u302e\u302f\u034f", *"¡¿«»‘’“”–—…•€£",
    *"漢字東京豈\U0002b820\U0002b920\U0002f800", *"가각힣\u1100\u1161\u11a8", *"हिन्दीதமிழ்ไทย", *"مَرْשָׁлйЁ", *"😀👨🏳️☕",
    *"\U0001d15e\U0001d165\U0001d16d\U0001d17b\U000e0041", "the", "ing", "un", "aff", "able", "##s", "[CLS]", "[SEP]", "[MASK]", "[PAD]",
    "[UNK]", "[unused1]", "A" * 99, "a" * 199, *[" "] * 60,
]  # fmt: skip


def adversarial_texts(number: int, seed: int) -> Iterator[str]:
    source = random.Random(seed)
    for _ in range(number):
        yield "".join(source.choices(ALPHABET, k=source.randrange(30)))
