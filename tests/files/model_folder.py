"""A model folder with every file that is read, and the functions that read one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import minibert
from minibert.folders.save import save_int8
from minibert.importers.convert import convert
from minibert.loading import load_tokenizer

MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]

# For each row of the table, a name that occurs in practice
FOUND = {
    "a torch checkpoint": "pytorch_model.bin",
    "a torch checkpoint in shards": "pytorch_model.bin.index.json",
    "an adapter of PEFT, which changes another model": "adapter_model.safetensors",
    "shards without model.safetensors.index.json": "model-00001-of-00002.safetensors",
    "shards without pytorch_model.bin.index.json": "pytorch_model-00001-of-00002.bin",
    "weights of another name": "model.fp16.safetensors",
    "a SavedModel of TensorFlow": "saved_model.pb",
    "a TensorFlow checkpoint": "bert_model.ckpt.index",
    "a TensorFlow checkpoint without its *.index": "bert_model.ckpt.data-00000-of-00001",
    "the graph of a TensorFlow checkpoint": "bert_model.ckpt.meta",
    "a model of Spark NLP": "metadata/part-00000",
    "weights of Keras": "tf_model.h5",
    "weights of Flax": "flax_model.msgpack",
    "weights in a format that is not read here": "weights.npz",
    "a graph of ONNX": "onnx/model_quantized.onnx",
    "a graph of OpenVINO": "openvino/openvino_model.xml",
    "a file of llama.cpp": "bge-small-en-v1.5-q8_0.gguf",
    "a model of another engine": "rust_model.ot",
    "a zip archive": "model.zip",
    "an archive": "model.tar.gz",
}
CALLS: dict[str, Callable[[Path, Path], Any]] = {
    "load": lambda folder, new: minibert.load(folder, backend="numpy"),
    "load_tokenizer": lambda folder, new: load_tokenizer(folder),
    "quantize": save_int8,
    "convert": convert,
}


def full_folder(source: Path, target: Path) -> Path:
    """Copy a model folder and add every other file that is read."""
    shutil.copytree(source, target)
    for name, content in {
        "modules.json": MODULES,
        "1_Pooling/config.json": {"pooling_mode_mean_tokens": True},
        "2_Normalize/config.json": {},
        "sentence_bert_config.json": {},
        "config_sentence_transformers.json": {},
        "tokenizer_config.json": {},
        "special_tokens_map.json": {},
    }.items():
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text(json.dumps(content))
    minibert.load(target, backend="numpy")
    return target


def error(call: str, path: Path, new: Path) -> str:
    """The error of a function for a path. The function must write nothing."""
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        CALLS[call](path, new)
    assert not new.exists()
    return str(caught.value)
