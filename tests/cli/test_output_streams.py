"""`--output` to a FIFO, a device or a pipe."""

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from minibert.cli.main import main

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")


@pytest.fixture
def embed(tiny_folder: Path) -> Callable[..., int]:
    """Write the vector of a text."""
    return lambda output, *more: main(["embed", "-m", str(tiny_folder), "--backend", "numpy", "-o", str(output), *(more or ["x"])])


@pytest.mark.parametrize("name", ["x.npy", "x.jsonl", "x"])
def test_a_fifo_is_written_to(embed: Callable[..., int], tmp_path: Path, name: str) -> None:
    fifo, read = tmp_path / name, []
    os.mkfifo(fifo)
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    with open(descriptor, "rb") as file:
        reader = threading.Thread(target=lambda: read.append(file.read()))
        assert embed(fifo) == 0
        reader.start()
        reader.join()
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert read[0].startswith(b"\x93NUMPY" if name == "x.npy" else b'{"text": "x", ')


def test_a_fifo_without_a_reader_is_refused(embed: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "x.jsonl")
    assert embed(tmp_path / "x.jsonl") == 2
    assert "x.jsonl: it has no reader; start its reader first" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="/dev")
@pytest.mark.parametrize("arguments", [[], ["x"], ["-f", "/dev/stdin"]])
def test_the_pipe_of_the_texts_is_refused_as_output(tiny_folder: Path, arguments: list[str]) -> None:
    """No other process reads this pipe, so the program would wait for itself."""
    command = [sys.executable, "-m", "minibert", "tokenize", "-m", str(tiny_folder), "-o", "/dev/stdin", *arguments]
    done = subprocess.run(command, input=b"word " * 20_000, capture_output=True, timeout=100)
    assert done.returncode == 2
    assert b"--output: expected a pipe that another program reads, found that of the texts: /dev/stdin" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="/dev")
def test_devices_are_written_to(tiny_folder: Path, tmp_path: Path) -> None:
    """Standard output goes on at its position, and a substituted process reads its pipe."""
    script = """
        set -e
        embed() { "$0" -m minibert embed -m "$1" --backend numpy "${@:2}"; }
        embed "$1" -o /dev/null x
        (echo first; embed "$1" -o /dev/stdout x; embed "$1" -o /dev/stdout x; echo last) > appended
        embed "$1" -o /dev/stdout x | cat > piped
        embed "$1" -o >(cat > substituted) x
        while ! [ -s substituted ]; do sleep 0.1; done
        ! embed "$1" -o /dev/full x
    """
    done = subprocess.run(["bash", "-c", script, sys.executable, tiny_folder], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "minibert: error: /dev/full: No space left on device\n")
    lines = (tmp_path / "appended").read_text().splitlines()
    assert [lines[0], lines[3]] == ["first", "last"]
    assert lines[1] == lines[2] == (tmp_path / "piped").read_text().rstrip("\n") == (tmp_path / "substituted").read_text().rstrip("\n")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@as_root
def test_a_device_is_not_replaced(embed: Callable[..., int], tmp_path: Path) -> None:
    device = tmp_path / "x.jsonl"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))  # /dev/null
    except PermissionError:
        pytest.skip("a container without devices")
    embed(device, "--force", "x")
    assert stat.S_ISCHR(device.stat().st_mode)


def test_texts_are_read_from_a_substituted_process(tiny_folder: Path, tmp_path: Path) -> None:
    script = """
        "$0" -m minibert tokenize -m "$1" --file <(echo one; echo two)
        echo three | "$0" -m minibert tokenize -m "$1" --file /dev/stdin
    """
    done = subprocess.run(["bash", "-c", script, sys.executable, tiny_folder], capture_output=True, text=True, check=True)
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == ["one", "two", "three"]
