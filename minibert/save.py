"""Writing a model folder: the int8 form of another one.

Beside the weights, everything comes along as it is: tokenizer, pooling, prompts, licence. Written beside its name and renamed, so what is
there is whole.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .config import QUANTIZED, load_config
from .folder import load_folder
from .formats import widen
from .formats.safetensors import load_safetensors, open_safetensors
from .quantize import quantize
from .weights import BertWeights, from_arrays, to_arrays

# Weights in the forms of other libraries
LEFT_OUT = ("*.safetensors", "*.bin", "*.onnx", "*.h5", "*.msgpack", "*.ot", "*.gguf", "*.index.json", "onnx", "openvino", ".git", ".cache")


@contextmanager
def open_weights(folder: Path, mmap: bool = False) -> Iterator[BertWeights]:
    """The weights of the folder that holds `config.json`. What is to outlive the context is copied from them within it.

    They are read from the file, a layer when it is looked at; or all are mapped, and stay so.
    Raises FileNotFoundError, or ValueError for a file that is broken or changes meanwhile.
    """
    file = folder / "model.safetensors"
    config = load_config(folder / "config.json")
    if not file.exists():
        raise FileNotFoundError(f"{file}: not found; `save_pretrained` of transformers writes it")
    if mmap:
        yield from_arrays(load_safetensors(file), config, file)
        return
    with open_safetensors(file) as tensors:
        yield from_arrays(tensors, config, file)


def save_int8(source: Path, target: Path) -> None:
    """Write the int8 form of a model folder, a quarter of the size of a float32 one.

    Raises:
        FileExistsError: there is something at `target`. ValueError: `source` is int8 already, or its weights are not finite numbers.
        FileNotFoundError: `source`, or what belongs into it, is missing.
    """
    inner = load_folder(source).weights.relative_to(source)
    with new_folder(target) as part, open_weights(source / inner) as weights:
        if weights.is_int8:
            raise ValueError(f"{source}: expected float weights, found int8: it is quantised already")
        guilty = sorted(name for name, array in to_arrays(weights) if not np.isfinite(widen(array)).all())
        if guilty:
            raise ValueError(f"{source}: expected finite numbers, found NaN or infinity in {', '.join(guilty)}; the file is damaged")
        shutil.copytree(source, part, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)
        arrays = {
            name: np.ascontiguousarray(array if array.dtype == np.int8 else widen(array)) for name, array in to_arrays(quantize(weights))
        }
        save_arrays(arrays, part / inner / "model.safetensors")
        config = json.loads((part / inner / "config.json").read_text(encoding="utf-8"))
        write_json(part / inner / "config.json", config | {"quantization_config": QUANTIZED})


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill. It takes its name when it is full, so what bears the name is whole.

    Raises FileExistsError if there is something at `target`, FileNotFoundError if it has nowhere to be.
    """
    if target.exists():
        raise FileExistsError(f"{target}: exists; give the name of a new folder")
    if not target.resolve().parent.is_dir():
        raise FileNotFoundError(f"{target}: expected a name in a folder that exists")
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.resolve().parent))
    try:
        part.chmod(0o777 & ~_umask())
        yield part
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def save_arrays(arrays: dict[str, npt.NDArray[Any]], path: Path) -> None:
    """C-contiguous arrays as safetensors."""
    from safetensors.numpy import save_file  # writes files only; what it imports is not needed to read one

    save_file(arrays, path, metadata={"format": "pt"})
    path.chmod(0o666 & ~_umask())  # the library lets only its user read


def _umask() -> int:
    """What the user wants of new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
