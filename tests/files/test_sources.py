"""What a path holds in place of a model: each kind is named, with the command that helps, by every function that takes a path."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import minibert
from minibert.cli.main import main
from minibert.files import sources
from minibert.files.sources import BEGINNINGS, HEAD_BYTES, NAMES, described
from minibert.folders.save import save_int8
from minibert.importers.convert import convert
from minibert.loading import load_tokenizer

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'ab' * 32}\nsize 90868376\n".encode()
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]
# Files as programs leave them, by what the table calls them
SAMPLES: dict[str, list[bytes]] = {
    "a Git-LFS pointer to it": [POINTER, POINTER.replace(b"git-lfs", b"hawser")],
    "a safetensors file": [b"\x40\1\0\0\0\0\0\0{" + b'"a":' * 100],
    "an empty file": [b""],
    "a file of zeros, whose download was not finished": [bytes(5000)],
    "an HTML page": [
        b"<!DOCTYPE html>\n<html class='dark'>",
        b"\n\n<!doctype HTML>",
        b"<html><head><title>Sign in</title>",
        b"\xef\xbb\xbf<html>",
        b"<!-- saved from url=(0014)about:internet -->\n<HTML>",
    ],
    "an XML page, such as a server's error": [
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>',
        b"<Error><Code>",
    ],
    "a server's error in JSON": [b'{"error":"Repository not found"', b'{\n "message": "Bad credentials'],
    "a server's answer in place of the file": [
        b"Found. Redirecting to https://cdn-lfs.huggingface.co/repos/0c",
        b"Temporary Redirect. Redirecting to /api/resolve-cache/models",
        b"Entry not found",
        b"Invalid username or password.",
        b"Access to model meta/x is restricted.",
    ],
    "a gzip file": [gzip.compress(b"{}" * 50, mtime=0), gzip.compress(b"x", 9, mtime=0)],
    "a tar archive": [b"bert/config.json".ljust(257, b"\0") + b"ustar\x0000"],
    "a compressed file": [
        b"BZh91AY&SY12345678",
        b"\xfd7zXZ\0\0\4",
        b"\x28\xb5\x2f\xfd\4\0",
        b"7z\xbc\xaf\x27\x1c\0\4",
        b"Rar!\x1a\x07\1\0",
    ],
    "a zip archive": [b"PK\x03\x04\x14\0\0\0" + b"x" * 50],
    "an old torch checkpoint": [b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."],
    "an HDF5 file of Keras": [b"\x89HDF\r\n\x1a\n\0\0"],
    "a GGUF file of llama.cpp": [b"GGUF\3\0\0\0"],
    "a text in UTF-16": ["{}".encode("utf-16")],
}
KINDS = [(what, sample) for what, samples in SAMPLES.items() for sample in samples]
# For each row of the table, a name that is found in practice
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


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A folder with every file that is read of one."""
    target = Path(shutil.copytree(tiny_folder, tmp_path / "model"))
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
    """What a function says of a path, the command line in one line, and nothing is written."""
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        CALLS[call](path, new)
    assert not new.exists()
    return str(caught.value)


# Files that are something else


@pytest.mark.parametrize(("what", "sample"), KINDS)
def test_a_file_is_known_by_its_first_bytes(what: str, sample: bytes) -> None:
    assert (described(sample[:HEAD_BYTES]) or "").startswith(f"{what}; ")
    assert described(sample[:HEAD_BYTES], what) is None


def test_every_kind_has_a_sample() -> None:
    assert [kind.what for kind in BEGINNINGS] == list(SAMPLES)
    assert {kind.what for kind in NAMES} == set(FOUND)


@pytest.mark.parametrize("head", [b"{}", b"[PAD]\n[unused0]\n", b"# A model", b"\x80\4\x95", b"<s>\n<pad>\n", b"version https://a.b"])
def test_other_files_are_not_taken_for_one(head: bytes) -> None:
    assert described(head) is None


def test_openings_of_comments_are_no_kind() -> None:
    """They are what a regular expression could look at many times; then this test would not end."""
    for unit in (b"<!-- --> ", b"<!----><!--", b"-->", b" ", b"<"):
        assert described((b"<!--" + unit * 200)[:HEAD_BYTES]) is None


@pytest.mark.parametrize(
    "name",
    [
        "config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "modules.json",
        "1_Pooling/config.json", "2_Normalize/config.json", "sentence_bert_config.json", "config_sentence_transformers.json",
        "tokenizer.json", "added_tokens.json", "model.safetensors.index.json",
    ],
)  # fmt: skip
def test_a_pointer_of_git_lfs_is_named_wherever_it_is(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).write_bytes(POINTER)
    if name == "model.safetensors.index.json":
        (folder / "model.safetensors").unlink()
    of_tokenizer = name not in ("config.json", "model.safetensors", "model.safetensors.index.json")
    for call in ("load", "quantize", "convert", *(["load_tokenizer"] if of_tokenizer else [])):
        said = error(call, folder, tmp_path / "new")
        assert str(Path(name).name) in said
        assert "found a Git-LFS pointer to it; run `git lfs pull` in its folder" in said


