"""config.json of a model folder, and files that are missing or do not fit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.bert.config import ARCHITECTURE, load_config
from tests.support.small_folders import CONFIG, TEXTS, write_json

REFUSED: dict[str, tuple[Any, str]] = {
    "position_embedding_type": ("relative_key", 'position_embedding_type: expected "absolute"'),
    "hidden_act": ("relu", "hidden_act: expected one of gelu"),
    "model_type": ("roberta", 'model_type: expected "bert"'),
    "is_decoder": (True, "is_decoder: expected false"),
    "add_cross_attention": (True, "add_cross_attention: expected false"),
    "pruned_heads": ({"0": [1]}, "pruned_heads: expected {}"),
    "quantization_config": ({"bits": 4}, "quantization_config: expected"),
    "auto_map": ({"AutoModel": "code.Model"}, "auto_map: expected"),
    "embedding_size": (12, r"embedding_size: expected hidden_size \(24\)"),
    "num_attention_heads": (5, r"hidden_size: expected a multiple of num_attention_heads \(5\)"),
    "hidden_size": (24.0, "hidden_size: expected a whole number"),
    "intermediate_size": (True, "intermediate_size: expected a whole number"),
    "vocab_size": (None, "missing vocab_size"),
    "num_hidden_layers": (0, "num_hidden_layers: expected a positive number"),
    "layer_norm_eps": ("1e-12", "layer_norm_eps: expected a number"),
    "max_position_embeddings": ([512], "max_position_embeddings: expected a whole number"),
    "type_vocab_size": (-2, "type_vocab_size: expected a positive number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_configurations_that_are_refused(folder: Path, name: str) -> None:
    content = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", content | {name: REFUSED[name][0]})
    with pytest.raises(ValueError, match=REFUSED[name][1]):
        minibert.load(folder)


def test_an_eps_of_zero_is_refused(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", content | {"layer_norm_eps": 0})
    with pytest.raises(ValueError, match=r"between 0 and 1 that float32 can hold, found 0\.0"):
        minibert.load(folder)


def test_more_layers_than_tensors_are_refused(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", content | {"num_hidden_layers": 10**8})
    with pytest.raises(ValueError, match="expected 100000000 layers"):
        minibert.load(folder)


def test_an_old_configuration_is_read(folder: Path, tiny: minibert.MiniBert) -> None:
    """The config of Google has neither model_type nor layer_norm_eps."""
    content = json.loads((folder / "config.json").read_text())
    del content["layer_norm_eps"], content["model_type"]
    write_json(folder / "config.json", content)
    model = minibert.load(folder)
    assert model.config.layer_norm_eps == 1e-12
    np.testing.assert_array_equal(model.encode(TEXTS), tiny.encode(TEXTS))


@pytest.mark.parametrize("name", ARCHITECTURE)
@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 400, "1e400", "NaN", "-Infinity", "2147483648", "-1", "true", '"\\ud800"'])
def test_numbers_out_of_range_are_refused(tmp_path: Path, name: str, number: str) -> None:
    content = json.dumps({"model_type": "bert", **CONFIG._asdict(), name: "HERE"}).replace('"HERE"', number)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=rf"config\.json: {name}: expected a .{{1,300}}$"):
        load_config(tmp_path / "config.json")


@pytest.mark.parametrize("eps", ["9" * 400, "1e400", "NaN", "-1", "1", "1e-40", "1e-400", "true", "[]"])
def test_an_eps_that_float32_cannot_hold_is_refused(tmp_path: Path, eps: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG._asdict() | {"layer_norm_eps": "HERE"}).replace('"HERE"', eps))
    with pytest.raises(ValueError, match=r"config\.json: layer_norm_eps: expected a number"):
        load_config(tmp_path / "config.json")


@pytest.mark.parametrize("content", ["", "{", "[]", "\udc80"])
def test_a_broken_configuration_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"config\.json: expected"):
        minibert.load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        minibert.load(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        minibert.load(tmp_path / "nothing")


def test_a_vocabulary_that_does_not_fit_the_weights_is_refused(folder: Path) -> None:
    with (folder / "vocab.txt").open("a") as file:
        file.write("onemore\n")
    with pytest.raises(ValueError, match="at most 30522 tokens"):
        minibert.load(folder)
