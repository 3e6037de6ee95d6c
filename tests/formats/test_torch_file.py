"""The reader of torch's checkpoints: what torch wrote, and what nobody should.

tests/make/torch_files.py made the files in golden/torch with torch; here torch is not needed; tests/parity asks it about damaged files.
"""

import builtins
import io
import mmap
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minibert.arrays import BFLOAT16
from minibert.formats.torch_file import LEGACY_START, load_torch
from minibert.formats.torch_objects import Tensor
from minibert.formats.torch_pickle import MAX_OPCODES, MAX_PICKLE_BYTES
from tests.fuzz.fuzz_formats import READERS, Fuzzer
from tests.support.torch_pickles import DATA, GOOD, dictionary, integer, program, storage, tensor, text, write_legacy, write_zip

GOLDEN = Path(__file__).parents[1] / "golden" / "torch"
FILES = sorted(path.name for path in GOLDEN.glob("*.bin"))


# What is right


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
def test_what_was_shared_is_shared(name: str) -> None:
    arrays = load_torch(GOLDEN / name)
    words, square = arrays["bert.embeddings.word_embeddings.weight"], arrays["bert.encoder.layer.0.attention.self.query.weight"]
    assert words.ctypes.data == arrays["cls.predictions.decoder.weight"].ctypes.data
    assert np.shares_memory(words, arrays["cls.predictions.bias"])
    assert square.strides == (4, 16)
    assert np.shares_memory(square, arrays["bert.encoder.layer.0.attention.self.key.weight"])


def test_what_the_helpers_write_is_good(tmp_path: Path) -> None:
    """Or the tests below would show nothing."""
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


def test_a_dict_with_many_names_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        """Of a class: counts how often it is asked whether something is one of its own."""

        def __instancecheck__(cls, instance: object) -> bool:
            nonlocal looks
            looks += 1
            return isinstance(instance, Tensor)

    monkeypatch.setattr("minibert.formats.torch_file.Tensor", Counted("Tensor", (), {}))
    assert len(load_torch(path)) == 10_000
    assert looks < 100_000


def test_zip64_and_memory(tmp_path: Path) -> None:
    """A storage of 5 GB and one behind it, on no disk; nothing is read, and next to no memory taken."""
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


def write_raw_zip(path: Path, members: dict[str, bytes | int], change: Callable[[list[list[Any]]], None] | None = None) -> Path:
    """A zip by hand, all in ZIP64; a number stands for so many zeros. `change` has its way with the directory's [name, size, offset]."""
    directory: list[list[Any]] = []
    with path.open("wb") as file:
        for name, data in members.items():
            size = data if isinstance(data, int) else len(data)
            directory.append([name, size, file.tell()])
            zip64 = struct.pack("<2H2Q", 1, 16, size, size)
            file.write(struct.pack("<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(zip64)))
            file.write(name.encode() + zip64)
            file.truncate(file.seek(size, 1)) if isinstance(data, int) else file.write(data)
        if change:
            change(directory)
        begin = file.tell()
        for name, size, offset in directory:
            zip64 = struct.pack("<2H3Q", 1, 24, size, size, offset)
            fixed = (45, 45, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(zip64), 0, 0, 0, 0, 0xFFFFFFFF)
            file.write(struct.pack("<4s6H3I5H2I", b"PK\1\2", *fixed) + name.encode() + zip64)
        end = file.tell()
        count = len(directory)
        file.write(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, end - begin, begin))
        file.write(struct.pack("<4sIQI", b"PK\6\7", 0, end, 1))
        file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))
    return path


def test_what_deepspeed_keeps_beside_the_weights(tmp_path: Path) -> None:
    """Its checkpoints have the shapes of the parameters and a set, as torch writes them."""
    inner = b"}" + text("x") + tensor(storage()) + b"s"
    shapes = text("param_shapes") + b"]}" + text("x") + b"ctorch\nSize\nK\x02K\x03\x86\x85Rsa"
    names = text("sparse_tensor_module_names") + pickle.dumps({"y"}, 2)[2:-1]
    names += text("dtype") + b"ctorch\nfloat16\n" + b"".join(text(str(each)) + pickle.dumps(each, 2)[2:-1] for each in (b"abc", 1j))
    others = text("device") + b"ctorch\ndevice\n" + text("cpu") + b"\x85R" + text("milestones") + pickle.dumps(Counter([3]), 2)[2:-1]
    path = write_zip(tmp_path / "x.bin", program(b"}(" + text("module") + inner + shapes + names + others + b"u"))
    assert list(load_torch(path)) == ["x"]


