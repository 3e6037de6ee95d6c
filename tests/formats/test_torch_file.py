"""The reader of torch's checkpoints: what torch writes, and limits of memory and time.

tests/make/torch_files.py made the files in golden/torch with torch. Torch is not needed here.
tests/parity compares the reader with torch on damaged files.
"""

import mmap
import os
import pickle
import subprocess
import sys
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from minibert.arrays import BFLOAT16
from minibert.formats.torch_file import load_torch
from minibert.formats.torch_objects import Tensor
from minibert.formats.torch_pickle import MAX_PICKLE_BYTES
from tests.formats.torch_writer import refuse, write_raw_zip
from tests.fuzz.fuzz_formats import READERS, Fuzzer
from tests.support.torch_pickles import DATA, GOOD, dictionary, program, storage, tensor, text, write_legacy, write_zip

GOLDEN = Path(__file__).parents[1] / "golden" / "torch"
FILES = sorted(path.name for path in GOLDEN.glob("*.bin"))


@pytest.mark.parametrize("name", FILES)
def test_reads_what_torch_writes(name: str) -> None:
    actual = load_torch(GOLDEN / name)
    with np.load(GOLDEN / f"{name.split('.')[0]}.npz") as expected:
        assert list(actual) == list(expected)
        for key, array in expected.items():
            bfloat16 = array.dtype == np.int16 and key == "bert.pooler.dense.bias"  # its bits; NumPy has no such type
            assert actual[key].dtype == (BFLOAT16 if bfloat16 else array.dtype)
            np.testing.assert_array_equal(actual[key]["bfloat16"].view(np.int16) if bfloat16 else actual[key], array)
            assert isinstance(actual[key].base, mmap.mmap)  # a view of the file, not a copy
            assert not actual[key].flags.writeable
            assert ".legacy." in name or actual[key].flags.aligned


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("bert")])
def test_shared_storages_are_shared_arrays(name: str) -> None:
    arrays = load_torch(GOLDEN / name)
    words, square = arrays["bert.embeddings.word_embeddings.weight"], arrays["bert.encoder.layer.0.attention.self.query.weight"]
    assert words.ctypes.data == arrays["cls.predictions.decoder.weight"].ctypes.data
    assert np.shares_memory(words, arrays["cls.predictions.bias"])
    assert square.strides == (4, 16)
    assert np.shares_memory(square, arrays["bert.encoder.layer.0.attention.self.key.weight"])


def test_the_writers_can_write_right_files(tmp_path: Path) -> None:
    """Otherwise the tests of wrong files would show nothing."""
    for path in (write_zip(tmp_path / "x.bin"), write_zip(tmp_path / "y.bin", byteorder=b"little"), write_legacy(tmp_path / "z.bin")):
        np.testing.assert_array_equal(load_torch(path)["x"], np.arange(6).reshape(2, 3))


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict", "module", "net"])
def test_weights_in_a_checkpoint_of_training(tmp_path: Path, wrapper: str) -> None:
    inner = b"}" + text("x") + tensor(storage()) + b"s"
    path = write_zip(tmp_path / "x.bin", program(b"}(" + text("epoch") + b"K\x03" + text(wrapper) + inner + b"u"))
    assert list(load_torch(path)) == ["x"]


def test_weights_in_two_wrappers_and_beside_an_optimizer(tmp_path: Path) -> None:
    inner = b"}" + text("x") + tensor(storage()) + b"s"
    optimizer = text("optimizer") + b"}" + text("state") + b"}" + b"s"
    path = write_zip(tmp_path / "x.bin", program(b"}(" + text("model") + b"}" + text("state_dict") + inner + b"s" + optimizer + b"u"))
    assert list(load_torch(path)) == ["x"]


def test_two_models_in_a_file_are_named(tmp_path: Path) -> None:
    inner = b"}" + text("x") + tensor(storage()) + b"s"
    path = write_zip(tmp_path / "x.bin", program(b"}(" + text("net") + inner + text("ema") + inner + b"u"))
    with pytest.raises(ValueError, match="expected one dict of tensors, found ema, net"):
        load_torch(path)


