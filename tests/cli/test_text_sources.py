"""The texts of a command, and the backend that is taken where no library runs."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import minibert
from minibert.cli import sources
from minibert.cli.main import main
from minibert.cli.sources import FEW, MOST_BYTES, SPECIAL
from minibert.runtime.library import Found, Library

ABSENT = Found(None, "no library for avx2 is installed")
PRESENT = Found(Library("/place/avx2.so", "avx2", {}), "/place/avx2.so")
LONGEST = "x" * (FEW - SPECIAL)  # of one text that counts as a handful
WAYS = ("arguments", "file", "standard input")
Embed = Callable[..., list[Any]]


class Pipe(io.RawIOBase):
    """A pipe that gives a few bytes at a time, and notes how many a program wants."""

    def __init__(self, data: bytes, events: list[Any]) -> None:
        self._data, self._events = io.BytesIO(data), events

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._data.read(min(len(buffer), 1000))
        buffer[: len(part)] = part
        return len(part)


class Reader(io.BufferedReader):
    """Notes each call of `read`."""

    def read(self, size: int | None = -1) -> bytes:
        self.raw._events.append(f"read {size}")
        return super().read(size)


@pytest.fixture
def embed(tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Embed:
    """Embed texts in one of the ways, on a machine without a library.

    Returns what happened: "read", and the backends that were loaded. NumPy always computes.
    """

    def run(way: str, texts: list[str], *more: str, found: Found = ABSENT, command: str = "embed", end: str = "\n") -> list[Any]:
        events: list[Any] = []

        def load(*arguments: Any, backend: str, **options: Any) -> minibert.MiniBert:
            events.append(backend)
            return minibert.load(*arguments, backend="numpy", **options)

        monkeypatch.setattr("minibert.cli.options.load", load)
        monkeypatch.setattr(sources, "find", lambda: found)
        data = "".join(text + end for text in texts).encode()
        (tmp_path / "texts.txt").write_bytes(data)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Reader(Pipe(data, events)), encoding="utf-8"))
        given = {"arguments": texts, "file": ["--file", str(tmp_path / "texts.txt")], "standard input": []}[way]
        assert main([command, "-m", str(tiny_folder), "--truncation", "silent", *more, *given]) == 0
        if "--query" not in more:
            assert [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()] == texts
        return events

    return run


def backends(events: list[Any]) -> list[Any]:
    return [event for event in events if not event.startswith("read")]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", ["embed", "similarity"])
def test_numpy_computes_a_handful_of_texts(embed: Embed, way: str, command: str) -> None:
    for texts, expected in ((["one", "two", ""], "numpy"), ([LONGEST], "numpy"), ([LONGEST + "x"], "auto"), ([LONGEST, ""], "auto")):
        assert backends(embed(way, texts, command=command)) == [expected]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_characters_count_and_not_bytes(embed: Embed, way: str, end: str) -> None:
    """So one rule holds, wherever the texts come from."""
    assert backends(embed(way, ["\U0001f600" * len(LONGEST)], end=end)) == ["numpy"]
    assert backends(embed(way, ["\U0001f600" * len(LONGEST), ""], end=end)) == ["auto"]
    count = FEW // (1 + SPECIAL)
    for number, expected in ((count, "numpy"), (count + 1, "auto")):
        assert backends(embed(way, ["é"] * number, end=end)) == [expected]


@pytest.mark.parametrize("way", WAYS)
def test_the_backend_that_is_named_is_obeyed(embed: Embed, way: str) -> None:
    for name in ("auto", "numba", "numpy", "library"):
        assert backends(embed(way, ["x"], "--backend", name)) == [name]
        assert backends(embed(way, [LONGEST, "x"], "--backend", name)) == [name]


@pytest.mark.parametrize("way", WAYS)
def test_a_library_computes_a_handful_too(embed: Embed, way: str) -> None:
    assert backends(embed(way, ["x"], found=PRESENT)) == ["auto"]


def test_a_query_is_a_text_too(embed: Embed) -> None:
    assert backends(embed("arguments", ["x"], "--query", "y", command="similarity")) == ["numpy"]
    assert backends(embed("arguments", ["x"], "--query", LONGEST, command="similarity")) == ["auto"]


def test_only_the_first_lines_are_read_before_the_model(embed: Embed) -> None:
    """The rest is read when the model is there, so that it loads while another program writes."""
    assert embed("standard input", ["x"]) == [f"read {MOST_BYTES}", "numpy"]
    many = [f"é {number}" for number in range(MOST_BYTES)]
    assert embed("standard input", many) == [f"read {MOST_BYTES}", "auto", "read -1"]
    assert embed("standard input", many, found=PRESENT) == ["auto", "read -1"]
    assert embed("standard input", many, "--backend", "numpy") == ["numpy", "read -1"]


@pytest.mark.parametrize("shift", range(4))
def test_a_character_may_lie_across_the_first_lines(embed: Embed, shift: int) -> None:
    assert backends(embed("standard input", ["x" * shift + "\U0001f600" * MOST_BYTES])) == ["auto"]


def test_a_wrong_byte_is_found_in_its_line(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "find", lambda: ABSENT)
    monkeypatch.setattr("minibert.cli.options.load", lambda *_, **__: None)
    for lines in (1, MOST_BYTES):
        (tmp_path / "texts.txt").write_bytes(b"x\n" * lines + b"caf\xe9\n")
        assert main(["embed", "-m", str(tiny_folder), "-f", str(tmp_path / "texts.txt")]) == 2
        assert f"texts.txt: expected UTF-8, found byte 0xe9 in line {lines + 1}\n" in capsys.readouterr().err


def test_a_wrong_name_is_told_before_the_first_text_comes(tmp_path: Path) -> None:
    """Standard input stays open, and has nothing to read."""
    command = [sys.executable, "-m", "minibert", "embed", "-m", str(tmp_path / "nowhere")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"no such folder" in process.stderr.read()
        assert process.wait() == 2


def test_a_handful_does_not_import_numba(tiny_folder: Path) -> None:
    code = """
import sys
from minibert.cli import main, sources
from minibert.runtime.library import Found
sources.find = lambda: Found(None, "")
status = main.main()
print(status, "numba" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, "embed", "-m", tiny_folder, "x"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "0 False"
