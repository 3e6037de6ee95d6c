"""Models in the cache of the Hugging Face hub are found by name or folder, and not changed."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

import minibert
from minibert.cli.main import main
from minibert.folders.hub_cache import cache_folder
from minibert.hub.fetch import fetch
from minibert.hub.names import resolve
from minibert.importers.convert import convert
from minibert.loading import load_tokenizer
from tests.support.hub_cache import REVISION, write_hub_cache

OTHER = "f" * 40
VARIABLES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    (tmp_path / "hub").mkdir()
    return tmp_path / "hub"


def files(folder: Path) -> dict[str, float]:
    return {str(path): path.lstat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_a_model_is_found_by_its_name(cache: Path, tiny_folder: Path, tiny: minibert.MiniBert, tmp_path: Path) -> None:
    snapshot = write_hub_cache(cache, "owner/tiny", tiny_folder)
    before = files(cache)
    model = minibert.load("owner/tiny", backend="numpy")
    np.testing.assert_array_equal(model.encode("hello"), minibert.load(tiny_folder, backend="numpy").encode("hello"))
    assert resolve("owner/tiny") == str(snapshot)
    assert pickle.loads(pickle.dumps(model))._settings.reload[1][0] == "owner/tiny"
    assert load_tokenizer("owner/tiny")("hello").input_ids == tiny.tokenizer("hello").input_ids
    assert main(["embed", "-m", "owner/tiny", "--backend", "numpy", "x"]) == 0
    assert main(["quantize", "owner/tiny", str(tmp_path / "int8")]) == 0
    assert minibert.load(tmp_path / "int8", backend="numpy").precision == "int8"
    assert main(["convert", str(snapshot), str(tmp_path / "converted")]) == 0
    assert files(cache) == before


@pytest.mark.parametrize("part", ["", "snapshots", "blobs", "refs"])
def test_a_model_is_found_by_its_folder(cache: Path, tiny_folder: Path, tmp_path: Path, part: str) -> None:
    snapshot = write_hub_cache(cache, "owner/tiny", tiny_folder)
    write_hub_cache(cache, "owner/tiny", tiny_folder, OTHER)  # refs/main does not name this one
    folder = cache / "models--owner--tiny" / part
    assert resolve(folder) == str(snapshot)
    convert(folder, tmp_path / "new")
    assert json.loads((tmp_path / "new" / "provenance.json").read_text())["source"] == REVISION


def test_without_refs_the_only_snapshot_is_taken(cache: Path, tiny_folder: Path) -> None:
    snapshot = write_hub_cache(cache, "owner/tiny", tiny_folder, OTHER, ref=None)
    assert resolve("owner/tiny") == resolve(cache / "models--owner--tiny") == str(snapshot)
    write_hub_cache(cache, "owner/tiny", tiny_folder, ref=None)
    with pytest.raises(FileNotFoundError, match=f"expected one revision, .* found 2; give one of its folders: {REVISION}, {OTHER}"):
        resolve("owner/tiny")


@pytest.mark.parametrize("ref", [REVISION, "../../../secret", "", "a/b", "x" * 1000, "\0", ".."])
def test_refs_cannot_lead_out_of_the_cache(cache: Path, tiny_folder: Path, ref: str) -> None:
    snapshot = write_hub_cache(cache, "owner/tiny", tiny_folder, OTHER, ref=ref)
    shutil.copytree(tiny_folder, cache.parent / "secret")
    if ref != REVISION:  # such a ref names no snapshot
        assert resolve("owner/tiny") == str(snapshot)
        return
    with pytest.raises(FileNotFoundError, match=f"expected {REVISION}, which refs/main names, found 1; give one of its folders: {OTHER}"):
        resolve("owner/tiny")


def test_a_fetched_model_comes_before_the_cache(cache: Path, tiny_folder: Path, tmp_path: Path) -> None:
    write_hub_cache(cache, "owner/tiny", tiny_folder)
    shutil.copytree(tiny_folder, tmp_path / "home" / "models" / "owner--tiny")
    assert resolve("owner/tiny") == str(tmp_path / "home" / "models" / "owner--tiny")


def test_a_folder_of_that_name_comes_first(cache: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_hub_cache(cache, "owner/tiny", tiny_folder)
    shutil.copytree(tiny_folder, tmp_path / "work" / "owner" / "tiny")
    monkeypatch.chdir(tmp_path / "work")
    assert resolve("owner/tiny") == "owner/tiny"


def test_names_with_another_gelu_are_not_taken_from_the_cache(cache: Path, tiny_folder: Path) -> None:
    snapshot = write_hub_cache(cache, "google/bert_uncased_L-6_H-768_A-12", tiny_folder)
    assert resolve("google/bert_uncased_L-6_H-768_A-12") == str(snapshot)
    for name in ("small_bert_L6_768", "en.embed_sentence.small_bert_L6_768"):
        with pytest.raises(FileNotFoundError) as caught:
            minibert.load(name)
        assert f"`minibert fetch {name}` gets one, or `minibert convert {snapshot} NEW --hidden-act gelu_new`" in str(caught.value)


def test_old_names_without_an_owner_are_found(cache: Path, tiny_folder: Path) -> None:
    assert resolve_error("bert-base-uncased").endswith("is OWNER/REPO, such as sentence-transformers/bert-base-uncased")
    snapshot = write_hub_cache(cache, "bert-base-uncased", tiny_folder)
    assert resolve("bert-base-uncased") == str(snapshot)


def resolve_error(name: str | Path) -> str:
    with pytest.raises(FileNotFoundError) as caught:
        resolve(name)
    return str(caught.value)


def test_a_bare_name_is_not_guessed(cache: Path, tiny_folder: Path) -> None:
    write_hub_cache(cache, "sentence-transformers/all-MiniLM-L6-v2", tiny_folder)
    assert "such as sentence-transformers/all-MiniLM-L6-v2" in resolve_error("all-MiniLM-L6-v2")


def test_addresses_and_tildes_are_refused_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    for address in (
        "https://huggingface.co/BAAI/bge-small-en",
        "https://huggingface.co/BAAI/bge-small-en/tree/main",
        "hf://BAAI/bge-small-en",
    ):
        assert resolve_error(address).endswith("give the repository without its address, BAAI/bge-small-en")
        with pytest.raises(ValueError, match="give the repository without its address, BAAI/bge-small-en"):
            fetch(address)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    assert resolve_error("~/model").endswith(f"`~` is not replaced here; give {tmp_path}/model")


@pytest.mark.parametrize("kept", [["config.json"], ["config.json", "vocab.txt"], ["vocab.txt"], ["config.json", "model.safetensors"]])
def test_an_incomplete_model_is_refused_with_the_command_that_completes_it(
    cache: Path, tiny_folder: Path, tmp_path: Path, kept: list[str]
) -> None:
    (tmp_path / "part").mkdir()
    for name in kept:
        shutil.copy(tiny_folder / name, tmp_path / "part")
    snapshot = write_hub_cache(cache, "owner/tiny", tmp_path / "part")
    with pytest.raises(FileNotFoundError) as caught:
        minibert.load("owner/tiny", backend="numpy")
    assert str(caught.value).startswith(f"{snapshot}: expected ")
    assert str(caught.value).endswith("found a part of owner/tiny in the hub's cache; `minibert fetch owner/tiny` brings all of it")


def test_weights_without_their_blob_are_refused(cache: Path, tiny_folder: Path) -> None:
    snapshot = write_hub_cache(cache, "owner/tiny", tiny_folder)
    (snapshot / "model.safetensors").resolve().unlink()
    with pytest.raises(FileNotFoundError, match=r"expected model\.safetensors, found a part of owner/tiny in the hub's cache"):
        minibert.load("owner/tiny", backend="numpy")


@pytest.mark.parametrize("name", ["config.json", "vocab.txt"])
def test_other_files_without_their_blob_are_refused(cache: Path, tiny_folder: Path, name: str) -> None:
    snapshot = write_hub_cache(cache, "owner/tiny", tiny_folder)
    (snapshot / name).resolve().unlink()
    with pytest.raises(FileNotFoundError) as caught:
        minibert.load("owner/tiny", backend="numpy")
    assert str(caught.value) == f"{snapshot / name}: is a link to a file that is not there; `minibert fetch owner/tiny` brings the model"


def test_a_torch_checkpoint_in_the_cache_is_refused_with_the_command_that_converts_it(
    cache: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(tiny_folder, tmp_path / "source"))
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    snapshot = write_hub_cache(cache, "owner/tiny", source)
    with pytest.raises(FileNotFoundError, match=f"pytorch_model.bin, a torch checkpoint; `minibert convert {snapshot} NEW`"):
        minibert.load("owner/tiny", backend="numpy")


def test_an_entry_without_files_is_refused(cache: Path) -> None:
    (cache / "models--owner--tiny" / ".no_exist").mkdir(parents=True)
    assert "no such model has been fetched or is in the hub's cache; `minibert fetch owner/tiny`" in resolve_error("owner/tiny")
    (cache / "models--owner--tiny" / "snapshots").mkdir()
    assert "found none; `minibert fetch owner/tiny` gets the model" in resolve_error("owner/tiny")


def test_other_folders_of_the_cache_are_named(cache: Path, tiny_folder: Path) -> None:
    write_hub_cache(cache, "owner/tiny", tiny_folder)
    for folder in (cache, cache.parent):
        with pytest.raises(
            FileNotFoundError, match=r"found the cache of the Hugging Face hub; give the folder of a model in it: .*models--owner--tiny"
        ):
            minibert.load(folder)
    for kind, called in (("datasets", "a data set"), ("spaces", "a space")):
        (cache / f"{kind}--owner--name").mkdir()
        with pytest.raises(FileNotFoundError, match=f"found {called} of the Hugging Face hub, not a model"):
            minibert.load(cache / f"{kind}--owner--name")


def test_fetch_takes_files_from_the_cache(cache: Path, tiny_folder: Path, tmp_path: Path) -> None:
    write_hub_cache(cache, "owner/tiny", tiny_folder)
    assert fetch("owner/tiny", str(cache)) == tmp_path / "home" / "models" / "owner--tiny"


def test_a_cache_in_an_impossible_place_is_ignored(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("/dev/null", "a\udc80", "/" + "a" * 5000, "relative"):
        monkeypatch.setenv("HF_HUB_CACHE", place)
        assert "no such model has been fetched" in resolve_error("owner/tiny")


def test_the_cache_is_found_as_huggingface_hub_finds_it(monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path) -> None:
    """The order is that of huggingface_hub; tests/parity compares the two."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("HF_HOME", "~/hf")
    monkeypatch.setenv("HUGGINGFACE_HUB_CACHE", "/old")
    monkeypatch.setenv("HF_HUB_CACHE", "$HOME/new")
    expected = [tmp_path / "new", Path("/old"), tmp_path / "hf" / "hub", Path("/xdg/huggingface/hub"), tmp_path / ".cache/huggingface/hub"]
    for variable, place in zip((*VARIABLES, ""), expected, strict=True):
        assert cache_folder() == str(place)
        monkeypatch.delenv(variable, raising=False)