def test_a_dict_with_many_names_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 400 kB can name a dict of 10,000 tensors 10,000 times."""
    inner = (
        b"}("
        + b"".join(text(f"{number:x}") + (tensor(storage()) + b"r\0\0\0\0" if not number else b"j\0\0\0\0") for number in range(10_000))
        + b"u"
    )
    many = b"".join(text(f"n{number:x}") + b"j\1\0\0\0" for number in range(10_000))
    path = write_zip(tmp_path / "x.bin", program(b"}(" + text("net") + inner + b"r\1\0\0\0" + many + b"u"))
    looks = 0

    class Counted(type):
        """A metaclass that counts the isinstance checks of its class."""

        def __instancecheck__(cls, instance: object) -> bool:
            nonlocal looks
            looks += 1
            return isinstance(instance, Tensor)

    monkeypatch.setattr("minibert.formats.torch_file.Tensor", Counted("Tensor", (), {}))
    assert len(load_torch(path)) == 10_000
    assert looks < 100_000


def test_a_large_zip64_takes_little_memory(tmp_path: Path) -> None:
    """A sparse file has a storage of 5 GB and one behind it. Nothing is read."""
    path, numel = tmp_path / "x.bin", 5 << 28
    shape = (numel // 1024, 1024)
    body = text("x") + tensor(storage("0", numel), 0, shape, (1024, 1)) + text("y") + tensor(storage("1", 6))
    try:
        write_raw_zip(path, {"r/data.pkl": program(b"}(" + body + b"u"), "r/data/0": 4 * numel, "r/data/1": DATA})
    except OSError:
        pytest.skip("the file system has no sparse files of 5 GB")
    tracemalloc.start()
    arrays = load_torch(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
    assert arrays["x"].shape == shape
    np.testing.assert_array_equal(arrays["y"], np.arange(6).reshape(2, 3))


def test_other_objects_of_deepspeed_are_ignored(tmp_path: Path) -> None:
    """Its checkpoints have the shapes of the parameters and a set, as torch writes them."""
    inner = b"}" + text("x") + tensor(storage()) + b"s"
    shapes = text("param_shapes") + b"]}" + text("x") + b"ctorch\nSize\nK\x02K\x03\x86\x85Rsa"
    names = text("sparse_tensor_module_names") + pickle.dumps({"y"}, 2)[2:-1]
    names += text("dtype") + b"ctorch\nfloat16\n" + b"".join(text(str(each)) + pickle.dumps(each, 2)[2:-1] for each in (b"abc", 1j))
    others = text("device") + b"ctorch\ndevice\n" + text("cpu") + b"\x85R" + text("milestones") + pickle.dumps(Counter([3]), 2)[2:-1]
    path = write_zip(tmp_path / "x.bin", program(b"}(" + text("module") + inner + shapes + names + others + b"u"))
    assert list(load_torch(path)) == ["x"]


def test_a_set_in_place_of_a_tensor_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.bin", dictionary(pickle.dumps({"y"}, 2)[2:-1]))
    with pytest.raises(ValueError, match="'x': expected a name and its tensor, found None"):
        load_torch(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"x\.bin"):
        load_torch(tmp_path / "x.bin")


def write_long_directory(path: Path) -> Path:
    """Write as many members as are allowed, with the longest names."""
    return write_raw_zip(path, {"r/data.pkl": GOOD} | {f"r/{number:0510}": b"" for number in range(9_999)})


def test_a_large_directory_takes_little_memory(tmp_path: Path) -> None:
    refuse(write_long_directory(tmp_path / "x.bin"), "storage '0': expected 24 bytes, found nothing")


OPCODES = [b"]", b"}", text("é "), b"ccollections\nOrderedDict\n)R", b"h\0h\0\x86"]


def write_long_program(path: Path, opcode: bytes) -> Path:
    """Write one kind of object as often as is allowed."""
    return write_zip(path, program(b"]q\0" + opcode * 200_000)[:MAX_PICKLE_BYTES])


@pytest.mark.parametrize("opcode", OPCODES)
def test_long_programs_take_little_memory(tmp_path: Path, opcode: bytes) -> None:
    refuse(write_long_program(tmp_path / "x.bin", opcode), "opcodes|cut off")


def test_hostile_files_take_little_time(tmp_path: Path) -> None:
    """Quadratic time would take many minutes; all of these files take seconds."""
    write_long_directory(tmp_path / "directory.bin")
    for number, opcode in enumerate(OPCODES):
        write_long_program(tmp_path / f"{number}.bin", opcode)
    write_views(tmp_path / "views.bin", 3_000, (1, 1))
    code = """if True:
        import sys
        from pathlib import Path
        from minibert.formats.torch_file import load_torch
        for path in map(Path, sys.argv[1:]):
            try:
                print("read", path.name, len(load_torch(path)))
            except ValueError:
                print("refused", path.name)
    """
    arguments = [sys.executable, "-c", code, *sorted(map(str, tmp_path.iterdir()))]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=300)
    assert result.stdout.splitlines() == [
        *(f"refused {number}.bin" for number in range(len(OPCODES))),
        "refused directory.bin",
        "read views.bin 3000",
    ]


def write_views(path: Path, count: int, shape: tuple[int, int], numel: int = 250_000) -> Path:
    """Write many tensors of one storage."""
    body = b"".join(text(f"t{number}") + tensor(storage("0", numel), 0, shape, (shape[1], 1)) for number in range(count))
    return write_zip(path, program(b"}(" + body + b"u"), data_0=bytes(4 * numel))


def test_tensors_that_share_a_storage_have_one_bound(tmp_path: Path) -> None:
    """They have at most twice the bytes of the file, since a decoder may be tied to the embeddings.

    Without a bound, a file of a megabyte would make gigabytes.
    """
    assert len(load_torch(write_views(tmp_path / "x.bin", 3, (250, 1000)))) == 3
    refuse(write_views(tmp_path / "x.bin", 4, (250, 1000)), r"about \d+ bytes in all, as the file has, found 4000000; they share storages")
    refuse(write_views(tmp_path / "x.bin", 3_000, (250, 1000)), "found 3000000000; they share storages")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.bin")
    refuse(tmp_path / "x.bin", "expected a regular file, found a FIFO")


@pytest.mark.parametrize("name", ["bert.zip.bin", "bert.legacy.bin"])
def test_files_that_are_cut_off_are_refused(tmp_path: Path, name: str) -> None:
    data, path = (GOLDEN / name).read_bytes(), tmp_path / "x.bin"
    for size in [*range(0, 100), *range(100, len(data) - 100, 13), *range(len(data) - 100, len(data))]:
        path.write_bytes(data[:size])
        with pytest.raises(ValueError, match=r"x\.bin: "):
            load_torch(path)


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    """Of the first inputs of tests/fuzz/fuzz_formats.py, some are read and most are refused."""
    fuzzer, num_read = Fuzzer(name, tmp_path), 0
    for number in range(1000):
        fuzzer.write(number)
        num_read += fuzzer.outcome() == "read"
    assert 0 < num_read < 500
