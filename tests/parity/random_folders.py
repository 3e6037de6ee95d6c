"""Random model folders: every combination of the files and fields that transformers, tokenizers and sentence-transformers write.

Each folder is drawn by its number, so a failure can be looked at again: `python -m tests.parity.random_folders NUMBER FOLDER`.
"""

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from minibert.bert.config import ARCHITECTURE, BertConfig
from minibert.bert.weights import expected_shapes

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
    """Choices of one folder."""

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
    """Ids as transformers gives them, for the contents of a file that claims ids."""
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
OWN = ("PreTrainedTokenizerFast", "TokenizersBackend") * 2  # which need tokenizer.json


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


def tokenizer_json(draw: Draw, vocab: list[str]) -> dict[str, Any]:
    bert = {"type": "BertNormalizer"} | {
        "clean_text": draw.one(True, True, False),
        "handle_chinese_chars": draw.one(True, True, False),
        "strip_accents": draw.one(None, None, True, False),
        "lowercase": draw.chance(0.6),
    }
    steps = draw.random.sample([{"type": "Lowercase"}, {"type": "StripAccents"}], draw.one(1, 2))
    normalizer = {
        "bert": bert,
        "lowercase bert": {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, bert]},
        "docs": {"type": "Sequence", "normalizers": [{"type": "NFD"}, *steps]},
        "lowercase": {"type": "Lowercase"},
        "nothing": None,
        "nfkc": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, bert]},
    }[draw.one(*NORMALIZERS)]
    punctuation = {"type": "Punctuation", "behavior": "Isolated"}
    pre_tokenizer = {
        "bert": {"type": "BertPreTokenizer"},
        "whitespace": {"type": "Whitespace"},
        "split": {"type": "WhitespaceSplit"},
        "split punctuation": {"type": "Sequence", "pretokenizers": [{"type": draw.one("Whitespace", "WhitespaceSplit")}, punctuation]},
        "digits": {"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}, {"type": "Digits", "individual_digits": True}]},
    }[draw.one(*PRE_TOKENIZERS)]
    contents = [content for content in SPECIAL if content in vocab and draw.chance(0.95)]
    contents += draw.random.sample(["[E1]", "[E2]", "e1"], draw.one(0, 0, 1, 2))
    ids = ids_of_new(vocab, contents)
    added = [{"id": id, **token_object(draw, content, with_special=True)} for content, id in ids.items()]
    cls_id, sep_id = vocab.index("[CLS]"), vocab.index("[SEP]")
    return {
        "version": "1.0",
        "truncation": draw.one(
            None,
            None,
            None,
            {"max_length": 5, "strategy": "LongestFirst", "stride": 0, "direction": draw.one(*["Right"] * 6, "Left")},
        ),
        "padding": draw.one(
            None,
            None,
            None,
            {
                "strategy": "BatchLongest",
                "direction": draw.one(*["Right"] * 6, "Left"),
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "[PAD]",
            },
        ),
        "added_tokens": added,
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": draw.one(
            {"type": "BertProcessing", "sep": ["[SEP]", sep_id], "cls": ["[CLS]", cls_id]}, template(cls_id, sep_id)
        ),
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


# --- Weights and sentence-transformers' modules ---------------------------------------------------------------------------------------

POOLINGS = ["cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
ACTIVATIONS = [f"torch.nn.modules.activation.{name}" for name in ("Tanh", "ReLU", "GELU", "Sigmoid", "Softplus")]
ACTIVATIONS += ["torch.nn.modules.linear.Identity"]


def bert_config(draw: Draw, vocab_size: int, has_json: bool) -> dict[str, Any]:
    heads = draw.one(1, 2, 3)
    config = {"model_type": "bert", "architectures": ["BertModel"], "vocab_size": vocab_size, "num_attention_heads": heads}
    config |= draw.fields(
        num_hidden_layers=(1, 2),
        intermediate_size=(5, 16),
        hidden_act=("gelu", "gelu_new"),
        max_position_embeddings=(12, 40),
        type_vocab_size=(1, 2),
        tokenizer_class=(*[ABSENT] * 6, "BertTokenizer", "PreTrainedTokenizerFast" if has_json else "BertTokenizerFast"),
    )
    return config | {"hidden_size": heads * draw.one(4, 8), "layer_norm_eps": 1e-12}


def weights(draw: Draw, config: dict[str, Any]) -> dict[str, Any]:
    """Tensors by name, in one of the dialects that `load` knows."""
    numbers = np.random.default_rng(draw.random.randrange(1 << 30))
    shapes = dict(expected_shapes(BertConfig(*(config[name] for name in ARCHITECTURE), config["hidden_act"], config["layer_norm_eps"])))
    prefix, dtype, has_pooler = draw.one("", "", "bert."), draw.one(np.float32, np.float32, np.float16), draw.chance(0.7)
    tensors = {}
    for name, shape in shapes.items():
        if has_pooler or not name.startswith("pooler."):
            scale = 1 + 0.1 * numbers.standard_normal(shape) if "LayerNorm.weight" in name else 0.3 * numbers.standard_normal(shape)
            tensors[prefix + name] = scale.astype(dtype)
    if prefix and draw.chance(0.5):
        tensors["cls.predictions.bias"] = np.zeros(config["vocab_size"], dtype)
    if draw.chance(0.3):
        tensors[f"{prefix}embeddings.position_ids"] = np.arange(config["max_position_embeddings"])[np.newaxis]
    return tensors


def write_weights(draw: Draw, folder: Path, tensors: dict[str, Any]) -> None:
    """One file, or shards and their index."""
    if draw.chance(0.8):
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names, index = list(tensors), {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(part, file)
    write(folder / "model.safetensors.index.json", {"metadata": {"total_size": 1}, "weight_map": index})


def pooling_config(draw: Draw, size: int) -> dict[str, Any]:
    """1_Pooling/config.json, as the versions until 5 write it, or as those since."""
    modes = draw.random.sample(POOLINGS, draw.one(1, 1, 1, 2, 3))
    prompt = draw.fields(include_prompt=(ABSENT, ABSENT, True, False))
    if draw.chance(0.5):
        return {"word_embedding_dimension": size} | {f"pooling_mode_{mode}": mode in modes for mode in POOLINGS} | prompt
    names = [mode.removesuffix("_tokens").removesuffix("_token") if mode != "mean_sqrt_len_tokens" else mode for mode in modes]
    return {"embedding_dimension": size, "pooling_mode": names[0] if len(names) == 1 else tuple(names)} | prompt


def write_modules(draw: Draw, folder: Path, inner: str, size: int) -> None:
    """modules.json and the folder of each module behind the Transformer."""
    package = "sentence_transformers.models."
    modules = [(inner, "Transformer")]
    pooling = pooling_config(draw, size)
    modules.append((draw.one("1_Pooling", "1_Pooling", "pooling"), "Pooling"))
    (folder / modules[-1][0]).mkdir()
    write(folder / modules[-1][0] / "config.json", pooling)
    modes = sum(bool(value) for name, value in pooling.items() if name.startswith("pooling_mode_"))
    modes = modes or (1 if isinstance(pooling["pooling_mode"], str) else len(pooling["pooling_mode"]))
    width = size * modes
    for number in range(2, 2 + draw.one(0, 0, 1, 2)):
        if draw.chance(0.4):
            modules.append((f"{number}_Normalize", "Normalize"))
            continue
        path, outputs = f"{number}_Dense", draw.one(3, 8, width)
        (folder / path).mkdir()
        has_bias = draw.chance(0.7)
        config = {"in_features": width, "out_features": outputs, "bias": has_bias, "activation_function": draw.one(*ACTIVATIONS)}
        write(folder / path / "config.json", config)
        numbers = np.random.default_rng(number)
        tensors = {"linear.weight": numbers.standard_normal((outputs, width)).astype(np.float32)}
        tensors |= {"linear.bias": numbers.standard_normal(outputs).astype(np.float32)} if has_bias else {}
        save_file(tensors, folder / path / "model.safetensors", metadata={"format": "pt"})
        modules.append((path, "Dense"))
        width = outputs
    write(folder / "modules.json", [
        {"idx": index, "name": str(index), "path": path, "type": package + name} for index, (path, name) in enumerate(modules)
    ])  # fmt: skip


def write_settings(draw: Draw, folder: Path, encoder: Path) -> None:
    """sentence_bert_config.json and config_sentence_transformers.json."""
    if draw.chance(0.7):
        write(
            encoder / "sentence_bert_config.json",
            draw.fields(max_seq_length=(ABSENT, None, 5, 9, 200), do_lower_case=(ABSENT, False, True)),
        )
    if draw.chance(0.7):
        general = draw.fields(
            prompts=(ABSENT, {}, {"query": "play: ", "document": ""}, {"query": "hello ", "passage": "a b "}),
            truncate_dim=(ABSENT, ABSENT, ABSENT, None, 3),
            similarity_fn_name=(ABSENT, None, "cosine"),
        )
        names = [*general.get("prompts", {})]
        general |= draw.fields(default_prompt_name=(ABSENT, ABSENT, None, *names[:1]))
        write(folder / "config_sentence_transformers.json", {"__version__": {"sentence_transformers": "3.0.0"}} | general)


def write_folder(draw: Draw, folder: Path) -> None:
    """A whole model."""
    has_modules = draw.chance(0.85)
    inner = draw.one("", "", "", "0_Transformer") if has_modules else ""
    encoder = folder / inner
    encoder.mkdir(exist_ok=True)
    vocab = write_tokenizer(draw, encoder)
    config = bert_config(draw, len(vocab) + draw.one(0, 0, 3, 6), (encoder / "tokenizer.json").exists())
    write(encoder / "config.json", config)
    write_weights(draw, encoder, weights(draw, config))
    if has_modules:
        write_modules(draw, folder, inner, config["hidden_size"])
        write_settings(draw, folder, encoder)


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    write_folder(Draw(int(sys.argv[1])), Path(sys.argv[2]))
