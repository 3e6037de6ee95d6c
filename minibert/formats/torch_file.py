"""torch checkpoint (`pytorch_model.bin`, `*.pt`) -> {name: array}, mapped, without torch.

Nothing in the file is executed. There are two formats. Since torch 1.6 a checkpoint is a zip of
stored members: `<root>/data.pkl` is the pickle, and `<root>/data/<key>` has the numbers of a
storage.

In the older format, five pickles follow each other: a magic number, the protocol, the system, the
object, and the keys of its storages. Then, for each key in that order, come the number of elements
as int64 and the elements.

In both formats, tensors are views of storages, and tensors of one storage share its pages. The
pickle is read by `torch_pickle`. Checksums are not compared: that would read the whole file, and
torch has an option not to write them.

In the older format, and in a zip that another tool has packed, elements may lie at any address.
Then `array.flags.aligned` is False.

Bounds: a pickle has at most MAX_PICKLE_BYTES and MAX_OPCODES (torch_pickle), and the directory of a
zip has at most MAX_MEMBERS members (stored_zip). Tensors may share a storage. All together they
have at most MAX_SHARING times the bytes of the file, and FREE_BYTES more. Nothing is written.

Source: PyTorch's torch/serialization.py (_save, _load, _legacy_save, _legacy_load).
"""

import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import map_file
from ..files.access import HEAD_BYTES, listed, open_regular
from ..files.sources import described
from .spans import Span
from .stored_zip import stored_members
from .torch_objects import Storage, Tensor, kind
from .torch_pickle import MAX_PICKLE_BYTES, unpickle

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
LEGACY_START = b"\x80\x02\x8a\x0a" + MAGIC.to_bytes(10, "little")  # a pickle of MAGIC
MAX_SHARING = 2  # a decoder shares the storage of the embeddings
FREE_BYTES = 1 << 20
# Names under which training scripts keep the weights beside the epoch and the optimizer; "module"
# is DeepSpeed's
WRAPPERS = ("state_dict", "model_state_dict", "model", "module")
MAX_WRAPPERS = 4  # in each other


