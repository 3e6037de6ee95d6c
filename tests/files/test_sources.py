"""Files in place of those of a model: each kind is named, with the command that helps."""

import gzip
from pathlib import Path

import pytest

from minibert.cli.main import main
from minibert.files.access import HEAD_BYTES
from minibert.files.sources import BEGINNINGS, NAMES, described
from tests.files.model_folder import FOUND, error, full_folder

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'ab' * 32}\nsize 90868376\n".encode()


# Samples of files by the name of their kind in the table
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


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return full_folder(tiny_folder, tmp_path / "model")


@pytest.mark.parametrize(("what", "sample"), KINDS)
def test_a_file_is_recognised_by_its_first_bytes(what: str, sample: bytes) -> None:
    assert (described(sample[:HEAD_BYTES]) or "").startswith(f"{what}; ")
    assert described(sample[:HEAD_BYTES], what) is None


def test_every_kind_has_a_sample() -> None:
    assert [kind.what for kind in BEGINNINGS] == list(SAMPLES)
    assert {kind.what for kind in NAMES} == set(FOUND)


@pytest.mark.parametrize("head", [b"{}", b"[PAD]\n[unused0]\n", b"# A model", b"\x80\4\x95", b"<s>\n<pad>\n", b"version https://a.b"])
def test_other_files_are_not_recognised(head: bytes) -> None:
    assert described(head) is None


def test_repeated_openings_of_comments_take_no_time() -> None:
    """A regular expression could read them many times. Then this test would not end."""
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
def test_a_git_lfs_pointer_is_named_in_place_of_any_file(folder: Path, tmp_path: Path, name: str) -> None:
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
        return  # such a file is of the expected kind
    (folder / name).write_bytes(sample)
    said = error("load", folder, tmp_path / "new")
    assert f"{folder / name}: expected " in said
    assert said.count(str(folder / name)) == 1
    assert f"found {what}; " in said
    assert "with a header of" not in said


@pytest.mark.parametrize(("what", "sample"), KINDS)
def test_a_torch_checkpoint_of_another_kind_is_named(folder: Path, tmp_path: Path, what: str, sample: bytes) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(sample)
    said = error("convert", folder, tmp_path / "new")
    assert what in ("a zip archive", "an old torch checkpoint") or what.removesuffix(" to it") in said


def test_the_command_line_reports_it_in_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "vocab.txt").write_bytes(b"<html>")
    for command in (["embed", "-m", str(folder), "x"], ["tokenize", "-m", str(folder), "x"], ["info", "-m", str(folder)]):
        assert main(command) == 2
        assert capsys.readouterr().err.count("\n") == 1
    for command in ("quantize", "convert"):
        assert main([command, str(folder), str(tmp_path / "new")]) == 2
        assert "an HTML page; " in capsys.readouterr().err
