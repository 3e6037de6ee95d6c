"""Checkpoints in zips, and archives that are refused by name."""

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minibert.importers.convert import convert
from tests.support.checkpoint_sources import GOLDEN, LAYOUTS, SMALL, sentence_folder, vector
from tests.support.models import make_config, write_model

ARCHIVES = {
    "model.tar.gz": (b"\x1f\x8b\x08\x00", "tar xf"), "model.tgz": (b"\x1f\x8b\x08\x00", "tar xf"), "model.tar.bz2": (b"BZh9", "tar xf"),
    "model.tar.xz": (b"\xfd7zXZ\0", "tar xf"), "model.tar": (bytes(257) + b"ustar", "tar xf"), "model.7z": (b"7z\xbc\xaf\x27\x1c", "7z x"),
    "model.rar": (b"Rar!\x1a\x07", "unrar x"), "tf_model.h5": (b"\x89HDF\r\n", "save_pretrained"), "model.gguf": (b"GGUF", "llama.cpp"),
    "notes.txt": (b"see", "found nothing of the kind"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_unsupported_file_is_named_with_advice(name: str, tmp_path: Path) -> None:
    start, message = ARCHIVES[name]
    (tmp_path / name).write_bytes(start + bytes(300))
    with pytest.raises(ValueError, match=message):
        convert(tmp_path / name, tmp_path / "model")


def pack(folder: Path, path: Path, prefix: str = "", **more: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(folder.rglob("*")):
            archive.write(each, prefix + each.relative_to(folder).as_posix())
        for name, content in more.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("prefix", ["", "model/", "home/user/model/"])
@pytest.mark.parametrize("layout", [*LAYOUTS, "transformers"])
def test_zips_of_folders_are_converted(layout: str, prefix: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    folder = write_model(source, SMALL) if layout == "transformers" else sentence_folder(source, *LAYOUTS[layout])
    # files that macOS adds, and files that are not needed
    more = {"__MACOSX/._config.json": b"\0", f"{prefix}.DS_Store": b"\0", f"{prefix}onnx/model.onnx": b"x", "notes.txt": b"x"}
    path = pack(folder, tmp_path / "model.zip", prefix, **more)
    record = convert(path, tmp_path / "new")
    convert(folder, tmp_path / "other")
    np.testing.assert_array_equal(vector(tmp_path / "new"), vector(tmp_path / "other"))
    assert list(record["files"]) == ["model.zip"]
    assert not (tmp_path / "new" / "notes.txt").exists()


def test_a_zip_of_google_is_converted(tmp_path: Path) -> None:
    """`uncased_L-2_H-128_A-2.zip` has a TensorFlow checkpoint in a folder of that name."""
    names = {
        "bert_config.json": json.dumps(make_config(1, 8, 2, vocab_size=30, intermediate_size=16, max_position_embeddings=12)._asdict())
    }
    names["vocab.txt"] = "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxy"])
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, content in names.items():
            archive.writestr(f"uncased/{name}", content)
        for path in (GOLDEN / "tensorflow").glob("bert_model.ckpt.*"):
            archive.write(path, f"uncased/{path.name}")
    assert convert(tmp_path / "x.zip", tmp_path / "model")["format"] == "TensorFlow checkpoint"
    assert np.isfinite(vector(tmp_path / "model")).all()


def _link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("model/vocab.txt")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


ZIPS: dict[str, tuple[Callable[[zipfile.ZipFile], Any], str]] = {
    "a bomb": (lambda archive: archive.writestr("model/model.safetensors", bytes(1 << 24)), "members that unpack to at most"),
    "a bomb of no use": (lambda archive: archive.writestr("model/x", bytes(1 << 24)), "members that unpack to at most"),
    "a path out": (lambda archive: archive.writestr("../model/config.json", "{}"), "names of files within the archive"),
    "an absolute path": (lambda archive: archive.writestr("/model/config.json", "{}"), "names of files within the archive"),
    "a link": (_link, "a symbolic link"),
    "a name twice": (lambda archive: [archive.writestr("model/config.json", "{}") for _ in range(2)], "occurs twice"),
    "two models": (
        lambda archive: [archive.writestr(f"{name}/config.json", "{}") for name in "ab"],
        "some in a, b; unpack it, and convert one folder",
    ),
    "a zip in a zip": (lambda archive: archive.writestr("model.zip", "PK"), r"found model\.zip"),
    "no model": (lambda archive: archive.writestr("photo.jpg", "x"), r"expected a zip of a model folder.* found photo\.jpg"),
    "nothing": (lambda archive: None, "found nothing"),
    "no weights": (
        lambda archive: archive.writestr("model/config.json", "{}"),
        r"x\.zip: expected model\.safetensors.* but config\.json",
    ),
    "a folder and a file of one name": (
        lambda archive: [archive.writestr(f"model/{name}", "{}") for name in ("config.json", "x.bin", "x.bin/y.bin")],
        r"found x\.bin as both",
    ),
    "a folder with the name of a file": (
        lambda archive: [archive.writestr(f"model/{name}", "{}") for name in ("config.json", "config.json/vocab.txt")],
        "found nothing of the kind but config",
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("fault", ZIPS)
def test_zips_that_are_refused(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, message = ZIPS[fault]
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        write(archive)
    with pytest.raises(ValueError, match=message) as error:
        convert(tmp_path / "x.zip", tmp_path / "model")
    assert str(tmp_path / "tmp") not in str(error.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["tmp", "x.zip"]


def test_a_member_larger_than_its_announced_size_is_refused(source: Path, tmp_path: Path) -> None:
    path = pack(source, tmp_path / "x.zip")
    data = bytearray(path.read_bytes())
    size = (source / "config.json").stat().st_size
    place = data.rindex(b"config.json") - 46 + 24  # place of the size in the directory of a zip
    assert int.from_bytes(data[place : place + 4], "little") == size
    data[place : place + 4] = (size - 1).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"x\.zip: (expected a zip archive, found a damaged one|.*as the directory says)"):
        convert(path, tmp_path / "model")
