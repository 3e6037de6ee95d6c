"""Weights in shards -> {name: tensor}: several files, and an index of their tensors.

The index is `model.safetensors.index.json` or `pytorch_model.bin.index.json`. It contains
`{"weight_map": {tensor: file}}`. transformers writes it for models above a size (`max_shard_size`),
and reads every tensor of every file. This reader does the same, and also checks the files against
the index.

Bounds: an index names at most MAX_SHARDS files, which lie beside it. Each file is read by the
reader of its format.

Source: transformers, `save_pretrained` and `get_checkpoint_shard_files`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from ..files import StrPath
from ..files.access import inside, listed
from ..files.fields import load_fields, shown
from .safetensors import StoredTensor, open_safetensors

T = TypeVar("T")
INDEX = ".index.json"  # follows the name that the weights would have as one file
MAX_SHARDS = 256
MAX_NAME_LENGTH = 255
SUFFIXES = {".safetensors": (".safetensors",), ".bin": (".bin", ".pt", ".pth")}  # of the whole -> of its shards


def files_of(path: Path) -> list[Path]:
    """The files of a checkpoint: one file, or an index and its shards. Raises like `weight_map`."""
    if not path.name.endswith(INDEX):
        return [path]
    return [path, *(path.parent / name for name in sorted(set(weight_map(path).values())))]


def weight_map(index: Path) -> dict[str, str]:
    """Name of a tensor -> name of the file beside the index that has it.

    Raises like `load_fields`, and ValueError for names that are not plain names of files there.
    """
    content = load_fields(index).need("weight_map", dict)
    suffixes = SUFFIXES.get(Path(index.name.removesuffix(INDEX)).suffix, ())
    names = {name: None for name in content.values() if isinstance(name, str)}
    if not content or len(names) > MAX_SHARDS:
        raise ValueError(f"{index}: weight_map: expected tensors in 1 to {MAX_SHARDS} files, found {len(names)} files")
    for tensor, name in content.items():
        if not isinstance(name, str):
            raise ValueError(f"{index}: weight_map: {tensor:.200}: expected the name of a file, found {shown(name)}")
    for name in names:
        is_plain = 0 < len(name) <= MAX_NAME_LENGTH and name.isprintable() and name[0] != "." and not {"/", "\\", ":"} & set(name)
        if not is_plain or not name.endswith(suffixes):
            raise ValueError(f"{index}: weight_map: expected names of {' or '.join(suffixes)} files beside it, found {shown(name)}")
        if not inside(index.parent, index.parent / name):
            raise ValueError(f"{index.parent / name}: is a link to a file outside the folder; copy the file there")
    return content


def joined(index: Path, read: Callable[[Path], Mapping[str, T]]) -> dict[str, T]:
    """The tensors of all shards. `read` reads one shard.

    Raises FileNotFoundError for an absent shard, ValueError if the shards are not as the index
    says.
    """
    places = weight_map(index)
    tensors: dict[str, T] = {}
    found: dict[str, str] = {}
    for name in sorted(set(places.values())):
        path = index.parent / name
        if not path.exists():
            raise FileNotFoundError(f"{path}: not found; {index.name} names it, so put it there")
        part = read(path)
        if twice := found.keys() & part.keys():
            raise ValueError(f"{index}: expected each tensor in one file, found {listed(twice)} in {found[min(twice)]} and {name}")
        tensors |= part
        found |= dict.fromkeys(part, name)
    if wrong := [f"{tensor} in {name}" for tensor, name in places.items() if found.get(tensor) != name]:
        raise ValueError(f"{index}: expected in its files {listed(wrong)}, which is not there; the files do not belong together")
    return tensors


def load_whole(path: StrPath, load: Callable[[Path], dict[str, T]]) -> dict[str, T]:
    """The tensors of one file, or of all shards of an index. Raises like `load` and `joined`."""
    path = Path(path)
    return joined(path, load) if path.name.endswith(INDEX) else load(path)


@contextmanager
def open_whole(path: StrPath) -> Iterator[dict[str, StoredTensor]]:
    """As `open_safetensors`, for one file or for all shards of an index."""
    with ExitStack() as stack:
        yield load_whole(path, lambda file: stack.enter_context(open_safetensors(file)))
