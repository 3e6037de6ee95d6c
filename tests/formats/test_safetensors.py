"""The mapped reader of safetensors: what the library writes, and hostile files."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save, save_file

from minibert.arrays import BFLOAT16, widen
from minibert.formats.safetensors import MAX_HEADER_BYTES, load_safetensors


def write(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(encoded) if length is None else length).to_bytes(8, "little") + encoded + data)
    return path


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize("dtype", ["f4", "f2", "f8", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"])
def test_reads_what_the_library_writes(tmp_path: Path, dtype: str) -> None:
    random = np.random.default_rng(0)
    shapes = {"a": (3, 5), "b": (), "c": (0, 4), "d.é": (7,)}
    expected = {name: np.array(random.random(shape) * 9, dtype) for name, shape in shapes.items()}
    save_file(expected, tmp_path / "x.safetensors", metadata={"format": "pt"})
    actual = load_safetensors(tmp_path / "x.safetensors")
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array)
        assert actual[name].dtype == array.dtype
        assert not actual[name].flags.writeable


def test_bfloat16(tmp_path: Path) -> None:
    values = np.array([1.5, -2.0, 3.140625, 0.0, np.inf], np.float32)
    bits = (values.view(np.uint32) >> 16).astype("<u2")
    loaded = load_safetensors(write(tmp_path / "x.safetensors", {"x": entry("BF16", [5], 0, 10)}, bits.tobytes()))["x"]
    assert loaded.dtype == BFLOAT16
    np.testing.assert_array_equal(widen(loaded), values)


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (lambda path: write(path, b"", length=0), "not valid JSON"),
    "no header at all": (lambda path: path.write_bytes(b"abc") and path, "cut off or something else"),
    "header longer than the file": (lambda path: write(path, {}, length=1000), "cut off or something else"),
    "header over the limit": (lambda path: write(path, {}, length=(1 << 22) + 1), "cut off or something else"),
    "length of 2**63": (lambda path: write(path, {}, length=2**63), "cut off or something else"),
    "not JSON": (lambda path: write(path, b"{nonsense"), "not valid JSON"),
    "not UTF-8": (lambda path: write(path, b'{"\xff": 1}'), "not valid JSON"),
    "nested without end": (lambda path: write(path, b"[" * 200_000), "not valid JSON"),
    "many duplicate names": (lambda path: write(path, b"{" + b'"x":0,' * 500_000 + b'"y":0}'), "duplicate names: x"),
    "a name that is no text": (lambda path: write(path, b'{"\\ud800": 0}'), "not valid JSON"),
    "a list": (lambda path: write(path, []), "expected a JSON object"),
    "a list of numbers": (lambda path: write(path, [1]), "expected a JSON object as header, found list"),
    "a number": (lambda path: write(path, 1), "expected a JSON object as header, found int"),
    "duplicate names": (
        lambda path: write(path, b'{"x": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}, "x": {}}', b"1"),
        "duplicate names: x",
    ),
    "metadata of numbers": (lambda path: write(path, {"__metadata__": {"a": 1}}), "__metadata__"),
    "unknown dtype": (lambda path: write(path, {"x": entry("F7", [1], 0, 4)}, b"1234"), "x: expected a dtype"),
    "dtype is a list": (lambda path: write(path, {"x": {**entry("", [1], 0, 4), "dtype": []}}, b"1234"), "x: expected a dtype"),
    "missing field": (lambda path: write(path, {"x": {"dtype": "F32", "shape": [1]}}, b"1234"), "x: expected dtype, shape"),
    "negative shape": (lambda path: write(path, {"x": entry("F32", [-1], 0, 4)}, b"1234"), "whole numbers from 0, found -1"),
    "shape of floats": (lambda path: write(path, {"x": entry("F32", [1.0], 0, 4)}, b"1234"), "x: expected whole numbers"),  # type: ignore[list-item]
    "shape of booleans": (lambda path: write(path, {"x": entry("F32", [True], 0, 4)}, b"1234"), "x: expected whole numbers"),
    "shape of 40 dimensions": (lambda path: write(path, {"x": entry("U8", [1] * 40, 0, 1)}, b"1"), "x: expected two data_offsets"),
    "shape that overflows": (lambda path: write(path, {"x": entry("F32", [2**40, 2**40], 0, 4)}, b"1234"), "x: expected .* bytes"),
    "nothing of an impossible shape": (
        lambda path: write(path, {"x": entry("F32", [0, 2**40, 2**40], 0, 0)}),
        r"x: expected a shape of less",
    ),
    "shape and offsets disagree": (lambda path: write(path, {"x": entry("F32", [2], 0, 4)}, b"1234"), "x: expected 8 bytes"),
    "offsets backwards": (lambda path: write(path, {"x": entry("F32", [1], 4, 0)}, b"1234"), "x: expected 4 bytes"),
    "offsets past the end": (lambda path: write(path, {"x": entry("F32", [2], 0, 8)}, b"1234"), "expected 8 bytes of data"),
    "a tail": (lambda path: write(path, {"x": entry("F32", [1], 0, 4)}, b"12345"), "expected 4 bytes of data"),
    "overlap": (lambda path: write(path, {"x": entry("U8", [3], 0, 3), "y": entry("U8", [3], 2, 5)}, b"12345"), "overlap"),
    "a hole": (lambda path: write(path, {"x": entry("U8", [2], 0, 2), "y": entry("U8", [2], 3, 5)}, b"12345"), "leave a hole"),
    "a hole at the start": (lambda path: write(path, {"x": entry("U8", [2], 1, 3)}, b"123"), "leave a hole"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path: Path, name: str) -> None:
    make, message = HOSTILE[name]
    path = make(tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=message) as error:
        load_safetensors(path)
    assert "x.safetensors" in str(error.value)


def test_a_header_takes_little_memory(tmp_path: Path) -> None:
    """It takes at most thirty times its size, and an error lists one line of names."""
    for header in (b"[" + b"[]," * 1_300_000 + b"0]", b'{"' + b"x" * 4_000_000 + b'": 0}', b"{" + b'"x":0,' * 600_000 + b'"y":0}'):
        write(tmp_path / "x.safetensors", header)
        tracemalloc.start()
        with pytest.raises(ValueError, match=r"expected|duplicate") as error:
            load_safetensors(tmp_path / "x.safetensors")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 32 * MAX_HEADER_BYTES
        assert len(str(error.value)) < 1500


def accepts(read: Callable[[Path], object], path: Path) -> bool:
    try:
        read(path)
    except (ValueError, SafetensorError):
        return False
    return True


VALID = save({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(3, np.uint8)})


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), min_size=1, max_size=3), st.integers(-3, 3))
@example([(0, VALID[0])], 0)
def test_everything_that_the_library_refuses_is_refused(tmp_path: Path, changes: list[tuple[int, int]], cut: int) -> None:
    """Some bytes of a valid file are changed, cut off or added."""
    mutated = bytearray(VALID)
    for place, byte in changes:
        mutated[place] = byte
    path = tmp_path / "x.safetensors"
    path.write_bytes(bytes(mutated[: len(mutated) + min(cut, 0)]) + b"\x00" * max(cut, 0))

    def library(path: Path) -> None:
        with safe_open(path, "numpy") as file:
            file.keys()

    assert accepts(library, path) or not accepts(load_safetensors, path)
