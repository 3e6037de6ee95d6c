"""Damage the small files of a model folder until `minibert.load` breaks.

    python -m tests.fuzz.fuzz_folders folder 100000 --save
    python -m tests.fuzz.fuzz_folders folder 1 --first 4711      # input 4711 again

The options and limits are those of fuzz_formats.py. Every damaged folder must give finite vectors
for two texts, or be refused with a ValueError (or FileNotFoundError) that names it.

An input makes one to three changes in the JSON files of a good folder. A value at any depth is
replaced by an extreme one, or a field is left out, written twice or renamed. Every eighth input
damages a whole file instead: another encoding, a cut, too many levels, a folder, a FIFO, a link to
itself.

Readers: `folder` uses the fallback tokenizer. `folder_compiled` also runs the compiled tokenizer,
which must give the same ids.
"""

import copy
import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

import minibert
from minibert.tokenizer import make_tokenizer
from tests.fuzz.fuzz_formats import command_line, summary
from tests.support.backends import COMPILED
from tests.support.models import make_config, make_weights

LONGEST = 10_000  # characters of a refusal, which may list all tensors
READERS = ("folder", "folder_compiled")
TEXTS = ["[CLS] Añb, ab<x>  c[MASK]d!" * 3, "\ud800 aab 漢"]
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##b", "##a", "ab", "c", "d", "!", ",", "漢", "q:"]
CONFIG = make_config(1, 4, 2, vocab_size=20, max_position_embeddings=16, intermediate_size=4)
BIG = "9" * 400
# JSON that is written in place of a value.
NASTY = [
    "null", "true", "false", "0", "1", "-1", "2", "-0.0", "0.5",
    "1e-400", "1e400", "-1e400", "NaN", "Infinity", "-Infinity", BIG, f"-{BIG}",
    "9" * 5000,
    "2147483647", "2147483648", "4294967296", "9223372036854775807", "18446744073709551616", "1e30", '""', '" "', '"a"',
    '"\\ud800"', '"\\u0000"', '"[CLS]"', '"512"', '"../.."', json.dumps("x" * 5000), "[]", "[[]]", "{}", '{"a": 1}', "[null, -1, {}]",
    "[" * 900 + "]" * 900,
]  # fmt: skip
NAMES = ["", "a", "\ud800", "\0", "-1", "x" * 5000, "[CLS]", "content", "type", "id", "vocab"]


def _added(content: str, id: int, **flags: bool) -> dict[str, Any]:
    no = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": id, "content": content} | no | flags


def _tokenizer_json() -> dict[str, Any]:
    vocab = {token: id for id, token in enumerate(TOKENS)}

    def item(name: str, id: str, type_id: int) -> dict[str, Any]:
        return {name: {"id": id, "type_id": type_id}}

    single = [item("SpecialToken", "[CLS]", 0), item("Sequence", "A", 0), item("SpecialToken", "[SEP]", 0)]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added("[CLS]", 2), _added("[MASK]", 4), _added("<x>", 16, lstrip=True), _added("É", 17, normalized=True)],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, item("Sequence", "B", 1), item("SpecialToken", "[SEP]", 1)],
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocab,
        },
    }


def _module(name: str, path: str) -> dict[str, Any]:
    return {"idx": 0, "name": "0", "path": path, "type": f"sentence_transformers.models.{name}"}


COMMON: dict[str, Any] = {
    "config.json": {"model_type": "bert", "architectures": ["BertModel"], "pad_token_id": 0, **CONFIG._asdict()},
    "modules.json": [_module("Transformer", ""), _module("Pooling", "1_Pooling"), _module("Normalize", "2_Normalize")],
    "sentence_bert_config.json": {"max_seq_length": 12, "do_lower_case": False},
    "config_sentence_transformers.json": {
        "__version__": {"sentence_transformers": "5.0.0"},
        "prompts": {"query": "q: ", "document": ""},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
        "truncate_dim": 3,
    },
    "1_Pooling/config.json": {"word_embedding_dimension": 4, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True},
    "2_Normalize/config.json": {"module_input_name": "sentence_embedding"},
}
FOLDERS: list[dict[str, Any]] = [
    COMMON | {"tokenizer.json": _tokenizer_json(), "tokenizer_config.json": {"do_lower_case": True, "model_max_length": 512}},
    COMMON
    | {
        "vocab.txt": TOKENS,
        "tokenizer_config.json": {
            "do_lower_case": True,
            "strip_accents": None,
            "tokenize_chinese_chars": True,
            "tokenizer_class": "BertTokenizer",
            "model_max_length": 1e30,
            "max_len": 14,
            "never_split": None,
            "cls_token": {"content": "[CLS]"},
            "added_tokens_decoder": {"16": {"content": "<x>", "lstrip": True}},
        },
        "special_tokens_map.json": {"unk_token": "[UNK]", "mask_token": "[MASK]", "additional_special_tokens": ["q:"]},
        "added_tokens.json": {"<x>": 16},
    },
    COMMON
    | {
        "vocab.txt": TOKENS,
        "modules.json": [
            _module("Transformer", ""), _module("Pooling", "1_Pooling"), _module("Dense", "2_Dense"), _module("LayerNorm", "3_LayerNorm"),
            _module("Dropout", "4_Dropout"), _module("Normalize", "5_Normalize"),
        ],
        "1_Pooling/config.json": {"embedding_dimension": 4, "pooling_mode": ["cls", "weightedmean"], "include_prompt": False},
        "2_Dense/config.json": {"in_features": 8, "out_features": 5, "activation_function": "torch.nn.modules.activation.GELU"},
        "3_LayerNorm/config.json": {"dimension": 5},
    },
]  # fmt: skip
MODULE_WEIGHTS: dict[str, dict[str, tuple[int, ...]]] = {
    "2_Dense": {"linear.weight": (5, 8), "linear.bias": (5,)},
    "3_LayerNorm": {"norm.weight": (5,), "norm.bias": (5,)},
}


