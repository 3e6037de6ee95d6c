"""The int8 form of a model folder, written to a new folder.

The files beside the weights are copied as they are: tokenizer, pooling, prompts, licence. So are
the weights of the modules after the pooling, which stay float32. No other file is copied. The
tables of the tokenizer are made anew. Nothing is read outside of the source, and nothing is written
outside of the target.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import widen
from ..bert.checkpoint import to_arrays
from ..bert.config import QUANTIZED
from ..bert.quantize import quantize
from ..files.access import MAX_JSON_BYTES, check_inside, check_unchanged, copy_inside, listed, stamps
from ..formats.shards import files_of
from ..tokenizer import load_settings
from .layout import known_files
from .new import new_folder, save_arrays, write_json
from .read import open_weights, weights_file
from .sentence_modules import Module, read_tensors
from .settings import FolderSettings, load_folder
from .tables import write_tables

Arrays = dict[str, npt.NDArray[Any]]


def save_int8(source: Path, target: Path) -> None:
    """Write the int8 form of a model folder, a quarter of the size of a float32 one.

    Raises:
        FileExistsError: something is at `target`.
        FileNotFoundError: `source`, or a file that it needs, is missing.
        ValueError: `source` is int8 already, or its weights are not finite numbers, or it changes
            while it is read, or `target` lies in it.
    """
    with new_folder(target, source) as part:
        settings = load_folder(source)
        folder, modules = Path(settings.weights), [module for module in settings.modules if module.shapes]
        inner = part / folder.relative_to(source)
        files = files_of(Path(weights_file(folder)))
        for file in files:
            check_inside(source, file)
        names = [str(folder.relative_to(source) / "config.json"), *known_files(source)]
        before = stamps([*files, *(Path(module.weights) for module in modules), *(source / name for name in names)])
        load_settings(folder)  # a folder whose tokenizer cannot be loaded is refused
        for name in names:
            copy_inside(source, name, part, MAX_JSON_BYTES)
        _copy_modules(modules, source, part)
        save_arrays(_int8_arrays(settings, source), inner / "model.safetensors")
        config = json.loads((inner / "config.json").read_text(encoding="utf-8"))
        write_json(inner / "config.json", config | {"quantization_config": QUANTIZED})
        write_tables(inner, settings.do_lower_case)
        check_unchanged(before)


def _copy_modules(modules: list[Module], source: Path, target: Path) -> None:
    for module in modules:
        _check_finite(source, read_tensors(module).items())
        copy_inside(source, str(Path(module.weights).relative_to(source)), target, module.max_bytes)


def _int8_arrays(settings: FolderSettings, source: Path) -> Arrays:
    """Return the quantised weights of a folder, by name."""
    with open_weights(settings.weights) as weights:
        if weights.is_int8:
            raise ValueError(f"{source}: expected float weights, found int8: it is quantised already")
        settings.dimension(weights.config.hidden_size)
        _check_finite(source, to_arrays(weights))
        return {
            name: np.ascontiguousarray(array if array.dtype == np.int8 else widen(array)) for name, array in to_arrays(quantize(weights))
        }


def _check_finite(source: Path, arrays: Iterable[tuple[str, npt.NDArray[Any]]]) -> None:
    guilty = [name for name, array in arrays if not np.isfinite(widen(array)).all()]
    if guilty:
        raise ValueError(f"{source}: expected finite numbers, found NaN or infinity in {listed(guilty)}; the file is damaged")
