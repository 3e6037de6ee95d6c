"""The weights of a model folder, opened to be read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..bert.checkpoint import from_arrays
from ..bert.config import load_config
from ..bert.weights import BertWeights
from ..files.sources import missing
from ..formats.safetensors import load_safetensors
from ..formats.shards import INDEX, load_whole, open_whole


@contextmanager
def open_weights(folder: Path, mmap: bool = False) -> Iterator[BertWeights]:
    """Open the weights of the folder that holds `config.json`.

    Without `mmap`, a layer is read from the file when it is looked at, and only within the context:
    copy what you need later. With `mmap`, all weights are mapped, and the map outlives the context.
    Raises FileNotFoundError, or ValueError for a file that is broken or changes meanwhile.
    """
    config = load_config(folder / "config.json")
    file = weights_file(folder)
    if mmap:
        mapped = load_whole(file, load_safetensors)
        yield from_arrays(mapped, config, file)
        return
    with open_whole(file) as tensors:
        yield from_arrays(tensors, config, file)


def weights_file(folder: Path) -> Path:
    """Return `model.safetensors`, or else the index of its shards, as transformers does.

    Raises FileNotFoundError that says what the folder has instead.
    """
    files = folder / "model.safetensors", folder / f"model.safetensors{INDEX}"
    found = next((file for file in files if file.exists()), None)
    if found is None:
        raise FileNotFoundError(missing(folder, "model.safetensors"))
    return found
