"""Folders without weights, and files in place of a folder: errors say what there is."""

import json
import shutil
from pathlib import Path

import pytest

import minibert
from minibert.cli.main import main
from minibert.files import sources
from minibert.files.sources import NAMES
from minibert.importers.convert import convert
from tests.files.model_folder import FOUND, MODULES, error, full_folder


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return full_folder(tiny_folder, tmp_path / "model")


@pytest.mark.parametrize(("what", "name"), FOUND.items())
def test_weights_of_another_kind_are_named(folder: Path, tmp_path: Path, what: str, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"{}")
    for call in ("load", "quantize"):
        said = error(call, folder, tmp_path / "new")
        assert said.startswith(f"{folder}: expected model.safetensors, found {name}, {what}; ")
    row = next(kind for kind in NAMES if kind.what == what)
    assert ("minibert convert" in said) == ("minibert convert" in row.advice)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        convert(folder, tmp_path / "new")
    assert "minibert convert" not in str(caught.value)


@pytest.mark.parametrize("name", ["training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "1_Dense/pytorch_model.bin"])
def test_files_beside_weights_are_not_taken_for_weights(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"{}")
    for call in ("load", "convert"):
        said = error(call, folder, tmp_path / "new")
        assert "found nothing of the kind" in said
        assert "copy it from the source of the model" in said


def test_a_command_can_be_typed_for_any_name(folder: Path, tmp_path: Path) -> None:
    odd = folder.rename(tmp_path / "it's {file} 1")
    (odd / "model.safetensors").rename(odd / "pytorch_model.bin")
    assert f"""`minibert convert '{tmp_path}/it'"'"'s {{file}} 1' NEW`""" in error("load", odd, tmp_path / "new")


def test_convert_is_advised_for_the_outer_folder_of_sentence_transformers(folder: Path, tmp_path: Path) -> None:
    (folder / "0_Transformer").mkdir()
    for name in ("config.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "sentence_bert_config.json"):
        (folder / name).rename(folder / "0_Transformer" / name)
    (folder / "modules.json").write_text(json.dumps([MODULES[0] | {"path": "0_Transformer"}, *MODULES[1:]]))
    weights = (folder / "model.safetensors").rename(folder / "0_Transformer" / "model.safetensors")
    minibert.load(folder, backend="numpy")
    weights.rename(weights.with_name("pytorch_model.bin"))
    said = error("load", folder, tmp_path / "new")
    assert f"pytorch_model.bin, a torch checkpoint; `minibert convert {folder} NEW`" in said


def test_folders_that_contain_models_name_them(tiny_folder: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    shutil.copytree(tiny_folder, outer / "model")
    for call in ("load", "load_tokenizer", "quantize"):
        assert f"found a folder that contains the folder of a model; give {outer / 'model'}" in error(call, outer, tmp_path / "new")
    (outer / "onnx").mkdir()  # no model
    assert f"give {outer / 'model'}" in error("load", outer, tmp_path / "new")
    shutil.copytree(tiny_folder, outer / "checkpoint-500")
    for call in ("load", "convert"):
        assert "found a folder of 2 models; give one of them: checkpoint-500, model" in error(call, outer, tmp_path / "new")
    shutil.copytree(tiny_folder, tmp_path / "deep" / "one" / "two" / "model")
    for call in ("load", "convert"):
        assert f"give {tmp_path}/deep/one/two/model" in error(call, tmp_path / "deep", tmp_path / "new")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vocab.txt.gz", "a packed file; unpack it first"),
        ("bert-base-uncased-vocab.txt", "a vocabulary of another name; if it is the model's, name it vocab.txt"),
        ("spiece.model", "a tokenizer of SentencePiece; minibert runs BERTs with WordPiece"),
        ("vocab.json", "a tokenizer of byte pairs; minibert runs BERTs with WordPiece"),
    ],
)
def test_tokenizers_of_another_kind_are_named(folder: Path, tmp_path: Path, name: str, expected: str) -> None:
    (folder / "vocab.txt").unlink()
    (folder / name).touch()
    for call in ("load", "load_tokenizer"):
        assert f"{folder}: expected tokenizer.json or vocab.txt, found {name}, {expected}" in error(call, folder, tmp_path / "new")


def test_the_json_error_of_a_server_is_not_a_config(folder: Path, tmp_path: Path) -> None:
    (folder / "config.json").write_text('{"error":"Repository not found"}')
    assert "expected the config.json of a BERT, found a server's error in JSON; get the file again" in error(
        "load", folder, tmp_path / "new"
    )


def test_escape_sequences_in_names_are_not_shown(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").rename(folder / "\x1b[2J\n.safetensors")
    said = error("load", folder, tmp_path / "new")
    assert said.startswith(f"{folder}: expected model.safetensors, found '\\x1b[2J\\n.safetensors', weights of another name; ")
    assert said.isprintable()


def test_folders_without_a_model_say_so(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for call in ("load", "load_tokenizer", "convert"):
        assert "found an empty folder" in error(call, tmp_path / "other", tmp_path / "new")
    (tmp_path / "other" / "photo.jpg").touch()
    assert "found nothing of the kind; give the folder of a model" in error("load", tmp_path / "other", tmp_path / "new")


def test_missing_files_beside_weights_are_named(folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(folder / "1_Pooling")
    assert f"{folder}: expected 1_Pooling/config.json, because modules.json lists it" in error("load", folder, tmp_path / "new")
    (folder / "modules.json").unlink()
    (folder / "config.json").unlink()
    assert f"{folder}: expected config.json, found nothing of the kind; copy it" in error("load", folder, tmp_path / "new")
    (folder / "vocab.txt").unlink()
    assert f"{folder}: expected tokenizer.json or vocab.txt, found nothing of the kind; copy it" in error("load", folder, tmp_path / "new")


def test_a_large_folder_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_NAMES", 100)
    (tmp_path / "great").mkdir()
    for number in range(300):
        (tmp_path / "great" / f"{number}").mkdir()
    assert len(list(sources._names(tmp_path / "great"))) == 100
    assert "found nothing of the kind" in error("load", tmp_path / "great", tmp_path / "new")


# Files in place of a folder


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("model/model.safetensors", None, "found a file of such a folder; give the folder, {parent}"),
        ("model/config.json", None, "found a file of such a folder; give the folder, {parent}"),
        ("model/vocab.txt", None, "found a file of such a folder; give the folder, {parent}"),
        ("model/model-00001-of-00002.safetensors", b"", "found a file of such a folder; give the folder, {parent}"),
        ("pytorch_model.bin", b"", "found a file, a torch checkpoint; `minibert convert {parent} NEW`"),
        ("best.pt", b"", "found a file, a torch checkpoint; `minibert convert {path} NEW`"),
        ("bert_model.ckpt.index", b"", "found a file, a TensorFlow checkpoint; `minibert convert {path} NEW`"),
        ("model.zip", b"PK\3\4", "found a file, a zip archive; `minibert convert {path} NEW`"),
        ("model.tar.gz", b"", "found a file, an archive; unpack it first"),
        ("model.onnx", b"", "found a file, a graph of ONNX; get the model that it was made from"),
        ("model.gguf", b"", "found a file, a file of llama.cpp; get the model that it was made from"),
        ("download", b"PK\3\4", "found a file, a zip archive; if it is a torch checkpoint"),
        ("download", b"<html>", "found a file, an HTML page; "),
        ("notes.txt", b"hello", "found a file; give the folder with config.json and model.safetensors"),
        ("models--owner--name/blobs/0123", b"{}", "found a file of the hub's cache; give its folder, {parent.parent}"),
    ],
)
def test_a_file_in_place_of_a_folder_is_named(
    folder: Path, tmp_path: Path, name: str, content: bytes | None, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is not None:
        path.write_bytes(content)
    for call in ("load", "load_tokenizer", "quantize"):
        said = error(call, path, tmp_path / "new")
        assert said.startswith(f"{path}: expected the folder of a model, {expected.format(path=path, parent=path.parent)}")
    assert main(["embed", "-m", str(path), "x"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["quantize", str(path), str(tmp_path / "new")]) == 2


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("model.onnx", b"", "a graph of ONNX"),
        ("model.gguf", b"", "a file of llama.cpp"),
        ("tf_model.h5", b"", "weights of Keras"),
        ("adapter_model.safetensors", b"", "an adapter of PEFT"),
        ("model.tar.gz", b"", "an archive; unpack it first"),
        ("download", b"<html>", "an HTML page; "),
        ("training_args.bin", b"x", "nothing of the kind"),
    ],
)
def test_a_file_that_is_not_converted_is_named(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    said = error("convert", tmp_path / name, tmp_path / "new")
    assert said.startswith(f"{tmp_path / name}: expected model.safetensors, ")
    assert expected in said
