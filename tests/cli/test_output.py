"""`--output` to a file: nothing that is there is lost, and no incomplete file stays."""

import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from minibert.cli.main import main

COMMANDS = {
    "embed": ["embed", "-m", "MODEL", "--backend", "numpy", "x"],
    "similarity": ["similarity", "-m", "MODEL", "--backend", "numpy", "x"],
    "tokenize": ["tokenize", "-m", "MODEL", "x"],
    "info": ["info", "-m", "MODEL", "--backend", "numpy"],
    "models": ["models"],
}
as_user = pytest.mark.skipif(os.getuid() == 0, reason="root may do everything")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")


@pytest.fixture
def embed(tiny_folder: Path) -> Callable[..., int]:
    """Write the vector of a text."""
    return lambda output, *more: main(["embed", "-m", str(tiny_folder), "--backend", "numpy", "-o", str(output), *(more or ["x"])])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_another_file_is_replaced_only_by_force(
    command: str, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "x.jsonl"
    output.write_text("precious")
    arguments = [str(tiny_folder) if each == "MODEL" else each for each in COMMANDS[command]] + ["-o", str(output)]
    assert main([*arguments, "--force"]) == 0
    assert json.loads(output.read_text().splitlines()[0])
    output.write_text("precious")
    monkeypatch.setattr("minibert.cli.options.load", lambda *_, **__: pytest.fail("computed before the check"))
    monkeypatch.setattr("minibert.cli.tokenize_command.load_tokenizer", lambda *_: pytest.fail("computed before the check"))
    assert main(arguments) == 2
    assert capsys.readouterr().err.endswith(f"found one that exists: {output}; --force replaces it\n")
    assert output.read_text() == "precious"
    assert names(tmp_path) == ["x.jsonl"]


@pytest.mark.parametrize("name", ["texts.jsonl", "./texts.jsonl", "sub/../texts.jsonl", "link.jsonl", "hard.jsonl", "sub/texts.jsonl"])
@pytest.mark.parametrize("way", ["--file", "standard input"])
def test_the_texts_are_never_replaced(tiny_folder: Path, tmp_path: Path, name: str, way: str) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text("one\ntwo\n")
    (tmp_path / "link.jsonl").symlink_to("texts.jsonl")
    (tmp_path / "hard.jsonl").hardlink_to(texts)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "texts.jsonl").symlink_to("../link.jsonl")
    command = [sys.executable, "-m", "minibert", "tokenize", "-m", tiny_folder, "--force", "--output", name]
    with texts.open("rb") as file:
        done = subprocess.run(
            [*command, *(["--file", "link.jsonl"] if way == "--file" else [])],
            stdin=subprocess.DEVNULL if way == "--file" else file,
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected another file than that of the texts" in done.stderr
    assert texts.read_text() == "one\ntwo\n"


def test_a_link_is_followed_to_the_file_that_is_written(embed: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "x.npy").symlink_to("folder/y.npy")
    assert embed(tmp_path / "x.npy") == 0  # nothing is there yet
    assert (tmp_path / "x.npy").is_symlink()
    assert np.load(tmp_path / "folder" / "y.npy").shape == (1, 24)
    assert embed(tmp_path / "x.npy") == 2
    assert embed(tmp_path / "x.npy", "--force", "x", "y") == 0
    assert (tmp_path / "x.npy").is_symlink()
    assert np.load(tmp_path / "folder" / "y.npy").shape == (2, 24)
    assert names(tmp_path / "folder") == ["y.npy"]


@pytest.mark.parametrize("kind", ["loop", "folder", "socket", "no folder", "long name"])
def test_an_output_that_cannot_be_written_is_refused_in_one_line(
    embed: Callable[..., int], tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    path = Path("x.npy")
    if kind == "loop":
        path.symlink_to("x.npy")
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    elif kind == "no folder":
        path = Path("absent/x.npy")
    else:
        path = Path("x" * 300 + ".npy")
    before = names(tmp_path)
    assert embed(path, "--force", "x") == 2
    expected = {"loop": "x.npy: Too many levels", "folder": "found a folder: x.npy", "socket": "found a socket: x.npy",
                "no folder": "expected a name in a folder that exists", "long name": "File name too long"}  # fmt: skip
    message = capsys.readouterr().err
    assert expected[kind] in message
    assert message.count("\n") == 1
    assert names(tmp_path) == before


@as_user
def test_a_folder_without_write_permission_is_refused(
    embed: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o500)
    assert embed(tmp_path / "x.npy") == 2
    assert "expected a folder that you may write to" in capsys.readouterr().err
    tmp_path.chmod(0o700)


def test_a_file_that_is_replaced_keeps_its_mode(embed: Callable[..., int], tmp_path: Path) -> None:
    output = tmp_path / "x.npy"
    mask = os.umask(0o027)
    try:
        assert embed(output) == 0
        assert stat.S_IMODE(output.stat().st_mode) == 0o640
        for mode in (0o600, 0o664):
            output.chmod(mode)
            assert embed(output, "--force", "x") == 0
            assert stat.S_IMODE(output.stat().st_mode) == mode
    finally:
        os.umask(mask)


@as_root
def test_a_file_that_is_replaced_keeps_its_owner(embed: Callable[..., int], tmp_path: Path) -> None:
    output = tmp_path / "x.npy"
    output.write_text("")
    os.chown(output, 12345, 23456)
    assert embed(output, "--force", "x") == 0
    assert (output.stat().st_uid, output.stat().st_gid) == (12345, 23456)


def test_another_group_gets_no_more_rights_than_everybody_had(
    embed: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "fchown", refuse)
    output = tmp_path / "x.npy"
    for mode, expected in ((0o640, 0o600), (0o664, 0o644), (0o666, 0o666)):
        output.write_text("")
        output.chmod(mode)
        assert embed(output, "--force", "x") == 0
        assert stat.S_IMODE(output.stat().st_mode) == expected


def test_an_incomplete_file_is_readable_for_its_owner_only(
    embed: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []

    def save(*_: object) -> None:
        (part,) = tmp_path.glob(".minibert.*.part")
        modes.append(stat.S_IMODE(part.stat().st_mode))

    output = tmp_path / "x.npy"
    output.write_text("")
    output.chmod(0o600)
    monkeypatch.setattr(np, "save", save)
    assert embed(output, "--force", "x") == 0
    assert modes == [0o600]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced(
    embed: Callable[..., int], tmp_path: Path, has_links: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds with and without hard links in the file system."""
    output, save = tmp_path / "x.npy", np.save

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no hard links")

    def appear(file: object, array: np.ndarray) -> None:
        save(file, array)
        output.write_text("precious")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    assert embed(output) == 0
    output.unlink()
    monkeypatch.setattr(np, "save", appear)
    assert embed(output) == 2
    assert capsys.readouterr().err == f"minibert: error: {output}: has appeared meanwhile; --force replaces it\n"
    assert output.read_text() == "precious"
    assert names(tmp_path) == ["x.npy"]


def test_a_planted_part_is_not_opened(embed: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the part cannot be guessed. Even a right guess gets no access to another file."""
    monkeypatch.setattr("secrets.token_hex", lambda _: "0")
    (tmp_path / "victim").write_text("precious")
    part = tmp_path / ".minibert.0.part"
    for plant in (lambda: part.symlink_to("victim"), lambda: part.hardlink_to(tmp_path / "victim"), lambda: os.mkfifo(part)):
        plant()
        assert embed(tmp_path / "x.npy") == 2
        assert (tmp_path / "victim").read_text() == "precious"
        assert not (tmp_path / "x.npy").exists()
        part.unlink(missing_ok=True)


@pytest.mark.parametrize("name", ["x.npy", "x.jsonl"])
def test_a_full_disk_is_named_and_the_old_file_stays(tiny_folder: Path, tmp_path: Path, name: str) -> None:
    """A limit of the size of files gives the same error as a full disk."""
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / name).write_text("precious")

    command = ["bash", "-c", 'ulimit -f 20; exec "$@"', "", sys.executable, "-m", "minibert"]
    command += ["embed", "-m", str(tiny_folder), "--backend", "numpy", *["x"] * 300]
    for output, more in ((tmp_path / name, []), (tmp_path / "old" / name, ["--force"])):
        done = subprocess.run([*command, *more, "-o", str(output)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (2, f"minibert: error: {output}: File too large\n")
    assert names(tmp_path) == ["old"]
    assert names(tmp_path / "old") == [name]
    assert (tmp_path / "old" / name).read_text() == "precious"