def test_a_set_is_no_tensor(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.bin", dictionary(pickle.dumps({"y"}, 2)[2:-1]))
    with pytest.raises(ValueError, match="'x': expected a name and its tensor, found None"):
        load_torch(path)


# What is wrong


class Calls:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def deep(levels: int) -> bytes:
    return b"]q\x00" + b"]" * levels + b"a" * levels


PICKLES: dict[str, tuple[bytes, str]] = {
    "os.system": (
        pickle.dumps({"x": Calls(os.system, "touch executed")}, 2),
        r"asks for (posix|nt).system; expected one of collections.Ord",
    ),
    "os.system by name": (
        program(b"cos\nsystem\n(" + text("touch executed") + b"tR"),
        "asks for os.system; expected one of collections.Or",
    ),
    "eval": (pickle.dumps(Calls(builtins.eval, "open('executed', 'w')"), 2), r"asks for __builtin__.eval; expected one of"),
    "a module of torch": (dictionary(b"ctorch.nn.modules.linear\nLinear\n)\x81"), "asks for torch.nn.modules.linear.Linear"),
    "a global with dots": (dictionary(b"ccollections\nOrderedDict.__init__\n"), r"asks for collections.OrderedDict.__init__"),
    "a global that writes to the terminal": (dictionary(b"c\x1b[31m\nx\n"), r"asks for '\\x1b\[31m.x'"),
    "STACK_GLOBAL": (program(text("os") + text("system") + b"\x93"), "opcode 0x93"),
    "INST": (program(b"(ios\nsystem\n"), "opcode 0x69"),
    "OBJ": (program(b"(ccollections\nOrderedDict\no"), "opcode 0x6f"),
    "NEWOBJ": (program(b"ccollections\nOrderedDict\n)\x81"), "opcode 0x81"),
    "EXT1": (program(b"\x82\x01"), "opcode 0x82"),
    "LONG4": (program(b"\x8b\xff\xff\xff\x7f"), "opcode 0x8b"),
    "a decimal LONG": (program(b"L" + b"9" * 100_000 + b"L\n"), "opcode 0x4c"),
    "protocol 4": (pickle.dumps({}, 4), "expected a pickle of protocol 2"),
    "protocol twice": (program(b"\x80\x02}"), "opcode 0x80"),
    "a call of a storage": (dictionary(b"ctorch\nFloatStorage\n)R"), r"calls Global\(name='torch.FloatStorage'\) with tuple"),
    "a call of a text": (program(text("os.system") + b")R"), "calls 'os.system' with tuple"),
    "a call with a list": (program(b"ccollections\nOrderedDict\n]R"), "with list; expected one of"),
    "an OrderedDict of something": (program(b"ccollections\nOrderedDict\n]\x85R"), "OrderedDict: expected no arguments, found 1"),
    "attributes of a dict": (program(b"}}b"), "gives attributes to dict from dict"),
    "attributes of a tensor": (dictionary(tensor(storage()) + b"}b"), "gives attributes to Tensor"),
    "attributes that are none": (program(b"ccollections\nOrderedDict\n)RNb"), "to OrderedDict from None"),
    "an empty pickle": (b"", "expected 2 bytes more, found 0"),
    "no end": (b"\x80\x02}", "expected 1 bytes more, found 0; the pickle is cut off"),
    "two objects": (program(b"}}"), "expected one object at the end, found 1 more"),
    "a mark left": (program(b"(}"), "expected one object at the end, found 0 more, 1 marks"),
    "nothing": (program(b""), "expected something on the stack"),
    "no mark": (program(b"t"), "expected a mark"),
    "below the mark": (program(b"}(s"), "expected something on the stack"),
    "a pop through the mark": (program(b"K\1K\2(\x86"), "expected something on the stack"),
    "not in the memo": (program(b"h\x07"), "found no number 7"),
    "a memo far away": (program(b"}r\xff\xff\xff\xff"), "things in the memo, found number 4294967295"),
    "text longer than the pickle": (program(b"X\x10\x00\x00\x00abc"), "expected 16 bytes more"),
    "text longer than allowed": (program(b"X\xff\xff\xff\xff"), "expected a text of at most 4096 bytes, found 4294967295"),
    "text that is none": (program(b"X\x01\x00\x00\x00\xff"), "expected text in UTF-8"),
    "half a surrogate": (program(b"X\x03\x00\x00\x00\xed\xa0\x80"), "expected text in UTF-8"),
    "an integer of 255 bytes": (program(b"\x8a\xff" + b"\x7f" * 255), "an integer of at most 16 bytes, found 255"),
    "a name without end": (program(b"c" + b"a" * 10_000), "expected a name and the end of its line"),
    "a program too long": (program(b"]" * MAX_OPCODES), "expected at most 131072 opcodes"),
    "too many bytes": (program(b"}") + b" " * MAX_PICKLE_BYTES, "expected at most 1048576 bytes"),
    "bytes behind": (GOOD + b"x", "data.pkl: expected an end at byte"),
    "deep": (program(deep(60_000)), "expected a dict of tensors, found list"),
    "a list in itself": (program(b"]q\x00h\x00a"), "expected a dict of tensors, found list"),
    "a dict in itself": (program(b"}q\x00" + text("x") + b"h\x00s"), "'x': expected a name and its tensor, found dict"),
    "a wrapper in itself": (program(b"}q\x00" + text("model") + b"h\x00s"), "'model': expected a name and its tensor, found dict"),
    "a tuple in a tuple in a tuple": (program(b")" + b"\x85" * 100_000), "expected a dict of tensors, found tuple"),
    "a key of tuples": (dictionary(b"N", b")" + b"\x85" * 100_000), "expected text or a number below 65536 as a key, found tuple"),
    "keys that collide": (dictionary(b"N", integer(2**61 - 1)), "as a key, found 2305843009213693951"),
    "duplicate keys": (program(b"}(" + (text("x") + tensor(storage())) * 2 + b"u"), "duplicate key 'x'"),
    "a key without a value": (program(b"}(" + text("x") + b"u"), "expected a dict, keys and values, found dict and 1 items"),
    "items of a list": (program(b"](NNu"), "expected a dict, keys and values, found list"),
    "append to a tensor": (dictionary(tensor(storage()) + b"Na"), "expected a list to append to, found Tensor"),
    "a lone tensor": (program(tensor(storage())), "expected a dict of tensors, found Tensor"),
    "a number among tensors": (dictionary(b"K\x03"), "'x': expected a name and its tensor, found 3"),
    "a storage among tensors": (dictionary(storage()), "'x': expected a name and its tensor, found Storage"),
    "a number as name": (dictionary(tensor(storage()), b"K\x03"), "3: expected a name and its tensor"),
    "a long name": (dictionary(b"N", text("x" * 4000)), "'x{199}: expected a name and its tensor, found None"),
    "view past the end": (dictionary(tensor(storage(), 1)), "at most its 6 elements, found 6 that end at 7"),
    "strides past the end": (dictionary(tensor(storage(), 0, (2, 3), (4, 1))), "at most its 6 elements, found 6 that end at 7"),
    "negative offset": (dictionary(tensor(storage(), -1)), "an offset from 0, found Storage and -1"),
    "negative stride": (dictionary(tensor(storage(), 5, (2, 3), (-3, 1))), "strides of at most 32 numbers from 0"),
    "negative size": (dictionary(tensor(storage(), 0, (-2, -3))), "strides of at most 32 numbers from 0"),
    "offset of 2**80": (dictionary(tensor(storage(), 2**80)), "an offset from 0, found Storage and 1208925819614629174706176"),
    "True as size": (dictionary(tensor(storage()).replace(integer(2), b"\x88")), "strides of at most 32 numbers from 0"),
    "40 dimensions": (dictionary(tensor(storage(), 0, (1,) * 40, (1,) * 40)), "at most 32 numbers"),
    "size without stride": (dictionary(tensor(storage(), 0, (2, 3), (1,))), "a stride for each of 2 dimensions, found 1"),
    "size that overflows": (dictionary(tensor(storage(), 0, (2**62, 2**62))), "at most its 6 elements"),
    "nothing, 2**62 times": (dictionary(tensor(storage(), 0, (0, 2**62))), "expected dimensions for at most 1099511627776 elements"),
    "one number repeated": (dictionary(tensor(storage(), 0, (2**40,), (0,))), "at most its 6 elements, found 1099511627776 that end at 1"),
    "tensor of nothing": (dictionary(tensor(b"N")), "expected a storage and an offset from 0, found None and 0"),
    "tensor with metadata": (dictionary(tensor(storage(), more=b"}")), "expected 6 arguments, found 7"),
    "tensor without arguments": (dictionary(b"ctorch._utils\n_rebuild_tensor_v2\n)R"), "expected 6 arguments, found 0"),
    "parameter of nothing": (dictionary(b"ctorch._utils\n_rebuild_parameter\n(NNNtR"), "expected a tensor and 2 or 3 arguments more"),
    "a type of tensor": (dictionary(b"ctorch._utils\n_rebuild_tensor_v3\n"), "asks for torch._utils._rebuild_tensor_v3"),
    "a type of number": (dictionary(tensor(storage(cls="ComplexFloatStorage"))), "asks for torch.ComplexFloatStorage"),
    "huge storage": (dictionary(tensor(storage(numel=2**40))), "storage '0': expected 4398046511104 bytes, found 24"),
    "storage over the limit": (dictionary(tensor(storage(numel=2**62))), "storage '0': expected 0 to 1099511627776 elements"),
    "storage of -6": (dictionary(tensor(storage(numel=-6))), "storage '0': expected 0 to 1099511627776 elements, found -6"),
    "storage that is too long": (dictionary(tensor(storage(numel=5), 0, (5,), (1,))), "storage '0': expected 20 bytes, found 24"),
    "storage that is not there": (dictionary(tensor(storage("../1"))), r"storage '../1': expected 24 bytes, found nothing"),
    "storage that is the pickle": (dictionary(tensor(storage("../data.pkl"))), r"storage '../data.pkl': expected 24 bytes, found nothing"),
    "storage of two types": (program(b"}" + storage() + storage(cls="IntStorage")), "storage '0' is described twice"),
    "a view of a storage": (dictionary(tensor(storage(more=text("view")))), "storage '0': expected None, found the place of a view"),
    "a persistent module": (program(b"(" + text("module") + b"NNNNtQ"), "expected a persistent id .*, found tuple"),
    "a persistent number": (program(b"K\x01Q"), "expected a persistent id .*, found 1"),
    "a storage of a global": (program(storage(cls="FloatStorage").replace(b"ctorch\nFloat", b"ctorch\nUntyped")), "torch.UntypedStorage"),
    "a storage of no class": (program(storage().replace(b"ctorch\nFloatStorage\n", text("torch"))), "found 'torch' and '0'"),
    "an unhashable key": (program(storage().replace(text("0"), b"]")), "found Global.* and list"),
}


def refuse(path: Path, message: str, megabytes: float = 12) -> None:
    """With this message, in little memory."""
    tracemalloc.start()
    with pytest.raises(ValueError, match=message) as error:
        load_torch(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < megabytes * 1e6, peak
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize("name", PICKLES)
def test_hostile_pickles_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    pickled, message = PICKLES[name]
    refuse(write_zip(tmp_path / "x.bin", pickled), message)
    assert not Path("executed").exists()


def rename(old: bytes, new: bytes) -> Callable[[Path], Path]:
    return lambda path: replace(write_zip(path, data_1=b"more"), old, new)


def replace(path: Path, old: bytes, new: bytes, count: int = -1) -> Path:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, count))
    return path