def test_a_pointer_in_place_of_a_torch_checkpoint(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    (folder / "pytorch_model.bin").write_bytes(POINTER)
    assert "git lfs pull" in error("convert", folder, tmp_path / "new")


@pytest.mark.parametrize("name", ["config.json", "modules.json", "tokenizer_config.json", "vocab.txt", "model.safetensors"])
@pytest.mark.parametrize(("what", "sample"), KINDS)
def test_a_file_of_another_kind_is_named(folder: Path, tmp_path: Path, name: str, what: str, sample: bytes) -> None:
    if (what, name[-5:]) == ("a server's error in JSON", ".json") or (what, name) == ("a safetensors file", "model.safetensors"):
        return  # which are what they should be, but for their content
    (folder / name).write_bytes(sample)
    said = error("load", folder, tmp_path / "new")
    assert f"{folder / name}: expected " in said
    assert said.count(str(folder / name)) == 1
    assert f"found {what}; " in said
    assert "claims" not in said


@pytest.mark.parametrize(("what", "sample"), KINDS)
def test_a_torch_checkpoint_of_another_kind_is_named(folder: Path, tmp_path: Path, what: str, sample: bytes) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(sample)
    said = error("convert", folder, tmp_path / "new")
    assert what in ("a zip archive", "an old torch checkpoint") or what.removesuffix(" to it") in said


def test_the_command_line_says_it_in_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "vocab.txt").write_bytes(b"<html>")
    for command in (["embed", "-m", str(folder), "x"], ["tokenize", "-m", str(folder), "x"], ["info", "-m", str(folder)]):
        assert main(command) == 2
        assert capsys.readouterr().err.count("\n") == 1
    for command in ("quantize", "convert"):
        assert main([command, str(folder), str(tmp_path / "new")]) == 2
        assert "an HTML page; " in capsys.readouterr().err


# Folders without weights


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
def test_what_lies_beside_weights_is_taken_for_none(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"{}")
    for call in ("load", "convert"):
        said = error(call, folder, tmp_path / "new")
        assert "found nothing of the kind" in said
        assert "copy it from where the model is from" in said


def test_a_command_can_be_typed_for_any_name(folder: Path, tmp_path: Path) -> None:
    odd = folder.rename(tmp_path / "it's {file} 1")
    (odd / "model.safetensors").rename(odd / "pytorch_model.bin")
    assert f"""`minibert convert '{tmp_path}/it'"'"'s {{file}} 1' NEW`""" in error("load", odd, tmp_path / "new")


def test_the_inner_folder_of_sentence_transformers_is_converted_with_the_outer(folder: Path, tmp_path: Path) -> None:
    (folder / "0_Transformer").mkdir()
    for name in ("config.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "sentence_bert_config.json"):
        (folder / name).rename(folder / "0_Transformer" / name)
    (folder / "modules.json").write_text(json.dumps([MODULES[0] | {"path": "0_Transformer"}, *MODULES[1:]]))
    weights = (folder / "model.safetensors").rename(folder / "0_Transformer" / "model.safetensors")
    minibert.load(folder, backend="numpy")
    weights.rename(weights.with_name("pytorch_model.bin"))
    said = error("load", folder, tmp_path / "new")
    assert f"pytorch_model.bin, a torch checkpoint; `minibert convert {folder} NEW`" in said


def test_folders_that_hold_models_name_them(tiny_folder: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    shutil.copytree(tiny_folder, outer / "model")
    for call in ("load", "load_tokenizer", "quantize"):
        assert f"found a folder that holds the model's; give {outer / 'model'}" in error(call, outer, tmp_path / "new")
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


def test_the_answer_of_a_server_in_json_is_no_config(folder: Path, tmp_path: Path) -> None:
    (folder / "config.json").write_text('{"error":"Repository not found"}')
    assert "expected the config.json of a BERT, found a server's error in JSON; get the file again" in error(
        "load", folder, tmp_path / "new"
    )


def test_names_that_do_something_to_a_terminal_are_not_shown(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").rename(folder / "\x1b[2J\n.safetensors")
    said = error("load", folder, tmp_path / "new")
    assert said.startswith(f"{folder}: expected model.safetensors, found '\\x1b[2J\\n.safetensors', weights of another name; ")
    assert said.isprintable()


def test_an_empty_folder_and_one_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for call in ("load", "load_tokenizer", "convert"):
        assert "found an empty folder" in error(call, tmp_path / "other", tmp_path / "new")
    (tmp_path / "other" / "photo.jpg").touch()
    assert "found nothing of the kind; give the folder of a model" in error("load", tmp_path / "other", tmp_path / "new")


def test_what_is_missing_beside_weights_is_said(folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(folder / "1_Pooling")
    assert f"{folder}: expected 1_Pooling/config.json, since modules.json lists it" in error("load", folder, tmp_path / "new")
    (folder / "modules.json").unlink()
    (folder / "config.json").unlink()
    assert f"{folder}: expected config.json, found nothing of the kind; copy it" in error("load", folder, tmp_path / "new")
    (folder / "vocab.txt").unlink()
    assert f"{folder}: expected tokenizer.json or vocab.txt, found nothing of the kind; copy it" in error("load", folder, tmp_path / "new")


def test_a_great_folder_takes_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        ("model/model.safetensors", None, "found a file of one; give its folder, {parent}"),
        ("model/config.json", None, "found a file of one; give its folder, {parent}"),
        ("model/vocab.txt", None, "found a file of one; give its folder, {parent}"),
        ("model/model-00001-of-00002.safetensors", b"", "found a file of one; give its folder, {parent}"),
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
def test_a_file_is_no_folder(
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
