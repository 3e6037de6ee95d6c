"""Random tokenizer files: combinations of the files and fields that the originals write."""

import json
import random
from pathlib import Path
from typing import Any

ABSENT = object()  # a field that is not drawn
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?-_°±éÉüñσς東京한국่ẽ"
WORDS = ["hello", "Hello", "world", "WORLD", "play", "paris", "Paris", "naïve", "naive", "café", "cafe", "über", "uber"]
WORDS += ["[mask]", "e1", "E1", "3", "14", "it", "...", "''", "_x_", "a_b"]
TEXTS = [
    "",
    "Hello wörld, naïve CAFÉ!",
    "Paris [MASK] paris[MASK]x [SEP] [mask] [PAD] <c> e1 E1 [E1] [e2]x x[E2] [x]",
    "it's 3.14... a_b _x_ ''? ±5°C \u4e1c東京 한국 ก่อน",
    "ABCdef  \t x\u00a0y\u2028z e\u0301e\u0323\u0301 ΑΣ ΌΣΟΣ İ ß",
    "control\x00\x07\ufffd\u200bchars \u0903\u093e\u0902",
]


class Draw:
    """The random choices of one folder."""

    def __init__(self, number: int) -> None:
        self.random = random.Random(number)

    def one(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def fields(self, **choices: tuple[Any, ...]) -> dict[str, Any]:
        """An object with one choice for each field; ABSENT leaves the field out."""
        drawn = {name: self.one(*values) for name, values in choices.items()}
        return {name: value for name, value in drawn.items() if value is not ABSENT}


def vocabulary(draw: Draw) -> list[str]:
    """Tokens by id."""
    special = [token for token in SPECIAL if token not in ("[PAD]", "[MASK]") or draw.chance(0.9)]
    others = ["[E1]", "<c>", "<s>"] if draw.chance(0.5) else []
    letters = [*LETTERS, *("##" + letter for letter in LETTERS)]
    words = [word for word in WORDS if draw.chance(0.7)]
    return list(dict.fromkeys([*special, *others, *letters, *words, *("##" + word for word in words[:8])]))


def token_object(draw: Draw, content: str, *, with_special: bool, with_type: bool = False) -> dict[str, Any]:
    rarely = draw.chance(0.2)
    flags = {name: rarely and draw.chance(0.5) for name in ("lstrip", "rstrip", "single_word")}
    token = {"content": content, **flags, "normalized": draw.chance(0.2)}
    token |= {"special": draw.chance(0.8)} if with_special else {}
    return token | ({"__type": "AddedToken"} if with_type else {})


def ids_of_new(vocab: list[str], contents: list[str]) -> dict[str, int]:
    """Ids as transformers gives them, for the contents of a file with ids."""
    known = {token: id for id, token in enumerate(vocab)}
    for content in contents:
        known.setdefault(content, len(known))
    return {content: known[content] for content in contents}


def role_fields(draw: Draw, *, is_map: bool) -> dict[str, Any]:
    """Special tokens as tokenizer_config.json or special_tokens_map.json names them."""
    fields: dict[str, Any] = {}
    for role, content in zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True):
        if draw.chance(0.5):
            other = {"mask_token": "[E1]", "cls_token": "<c>"}.get(role)
            name = other if other and draw.chance(0.1) else content
            fields[role] = token_object(draw, name, with_special=False, with_type=not is_map) if draw.chance(0.3) else name
    fields |= {"bos_token": draw.one("<s>", "[CLS]")} if draw.chance(0.1) else {}
    fields |= {"image_token": "[E1]"} if draw.chance(0.05) else {}
    if draw.chance(0.25):
        fields[draw.one("additional_special_tokens", "extra_special_tokens")] = draw.random.sample(
            ["[E1]", "[E2]", "e1", "[x]"], draw.one(0, 1, 2)
        )
    return fields


BERTS = ("BertTokenizer", "BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer")
OWN = ("PreTrainedTokenizerFast", "TokenizersBackend") * 2  # they need tokenizer.json


def tokenizer_config(draw: Draw, vocab: list[str], has_json: bool) -> dict[str, Any]:
    fields = draw.fields(
        tokenizer_class=(ABSENT, ABSENT, *BERTS, *(OWN if has_json else BERTS), "RobertaTokenizer"),
        do_lower_case=(ABSENT, True, False),
        strip_accents=(ABSENT, ABSENT, None, True, False),
        tokenize_chinese_chars=(ABSENT, ABSENT, True, False),
        model_max_length=(ABSENT, 512, 20, 1e30),
        max_len=(ABSENT, ABSENT, ABSENT, 16),
        do_basic_tokenize=(ABSENT, ABSENT, True, False),
        never_split=(ABSENT, ABSENT, None, SPECIAL, ["hello"]),
        padding_side=(*[ABSENT] * 20, "right", "left"),
        truncation_side=(*[ABSENT] * 20, "right", "left"),
        clean_up_tokenization_spaces=(ABSENT, True, False),
    )
    fields |= role_fields(draw, is_map=False)
    if draw.chance(0.4):
        contents = [content for content in SPECIAL if draw.chance(0.9)] + draw.random.sample(["[E1]", "[E2]", "e1"], draw.one(0, 0, 1, 2))
        ids = ids_of_new(vocab, contents)
        fields["added_tokens_decoder"] = {str(id): token_object(draw, content, with_special=True) for content, id in ids.items()}
    return fields