def poke(path: Path, place: int, new: bytes) -> Path:
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place : place + len(new)] = new
    path.write_bytes(data)
    return path


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def mark_as_folder(path: Path) -> Path:
    return poke(path, path.read_bytes().index(b"PK\1\2") + 38, b"\x10")


def long_field(path: Path) -> Path:
    """600 bytes of fields of no type, in which to look for ZIP64."""
    data = write_zip(path).read_bytes()
    place = data.index(b"PK\1\2")
    name = place + 46 + len("any root/data.pkl")
    size = int.from_bytes(data[-10:-6], "little") + 600
    return write(
        path,
        data[: place + 30]
        + struct.pack("<H", 600)
        + data[place + 32 : name]
        + bytes(600)
        + data[name:-10]
        + struct.pack("<I", size)
        + data[-6:],
    )


def tar(path: Path) -> Path:
    with tarfile.open(path, "w") as file:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            file.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


def change(index: int, **fields: Any) -> Callable[[Path], Path]:
    def lie(directory: list[list[Any]]) -> None:
        for place, field in enumerate(("name", "size", "offset")):
            directory[index][place] = fields.get(field, directory[index][place])

    return lambda path: write_raw_zip(path, {"r/data.pkl": GOOD, "r/data/0": DATA, "r/data/1": DATA}, lie)


