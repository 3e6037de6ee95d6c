"""Checkpoints of torch, Spark NLP and transformers become model folders."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import minibert
from minibert.cli.main import main
from minibert.importers import encoder
from minibert.importers.convert import convert
from tests.support.checkpoint_sources import GOLDEN, GOOGLE, vocabulary
from tests.support.models import make_config, write_model


def test_a_folder_whose_name_is_no_utf8_is_converted(tmp_path: Path) -> None:
    """On most systems a name may be any bytes. JSON has them with backslashes."""
    source = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    strange = tmp_path / os.fsdecode(b"\xff")
    try:
        source.rename(strange)
    except OSError:
        pytest.skip("names are text here")
    assert convert(strange, tmp_path / "model")["source"] == "\\udcff"
    assert (tmp_path / "model" / "config.json").exists()


@pytest.mark.parametrize("name", ["pretraining.zip.bin", "pretraining.legacy.bin"])
def test_a_torch_checkpoint_is_converted(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(GOLDEN / "torch" / name, source / "pytorch_model.bin")
    (source / "config.json").write_text(json.dumps({"model_type": "bert", **GOOGLE}))
    vocabulary(source)
    record = convert(source, tmp_path / "model")
    converted, expected = load_file(tmp_path / "model" / "model.safetensors"), np.load(GOLDEN / "torch" / "pretraining.npz")
    assert record["tensors_left_out"] == ["cls.predictions.decoder.weight"]
    assert converted.keys() == set(expected.files) - {"cls.predictions.decoder.weight"}
    for each, array in converted.items():
        np.testing.assert_array_equal(array, expected[each])
    model = minibert.load(tmp_path / "model", backend="numpy")
    assert model.config.hidden_act == "gelu"  # "gelu" of transformers is the erf form
    assert np.isfinite(model.encode("the of and")).all()


@pytest.mark.parametrize("is_unpacked", [False, True])
def test_a_model_of_spark_nlp_is_converted(is_unpacked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "HEAD_DIM", 4)
    (source,) = (GOLDEN / "spark").glob("*.zip")
    if is_unpacked:
        zipfile.ZipFile(source).extractall(tmp_path / "unpacked")
        source = tmp_path / "unpacked"
    record = convert(source, tmp_path / "model")
    assert ("fields/vocabulary/part-00000" if is_unpacked else source.name) in record["files"]
    model = minibert.load(tmp_path / "model", backend="numpy")
    assert model.config.hidden_act == "gelu_new"
    assert len((tmp_path / "model" / "vocab.txt").read_text(encoding="utf-8").splitlines()) == model.config.vocab_size
    assert np.isfinite(model.encode("x")).all()


def test_heads_are_kept_without_tied_tensors(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    tensors = {f"bert.{name}": array for name, array in load_file(folder / "model.safetensors").items()}
    tensors["cls.predictions.bias"] = np.arange(30522, dtype=np.float32)
    tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"].copy()
    tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"].copy()
    tensors["bert.embeddings.position_ids"] = np.arange(8)[np.newaxis]
    tensors["bert.embeddings.LayerNorm.gamma"] = tensors.pop("bert.embeddings.LayerNorm.weight")
    save_file(tensors, folder / "model.safetensors")
    record = convert(folder, tmp_path / "model")
    converted = load_file(tmp_path / "model" / "model.safetensors")
    assert sorted(record["tensors_left_out"]) == [
        "bert.embeddings.position_ids",
        "cls.predictions.decoder.bias",
        "cls.predictions.decoder.weight",
    ]
    np.testing.assert_array_equal(converted["cls.predictions.bias"], tensors["cls.predictions.bias"])
    assert "bert.embeddings.LayerNorm.weight" in converted
    one, other = (minibert.load(each, backend="numpy").encode("I hate cancer") for each in (folder, tmp_path / "model"))
    np.testing.assert_array_equal(one, other)


def test_the_form_of_gelu_can_be_chosen(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    assert main(["convert", str(folder), str(tmp_path / "model"), "--hidden-act", "gelu_new"]) == 0
    assert minibert.load(tmp_path / "model", backend="numpy").config.gelu == "tanh"


def change(folder: Path, **changes: np.ndarray | None) -> None:
    tensors = load_file(folder / "model.safetensors")
    for name, array in changes.items():
        tensors.pop(name, None)
        if array is not None:
            tensors[name] = array
    save_file(tensors, folder / "model.safetensors")


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a tensor is missing": (lambda folder: change(folder, **{"pooler.dense.bias": None}), r"missing: pooler\.dense\.bias"),
    "a tensor too many": (
        lambda folder: change(folder, **{"encoder.layer.5.x": np.zeros(1, np.float32)}),
        r"unexpected: encoder\.layer\.5\.x",
    ),
    "a head that does not fit": (
        lambda folder: change(folder, **{"cls.predictions.bias": np.zeros(3, np.float32)}),
        r"cls\.predictions\.bias: expected \(30522,\), found \(3,\)",
    ),
    "a name twice": (
        lambda folder: change(folder, **{"bert.pooler.dense.bias": np.zeros(8, np.float32)}),
        r"two tensors for pooler\.dense\.bias",
    ),
    "no vocabulary": (lambda folder: (folder / "vocab.txt").unlink(), r"no vocab\.txt beside it"),
    "no config": (lambda folder: (folder / "config.json").unlink(), r"config\.json: not found"),
    "nothing": (lambda folder: [path.unlink() for path in folder.iterdir()], "found an empty folder"),
    "two of a kind": (
        lambda folder: (
            [shutil.copy(folder / "model.safetensors", folder / name) for name in ("a.index", "b.index")]
            and (folder / "model.safetensors").unlink()
        ),
        "name the file",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_is_named_and_nothing_is_written(fault: str, tmp_path: Path) -> None:
    damage, message = FAULTS[fault]
    folder = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    damage(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        convert(folder, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_existing_folders_are_not_replaced(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    with pytest.raises(FileExistsError, match="give the name of a new folder"):
        convert(folder, folder)
    with pytest.raises(FileNotFoundError, match="expected a checkpoint"):
        convert(tmp_path / "nowhere", tmp_path / "model")
