"""tokenizer.json -> settings, by its own rules: those of a pipeline of Hugging Face `tokenizers`.

A pipeline cleans (`normalizer`), splits (`pre_tokenizer`), looks pieces up (`model`) and adds
special tokens (`post_processor`). These tables have the parts that are implemented. Any other part
is refused by name, and so is an order of parts that gives other ids.
"""

from collections.abc import Mapping
from typing import Any

from ..files.fields import Fields, shown, shown_name

# Each line is one way to clean a text: the types of the normalizers in their order -> what they do
# besides BertNormalizer.
NORMALIZERS: dict[tuple[str, ...], dict[str, bool]] = {
    (): {},
    ("BertNormalizer",): {},
    ("Lowercase", "BertNormalizer"): {"lowercase": True},  # sentence-transformers writes it for do_lower_case
    ("BertNormalizer", "Lowercase"): {"lowercase": True},
    ("Lowercase",): {"lowercase": True},
    ("NFD", "StripAccents"): {"strip_accents": True, "strip_all_marks": True},
    ("NFD", "Lowercase", "StripAccents"): {"strip_accents": True, "strip_all_marks": True, "lowercase": True},
    ("NFD", "StripAccents", "Lowercase"): {"strip_accents": True, "strip_all_marks": True, "lowercase": True},
    ("Lowercase", "NFD", "StripAccents"): {"strip_accents": True, "strip_all_marks": True, "lowercase": True},
}
# Type of a pre-tokenizer -> whether it splits at whitespace, makes punctuation marks words, and
# separates words from symbols.
PRE_TOKENIZERS = {
    "BertPreTokenizer": (True, True, False),
    "Whitespace": (True, False, True),
    "WhitespaceSplit": (True, False, False),
    "Punctuation": (False, True, False),
}
CLEANING = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")  # fields of a BertNormalizer


def is_bert(file: Fields) -> bool:
    """Whether a tokenizer.json has the parts of BertTokenizer, whatever the settings of each
    part.
    """
    types = _types(_parts(file, "normalizer", "normalizers"))
    if "BertNormalizer" not in types or types not in NORMALIZERS:
        return False
    return _splitting(file) == {"split_punctuation": True, "split_symbols": False}


def read_pipeline(file: Fields) -> dict[str, Any]:
    """Fields of TokenizerSettings but `added_tokens`.

    Raises ValueError for what is not implemented.
    """
    model = file.child("model")
    (cls_token, _), (sep_token, _) = _template(file)
    return {
        **_cleaning(file),
        **_splitting(file),
        "vocab": model.need("vocab", dict),
        "unk_token": model.need("unk_token", str),
        "cls_token": cls_token,
        "sep_token": sep_token,
        "continuing_subword_prefix": model.need("continuing_subword_prefix", str),
        "max_input_chars_per_word": model.need("max_input_chars_per_word", int),
        "decoder_cleanup": file.child("decoder").get("cleanup", bool, True),
    }


def check_model(file: Fields) -> None:
    """Raise ValueError for a tokenizer of another kind than WordPiece."""
    for part in ("model", "decoder"):
        if file.child(part).get("type", str, "WordPiece") != "WordPiece":
            raise file.refuse(part, "WordPiece")


def _parts(file: Fields, name: str, inner: str) -> list[Fields]:
    """The steps of a part: those in a Sequence, itself, or none."""
    part = file.child(name)
    if part.get("type", str) != "Sequence":
        return [part] if part.content else []
    parts = part.children(inner)
    if any(each.get("type", str) == "Sequence" for each in parts):
        raise file.refuse(name, "no Sequence in a Sequence")
    return parts


def _types(parts: list[Fields]) -> tuple[str, ...]:
    return tuple(part.get("type", str, "") for part in parts)


def _cleaning(file: Fields) -> dict[str, bool]:
    parts = _parts(file, "normalizer", "normalizers")
    types = _types(parts)
    if types not in NORMALIZERS:
        raise file.refuse("normalizer", " or ".join(", ".join(each) or "none" for each in NORMALIZERS))
    cleaning = dict.fromkeys(CLEANING, False)
    for part in parts:
        if part.get("type", str) == "BertNormalizer":
            lowercase, strip_accents = part.get("lowercase", bool, True), part.get("strip_accents", bool)
            cleaning = {
                "clean_text": part.get("clean_text", bool, True),
                "handle_chinese_chars": part.get("handle_chinese_chars", bool, True),
                "strip_accents": lowercase if strip_accents is None else strip_accents,
                "lowercase": lowercase,
            }
    return cleaning | NORMALIZERS[types]


def _splitting(file: Fields) -> dict[str, bool]:
    parts = _parts(file, "pre_tokenizer", "pretokenizers")
    types = _types(parts)
    unknown = set(types) - PRE_TOKENIZERS.keys()
    is_isolated = all(part.get("behavior", str, "Isolated") == "Isolated" for part in parts)
    splits = [any(each) for each in zip(*(PRE_TOKENIZERS[name] for name in types), strict=True)] if types and not unknown else [False]
    if not splits[0] or not is_isolated:
        expected = f"{', '.join(PRE_TOKENIZERS)} or a Sequence of them that splits at whitespace"
        raise file.refuse("pre_tokenizer", expected)
    return {"split_punctuation": splits[1], "split_symbols": splits[2]}


def check_ids(file: Fields, ids: Mapping[str, int]) -> None:
    """Raise ValueError where the post-processor and the vocabulary have other ids of [CLS] or
    [SEP].
    """
    for token, found in _template(file):
        if found != [ids[token]]:
            where = f"{file.where}: post_processor: {shown_name(token)}"
            raise ValueError(f"{where}: expected id {ids[token]}, as in the vocabulary, found {shown(found)}")


def _template(file: Fields) -> list[tuple[str, list[Any]]]:
    """(token, ids) of [CLS] and [SEP], as a post-processor adds them.

    It must make `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, with type 1 for B.
    """
    processor = file.child("post_processor")
    if processor.get("type", str) == "BertProcessing":
        pairs = [processor.need(part, list) for part in ("cls", "sep")]
        if all(len(pair) == 2 and isinstance(pair[0], str) and type(pair[1]) is int for pair in pairs):
            return [(token, [id]) for token, id in pairs]
    elif processor.get("type", str) == "TemplateProcessing":
        single, pair = (_items(processor, part) for part in ("single", "pair"))
        if len(single) == 3:
            cls_token, sep_token = str(single[0][0]), str(single[-1][0])
            expected = [(cls_token, 0), ("A", 0), (sep_token, 0)]
            if single == expected and pair == [*expected, ("B", 1), (sep_token, 1)]:
                tokens = processor.child("special_tokens")
                return [(token, tokens.child(token).get("ids", list, [])) for token in (cls_token, sep_token)]
    raise file.refuse("post_processor", "[CLS] A [SEP] and [CLS] A [SEP] B [SEP]")


def _items(processor: Fields, part: str) -> list[tuple[Any, Any]]:
    """(name, type id) of each item of a template, each an object with a single object in it."""
    items = [item.child(name) for item in processor.children(part) for name in item.content]
    return [(item.get("id", str), item.get("type_id", int)) for item in items]