FILES_OF_ALL_KINDS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (lambda path: write(path, b""), "found an empty file"),
    "a folder": (lambda path: path.mkdir() or path, "expected a regular file, found a folder"),  # type: ignore[func-returns-value]
    "a page": (lambda path: write(path, b"<html>"), "found an HTML page; "),
    "a plain pickle": (lambda path: write(path, GOOD), "found a file that begins"),
    "tar": (tar, "found a tar archive"),
    # zip
    "compressed": (lambda path: write_zip(path, method=zipfile.ZIP_DEFLATED), "expected stored bytes .method 0., found method 8"),
    "encrypted": (
        lambda path: replace(write_zip(path), b"PK\1\2\x14\x03\x14\0\0\0", b"PK\1\2\x14\x03\x14\0\1\0"),
        "found method 0, flags 0x1",
    ),
    "big-endian": (lambda path: write_zip(path, byteorder=b"big"), "expected the byteorder little, found b'big'"),
    "no byteorder": (lambda path: write_zip(path, byteorder=b""), "expected the byteorder little, found b''"),
    "no pickle": (rename(b"data.pkl", b"data.pkk"), "expected one folder with data.pkl, found 3 members"),
    "two folders": (rename(b"any root/data/1", b"ANY ROOT/data/1"), "expected one folder with data.pkl"),
    "no folder": (rename(b"any root/data.pkl", b"any-root-data.pkl"), "expected one folder with data.pkl"),
    "a storage is missing": (rename(b"data/0", b"data/2"), "storage '0': expected 24 bytes, found nothing"),
    "duplicate members": (rename(b"data/1", b"data/0"), "duplicate member 'any root/data/0'"),
    "a member outside": (rename(b"any root/data/1", b"../a root/data/1"[:15]), "expected a plain path"),
    "a member from the root": (rename(b"any root/data/1", b"/any rootdata/1"), "expected a plain path"),
    "a member of Windows": (rename(b"root/data/1", b"root\\data/1"), "expected a plain path"),
    "a name that is no text": (rename(b"data/1", b"data/\xff"), "expected names in UTF-8"),
    "another name before the data": (lambda path: replace(write_zip(path), b"data/0", b"data/3", 1), "a header with this name"),
    "a tail": (lambda path: write(path, write_zip(path).read_bytes() + b"x"), "is cut off or has a tail"),
    "something before": (
        lambda path: write(path, b"PK\3\4" + write_zip(path).read_bytes()),
        "expected a zip directory up to",
    ),
    "a comment": (lambda path: poke(write_zip(path), -2, b"\1"), "no comment"),
    "more members than there are": (lambda path: poke(write_zip(path), -14, b"\3\0\3\0"), "expected a member in the zip directory"),
    "fewer members than there are": (lambda path: poke(write_zip(path), -14, b"\1\0\1\0"), "found 1 members that end at"),
    "no members": (lambda path: poke(write_zip(path), -14, b"\0\0\0\0"), "1 to 10000 members"),
    "65535 members": (lambda path: poke(write_zip(path), -14, b"\xff\xff\xff\xff"), "1 to 10000 members"),
    "two disks": (lambda path: poke(write_zip(path), -18, b"\1\0"), "expected a zip of one part"),
    "a directory elsewhere": (lambda path: poke(write_zip(path), -6, b"\0\0\0\0"), "expected a zip directory up to"),
    "only zeros as a directory": (lambda path: write_raw_zip(path, {"r/data.pkl": GOOD}, list.clear), "1 to 10000 members"),
    "a size that lies": (change(1, size=25), "members 'r/data/0' .ends at 289. and 'r/data/1' .begins at 288. overlap"),
    "a size past the directory": (change(2, size=2**40), "expected an end before the directory"),
    "a size of 2**64": (change(2, size=2**64 - 1), "expected an end before the directory"),
    "an offset past the end": (change(2, offset=2**64 - 1), "expected its header at byte 18446744073709551615"),
    "a folder with bytes": (lambda path: mark_as_folder(write_zip(path)), "expected a file, found a folder of"),
    "a field too long": (long_field, "fields of at most 512 bytes"),
    "an offset that lies": (change(2, offset=7), "expected its header at byte 7, found none"),
    "one member twice": (change(2, name="r/data/0"), "duplicate member 'r/data/0'"),
    "overlapping members": (change(1, size=25 + 40 + 20), "overlap"),
    "ZIP64 ends that disagree": (lambda path: poke(change(1)(path), -12, b"\7\0"), "agrees with the end of the zip"),
    "a ZIP64 end elsewhere": (lambda path: poke(change(1)(path), -34, b"\7"), "expected the end of a ZIP64 at byte"),
    "ZIP64 without fields": (lambda path: replace(change(1)(path), b"\1\0\x18\0", b"\2\0\x18\0"), "expected a ZIP64 field"),
    "a ZIP64 field too short": (lambda path: replace(change(1)(path), b"\1\0\x18\0", b"\1\0\x08\0"), "expected a ZIP64 field"),
    "a ZIP64 field too long": (lambda path: replace(change(1)(path), b"\1\0\x18\0", b"\1\0\x19\0"), "expected a ZIP64 field"),
    # legacy
    "the magic number only": (lambda path: write(path, LEGACY_START), "magic number: byte 14: expected 1 bytes more"),
    "magic in a tuple": (lambda path: write(path, write_legacy(path).read_bytes().replace(b".", b"\x85.", 1)), "found tuple"),
    "protocol 1000": (lambda path: write_legacy(path, protocol=1000), "the protocol 1001, found 119547037146038801333356 and 1000"),
    "legacy, big-endian": (lambda path: write_legacy(path, system={"little_endian": False}), "expected a little-endian system"),
    "no system": (lambda path: write_legacy(path, system=None), "expected a little-endian system, found None"),
    "legacy os.system": (lambda path: write_legacy(path, PICKLES["os.system by name"][0]), "object: byte 2: asks for os.system"),
    "system os.system": (lambda path: write_legacy(path, system=Calls(os.system, "touch executed")), "system: byte 2: asks for"),
    "key os.system": (lambda path: write_legacy(path, keys=[Calls(os.system, "touch executed")]), "storage keys: byte .*: asks for"),
    "no keys": (lambda path: write_legacy(path, keys=[], data=b""), r"every storage once in the list of keys, found \['0'\]"),
    "other keys": (lambda path: write_legacy(path, keys=["1"]), r"every storage once in the list of keys, found \['0', '1'\]"),
    "keys twice": (lambda path: write_legacy(path, keys=["0", "0"]), "every storage once in the list of keys, found .. or repeated ones"),
    "keys that are lists": (lambda path: write_legacy(path, keys=[["0"]]), "expected a list of storage keys, found list or other keys"),
    "keys that are a dict": (lambda path: replace(write_legacy(path), pickle.dumps(["0"], 2), pickle.dumps({}, 2)), "keys, found dict"),
    "fewer elements": (lambda path: write_legacy(path, data=struct.pack("<q", 5) + DATA), "storage '0': expected 6 elements, found 5"),
    "elements below zero": (lambda path: write_legacy(path, data=struct.pack("<q", -6) + DATA), "expected 6 elements, found -6"),
    "data cut off": (lambda path: write_legacy(path, data=struct.pack("<q", 6) + DATA[1:]), "the file is cut off"),
    "no data": (lambda path: write_legacy(path, data=b""), "the file is cut off"),
    "legacy, a tail": (lambda path: write_legacy(path, data=struct.pack("<q", 6) + DATA + b"x"), "expected an end at byte"),
    "legacy, a view": (lambda path: write_legacy(path, dictionary(tensor(storage(more=b")")))), "the place of a view"),
}


