"""Links, FIFOs and devices that another user put in the place of a file."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from minibert.hub.catalog import folder_name
from minibert.hub.fetch import fetch
from tests.support.hub_server import REPOSITORY, Hub, models, part_of, vectors


@pytest.mark.parametrize("kind", ["link", "hard link", "FIFO"])
def test_planted_files_beside_a_download_are_neither_followed_nor_waited_for(hub: Hub, published: Path, tmp_path: Path, kind: str) -> None:
    victim, part = tmp_path / "victim", part_of(tmp_path, hub)
    victim.write_text(json.dumps({"etag": '"x"'}))
    part.parent.mkdir(parents=True)
    etag = part.with_suffix(".etag")
    names = [part, etag, etag.with_name(f"{etag.name}.part"), part.with_name(".config.json.json"), part.with_name(".config.json.part")]
    for path in [*names, part.with_name(".config.json.json.part"), part.with_name("config.json")]:
        {"link": path.symlink_to, "hard link": path.hardlink_to, "FIFO": lambda _, path=path: os.mkfifo(path)}[kind](victim)
    fetch(REPOSITORY, hub.url)
    np.testing.assert_array_equal(vectors(REPOSITORY), vectors(published / REPOSITORY))
    assert victim.read_text() == json.dumps({"etag": '"x"'})


@pytest.mark.parametrize("kind", ["link", "hard link"])
def test_planted_links_beside_a_copy_are_not_written_to(
    published: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    source = str(published / REPOSITORY)
    path = tmp_path / "home" / "downloads" / folder_name(REPOSITORY) / hashlib.sha256(source.encode()).hexdigest()[:16] / "config.json"
    path.parent.mkdir(parents=True)
    (tmp_path / "victim").write_text("precious")
    {"link": path.symlink_to, "hard link": path.hardlink_to}[kind](tmp_path / "victim")
    fetch(REPOSITORY, source)
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_link_in_the_place_of_the_lock_is_refused(hub: Hub, tmp_path: Path) -> None:
    downloads = part_of(tmp_path, hub).parent.parent
    downloads.mkdir(parents=True)
    (downloads / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="lock: cannot be written"):
        fetch(REPOSITORY, hub.url)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["config.json", "README.md", "model.safetensors"])
@pytest.mark.parametrize("kind", ["FIFO", "link", "device"])
def test_a_folder_gives_only_its_own_regular_files(
    published: Path, tmp_path: Path, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIBERT_HOME", str(tmp_path / "home"))
    (tmp_path / "secret").write_text("of somebody else")
    folder = tmp_path / "stick"
    shutil.copytree(published / REPOSITORY, folder)
    (folder / name).unlink(missing_ok=True)
    if kind == "FIFO":
        os.mkfifo(folder / name)
    else:
        (folder / name).symlink_to(tmp_path / "secret" if kind == "link" else "/dev/zero")
    with pytest.raises(ValueError, match=r"expected a regular file, found a FIFO|is a link to a file outside the folder"):
        fetch(REPOSITORY, str(folder))
    assert models(tmp_path / "home") == []