def load_torch(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read-only arrays over the mapped file, by name.

    The file must hold a dict of tensors, or a dict that contains one. The contained dict must have
    one of the names in WRAPPERS, or be the only dict of tensors there.
    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it.
    """
    with open_regular(path) as file:
        data = map_file(file)
    if not data:
        raise ValueError(f"{path}: expected a torch checkpoint, found an empty file")
    if data[:4] == b"PK\x03\x04":
        value, begins = _read_zip(path, data)
    elif data[: len(LEGACY_START)] == LEGACY_START:
        value, begins = _read_legacy(path, data)
    elif data[257:262] == b"ustar":
        raise ValueError(
            f"{path}: expected a torch checkpoint, found a tar archive, which torch wrote long ago; load it with torch and save it again"
        )
    else:
        found = described(data[:HEAD_BYTES]) or f"a file that begins {data[:16]!r}"
        raise ValueError(f"{path}: expected a torch checkpoint, a zip or a pickle of {MAGIC:#x}, found {found}")
    tensors = _tensors(path, value)
    total = sum(math.prod(tensor.shape) * tensor.storage.dtype.itemsize for tensor in tensors.values())
    if total > MAX_SHARING * len(data) + FREE_BYTES:
        raise ValueError(f"{path}: expected tensors of about {len(data)} bytes in all, as the file has, found {total}; they share storages")
    return {name: _array(data, tensor, begins[tensor.storage.key]) for name, tensor in tensors.items()}


def _tensors(path: Path, value: object) -> dict[str, Tensor]:
    for _ in range(MAX_WRAPPERS):
        if (inner := _inner(path, value)) is None:
            break
        value = inner
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected a dict of tensors, found {kind(value)}")
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ValueError(f"{path}: {name!r:.200}: expected a name and its tensor, found {kind(tensor)}; save the state_dict alone")
    return value


def _inner(path: Path, value: object) -> object:
    """The dict with the weights inside another dict; None if the dict itself has the weights."""
    if not isinstance(value, dict):
        return None
    dicts = {id(each): name for name, each in value.items() if isinstance(each, dict)}  # a dict with many names counts once
    known: list[object] = [name for name in WRAPPERS if isinstance(value.get(name), dict)]
    if not known:
        known = [name for name in dicts.values() if value[name] and all(isinstance(each, Tensor) for each in value[name].values())]
        if len(known) > 1:
            raise ValueError(f"{path}: expected one dict of tensors, found {listed(map(str, known))}; save the state_dict of one alone")
    return value[known[0]] if known else None


def _array(data: bytes | mmap.mmap, tensor: Tensor, begin: int) -> npt.NDArray[Any]:
    dtype = tensor.storage.dtype
    strides = [stride * dtype.itemsize for stride in tensor.strides]
    return np.ndarray(tensor.shape, dtype, buffer=data, offset=begin + tensor.offset * dtype.itemsize, strides=strides)


def _read_zip(path: Path, data: bytes | mmap.mmap) -> tuple[object, dict[str, int]]:
    """The unpickled object of a zip, and where each storage begins."""
    members = stored_members(path, data)
    roots = {name.partition("/")[0] for name in members}
    root = next(iter(roots), "")
    if len(roots) != 1 or f"{root}/data.pkl" not in members:
        raise ValueError(f"{path}: expected one folder with data.pkl, found {len(members)} members in {sorted(roots)[:5]!r:.200}")
    begin, end, _ = members.get(f"{root}/byteorder", Span(0, 0, ""))
    byteorder = data[begin : min(end, begin + 20)] if end else b"little"
    if byteorder != b"little":
        raise ValueError(f"{path}: expected the byteorder little, found {byteorder!r}")
    begin, end, _ = members[f"{root}/data.pkl"]
    if end - begin > MAX_PICKLE_BYTES:
        raise ValueError(f"{path}: data.pkl: expected at most {MAX_PICKLE_BYTES} bytes, found {end - begin}")
    pickled = unpickle(data, begin, end, f"{path}: data.pkl")
    if pickled.end != end:
        raise ValueError(f"{path}: data.pkl: expected an end at byte {pickled.end - begin}, found {end - begin} bytes")
    begins = {}
    for key, storage in pickled.storages.items():
        span = members.get(f"{root}/data/{key}")
        if span is None or span.end - span.begin != storage.nbytes:
            found = "nothing" if span is None else f"{span.end - span.begin}"
            raise ValueError(f"{path}: storage {key!r:.200}: expected {storage.nbytes} bytes, found {found}")
        begins[key] = span.begin
    return pickled.value, begins


def _read_legacy(path: Path, data: bytes | mmap.mmap) -> tuple[object, dict[str, int]]:
    """The unpickled object of a file in the older format, and where each storage begins."""
    end = 0
    pickles = []
    for part in ("magic number", "protocol", "system", "object", "storage keys"):
        pickles.append(unpickle(data, end, len(data), f"{path}: {part}"))
        end = pickles[-1].end
    magic, protocol, system, _, keys = (pickled.value for pickled in pickles)
    if magic != MAGIC or protocol != PROTOCOL:
        raise ValueError(
            f"{path}: expected the magic number {MAGIC:#x} and the protocol {PROTOCOL}, found {kind(magic)} and {kind(protocol)}"
        )
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError(f"{path}: expected a little-endian system, found {kind(system)} that says otherwise")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError(f"{path}: expected a list of storage keys, found {kind(keys)} or other keys")
    return pickles[3].value, _legacy_storages(path, data, end, pickles[3].storages, keys)


def _legacy_storages(path: Path, data: bytes | mmap.mmap, end: int, storages: dict[str, Storage], keys: list[str]) -> dict[str, int]:
    """Where each storage begins. The storages must fill the file from `end` to its last byte."""
    if len(set(keys)) != len(keys) or set(keys) != storages.keys():
        different = sorted(set(keys) ^ storages.keys())[:5]
        raise ValueError(f"{path}: expected every storage once in the list of keys, found {different!r:.200} or repeated ones")
    begins = {}
    for key in keys:
        begin, expected = end + 8, storages[key].numel
        end = begin + storages[key].nbytes
        if end > len(data):
            raise ValueError(f"{path}: storage {key!r:.200}: expected data up to byte {end}, found {len(data)} bytes; the file is cut off")
        found = int.from_bytes(data[begin - 8 : begin], "little", signed=True)
        if found != expected:
            raise ValueError(f"{path}: storage {key!r:.200}: expected {expected} elements, found {found}")
        begins[key] = begin
    if end != len(data):
        raise ValueError(f"{path}: expected an end at byte {end}, found {len(data)} bytes")
    return begins