@pytest.mark.parametrize("name", FILES_OF_ALL_KINDS)
def test_hostile_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    make, message = FILES_OF_ALL_KINDS[name]
    refuse(make(tmp_path / "x.bin"), message)
    assert not Path("executed").exists()


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"x\.bin"):
        load_torch(tmp_path / "x.bin")


def write_long_directory(path: Path) -> Path:
    """As many members as allowed, with the longest names."""
    return write_raw_zip(path, {"r/data.pkl": GOOD} | {f"r/{number:0510}": b"" for number in range(9_999)})


def test_a_directory_that_takes_memory(tmp_path: Path) -> None:
    refuse(write_long_directory(tmp_path / "x.bin"), "storage '0': expected 24 bytes, found nothing")


OPCODES = [b"]", b"}", text("é "), b"ccollections\nOrderedDict\n)R", b"h\0h\0\x86"]


def write_long_program(path: Path, opcode: bytes) -> Path:
    """One kind of object, as often as allowed."""
    return write_zip(path, program(b"]q\0" + opcode * 200_000)[:MAX_PICKLE_BYTES])


@pytest.mark.parametrize("opcode", OPCODES)
def test_programs_that_take_memory(tmp_path: Path, opcode: bytes) -> None:
    refuse(write_long_program(tmp_path / "x.bin", opcode), "opcodes|cut off")


