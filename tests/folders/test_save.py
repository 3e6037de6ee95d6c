"""The int8 form of a folder: it is complete or absent, and it gives the same vectors."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import minibert
from minibert.bert.checkpoint import from_arrays, to_arrays
from minibert.bert.int8 import max_pair_sums
from minibert.bert.quantize import quantize
from minibert.folders.read import open_weights
from minibert.folders.save import save_int8
from minibert.tokenizer.compiled import TABLES_FILE
from minibert.tokenizer.table_file import read_tables
from tests.support.backends import BACKENDS
from tests.support.models import make_config, write_model

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


def test_the_int8_file_has_a_quarter_of_the_size_and_the_whole_range(tmp_path: Path) -> None:
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
            assert max_pair_sums(integers[name]).max() in (127, 128)
            limits = np.maximum(limits, max_pair_sums(integers[name]))
        assert limits.min() >= 126  # the whole range is used
        assert np.abs(integers[name] * scale[:, np.newaxis] - weight).max() <= 0.51 * scale.max()
    assert "embeddings.word_embeddings.weight_scale" in integers


def test_all_known_files_are_copied(minilm_folder: Path, tmp_path: Path) -> None:
    save_int8(minilm_folder, tmp_path / "int8")
    names = {path.relative_to(minilm_folder) for path in minilm_folder.rglob("*") if path.is_file()}
    changed, unknown = {Path("config.json"), Path("model.safetensors")}, {Path("data_config.json"), Path(".gitattributes")}
    found = {path.relative_to(tmp_path / "int8") for path in (tmp_path / "int8").rglob("*") if path.is_file()}
    assert found == names - unknown | {Path(TABLES_FILE)}
    assert read_tables(tmp_path / "int8", False)
    for name in names - changed - unknown:
        assert (tmp_path / "int8" / name).read_bytes() == (minilm_folder / name).read_bytes()
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (minilm_folder, tmp_path / "int8"))
    assert after == before | {"quantization_config": {"quant_method": "minibert-int8"}}
    pair = [minibert.load(folder).encode(TEXTS, truncation="silent") for folder in (minilm_folder, tmp_path / "int8")]
    assert (pair[0] * pair[1]).sum(axis=1).min() > 0.99


def test_arrays_of_weights_become_the_same_weights(tiny_folder: Path) -> None:
    with open_weights(tiny_folder, mmap=True) as mapped, open_weights(tiny_folder) as read:
        for weights in (mapped, quantize(read)):
            arrays = dict(to_arrays(weights))
            again = dict(to_arrays(from_arrays(arrays, weights.config)))
            assert list(again) == list(arrays)
            assert all(again[name] is arrays[name] for name in arrays)


def test_an_existing_folder_is_not_overwritten(tiny_folder: Path, quantized: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="give the name of a new folder"):
        save_int8(tiny_folder, quantized)
    with pytest.raises(ValueError, match="quantised already"):
        save_int8(quantized, tmp_path / "again")
    with pytest.raises(FileNotFoundError, match="in a folder that exists"):
        save_int8(tiny_folder, tmp_path / "nowhere" / "int8")
    with pytest.raises(ValueError, match="these weights are stored as int8"):
        minibert.load(quantized, precision="float32")


def test_nothing_is_left_after_a_failure(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    tensors = load_file(source / "model.safetensors")
    tensors["pooler.dense.bias"][3] = np.nan
    save_file(tensors, source / "model.safetensors")
    with pytest.raises(ValueError, match=r"NaN or infinity in pooler\.dense\.bias"):
        save_int8(source, tmp_path / "int8")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_an_incomplete_int8_file_is_refused(quantized: Path) -> None:
    tensors = load_file(quantized / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight_scale"]
    tensors["pooler.dense.weight"] = tensors["pooler.dense.weight"].astype(np.float32)
    save_file(tensors, quantized / "model.safetensors")
    with pytest.raises(ValueError, match=r"missing: encoder\.layer\.1\.output\.dense\.weight_scale(.|\n)*pooler\.dense\.weight: .*as int8"):
        minibert.load(quantized)


def test_int8_weights_that_would_saturate_are_refused(quantized: Path) -> None:
    tensors = load_file(quantized / "model.safetensors")
    tensors["encoder.layer.1.output.dense.weight"][3, 4:6] = 64, 65
    save_file(tensors, quantized / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"encoder\.layer\.1\.output\.dense\.weight: .* add up to 128 at the most.*quantise the model again"
    ):
        minibert.load(quantized)


@pytest.mark.parametrize("name", ["vocab.txt", "tokenizer.json"])
def test_a_folder_whose_tokenizer_cannot_be_read_is_refused(tiny_folder: Path, tmp_path: Path, name: str) -> None:
    source = tmp_path / "source"
    shutil.copytree(tiny_folder, source)
    for each in ("vocab.txt", "tokenizer.json"):
        (source / each).unlink(missing_ok=True)
    (source / name).write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=name):
        save_int8(source, tmp_path / "int8")
    assert not (tmp_path / "int8").exists()
