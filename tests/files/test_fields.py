"""JSON files of a model folder: for any content, one ValueError names the file and the field."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minibert.files.fields import Fields, load_fields, load_list, shown

HUGE = "9" * 400
BAD_NUMBERS = [HUGE, f"-{HUGE}", "9" * 5000, "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "true", '"1"', '"\\ud800"', "[]", "{}"]


def fields(folder: Path, content: str) -> Fields:
    path = folder / "file.json"
    path.write_text(content, encoding="utf-8")
    return load_fields(path)


@pytest.mark.parametrize("number", [*BAD_NUMBERS, "1.0", "1e3", "-0.0"])
def test_wrong_whole_numbers_are_refused(tmp_path: Path, number: str) -> None:
    with pytest.raises(ValueError, match=r"file\.json: outer: name: expected a whole number, found .{1,200}$"):
        fields(tmp_path, f'{{"outer": {{"name": {number}}}}}').child("outer").get("name", int)


@pytest.mark.parametrize("number", BAD_NUMBERS)
def test_wrong_numbers_are_refused(tmp_path: Path, number: str) -> None:
    with pytest.raises(ValueError, match=r"file\.json: name: expected a number, found .{1,200}$"):
        fields(tmp_path, f'{{"name": {number}}}').need("name", float)


def test_numbers_are_read(tmp_path: Path) -> None:
    found = fields(tmp_path, f'{{"whole": {10**30}, "long": {10**299}, "small": 1e-400, "unread": [NaN, {HUGE}]}}')
    assert found.get("whole", int) == 10**30
    assert found.get("long", float) == 1e299
    assert found.get("small", float) == 0.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 100_000, "too many lists and objects inside each other"),
        ('{"a":' * 100_000, "too many lists and objects inside each other"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "each name once in an object, found 'c' twice"),
        ("\ufeff{}", "expected JSON: Unexpected UTF-8 BOM"),
        ("", "expected JSON"),
        ("3", "expected an object, found 3"),
        ('"\\ud800"', "expected an object, found '.ud800'"),
    ],
)
def test_broken_json_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"file\.json: .*{message}"):
        fields(tmp_path, content)


def test_names_of_fields_are_shown_short_and_printable(tmp_path: Path) -> None:
    found = fields(tmp_path, '{"a\\u001b[31m": 1, "' + "b" * 9999 + '": 1}')
    for name in found.content:
        with pytest.raises(ValueError, match="expected a text, found 1") as error:
            found.get(name, str)
        assert len(str(error.value)) < len(str(tmp_path)) + 300
        assert str(error.value).isprintable()


def test_values_are_shown_short() -> None:
    for value in (10**5000, -(10**5000), "x" * 10**6, [[[]] * 10**5], {"a" * 999: {"b" * 999: 1}}, list(range(10**6))):
        assert 2 <= len(shown(value)) <= 200
    assert shown(np.ones((2, 1))) == "array([[1.],        [1.]])"


def test_deep_values_are_shown() -> None:
    value: object = []
    for _ in range(100_000):
        value = [value]
    assert len(shown(value)) <= 200


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """It runs in its own process, because a FIFO would block this one for ever."""
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    (tmp_path / "loop.json").symlink_to("loop.json")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "file").write_text("")
    code = """if True:
        import pathlib, sys
        from minibert.files.fields import load_fields, load_list
        from minibert.tokenizer.loading import load_vocab
        for name in ("fifo.json", "zero.json", "loop.json", "folder.json", "file/file.json"):
            for load in (load_fields, load_list, load_vocab):
                path = pathlib.Path(sys.argv[1]) / name
                try:
                    load(path)
                except ValueError as error:
                    assert str(error).startswith(f"{path}: expected a "), error
                else:
                    raise AssertionError(name)
    """
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=120)


@pytest.mark.parametrize("name", ["\0", "\ud800"])
def test_impossible_names_of_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="expected the name of a file") as error:
        load_fields(tmp_path / name / "config.json")
    assert str(error.value).startswith(str(tmp_path))
    assert str(error.value).isprintable()


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.json"):
        load_list(tmp_path / "no.json")
    (tmp_path / "link.json").symlink_to("no.json")
    with pytest.raises(FileNotFoundError, match=r"link\.json"):
        load_fields(tmp_path / "link.json")
