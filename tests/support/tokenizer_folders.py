"""Folders whose files disagree about a tokenizer, with the tokens that transformers 5.24 gives.

tests/tokenizer/test_tokenizer_files.py compares the product with these tokens.
tests/parity/test_folders.py compares transformers with them.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import hard_texts

VOCAB = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "Ünd",
    "und",
    "ünd",
    "Und",
    "mask",
    "[",
    "]",
    "e",
    "##1",
    "东",
    "东京",
    ".",
    "##.",
    "..",
    "a",
]
BERT: dict[str, Any] = {"model_type": "bert"}


@dataclass(frozen=True)
class Case:
    """Files by name, a text, and its tokens without [CLS] and [SEP].

    `ids` are compared where the tokens alone do not show the difference.
    """

    files: dict[str, Any]
    text: str
    tokens: list[str]
    ids: list[int] = field(default_factory=list)

    def write(self, folder: Path) -> Path:
        folder.mkdir()
        for name, content in ({"config.json": BERT} | self.files).items():
            data = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
            (folder / name).write_bytes(data)
        return folder


def vocab_txt(*more: str, end: str = "\n") -> bytes:
    return "".join(token + end for token in (*VOCAB, *more)).encode()


def token(content: str, **flags: Any) -> dict[str, Any]:
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False} | flags


def bert_json(*added: dict[str, Any], **normalizer: Any) -> dict[str, Any]:
    """tokenizer.json of a BERT with VOCAB, and more added tokens."""
    content = hard_texts.bert_json({each: id for id, each in enumerate(VOCAB)}, **normalizer)
    content["added_tokens"].extend(added)
    return content


def docs_json() -> dict[str, Any]:
    """tokenizer.json of "All together: a BERT tokenizer from scratch" in the documentation of
    tokenizers.
    """
    steps = [{"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"}]
    return bert_json() | {"normalizer": {"type": "Sequence", "normalizers": steps}, "pre_tokenizer": {"type": "Whitespace"}}


def both(tokenizer: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {"tokenizer.json": tokenizer, "tokenizer_config.json": config}


def beside_vocab(*more: str, **files: Any) -> dict[str, Any]:
    return {"vocab.txt": vocab_txt(*more)} | {f"{name}.json": content for name, content in files.items()}


OWN = {"tokenizer_class": "PreTrainedTokenizerFast"}
CASES = {
    # tokenizer_config.json decides, and the defaults of BertTokenizer where it is silent
    "accents stay by tokenizer_config.json": Case(both(bert_json(), strip_accents=False), "Ünd", ["ünd"]),
    "accents go by tokenizer_config.json": Case(both(bert_json(strip_accents=False), strip_accents=None), "Ünd", ["und"]),
    "accents go by default": Case(both(bert_json(strip_accents=False), do_lower_case=True), "Ünd", ["und"]),
    "case stays by tokenizer_config.json": Case(both(bert_json(), do_lower_case=False), "Ünd Und", ["Ünd", "Und"]),
    "case goes by tokenizer_config.json": Case(both(bert_json(lowercase=False), do_lower_case=True), "Ünd Und", ["und", "und"]),
    "case goes by default": Case(both(bert_json(lowercase=False), tokenizer_class="BertTokenizerFast"), "Ünd Und", ["und", "und"]),
    "case goes without tokenizer_config.json": Case({"tokenizer.json": bert_json(lowercase=False)}, "Und", ["und"]),
    "accents go although case stays": Case(both(bert_json(), do_lower_case=False, strip_accents=True), "Ünd", ["Und"]),
    "Chinese stays together": Case(both(bert_json(), tokenize_chinese_chars=False), "东京", ["东京"]),
    "Chinese comes apart by default": Case(both(bert_json(handle_chinese_chars=False)), "东京", ["东", "[UNK]"]),
    "control characters go by default": Case(both(bert_json(clean_text=False)), "u\0nd", ["und"]),
    "Lowercase before BertNormalizer does not count": Case(
        both(
            bert_json() | {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, bert_json()["normalizer"]]}},
            do_lower_case=False,
        ),
        "Und",
        ["Und"],
    ),
    "long words by default": Case(both(bert_json() | {"model": bert_json()["model"] | {"max_input_chars_per_word": 2}}), "und", ["und"]),
    # tokenizer.json is read by its own rules
    "own rules by class": Case(both(bert_json(lowercase=False, strip_accents=True), **OWN), "Ünd", ["Und"]),
    "own rules by class of version 5": Case(both(bert_json(lowercase=False), tokenizer_class="TokenizersBackend"), "Ünd", ["Ünd"]),
    "own rules by config.json": Case({"tokenizer.json": bert_json(lowercase=False), "config.json": BERT | OWN}, "Ünd", ["Ünd"]),
    "class of a relative": Case(both(bert_json(lowercase=False), tokenizer_class="DistilBertTokenizerFast"), "Ünd", ["und"]),
    "the documentation's pipeline": Case(both(docs_json(), **OWN), "Ü\u0903nd.. \u4e1ca", ["und", "..", "[UNK]"]),
    # vocab.txt
    "lines of Windows": Case({"vocab.txt": vocab_txt(end="\r\n")}, "Ünd", ["und"]),
    "blank lines at the end": Case({"vocab.txt": vocab_txt() + b"\n\n"}, "Ünd", ["und"]),
    "no line feed at the end": Case({"vocab.txt": vocab_txt().removesuffix(b"\n")}, "a", ["a"]),
    "lines with other separators in them": Case(beside_vocab("x\ry", "x\u2028y", "x\u0085y", "b\x1c", "b "), "b", ["b"], [24]),
    "case goes beside vocab.txt": Case({"vocab.txt": vocab_txt()}, "Ünd", ["und"]),
    # special and added tokens
    "a mask that takes the blank before it": Case(
        beside_vocab(special_tokens_map={"mask_token": token("[MASK]", lstrip=True)}), "a [MASK]", ["a", "[MASK]"]
    ),
    "a token beyond the vocabulary": Case(
        beside_vocab(tokenizer_config={"extra_special_tokens": ["[E1]"]}), "a[E1]", ["a", "[E1]"], [19, 20]
    ),
    "a role of the model's own, written by transformers 5": Case(
        beside_vocab(tokenizer_config={"model_specific_special_tokens": {"boi": "[E1]"}}), "a[E1]", ["a", "[E1]"], [19, 20]
    ),
    "roles of the model's own, of which one name ends in token": Case(
        beside_vocab(tokenizer_config={"e_token": "[E2]", "model_specific_special_tokens": {"boi": "und"}}),
        "[E2]und Und",
        ["[E2]", "und", "und"],
        [20, 6, 6],
    ),
    "tokens under their old name": Case(
        beside_vocab(tokenizer_config={"additional_special_tokens": ["[E2]", "[E1]"]}), "[E1]", ["[E1]"], [21]
    ),
    "tokens of special_tokens_map.json": Case(
        beside_vocab(special_tokens_map={"additional_special_tokens": ["[E1]"], "mask_token": "[M]"}),
        "[E1][M][MASK]",
        ["[E1]", "[M]", "[", "mask", "]"],
        [21, 20, 10, 9, 11],
    ),
    "a role of the model's own": Case(beside_vocab(tokenizer_config={"image_token": "[I]"}), "[I]", ["[I]"], [20]),
    "no mask": Case(beside_vocab(tokenizer_config={"mask_token": None}), "[MASK]", ["[", "mask", "]"]),
    "another [CLS]": Case(beside_vocab("<s>", tokenizer_config={"cls_token": "<s>"}), "<s>", ["<s>"], [20]),
    "a vocabulary without [MASK]": Case({"vocab.txt": vocab_txt().replace(b"[MASK]\n", b"[unused]\n")}, "[MASK]", ["[MASK]"], [20]),
    "no tokens in added_tokens.json": Case(beside_vocab(added_tokens={}), "[MASK]", ["[MASK]"]),
    "the vocabulary's tokens in added_tokens.json": Case(
        beside_vocab(added_tokens={"[MASK]": 4, "[PAD]": 0}), "a [mask]", ["a", "[MASK]"], [19, 4]
    ),
    "new tokens in added_tokens.json": Case(beside_vocab(added_tokens={"e1": 21, "E2": 20}), "E1 e2", ["e1", "E2"], [21, 20]),
    "added_tokens.json beside tokenizer.json": Case(
        {"tokenizer.json": bert_json(), "added_tokens.json": {"e1": 20}}, "xE1", ["[UNK]", "e1"], [1, 20]
    ),
    "added_tokens_decoder hides other files": Case(
        both(bert_json(token("e1", id=20, special=True)), added_tokens_decoder={"4": token("[MASK]", special=True)})
        | {"added_tokens.json": {"e1": 20}, "special_tokens_map.json": {"mask_token": "[M]"}},
        "e1 [M]",
        ["e", "##1", "[", "[UNK]", "]"],
    ),
    "a token that is found after cleaning": Case(
        beside_vocab(tokenizer_config={"added_tokens_decoder": {"20": token("É1", normalized=True, special=False)}}),
        "e1E1",
        ["É1", "É1"],
        [20, 20],
    ),
    # settings that transformers does not read any more
    "never_split": Case(beside_vocab(tokenizer_config={"never_split": ["Und", "[MASK]"]}), "Und", ["und"]),
    "do_basic_tokenize": Case(beside_vocab(tokenizer_config={"do_basic_tokenize": False}), "Und.", ["und", "."]),
    "add_bos_token": Case(beside_vocab(tokenizer_config={"add_bos_token": True, "bos_token": "[CLS]"}), "a", ["a"]),
}
# Folders that transformers reads, and that are refused here by name, with the name.
REFUSED = {
    "another pipeline than the class": (
        both(docs_json(), tokenizer_class="BertTokenizer"),
        "tokenizer_class: expected no rules of BertTokenizer",
    ),
    "another pipeline than the settings": (both(docs_json(), do_lower_case=True), "do_lower_case: expected no rules of BertTokenizer"),
    "another tokenizer": (both(bert_json(), tokenizer_class="MPNetTokenizer"), "tokenizer_class: expected one of BertTokenizer"),
    "another prefix": (
        both(bert_json() | {"model": bert_json()["model"] | {"continuing_subword_prefix": "@@"}}),
        "continuing_subword_prefix: expected '##'",
    ),
    "an id that transformers does not give": (
        beside_vocab(tokenizer_config={"added_tokens_decoder": {"40": token("[E1]", special=True)}}),
        r"added_tokens_decoder: 40: expected id 20",
    ),
    "an id in added_tokens.json": (beside_vocab(added_tokens={"e1": 30}), r"added_tokens\.json: e1: expected id 20"),
    "texts that are cut at their start": (beside_vocab(tokenizer_config={"truncation_side": "left"}), "truncation_side: expected right"),
    "the same in tokenizer.json": (
        both(bert_json() | {"truncation": {"direction": "Left", "max_length": 9, "strategy": "LongestFirst", "stride": 0}}),
        "truncation: direction: expected 'Right'",
    ),
    "padding before a text": (beside_vocab(tokenizer_config={"padding_side": "left"}), "padding_side: expected right"),
}
