"""Weights in several files: they are read as one, and checked against their index."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import minibert
from minibert.folders.save import save_int8
from minibert.formats import shards
from minibert.hub import download
from minibert.hub.fetch import fetch
from minibert.importers.convert import convert
from tests.support.models import make_config, make_weights
from tests.support.shards import INDEX, ONE, THREE, TWO, shard

TEXTS = ["I hate cancer", "Antibiotics aren't painkiller"]


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return shard(Path(shutil.copytree(tiny_folder, tmp_path / "model")))


@pytest.fixture(scope="module")
def expected(tiny_folder: Path) -> np.ndarray:
    return minibert.load(tiny_folder, backend="numpy").encode(TEXTS)


def vectors(folder: Path, **options: Any) -> np.ndarray:
    return minibert.load(folder, backend="numpy", **options).encode(TEXTS)


def change(folder: Path, changes: dict[str, Any]) -> None:
    """Change entries of weight_map; None removes one."""
    content = json.loads((folder / INDEX).read_text())
    places = content["weight_map"] | changes
    content["weight_map"] = {name: file for name, file in places.items() if file is not None}
    (folder / INDEX).write_text(json.dumps(content))


@pytest.mark.parametrize("mmap", [False, True])
def test_shards_are_one_model(folder: Path, expected: np.ndarray, mmap: bool) -> None:
    np.testing.assert_array_equal(vectors(folder, mmap=mmap), expected)


def test_shards_may_have_any_plain_names(folder: Path, expected: np.ndarray) -> None:
    (folder / ONE).rename(folder / "the first.safetensors")
    places = json.loads((folder / INDEX).read_text())["weight_map"]
    change(folder, {name: "the first.safetensors" for name, file in places.items() if file == ONE})
    np.testing.assert_array_equal(vectors(folder), expected)


def test_quantize_and_convert_write_one_file(folder: Path, tiny_folder: Path, expected: np.ndarray, tmp_path: Path) -> None:
    save_int8(folder, tmp_path / "int8")
    save_int8(tiny_folder, tmp_path / "int8 of one")
    np.testing.assert_array_equal(vectors(tmp_path / "int8"), vectors(tmp_path / "int8 of one"))
    record = convert(folder, tmp_path / "new")
    assert sorted(record["files"]) == [ONE, TWO, THREE, INDEX]
    np.testing.assert_array_equal(vectors(tmp_path / "new"), expected)
    convert(folder / INDEX, tmp_path / "of the index")
    for target in ("int8", "new", "of the index"):
        assert [path.name for path in (tmp_path / target).glob("*safetensors*")] == ["model.safetensors"]


def test_a_whole_file_is_preferred_as_in_transformers(folder: Path, tiny_folder: Path, expected: np.ndarray) -> None:
    other = make_weights(make_config(2, 24, 3, max_position_embeddings=64), seed=1)
    save_file(other, folder / "model.safetensors")
    assert np.abs(vectors(folder) - expected).max() > 0.1
    shutil.copy(tiny_folder / "model.safetensors", folder)
    (folder / INDEX).write_text("{}")
    np.testing.assert_array_equal(vectors(folder), expected)


def test_tensors_that_the_index_does_not_name_are_read_as_in_transformers(folder: Path, expected: np.ndarray) -> None:
    change(folder, {"pooler.dense.bias": None, "pooler.dense.weight": None})
    np.testing.assert_array_equal(vectors(folder), expected)


def test_numbers_that_are_not_finite_are_found_in_their_shard(folder: Path, tmp_path: Path) -> None:
    arrays = load_file(folder / TWO)
    name = sorted(arrays)[0]
    save_file(arrays | {name: np.full_like(arrays[name], np.nan)}, folder / TWO)
    with pytest.raises(ValueError, match=f"{TWO}: expected finite numbers, found NaN or infinity in {name}; the file is damaged"):
        vectors(folder)
    with pytest.raises(ValueError, match=f"expected finite numbers, found NaN or infinity in {name}"):
        save_int8(folder, tmp_path / "new")


def twice(folder: Path) -> None:
    one, two = load_file(folder / ONE), load_file(folder / TWO)
    name = sorted(one)[0]
    save_file(two | {name: one[name]}, folder / TWO)


def linked(folder: Path) -> None:
    (folder / TWO).rename(folder.parent / "elsewhere.safetensors")
    (folder / TWO).symlink_to(folder.parent / "elsewhere.safetensors")


NAME = "embeddings.word_embeddings.weight"
FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a shard is not there": (lambda folder: (folder / TWO).unlink(), f"{TWO}: not found; {INDEX} names it, so put it there"),
    "a tensor is in another": (lambda folder: change(folder, {"x": ONE}), f"expected in its files x in {ONE}, which is not there"),
    "a tensor is in two": (twice, f"expected each tensor in one file, found .* in {ONE} and {TWO}"),
    "not even a map": (lambda folder: (folder / INDEX).write_text("{}"), f"{INDEX}: weight_map: expected an object, found nothing"),
    "an empty map": (lambda folder: (folder / INDEX).write_text('{"weight_map": {}}'), "expected tensors in 1 to 256 files, found 0"),
    "no JSON": (lambda folder: (folder / INDEX).write_text("{"), f"{INDEX}: expected JSON"),
    "a page": (lambda folder: (folder / INDEX).write_text("<html>"), f"{INDEX}: expected JSON, found an HTML page"),
    "a page in a shard": (lambda folder: (folder / TWO).write_text("<html>"), f"{TWO}: expected a safetensors file, found an HTML page"),
    "a number": (lambda folder: change(folder, {NAME: 3}), f"weight_map: {NAME}: expected the name of a file, found 3"),
    "a path": (lambda folder: change(folder, {NAME: f"../{ONE}"}), r"expected names of \.safetensors files beside it, found '\.\./model"),
    "an absolute path": (lambda folder: change(folder, {NAME: "/etc/x.safetensors"}), "expected names of"),
    "a path of Windows": (lambda folder: change(folder, {NAME: "a\\x.safetensors"}), "expected names of"),
    "a drive": (lambda folder: change(folder, {NAME: "c:x.safetensors"}), "expected names of"),
    "no name": (lambda folder: change(folder, {NAME: ""}), "expected names of"),
    "a hidden name": (lambda folder: change(folder, {NAME: ".x.safetensors"}), "expected names of"),
    "a zero": (lambda folder: change(folder, {NAME: "a\0.safetensors"}), "expected names of"),
    "a long name": (lambda folder: change(folder, {NAME: "a" * 300 + ".safetensors"}), "expected names of"),
    "another kind": (lambda folder: change(folder, {NAME: "config.json"}), "expected names of .* found 'config.json'"),
    "another format": (lambda folder: change(folder, {NAME: "pytorch_model.bin"}), "expected names of"),
    "a link that leads out": (linked, f"{TWO}: is a link to a file outside the folder; copy the file there"),
    "too many": (
        lambda folder: change(folder, {f"x{number}": f"{number}.safetensors" for number in range(300)}),
        "expected tensors in 1 to 256 files, found 303 files",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(folder: Path, tmp_path: Path, fault: str) -> None:
    damage, message = FAULTS[fault]
    damage(folder)
    for call in (vectors, lambda folder: vectors(folder, mmap=True), lambda folder: save_int8(folder, tmp_path / "new")):
        with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
            call(folder)
        assert "\n" not in str(caught.value)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        convert(folder, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_fifo_in_place_of_a_shard_is_refused(folder: Path) -> None:
    (folder / TWO).unlink()
    os.mkfifo(folder / TWO)
    with pytest.raises(ValueError, match=f"{TWO}: expected a regular file, found a FIFO"):
        vectors(folder)


def test_a_shard_that_changes_while_it_is_quantized_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from minibert.folders import save

    def replace_meanwhile(*arguments: Any) -> Any:
        shutil.copy(folder / ONE, folder / "copy")
        (folder / "copy").replace(folder / ONE)
        return save_arrays(*arguments)

    save_arrays = save.save_arrays
    monkeypatch.setattr(save, "save_arrays", replace_meanwhile)
    with pytest.raises(ValueError, match=f"{ONE}: changed while it was read"):
        save_int8(folder, tmp_path / "new")


# Fetched


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_shards_are_fetched(folder: Path, expected: np.ndarray, home: Path) -> None:
    target = fetch("owner/name", str(folder))
    np.testing.assert_array_equal(vectors(target), expected)
    record = json.loads((target / "provenance.json").read_text())
    assert {ONE, TWO, THREE, INDEX} <= record["fetched"].keys()


def test_a_shard_that_is_not_published_is_named(folder: Path, home: Path) -> None:
    (folder / TWO).unlink()
    with pytest.raises(FileNotFoundError, match=f"owner/name: {TWO}: {INDEX} names it, but it is not there"):
        fetch("owner/name", str(folder))
    assert [path.name for path in (home / "downloads" / "owner--name").iterdir()] == ["lock"]


@pytest.mark.parametrize("name", ["config.json", "../x.safetensors", ".lock.safetensors", "vocab.txt"])
def test_an_index_fetches_shards_only(folder: Path, home: Path, name: str) -> None:
    change(folder, {NAME: name})
    with pytest.raises(ValueError, match=r"expected names of \.safetensors files beside it"):
        fetch("owner/name", str(folder))
    assert [path.name for path in (home / "downloads" / "owner--name").iterdir()] == ["lock"]


def test_shards_have_one_limit_together(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total = sum((folder / name).stat().st_size for name in (ONE, TWO, THREE))
    monkeypatch.setattr(download, "max_weight_bytes", lambda config: total)
    fetch("owner/name", str(folder))
    monkeypatch.setattr(download, "max_weight_bytes", lambda config: total - 1)
    with pytest.raises(ValueError, match=f"{THREE}: expected at most "):
        fetch("owner/other", str(folder))


# Of torch


def test_load_refuses_shards_of_torch_and_names_convert(tiny_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "torch"))
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin.index.json").write_text('{"weight_map": {"x": "pytorch_model-00001-of-00001.bin"}}')
    with pytest.raises(FileNotFoundError, match=f"a torch checkpoint in shards; `minibert convert {folder} NEW`"):
        minibert.load(folder)
    with pytest.raises(FileNotFoundError, match=r"pytorch_model-00001-of-00001\.bin: not found; pytorch_model\.bin\.index\.json names it"):
        convert(folder, tmp_path / "new")
    (folder / "pytorch_model.bin.index.json").write_text('{"weight_map": {"x": "model-00001-of-00001.safetensors"}}')
    with pytest.raises(ValueError, match=r"expected names of \.bin or \.pt or \.pth files beside it"):
        convert(folder, tmp_path / "new")


def test_joined_reads_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {"a": "2.bin", "b": "1.bin", "c": "2.bin"}}))
    for name in ("1.bin", "2.bin"):
        (tmp_path / name).touch()
    content = {"1.bin": {"b": 1}, "2.bin": {"a": 2, "c": 3}}
    read: list[str] = []

    def load(path: Path) -> dict[str, int]:
        read.append(path.name)
        return content[path.name]

    assert shards.joined(tmp_path / "pytorch_model.bin.index.json", load) == {"b": 1, "a": 2, "c": 3}
    assert read == ["1.bin", "2.bin"]
