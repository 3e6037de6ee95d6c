"""Files from outside: what is opened, how much of it is read, and which paths stay in a folder."""

import io
import os
import socket
from pathlib import Path

import pytest

from minibert.files import access as files
from minibert.files.access import copy_inside, inside, open_regular, read_bytes, read_text


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    assert read_bytes(file, 5) == b"12345"
    with pytest.raises(ValueError, match=r"file: expected at most 4 bytes, found more"):
        read_bytes(file, 4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        (tmp_path / "link").symlink_to("/dev/zero")
        for name, kind in (("fifo", "a FIFO"), ("socket", "a socket"), ("link", "a device"), (".", "a folder")):
            with pytest.raises(ValueError, match=f"expected a regular file, found {kind}"):
                open_regular(tmp_path / name)


def test_an_absent_file_raises_oserror(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name in ("nothing", "loop"):
        with pytest.raises(OSError, match=name):
            open_regular(tmp_path / name)


def test_text_must_be_utf8(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes("é\r\n\x85".encode())
    assert read_text(file, 100) == "é\r\n\x85"
    file.write_bytes(b"\xff\xfea")
    with pytest.raises(ValueError, match="file: expected UTF-8"):
        read_text(file, 100)


def test_a_path_stays_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").touch()
    (tmp_path / "secret").touch()
    (folder / "link").symlink_to(tmp_path / "secret")
    assert inside(folder, folder / "file")
    assert not inside(folder, folder / "link")
    assert not inside(folder, folder / ".." / "secret")


def test_a_snapshot_of_the_hub_cache_owns_its_blobs(tmp_path: Path) -> None:
    repository = tmp_path / "models--owner--name"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "blobs" / "123").touch()
    (snapshot / "config.json").symlink_to("../../blobs/123")
    (repository / "refs").touch()
    (snapshot / "other").symlink_to("../../refs")
    (snapshot / "assets").mkdir()
    (snapshot / "assets" / "vocab.txt").symlink_to("../../../blobs/123")
    assert inside(snapshot, snapshot / "config.json")
    assert inside(snapshot / "assets", snapshot / "assets" / "vocab.txt")
    assert not inside(snapshot, snapshot / "other")


def test_a_copy_stays_in_its_folder_and_within_its_limit(tmp_path: Path) -> None:
    folder, target = tmp_path / "folder", tmp_path / "target"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "1_Pooling" / "config.json").write_bytes(b"12345")
    assert copy_inside(folder, "1_Pooling/config.json", target, 5)
    assert (target / "1_Pooling" / "config.json").read_bytes() == b"12345"
    assert not copy_inside(folder, "README.md", target, 5)
    (tmp_path / "secret").write_bytes(b"123")
    (folder / "link").symlink_to("../secret")
    (folder / "outer").symlink_to("..")
    (folder / "dangling").symlink_to("../nothing")
    (folder / "inner").symlink_to("1_Pooling/config.json")
    for name in ("link", "outer/secret", "dangling"):
        with pytest.raises(ValueError, match="is a link to a file outside the folder; copy the file there"):
            copy_inside(folder, name, target, 5)
    for name, problem in (("inner", "expected at most 4 bytes"), ("1_Pooling", "expected a regular file, found a folder")):
        with pytest.raises(ValueError, match=problem):
            copy_inside(folder, name, target, 4)
    assert [path.name for path in target.iterdir()] == ["1_Pooling", "inner"]


@pytest.mark.parametrize("size", [2, 4])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Otherwise its end would be lost."""
    path = tmp_path / "vocab.txt"
    path.write_bytes(b"123")

    class Changing(io.BufferedReader):
        def read(self, number: int | None = -1) -> bytes:
            os.truncate(path, size)
            return super().read(number)

    monkeypatch.setattr(files, "open_regular", lambda path: Changing(io.FileIO(path)))
    with pytest.raises(ValueError, match=r"vocab\.txt: changed while it was read"):
        read_bytes(path, 100)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full")
def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "README.md").write_bytes(b"12345")
    monkeypatch.setattr(files, "create", lambda *_: io.FileIO("/dev/full", "w"))
    with pytest.raises(OSError, match=r"No space left on device: .*target/README\.md"):
        copy_inside(tmp_path, "README.md", tmp_path / "target", 5)


def test_a_loop_of_links_counts_as_inside(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert inside(tmp_path, tmp_path / "loop")
    with pytest.raises(OSError, match="loop"):
        copy_inside(tmp_path, "loop", tmp_path / "target", 5)
