"""What the pickle of a torch checkpoint may name: storages and tensors.

Each name stands for a function of our own, which makes a description without data.

Sources: PyTorch's torch/_utils.py (_rebuild_*), torch/serialization.py (persistent_id) and
torch/storage.py (names of storages).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import BFLOAT16

MAX_ELEMENTS = 1 << 40
MAX_DIMENSIONS = 32  # NumPy's limit before its version 2

STORAGES: dict[str, np.dtype[Any]] = {
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.BFloat16Storage": BFLOAT16,
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}


@dataclass(frozen=True)
class Global:
    """A name in the pickle, such as `torch.FloatStorage`."""

    name: str


@dataclass(frozen=True)
class Storage:
    """A row of numbers somewhere in the file."""

    key: str
    dtype: np.dtype[Any]
    numel: int

    @property
    def nbytes(self) -> int:
        return self.numel * self.dtype.itemsize


@dataclass(frozen=True)
class Tensor:
    """A view of a storage.

    Offset and strides count elements, and were checked to stay inside it.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class OrderedDict(dict[str | int, object]):
    """Stands for collections.OrderedDict. It alone may have attributes, which are dropped."""

    __slots__ = ()


def make_storage(saved: object) -> Storage:
    """The storage of a persistent id, ('storage', class, key, location, numel).

    In the older format, None follows.
    """
    if not isinstance(saved, tuple) or len(saved) not in (5, 6) or saved[0] != "storage":
        raise ValueError(f"expected a persistent id ('storage', class, key, location, numel), found {kind(saved)}")
    _, cls, key, _, numel, *view = saved
    if not isinstance(cls, Global) or cls.name not in STORAGES or type(key) is not str:
        raise ValueError(f"expected a storage of one of {', '.join(STORAGES)} and a key, found {kind(cls)} and {kind(key)}")
    if view and view[0] is not None:
        raise ValueError(f"storage {key!r:.200}: expected None, found the place of a view in another storage")
    if type(numel) is not int or not 0 <= numel <= MAX_ELEMENTS:
        raise ValueError(f"storage {key!r:.200}: expected 0 to {MAX_ELEMENTS} elements, found {kind(numel)}")
    return Storage(key, STORAGES[cls.name], numel)


def _ordered_dict(arguments: tuple[object, ...]) -> OrderedDict:
    if arguments:
        raise ValueError(f"OrderedDict: expected no arguments, found {len(arguments)}")
    return OrderedDict()


def _parameter(arguments: tuple[object, ...]) -> Tensor:
    """The tensor of a Parameter.

    Its hooks, its attributes and whether it is trained are ignored.
    """
    if len(arguments) not in (3, 4) or not isinstance(arguments[0], Tensor):
        raise ValueError(f"Parameter: expected a tensor and 2 or 3 arguments more, found {len(arguments)} arguments")
    return arguments[0]


def _tensor(arguments: tuple[object, ...]) -> Tensor:
    if len(arguments) != 6:  # a seventh would mean that the values are negated or conjugated
        raise ValueError(f"tensor: expected 6 arguments, found {len(arguments)}")
    storage, offset, shape, strides, _, _ = arguments
    if not isinstance(storage, Storage) or not _natural(offset):
        raise ValueError(f"tensor: expected a storage and an offset from 0, found {kind(storage)} and {kind(offset)}")
    for numbers in (shape, strides):
        if not isinstance(numbers, tuple) or len(numbers) > MAX_DIMENSIONS or not all(map(_natural, numbers)):
            raise ValueError(
                f"tensor: expected a size and strides of at most {MAX_DIMENSIONS} numbers from 0, found another {kind(numbers)}"
            )
    return _view(storage, offset, shape, strides)  # type: ignore[arg-type]


def _view(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
    """A tensor, after a check that all its elements are inside the storage.

    It may not have more elements than the storage, or a small file could make a huge tensor.
    """
    where = f"tensor in storage {storage.key!r:.200}"
    if len(shape) != len(strides):
        raise ValueError(f"{where}: expected a stride for each of {len(shape)} dimensions, found {len(strides)}")
    if 0 in shape:
        if math.prod(max(length, 1) for length in shape) > MAX_ELEMENTS:
            raise ValueError(f"{where}: expected dimensions for at most {MAX_ELEMENTS} elements, found {shape!r:.200}")
        return Tensor(storage, 0, shape, (0,) * len(shape))  # torch lets an empty slice begin behind the end
    strides = tuple(stride if length > 1 else 0 for length, stride in zip(shape, strides, strict=True))  # a length of 1 needs no stride
    numel = math.prod(shape)
    end = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True)) + 1
    if end > storage.numel or numel > storage.numel:
        raise ValueError(f"{where}: expected at most its {storage.numel} elements, found {numel} that end at {end}")
    return Tensor(storage, offset, shape, strides)


def _natural(number: object) -> bool:
    return type(number) is int and 0 <= number < 2**63


def kind(value: object) -> str:
    """A short name of a value for a message. The whole value may be long, or contain itself."""
    return f"{value!r:.200}" if isinstance(value, (str, int, float, Global, type(None))) else type(value).__name__


def _ignored(_: tuple[object, ...]) -> None:
    """Stands for what training programs keep beside the weights, and is not needed here.

    torch.load reads it with `weights_only`.
    """


IGNORED = ("torch.Size", "torch.device", "torch.float32", "torch.float16", "torch.bfloat16", "torch.float64", "collections.Counter",
         "__builtin__.set", "__builtin__.bytearray", "__builtin__.complex", "_codecs.encode")  # fmt: skip
FUNCTIONS: dict[str, Callable[[tuple[object, ...]], object]] = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
} | dict.fromkeys(IGNORED, _ignored)
