"""The weights of a model folder, opened to be read."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from os.path import exists, join

from ..bert.checkpoint import from_arrays
from ..bert.config import load_config
from ..bert.weights import BertWeights
from ..files import StrPath
from ..formats.safetensors import StoredTensor, load_safetensors, open_safetensors


@contextmanager
def open_weights(folder: StrPath, mmap: bool = False) -> Iterator[BertWeights]:
    """Open the weights of the folder that holds `config.json`.

    Without `mmap`, a layer is read from the file when it is looked at, and only within the context:
    copy what you need later. With `mmap`, all weights are mapped, and the map outlives the context.
    Raises FileNotFoundError, or ValueError for a file that is broken or changes meanwhile.
    """
    config = load_config(join(folder, "config.json"))
    file = weights_file(folder)
    if mmap:
        from ..formats.shards import load_whole

        mapped = load_whole(file, load_safetensors)
        yield from_arrays(mapped, config, file)
        return
    with _open(file) as tensors:
        yield from_arrays(tensors, config, file)


def _open(file: str) -> AbstractContextManager[dict[str, StoredTensor]]:
    if file.endswith(".safetensors"):
        return open_safetensors(file)
    from ..formats.shards import open_whole  # few models have several files

    return open_whole(file)


def weights_file(folder: StrPath) -> str:
    """Return `model.safetensors`, or else the index of its shards, as transformers does.

    Raises FileNotFoundError that says what the folder has instead.
    """
    files = join(folder, "model.safetensors"), join(folder, "model.safetensors.index.json")
    found = next((file for file in files if exists(file)), None)
    if found is None:
        from ..files.sources import missing  # only this error needs it

        raise FileNotFoundError(missing(folder, "model.safetensors"))
    return found
