"""Folders with a Dense in every layout, through every command: each way gives the same vectors."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import minibert
from minibert.folders.save import save_int8
from minibert.hub.fetch import fetch
from minibert.importers.convert import convert
from tests.support.hub_cache import write_hub_cache
from tests.support.sentence_folders import NORMALIZE, dense, layer_norm, residual, write_chain
from tests.support.shards import shard
from tests.support.torch_pickles import program, storage, tensor, text

TEXTS = ["I hate cancer", "", "Antibiotics aren't painkiller"]
CHAIN = residual(24, 9), layer_norm(9), dense(9, 5, "GELU", bias=False), NORMALIZE


@pytest.fixture
def source(tiny_folder: Path, tmp_path: Path) -> Path:
    return write_chain(tmp_path / "source", tiny_folder, *CHAIN, pooling=["cls"])


@pytest.fixture
def expected(source: Path) -> np.ndarray:
    return vectors(source)


def vectors(folder: Path) -> np.ndarray:
    return minibert.load(folder, backend="numpy").encode(TEXTS)


def write_torch(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a checkpoint of float32 arrays in the format of torch.save."""
    items = b""
    with zipfile.ZipFile(path, "w") as file:
        for number, (name, array) in enumerate(arrays.items()):
            strides = tuple(stride // array.itemsize for stride in array.strides)
            items += text(name) + tensor(storage(str(number), array.size), 0, array.shape, strides)
            file.writestr(f"archive/data/{number}", array.astype("<f4").tobytes())
        file.writestr("archive/data.pkl", program(b"}(" + items + b"u"))


def with_torch(folder: Path) -> Path:
    """Give the modules weights of torch, as sentence-transformers wrote until 2.2."""
    for path in list(folder.glob("*/model.safetensors")):
        write_torch(path.with_name("pytorch_model.bin"), load_file(path))
        path.unlink()
    return folder


def old(folder: Path) -> Path:
    """Change a folder to the layout until 1.x, whose outer config.json has only a version."""
    inner = folder / "0_Transformer"
    inner.mkdir()
    for path in [path for path in folder.iterdir() if path.is_file() and path.name != "modules.json"]:
        path.rename(inner / path.name)
    entries = json.loads((folder / "modules.json").read_text())
    entries[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(entries))
    (folder / "config.json").write_text('{"__version__": "1.0.0"}')
    return folder


def old_shards(folder: Path) -> Path:
    old(folder)
    shard(folder / "0_Transformer")
    return folder


TODAY: dict[str, Callable[[Path], Path]] = {"one file": lambda folder: folder, "shards": shard}
LAYOUTS = TODAY | {
    "Dense of torch": with_torch,
    "shards and Dense of torch": lambda folder: with_torch(shard(folder)),
    "old": old,
    "old shards": old_shards,
    "old and Dense of torch": lambda folder: old(with_torch(folder)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_convert_keeps_the_vectors(layout: str, source: Path, expected: np.ndarray, tmp_path: Path) -> None:
    LAYOUTS[layout](source)
    convert(source, tmp_path / "new")
    np.testing.assert_array_equal(vectors(tmp_path / "new"), expected)
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, source.name)
    convert(Path(archive), tmp_path / "of the zip")
    np.testing.assert_array_equal(vectors(tmp_path / "of the zip"), expected)
    convert(write_hub_cache(tmp_path, "owner/model", source), tmp_path / "of the cache")
    np.testing.assert_array_equal(vectors(tmp_path / "of the cache"), expected)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if "torch" not in name])
def test_quantize_reads_what_load_reads(layout: str, source: Path, expected: np.ndarray, tmp_path: Path) -> None:
    save_int8(source, tmp_path / "expected")
    LAYOUTS[layout](source)
    np.testing.assert_array_equal(vectors(source), expected)
    save_int8(source, tmp_path / "int8")
    np.testing.assert_array_equal(vectors(tmp_path / "int8"), vectors(tmp_path / "expected"))
    convert(source, tmp_path / "new")
    save_int8(tmp_path / "new", tmp_path / "int8 of new")
    np.testing.assert_array_equal(vectors(tmp_path / "int8 of new"), vectors(tmp_path / "expected"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if "old" not in name])
@pytest.mark.usefixtures("home")
def test_fetch_from_a_folder_keeps_the_vectors(layout: str, source: Path, expected: np.ndarray) -> None:
    LAYOUTS[layout](source)
    np.testing.assert_array_equal(vectors(fetch("owner/model", str(source))), expected)


def test_fetch_names_convert_for_an_old_layout(home: Path, source: Path) -> None:
    """The inner folder alone would be another model, with mean pooling and without the Dense."""
    old(source)
    with pytest.raises(ValueError, match=f"found it in a folder of its own; `minibert convert {source} NEW`"):
        fetch("owner/model", str(source))
    assert not (home / "models" / "owner--model").exists()


def without_config(folder: Path) -> None:
    shutil.rmtree(folder / "1_Pooling")


def without_dense(folder: Path) -> None:
    shutil.rmtree(folder / "4_Dense")


def without_weights(folder: Path) -> None:
    (folder / "4_Dense" / "model.safetensors").unlink()


def with_another_tensor(folder: Path) -> None:
    path = folder / "4_Dense" / "model.safetensors"
    save_file(load_file(path) | {"scale": np.ones(1, np.float32)}, path)


def with_another_size(folder: Path) -> None:
    shutil.rmtree(folder / "3_LayerNorm")
    kind, config, weights = layer_norm(8)
    (folder / f"3_{kind}").mkdir()
    (folder / f"3_{kind}" / "config.json").write_text(json.dumps(config))
    save_file(weights, folder / f"3_{kind}" / "model.safetensors")


FAULTS: list[tuple[Callable[[Path], None], str]] = [
    (without_config, "expected 1_Pooling/config.json, because modules.json lists it, found none; copy that folder too"),
    (without_dense, "expected 4_Dense/config.json, because modules.json lists it, found none; copy that folder too"),
    (without_weights, "4_Dense.* found"),
    (with_another_tensor, "expected linear.weight .*found linear.weight, scale"),
    (with_another_size, "expected vectors of 8 numbers, found vectors of 9"),
]


@pytest.mark.parametrize(("fault", "message"), FAULTS)
def test_no_command_writes_what_load_refuses(fault: Callable[[Path], None], message: str, source: Path, home: Path, tmp_path: Path) -> None:
    fault(source)
    commands: list[Callable[[], object]] = [
        lambda: minibert.load(source, backend="numpy"),
        lambda: convert(source, tmp_path / "new"),
        lambda: save_int8(source, tmp_path / "int8"),
        lambda: fetch("owner/model", str(source)),
    ]
    for command in commands:
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            command()
    assert not any(path.exists() for path in (tmp_path / "new", tmp_path / "int8", home / "models" / "owner--model"))


@pytest.mark.usefixtures("home")
def test_a_wide_dense_of_float64_is_copied_and_fetched(tiny_folder: Path, tmp_path: Path) -> None:
    """Such weights have twice the bytes of float32."""
    kind, config, weights = dense(24, 1000)
    source = write_chain(
        tmp_path / "source", tiny_folder, (kind, config, {name: each.astype(np.float64) for name, each in weights.items()})
    )
    expected = vectors(source)
    save_int8(source, tmp_path / "int8")
    np.testing.assert_array_equal(vectors(fetch("owner/model", str(source))), expected)
    assert load_file(tmp_path / "int8" / "2_Dense" / "model.safetensors")["linear.weight"].dtype == np.float64
