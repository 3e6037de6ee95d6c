"""The files that `quantize` and `convert` copy, and those that they refuse."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.files.access import MAX_JSON_BYTES
from minibert.importers.convert import convert
from minibert.tokenizer.compiled import TABLES_FILE
from tests.support.models import write_model
from tests.support.small_folders import COMMANDS, SMALL, tree, write_modules

TEXTS = ["I hate cancer", "Antibiotics aren't painkiller", "", "hello " * 40]


@COMMANDS
@pytest.mark.parametrize("path", ["../victim", "link"])
def test_a_model_beside_the_target_is_not_overwritten(command: Any, path: str, source: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "victim", SMALL)
    write_modules(source)
    (source / "link").symlink_to(tmp_path / "victim")
    write_modules(source, path)
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="path: expected a relative path that stays in the folder"):
        command(source, tmp_path / "new")
    assert tree(tmp_path) == before


@COMMANDS
def test_only_known_files_are_copied(command: Any, source: Path, tmp_path: Path) -> None:
    write_modules(source, pooling="deep/pooling")
    kept = {"README.md", "LICENSE", "special_tokens_map.json", "sentence_roberta_config.json"}
    for name in kept | {"id_rsa", "training_args.bin.txt", ".env", "deep/other"}:
        (source / name).write_text("{}")
    command(source, tmp_path / "new")
    names = {path.relative_to(tmp_path / "new").as_posix() for path in (tmp_path / "new").rglob("*") if path.is_file()}
    written = {"config.json", "model.safetensors", "vocab.txt", "modules.json", "deep/pooling/config.json"}
    assert names - {"tokenizer_config.json", "provenance.json", TABLES_FILE} == kept | written
    assert minibert.load(tmp_path / "new").pooling == "cls"


@COMMANDS
@pytest.mark.parametrize("name", ["README.md", "vocab.txt", "config.json", "model.safetensors", "1_Pooling/config.json"])
def test_files_outside_are_not_copied(command: Any, name: str, source: Path, tmp_path: Path) -> None:
    write_modules(source)
    (source / "README.md").write_text("read me")
    (source / name).rename(tmp_path / "secret")
    (source / name).symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match=f"{name}: is a link to a file outside the folder; copy the file there"):
        command(source, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret", "source"]


def test_an_error_names_the_vocabulary_in_the_source(source: Path, tmp_path: Path) -> None:
    (source / "vocab.txt").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=re.escape(f"{source / 'vocab.txt'}: expected UTF-8")):
        convert(source, tmp_path / "new")


@COMMANDS
@pytest.mark.parametrize("content", ['"\\ud800"', "[" * 400 + ",".join(["0"] * 10_000) + "]" * 400])
def test_a_copied_config_does_not_grow(command: Any, content: str, source: Path, tmp_path: Path) -> None:
    """A lone surrogate, which JSON can spell and UTF-8 cannot, is no error."""
    path = source / "config.json"
    path.write_text(f'{path.read_text().strip()[:-1]}, "other": {content}}}')
    command(source, tmp_path / "new")
    assert (tmp_path / "new" / "config.json").stat().st_size < 2 * path.stat().st_size + 1000
    assert json.loads((tmp_path / "new" / "config.json").read_text())["other"] == json.loads(content)


@COMMANDS
def test_the_target_is_not_more_readable_than_the_source(command: Any, source: Path, tmp_path: Path) -> None:
    (source / "README.md").write_text("read me")
    (source / "README.md").chmod(0o600)
    source.chmod(0o700)
    command(source, tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    assert (tmp_path / "new" / "README.md").stat().st_mode & 0o077 == 0


@COMMANDS
def test_unknown_files_and_links_are_not_followed(command: Any, source: Path, tmp_path: Path) -> None:
    """The folder has links that form a loop, links to the outside, and a FIFO."""
    (source / "a").symlink_to(".")
    (source / "b").symlink_to(".")
    (source / "root").symlink_to("/")
    (source / "key").symlink_to("/etc/passwd")
    if hasattr(os, "mkfifo"):
        os.mkfifo(source / "fifo")
    command(source, tmp_path / "new")
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names - {"tokenizer_config.json", "provenance.json", TABLES_FILE} == {"config.json", "model.safetensors", "vocab.txt"}


@COMMANDS
def test_known_files_must_be_regular_and_of_bounded_size(command: Any, source: Path, tmp_path: Path) -> None:
    (source / "README.md").mkdir()
    with pytest.raises(ValueError, match=r"README\.md: expected a regular file, found a folder"):
        command(source, tmp_path / "new")
    (source / "README.md").rmdir()
    with (source / "README.md").open("wb") as file:
        file.truncate(MAX_JSON_BYTES + 1)  # takes no disk
    with pytest.raises(ValueError, match=r"README\.md: expected at most 67,108,864 bytes, found more"):
        command(source, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@COMMANDS
def test_a_snapshot_of_the_hub_cache_is_copied_as_files(command: Any, source: Path, tmp_path: Path) -> None:
    write_modules(source)
    repository = tmp_path / "models--owner--name"
    snapshot = repository / "snapshots" / "abc"
    (repository / "blobs").mkdir(parents=True)
    for number, path in enumerate(sorted(path for path in source.rglob("*") if path.is_file())):
        link = snapshot / path.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        path.rename(repository / "blobs" / str(number))
        link.symlink_to(os.path.relpath(repository / "blobs" / str(number), link.parent))
    command(snapshot, tmp_path / "new")
    vectors = [minibert.load(folder, precision="int8").encode(TEXTS[0]) for folder in (snapshot, tmp_path / "new")]
    np.testing.assert_array_equal(*vectors)
    assert not any(path.is_symlink() for path in (tmp_path / "new").rglob("*"))
