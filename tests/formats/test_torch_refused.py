"""Torch checkpoints that are refused: pickles with other opcodes, and damaged files."""

import builtins
import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minibert.formats.torch_file import LEGACY_START
from minibert.formats.torch_pickle import MAX_OPCODES, MAX_PICKLE_BYTES
from tests.formats.torch_writer import Calls, refuse, write_raw_zip
from tests.support.torch_pickles import DATA, GOOD, dictionary, integer, program, storage, tensor, text, write_legacy, write_zip


def deep(levels: int) -> bytes:
    return b"]q\x00" + b"]" * levels + b"a" * levels


PICKLES: dict[str, tuple[bytes, str]] = {
    "os.system": (
        pickle.dumps({"x": Calls(os.system, "touch executed")}, 2),
        r"names (posix|nt).system; expected one of collections.Ord",
    ),
    "os.system by name": (
        program(b"cos\nsystem\n(" + text("touch executed") + b"tR"),
        "names os.system; expected one of collections.Or",
    ),
    "eval": (pickle.dumps(Calls(builtins.eval, "open('executed', 'w')"), 2), r"names __builtin__.eval; expected one of"),
    "a module of torch": (dictionary(b"ctorch.nn.modules.linear\nLinear\n)\x81"), "names torch.nn.modules.linear.Linear"),
    "a global with dots": (dictionary(b"ccollections\nOrderedDict.__init__\n"), r"names collections.OrderedDict.__init__"),
    "a global that writes to the terminal": (dictionary(b"c\x1b[31m\nx\n"), r"names '\\x1b\[31m.x'"),
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
    "attributes that are not a dict": (program(b"ccollections\nOrderedDict\n)RNb"), "to OrderedDict from None"),
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
    "text that is not UTF-8": (program(b"X\x01\x00\x00\x00\xff"), "expected text in UTF-8"),
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
    "a type of tensor": (dictionary(b"ctorch._utils\n_rebuild_tensor_v3\n"), "names torch._utils._rebuild_tensor_v3"),
    "a type of number": (dictionary(tensor(storage(cls="ComplexFloatStorage"))), "names torch.ComplexFloatStorage"),
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
    """Write 600 bytes of extra fields without a ZIP64 field."""
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
    "a wrong size": (change(1, size=25), "member 'r/data/0' .ends at 289. and member 'r/data/1' .begins at 288. overlap"),
    "a size past the directory": (change(2, size=2**40), "expected an end before the directory"),
    "a size of 2**64": (change(2, size=2**64 - 1), "expected an end before the directory"),
    "an offset past the end": (change(2, offset=2**64 - 1), "expected its header at byte 18446744073709551615"),
    "a folder with bytes": (lambda path: mark_as_folder(write_zip(path)), "expected a file, found a folder of"),
    "a field too long": (long_field, "fields of at most 512 bytes"),
    "a wrong offset": (change(2, offset=7), "expected its header at byte 7, found none"),
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
    "legacy os.system": (lambda path: write_legacy(path, PICKLES["os.system by name"][0]), "object: byte 2: the pickle names os.system"),
    "system os.system": (lambda path: write_legacy(path, system=Calls(os.system, "touch executed")), "system: byte 2: the pickle names"),
    "key os.system": (
        lambda path: write_legacy(path, keys=[Calls(os.system, "touch executed")]),
        "storage keys: byte .*: the pickle names",
    ),
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
