"""Writing a model folder: the int8 form of another one.

Beside the weights, everything comes along as it is: tokenizer, pooling, prompts, licence. Written beside its name and renamed, so what is
there is whole.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np

from .config import QUANTIZED, load_config
from .folder import load_folder
from .formats import widen
from .formats.safetensors import load_safetensors
from .quantize import quantize
from .weights import BertWeights, Int8Linear, from_arrays, to_arrays

# Weights in the forms of other libraries
LEFT_OUT = ("*.safetensors", "*.bin", "*.onnx", "*.h5", "*.msgpack", "*.ot", "*.gguf", "*.index.json", "onnx", "openvino", ".git", ".cache")


def load_weights(folder: Path) -> BertWeights:
    """The weights of the folder that holds `config.json`, mapped. Raises FileNotFoundError, or ValueError for a file that is broken."""
    file = folder / "model.safetensors"
    config = load_config(folder / "config.json")
    if not file.exists():
        raise FileNotFoundError(f"{file}: not found; `save_pretrained` of transformers writes it")
    return from_arrays(load_safetensors(file), config, file)


def save_int8(source: Path, target: Path) -> None:
    """Write the int8 form of a model folder, a quarter of the size of a float32 one.

    Raises:
        FileExistsError: there is something at `target`. ValueError: `source` is int8 already, or its weights are not finite numbers.
        FileNotFoundError: `source`, or what belongs into it, is missing.
    """
    if target.exists():
        raise FileExistsError(f"{target}: exists; give the name of a new folder")
    if not target.resolve().parent.is_dir():
        raise FileNotFoundError(f"{target}: expected a name in a folder that exists")
    inner = load_folder(source).weights.relative_to(source)
    weights = load_weights(source / inner)
    if isinstance(weights.layers[0].query, Int8Linear):
        raise ValueError(f"{source}: expected float weights, found int8: it is quantised already")
    guilty = sorted(name for name, array in to_arrays(weights).items() if not np.isfinite(widen(array)).all())
    if guilty:
        raise ValueError(f"{source}: expected finite numbers, found NaN or infinity in {', '.join(guilty)}; the file is damaged")
    from safetensors.numpy import save_file  # writes files only; what it imports is not needed to read one

    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copytree(source, part, ignore=shutil.ignore_patterns(*LEFT_OUT))
        arrays = {
            name: np.ascontiguousarray(array if array.dtype == np.int8 else widen(array))
            for name, array in to_arrays(quantize(weights)).items()
        }
        save_file(arrays, part / inner / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((part / inner / "config.json").read_text(encoding="utf-8"))
        (part / inner / "config.json").write_text(
            json.dumps(config | {"quantization_config": QUANTIZED}, indent=2) + "\n", encoding="utf-8"
        )
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
