"""The int8 form of a folder: written whole or not at all, read as what it was."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import BACKENDS
from make_models import make_config, write_model
from safetensors.numpy import load_file, save_file

import minibert
from minibert.quantize import quantize
from minibert.save import open_weights, save_int8
from minibert.weights import from_arrays, sums_of_two, to_arrays

TEXTS = ["I hate cancer", "Antibiotics aren't painkiller", "", "hello " * 40]


@pytest.fixture
def quantized(tiny_folder: Path, tmp_path: Path) -> Path:
    save_int8(tiny_folder, tmp_path / "int8")
    return tmp_path / "int8"


@pytest.mark.parametrize("backend", BACKENDS)
def test_stored_and_quantised_at_load_are_the_same(backend: str, tiny_folder: Path, quantized: Path) -> None:
    stored = minibert.load(quantized, backend=backend)
    assert stored.precision == "int8"
    at_load = minibert.load(tiny_folder, backend=backend, precision="int8")
    np.testing.assert_array_equal(stored.encode(TEXTS), at_load.encode(TEXTS))
    assert not np.array_equal(stored.encode(TEXTS), minibert.load(tiny_folder, backend=backend).encode(TEXTS))


def test_a_quarter_of_the_size_in_plain_order(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", make_config(2, 128, 2))
    save_int8(source, tmp_path / "int8")
    before, after = (folder / "model.safetensors" for folder in (source, tmp_path / "int8"))
    assert after.stat().st_size < 0.29 * before.stat().st_size
    floats, integers = load_file(before), load_file(after)
    for name, weight in floats.items():
        scale = integers.get(name + "_scale")
        if scale is None:
            np.testing.assert_array_equal(integers[name], weight)
            continue
        assert integers[name].shape == weight.shape
        limits = np.abs(integers[name].astype(int)).max(axis=1)
        if "embeddings" not in name:
            assert sums_of_two(integers[name]).max() in (127, 128)
            limits = np.maximum(limits, sums_of_two(integers[name]))
        assert limits.min() >= 126  # the whole range is used
        assert np.abs(integers[name] * scale[:, np.newaxis] - weight).max() <= 0.51 * scale.max()
    assert "embeddings.word_embeddings.weight_scale" in integers


def test_everything_else_comes_along(minilm_folder: Path, tmp_path: Path) -> None:
    save_int8(minilm_folder, tmp_path / "int8")
    names = {path.relative_to(minilm_folder) for path in minilm_folder.rglob("*.json")} - {Path("config.json")}
    for name in names:
        assert (tmp_path / "int8" / name).read_bytes() == (minilm_folder / name).read_bytes()
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (minilm_folder, tmp_path / "int8"))
    assert after == before | {"quantization_config": {"quant_method": "minibert-int8"}}
    pair = [minibert.load(folder).encode(TEXTS, truncation="silent") for folder in (minilm_folder, tmp_path / "int8")]
    assert (pair[0] * pair[1]).sum(axis=1).min() > 0.99


def test_arrays_survive_the_way_there_and_back(tiny_folder: Path) -> None:
    with open_weights(tiny_folder, mmap=True) as mapped, open_weights(tiny_folder) as read:
        for weights in (mapped, quantize(read)):
            arrays = dict(to_arrays(weights))
            again = dict(to_arrays(from_arrays(arrays, weights.config)))
            assert list(again) == list(arrays)
            assert all(again[name] is arrays[name] for name in arrays)


def test_what_is_there_is_not_overwritten(tiny_folder: Path, quantized: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="give the name of a new folder"):
        save_int8(tiny_folder, quantized)
    with pytest.raises(ValueError, match="quantised already"):
        save_int8(quantized, tmp_path / "again")
    with pytest.raises(FileNotFoundError, match="in a folder that exists"):
        save_int8(tiny_folder, tmp_path / "nowhere" / "int8")
    with pytest.raises(ValueError, match="these weights are stored as int8"):
        minibert.load(quantized, precision="float32")


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    tensors = load_file(source / "model.safetensors")
    tensors["pooler.dense.bias"][3] = np.nan
    save_file(tensors, source / "model.safetensors")
    with pytest.raises(ValueError, match=r"NaN or infinity in pooler\.dense\.bias"):
        save_int8(source, tmp_path / "int8")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_half_of_a_quantised_file_is_refused(quantized: Path) -> None:
    tensors = load_file(quantized / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight_scale"]
    tensors["pooler.dense.weight"] = tensors["pooler.dense.weight"].astype(np.float32)
    save_file(tensors, quantized / "model.safetensors")
    with pytest.raises(ValueError, match=r"missing: encoder\.layer\.1\.output\.dense\.weight_scale(.|\n)*pooler\.dense\.weight: .*as int8"):
        minibert.load(quantized)


def test_what_would_saturate_is_refused(quantized: Path) -> None:
    tensors = load_file(quantized / "model.safetensors")
    tensors["encoder.layer.1.output.dense.weight"][3, 4:6] = 64, 65
    save_file(tensors, quantized / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"encoder\.layer\.1\.output\.dense\.weight: .* add up to 128 at the most.*quantise the model again"
    ):
        minibert.load(quantized)