class Raw:
    """JSON that is written unchanged."""

    def __init__(self, text: str) -> None:
        self.text = text


def written(value: Any) -> str:
    """A value as JSON; a Raw is written unchanged."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(object or list, name or index) of every value in a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in items:
        yield value, name
        yield from places(each)


def change(source: random.Random, files: dict[str, Any]) -> None:
    """Change one value in one JSON file."""
    file = source.choice(sorted(name for name in files if name.endswith(".json") and not isinstance(files[name], Raw)))
    holder, name = source.choice([(files, file), *places(files[file])])
    kind = source.randrange(12)
    nasty = Raw(source.choice(NASTY))
    if kind < 8 or isinstance(holder, list) or holder is files:
        holder[name] = nasty
    elif kind < 9:
        del holder[name]
    elif kind < 10:
        holder[source.choice(NAMES)] = holder.pop(name)
    elif kind < 11:
        holder[source.choice(NAMES)] = nasty
    else:
        twice = f"{json.dumps(name)}: {nasty.text}"
        items = [*(f"{json.dumps(each)}: {written(value)}" for each, value in holder.items()), twice]
        source.shuffle(items)
        holder.clear()
        holder[" "] = Raw("0, " + ", ".join(items))


def _spoil(path: Path, data: bytes, place: int) -> None:
    path.write_bytes(data[:place] + bytes([place % 256]) + data[place + place % 2 :])


# Ways to replace a file, given its path, its bytes and a place in them.
DAMAGE: list[Callable[[Path, bytes, int], object]] = [
    lambda path, data, place: path.write_bytes(b"\xef\xbb\xbf" + data),
    lambda path, data, place: path.write_bytes(data.decode("utf-8").encode("utf-16")),
    lambda path, data, place: path.write_bytes(data[:place]),
    lambda path, data, place: path.write_bytes(b"[" * 100_000),
    lambda path, data, place: path.write_bytes(b'{"a":' * 100_000),
    lambda path, data, place: path.write_bytes(b""),
    lambda path, data, place: path.mkdir(),
    lambda path, data, place: path.symlink_to(path.name),
    lambda path, data, place: path.symlink_to("nothing"),
    lambda path, data, place: path.symlink_to("/dev/zero"),
    lambda path, data, place: os.mkfifo(path),
    lambda path, data, place: None,
    _spoil,
    _spoil,
]


def damage(source: random.Random, path: Path) -> None:
    """Replace a file by something else."""
    data = path.read_bytes()
    path.unlink()
    source.choice(DAMAGE)(path, data, source.randrange(len(data)))


class Fuzzer:
    """Makes inputs and loads them."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder, self.weights = name, folder / "model", folder / "weights.safetensors"
        save_file(make_weights(CONFIG), self.weights)
        for files in FOLDERS:
            self.lay_out(files)
            if self.outcome() != "read":  # this also compiles what is compiled, before memory is limited
                raise AssertionError("a good folder cannot be read")

    def write(self, number: int) -> None:
        """Write input `number` and nothing else to the folder."""
        source = random.Random(f"folders {number}")
        files = copy.deepcopy(source.choice(FOLDERS))
        is_whole = number % 8 == 7
        for _ in range(0 if is_whole else source.choice([1, 1, 1, 2, 3])):
            change(source, files)
        self.lay_out(files)
        if is_whole:
            damage(source, self.folder / source.choice(sorted(files)))

    def lay_out(self, files: dict[str, Any]) -> None:
        """Write a folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(content) if name == "vocab.txt" else written(content), encoding="utf-8")
        os.link(self.weights, self.folder / "model.safetensors")
        for name, shapes in MODULE_WEIGHTS.items():
            if (self.folder / name).is_dir():
                save_file({each: np.ones(shape, np.float32) for each, shape in shapes.items()}, self.folder / name / "model.safetensors")

    def outcome(self) -> str:
        """`read`, or the refusal without its details. Other errors are raised."""
        try:
            model = minibert.load(self.folder, backend="numpy", num_threads=1)
            vectors = model.encode(TEXTS, truncation="silent", prompt="ab ")
        except (ValueError, FileNotFoundError) as error:
            message = str(error)
            if str(self.folder) not in message or len(message) > LONGEST:
                raise AssertionError(f"a refusal that does not name the file, or everything in it: {message[:3000]}") from error
            return f"{type(error).__name__}: {summary(message, self.folder)}"
        if not np.isfinite(vectors).all():
            raise AssertionError("numbers that are not finite")
        if self.name == "folder_compiled":
            settings = model.tokenizer.settings
            encodings = [make_tokenizer(settings, backend=backend).encode_batch(TEXTS * 2, 14) for backend in ("numpy", COMPILED)]
            np.testing.assert_array_equal(encodings[0].input_ids, encodings[1].input_ids)
        return "read"


if __name__ == "__main__":
    sys.exit(command_line(Fuzzer, READERS, str(__doc__)))