NORMALIZERS = ["bert", "bert", "bert", "bert", "lowercase bert", "docs", "docs", "lowercase", "nothing", "nfkc"]
PRE_TOKENIZERS = ["bert", "bert", "bert", "bert", "whitespace", "split", "split punctuation", "digits"]


def normalizer(draw: Draw) -> dict[str, Any] | None:
    bert = {"type": "BertNormalizer"} | {
        "clean_text": draw.one(True, True, False),
        "handle_chinese_chars": draw.one(True, True, False),
        "strip_accents": draw.one(None, None, True, False),
        "lowercase": draw.chance(0.6),
    }
    steps = draw.random.sample([{"type": "Lowercase"}, {"type": "StripAccents"}], draw.one(1, 2))
    kinds: dict[str, dict[str, Any] | None] = {
        "bert": bert,
        "lowercase bert": {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, bert]},
        "docs": {"type": "Sequence", "normalizers": [{"type": "NFD"}, *steps]},
        "lowercase": {"type": "Lowercase"},
        "nothing": None,
        "nfkc": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, bert]},
    }
    return kinds[draw.one(*NORMALIZERS)]


def pre_tokenizer(draw: Draw) -> dict[str, Any]:
    punctuation = {"type": "Punctuation", "behavior": "Isolated"}
    kinds: dict[str, dict[str, Any]] = {
        "bert": {"type": "BertPreTokenizer"},
        "whitespace": {"type": "Whitespace"},
        "split": {"type": "WhitespaceSplit"},
        "split punctuation": {"type": "Sequence", "pretokenizers": [{"type": draw.one("Whitespace", "WhitespaceSplit")}, punctuation]},
        "digits": {"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}, {"type": "Digits", "individual_digits": True}]},
    }
    return kinds[draw.one(*PRE_TOKENIZERS)]


def truncation(draw: Draw) -> dict[str, Any] | None:
    cut = {"max_length": 5, "strategy": "LongestFirst", "stride": 0, "direction": draw.one(*["Right"] * 6, "Left")}
    return draw.one(None, None, None, cut)


def padding(draw: Draw) -> dict[str, Any] | None:
    direction = draw.one(*["Right"] * 6, "Left")
    fields = {"pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    return draw.one(None, None, None, {"strategy": "BatchLongest", "direction": direction} | fields)


def tokenizer_json(draw: Draw, vocab: list[str]) -> dict[str, Any]:
    """The content of tokenizer.json. The order of the draws decides which folder a number gives."""
    normalized, split = normalizer(draw), pre_tokenizer(draw)
    contents = [content for content in SPECIAL if content in vocab and draw.chance(0.95)]
    contents += draw.random.sample(["[E1]", "[E2]", "e1"], draw.one(0, 0, 1, 2))
    ids = ids_of_new(vocab, contents)
    added = [{"id": id, **token_object(draw, content, with_special=True)} for content, id in ids.items()]
    cls_id, sep_id = vocab.index("[CLS]"), vocab.index("[SEP]")
    bert_processing = {"type": "BertProcessing", "sep": ["[SEP]", sep_id], "cls": ["[CLS]", cls_id]}
    return {
        "version": "1.0",
        "truncation": truncation(draw),
        "padding": padding(draw),
        "added_tokens": added,
        "normalizer": normalized,
        "pre_tokenizer": split,
        "post_processor": draw.one(bert_processing, template(cls_id, sep_id)),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": draw.one(100, 100, 8),
            "vocab": {token: id for id, token in enumerate(vocab)},
        },
    }


def template(cls_id: int, sep_id: int) -> dict[str, Any]:
    def special(token: str, type_id: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": type_id}}

    first = [special("[CLS]", 0), {"Sequence": {"id": "A", "type_id": 0}}, special("[SEP]", 0)]
    ids = {"[CLS]": cls_id, "[SEP]": sep_id}
    tokens = {token: {"id": token, "ids": [id], "tokens": [token]} for token, id in ids.items()}
    pair = [*first, {"Sequence": {"id": "B", "type_id": 1}}, special("[SEP]", 1)]
    return {"type": "TemplateProcessing", "single": first, "pair": pair, "special_tokens": tokens}


def write_tokenizer(draw: Draw, folder: Path) -> list[str]:
    """The files of a tokenizer. Returns the vocabulary."""
    vocab = vocabulary(draw)
    has_json = draw.chance(0.6)
    if has_json:
        write(folder / "tokenizer.json", tokenizer_json(draw, vocab))
    if not has_json or draw.chance(0.5):
        end = draw.one("\n", "\n", "\n", "\r\n")
        text = end.join(vocab) + draw.one(end, end, "", end + end)
        (folder / "vocab.txt").write_bytes(text.encode())
    if draw.chance(0.8):
        write(folder / "tokenizer_config.json", tokenizer_config(draw, vocab, has_json))
    if draw.chance(0.4):
        write(folder / "special_tokens_map.json", role_fields(draw, is_map=True))
    if draw.chance(0.3):
        contents = draw.random.sample(["[MASK]", "[E1]", "[E2]", "e1", "[PAD]"], draw.one(0, 1, 2))
        write(folder / "added_tokens.json", ids_of_new(vocab, contents))
    return vocab


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
