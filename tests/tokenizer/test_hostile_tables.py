"""Files of tables that are damaged or hostile: each is passed over, or leads no loop astray."""

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minibert.tokenizer import load_tokenizer, table_file
from minibert.tokenizer.compiled import MAX_WORD_CHARS, TABLES_FILE
from minibert.tokenizer.compiled.layout import SEVERAL, SORTED
from minibert.tokenizer.table_file import read_tables
from tests.support.damage import mutate
from tests.support.table_files import attacked, sealed, small_folder, unpacked, with_array


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_folder(tmp_path / "model")


def said_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The line about a file that is passed over."""
    assert read_tables(folder, False) is None
    line = capsys.readouterr().err
    assert line.startswith(f"minibert: {folder / TABLES_FILE}: is passed over: ")
    assert line.count("\n") == 1
    return line


@pytest.mark.parametrize("size", [32, 63, 64, 200, 512, 4096, -1, -512])
def test_a_cut_file(folder: Path, size: int, capsys: pytest.CaptureFixture[str]) -> None:
    content = (folder / TABLES_FILE).read_bytes()
    (folder / TABLES_FILE).write_bytes(content[:size])
    assert "cut or damaged" in (line := said_once(folder, capsys)) or "checksum" in line


@pytest.mark.parametrize("part", [0.01, 0.3, 0.5, 0.7, 0.99])
def test_noise(folder: Path, part: float, capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray((folder / TABLES_FILE).read_bytes())
    place = max(64, int(part * len(content)))
    content[place] ^= 4
    (folder / TABLES_FILE).write_bytes(content)
    assert "checksum" in said_once(folder, capsys)


def test_many_damaged_files(folder: Path) -> None:
    """Whatever happens to the file, it is passed over, or it is whole."""
    content, source = (folder / TABLES_FILE).read_bytes(), random.Random(3)
    for _ in range(300):
        changed = mutate(source, content)
        (folder / TABLES_FILE).write_bytes(changed)
        found = read_tables(folder, False)
        assert found is None or changed[:40] + changed[64:] == content[:40] + content[64:]


def test_many_hostile_files(folder: Path) -> None:
    """No error comes out. test_guard_pages.py runs the loops with what is accepted."""
    content, source = (folder / TABLES_FILE).read_bytes(), random.Random(4)
    accepted = 0
    for _ in range(300):
        (folder / TABLES_FILE).write_bytes(attacked(content, source))
        accepted += read_tables(folder, False) is not None
    assert 30 < accepted < 270


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cls_id", -1), ("cls_id", 1 << 31), ("sep_id", -1), ("unk_id", 1 << 31), ("second_type", 2), ("lowercase", 2), ("leaves", -1),
        ("added_root", 1), ("added_root", -2), ("max_word_chars", 0), ("max_word_chars", MAX_WORD_CHARS + 1), ("last_id", -1),
        ("model_max_length", -1),
    ],
)  # fmt: skip
def test_settings_out_of_range(folder: Path, name: str, value: int, capsys: pytest.CaptureFixture[str]) -> None:
    values, parts = unpacked((folder / TABLES_FILE).read_bytes())
    (folder / TABLES_FILE).write_bytes(sealed(values | {name: value}, parts))
    said_once(folder, capsys)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("page_of", 5, 65535), ("page_of", 0, 1), ("first_child", 0, -1), ("first_child", 7, 1 << 30), ("first_child", -1, 1 << 30),
        ("first_child", 3, 0), ("piece_of", 9, -2), ("mark_ids", 46, -(1 << 31)), ("ends_word", 65, 2),
        ("pages", 300, 1 << 30 | SEVERAL), ("pages", 300, -8 | SORTED), ("several", 1, 1 << 30),
    ],
)  # fmt: skip
def test_numbers_that_would_lead_out_of_an_array(
    folder: Path, name: str, place: int, value: int, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (folder / TABLES_FILE).read_bytes()
    if name == "several":  # the number of symbols that the first such character has
        pages = np.frombuffer(unpacked(content)[1]["pages"] or b"", np.int32)
        place = int(pages[(pages & 7) == SEVERAL][0]) >> 3
    (folder / TABLES_FILE).write_bytes(with_array(content, name, place, value))
    assert "tables that a loop may use" in said_once(folder, capsys)


@pytest.mark.parametrize("number", [3, 4, 5])
def test_no_character_becomes_more_symbols_than_its_bytes(folder: Path, number: int) -> None:
    """A syllable of Hangul has three bytes, and the arrays of a call have three places for it."""
    content = (folder / TABLES_FILE).read_bytes()
    parts = unpacked(content)[1]
    page_of = np.frombuffer(parts["page_of"] or b"", np.uint16)
    syllable = int(np.frombuffer(parts["pages"] or b"", np.int32)[int(page_of[0xAC]) * 256 + 1])
    assert syllable & 7 == SEVERAL
    (folder / TABLES_FILE).write_bytes(with_array(content, "several", syllable >> 3, number))
    assert (read_tables(folder, False) is not None) == (number <= 3)


@pytest.mark.parametrize("name", ["page_of", "pages", "first_child", "symbol_of", "piece_of", "ends_word", "mark_ids"])
@pytest.mark.parametrize("size", [None, 0, 1, 4, -4])
def test_sizes_that_lie(folder: Path, name: str, size: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    values, parts = unpacked((folder / TABLES_FILE).read_bytes())
    (folder / TABLES_FILE).write_bytes(sealed(values, parts | {name: None if size is None else (parts[name] or b"")[:size]}))
    said_once(folder, capsys)


@pytest.mark.parametrize("size", [-2, 1 << 20, (1 << 63) - 1, -(1 << 63)])
def test_huge_counts(folder: Path, size: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray((folder / TABLES_FILE).read_bytes())
    place = table_file.HEAD.size + 8 * (len(table_file.SETTINGS) + table_file.PARTS.index("pages"))
    content[place : place + 8] = size.to_bytes(8, "little", signed=True)
    content[32:40] = table_file.checksum(bytes(content)).to_bytes(8, "little")
    (folder / TABLES_FILE).write_bytes(content)
    assert "pages: expected a part of" in said_once(folder, capsys)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFO here")
@pytest.mark.parametrize("kind", ["fifo", "folder", "link to a device", "broken link", "large"])
def test_other_things_of_this_name(folder: Path, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / TABLES_FILE
    content = path.read_bytes()
    path.unlink()
    make: dict[str, Any] = {
        "fifo": lambda: os.mkfifo(path), "folder": path.mkdir, "link to a device": lambda: path.symlink_to("/dev/zero"),
        "broken link": lambda: path.symlink_to("nothing"), "large": lambda: path.write_bytes(content),
    }  # fmt: skip
    make[kind]()
    monkeypatch.setattr(table_file, "MAX_BYTES", 1 << 14)
    said_once(folder, capsys)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFO here")
def test_a_source_that_cannot_be_read_is_left_to_the_settings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "vocab.txt").unlink()
    os.mkfifo(folder / "vocab.txt")
    assert read_tables(folder, False) is None
    assert capsys.readouterr().err == ""
    with pytest.raises(ValueError, match="expected a regular file, found a FIFO"):
        load_tokenizer(folder, backend="library")


def test_a_folder_without_tables(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / TABLES_FILE).unlink()
    assert read_tables(folder, False) is None
    assert capsys.readouterr().err == ""