def test_no_file_takes_long(tmp_path: Path) -> None:
    """What grows with the square of a file would take many minutes; all of these take seconds."""
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
    """Many tensors, all of one storage."""
    body = b"".join(text(f"t{number}") + tensor(storage("0", numel), 0, shape, (shape[1], 1)) for number in range(count))
    return write_zip(path, program(b"}(" + body + b"u"), data_0=bytes(4 * numel))


def test_tensors_that_share_a_storage_have_a_bound_in_all(tmp_path: Path) -> None:
    """Twice the file: a decoder may be tied to the embeddings. Without a bound, a file of a megabyte would make gigabytes."""
    assert len(load_torch(write_views(tmp_path / "x.bin", 3, (250, 1000)))) == 3
    refuse(write_views(tmp_path / "x.bin", 4, (250, 1000)), r"about \d+ bytes in all, as the file has, found 4000000; they share storages")
    refuse(write_views(tmp_path / "x.bin", 3_000, (250, 1000)), "found 3000000000; they share storages")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.bin")
    refuse(tmp_path / "x.bin", "expected a regular file, found a FIFO")


@pytest.mark.parametrize("name", ["bert.zip.bin", "bert.legacy.bin"])
def test_cut_off_anywhere(tmp_path: Path, name: str) -> None:
    data, path = (GOLDEN / name).read_bytes(), tmp_path / "x.bin"
    for size in [*range(0, 100), *range(100, len(data) - 100, 13), *range(len(data) - 100, len(data))]:
        path.write_bytes(data[:size])
        with pytest.raises(ValueError, match=r"x\.bin: "):
            load_torch(path)


@pytest.mark.parametrize("name", READERS)
def test_damaged_files(tmp_path: Path, name: str) -> None:
    """The first inputs of tests/fuzz/fuzz_formats.py: some are read still, most are refused, and nothing else is raised."""
    fuzzer, num_read = Fuzzer(name, tmp_path), 0
    for number in range(1000):
        fuzzer.write(number)
        num_read += fuzzer.outcome() == "read"
    assert 0 < num_read < 500
