"""Torch's own reader beside ours, on a file of five gigabytes and on damaged ones."""

from pathlib import Path

import pytest
import torch

from minibert.formats.torch_file import load_torch
from tests.fuzz.fuzz_formats import Fuzzer


def test_zip64_as_torch_writes_it(tmp_path: Path) -> None:
    """Without the data, which torch can leave out: what remains of 5 GB is a few kilobytes."""
    with torch.serialization.skip_data():
        torch.save({"x": torch.empty(5 << 18, 1024), "y": torch.empty(6)}, tmp_path / "x.bin")
    arrays = load_torch(tmp_path / "x.bin")
    assert arrays["x"].shape == (5 << 18, 1024)
    assert arrays["y"].ctypes.data - arrays["x"].ctypes.data >= 5 << 30


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_read_as_torch_reads_them(tmp_path: Path) -> None:
    """Where both read a file, they read the same."""
    fuzzer, both = Fuzzer("torch", tmp_path), 0
    for number in range(3000):
        fuzzer.write(number)
        if fuzzer.outcome() != "read":
            continue
        [path] = tmp_path.iterdir()
        try:
            expected = torch.load(path, weights_only=True)
        except Exception:  # a checksum, most often
            continue
        both += 1
        actual = load_torch(path)
        expected = expected.get("model", expected)
        assert list(actual) == list(expected)
        for key, value in expected.items():
            value = value.detach()
            value = value.view(torch.int16).numpy() if value.dtype == torch.bfloat16 else value.numpy()
            assert (actual[key].shape, actual[key].tobytes()) == (value.shape, value.tobytes())
    assert both > 100
