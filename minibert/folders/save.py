"""Writing a model folder: the int8 form of another one.

Beside the weights, the files of a model folder come along as they are: tokenizer, pooling, prompts, licence, and the weights of the
modules behind the pooling, which stay float32. Any other file stays behind, and nothing is read outside of the source, or written
outside of the target.
"""

import json
import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import widen
from ..bert.config import QUANTIZED, load_config
from ..bert.quantize import quantize
from ..bert.weights import BertWeights, from_arrays, to_arrays
from ..files.access import MAX_JSON_BYTES, check_inside, check_unchanged, copy_inside, errors_name, listed, stamps
from ..files.sources import missing
from ..formats.safetensors import load_safetensors
from ..formats.shards import INDEX, files_of, load_whole, open_whole
from ..tokenizer import load_settings
from .layout import known_files
from .sentence_modules import read_tensors
from .settings import load_folder


@contextmanager
def open_weights(folder: Path, mmap: bool = False) -> Iterator[BertWeights]:
    """The weights of the folder that holds `config.json`. What is to outlive the context is copied from them within it.

    They are read from the file, a layer when it is looked at; or all are mapped, and stay so.
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
    """`model.safetensors`, else the index of its shards, as in transformers. Raises FileNotFoundError that says what is there instead."""
    files = folder / "model.safetensors", folder / f"model.safetensors{INDEX}"
    found = next((file for file in files if file.exists()), None)
    if found is None:
        raise FileNotFoundError(missing(folder, "model.safetensors"))
    return found


def save_int8(source: Path, target: Path) -> None:
    """Write the int8 form of a model folder, a quarter of the size of a float32 one.

    Raises:
        FileExistsError: there is something at `target`. FileNotFoundError: `source`, or what belongs into it, is missing.
        ValueError: `source` is int8 already, or its weights are not finite numbers; or it changes while it is read; or `target` lies in it.
    """
    with new_folder(target, source) as part:
        settings = load_folder(source)
        folder, heads = settings.weights, [module for module in settings.modules if module.shapes]
        inner = part / folder.relative_to(source)
        files = files_of(weights_file(folder))
        for file in files:
            check_inside(source, file)
        names = [str(folder.relative_to(source) / "config.json"), *known_files(source)]
        before = stamps([*files, *(module.weights for module in heads), *(source / name for name in names)])
        load_settings(folder)  # what could not be loaded is not written
        for name in names:
            copy_inside(source, name, part, MAX_JSON_BYTES)
        for module in heads:
            _check_finite(source, read_tensors(module).items())
            copy_inside(source, str(module.weights.relative_to(source)), part, module.most_bytes)
        with open_weights(folder) as weights:
            if weights.is_int8:
                raise ValueError(f"{source}: expected float weights, found int8: it is quantised already")
            settings.dimension(weights.config.hidden_size)
            _check_finite(source, to_arrays(weights))
            arrays = {
                name: np.ascontiguousarray(array if array.dtype == np.int8 else widen(array))
                for name, array in to_arrays(quantize(weights))
            }
        save_arrays(arrays, inner / "model.safetensors")
        config = json.loads((inner / "config.json").read_text(encoding="utf-8"))
        write_json(inner / "config.json", config | {"quantization_config": QUANTIZED})
        check_unchanged(before)


def _check_finite(source: Path, arrays: Iterable[tuple[str, npt.NDArray[Any]]]) -> None:
    guilty = [name for name, array in arrays if not np.isfinite(widen(array)).all()]
    if guilty:
        raise ValueError(f"{source}: expected finite numbers, found NaN or infinity in {listed(guilty)}; the file is damaged")


@contextmanager
def new_folder(target: Path, source: Path) -> Iterator[Path]:
    """A folder to fill, made from `source`. It takes its name when it is full, so what bears the name is whole.

    Until then it lies beside its name, in a folder that only its user may enter. After any error, or a signal that ends the program,
    nothing is left; SIGKILL alone leaves `.NAME.*.part`, which is in nobody's way.
    Raises FileExistsError if there is something at `target`, FileNotFoundError if it has nowhere to be, ValueError if it is in `source`.
    """
    if "\0" in str(target):
        raise ValueError(f"{str(target)!r:.200}: expected the name of a folder, found a zero in it")
    if os.path.lexists(target):
        raise FileExistsError(f"{target}: exists; give the name of a new folder")
    with errors_name(target):  # the working folder may be gone
        place = Path(os.path.realpath(target))
    if not place.parent.is_dir():
        raise FileNotFoundError(f"{target}: expected a name in a folder that exists")
    if source.is_dir() and place.is_relative_to(os.path.realpath(source)):
        raise ValueError(f"{target}: expected a folder outside of {source}, which it is made from")
    with exit_on_signals(), errors_name(target):
        private = Path(tempfile.mkdtemp(prefix=f".{place.name[:40]}.", suffix=".part", dir=place.parent))
        try:
            part = private / "new"
            part.mkdir()
            if source.is_dir():  # who may not enter it may not enter what is made from it
                part.chmod(stat.S_IMODE(part.stat().st_mode) & source.stat().st_mode | stat.S_IRWXU)
            yield part
            _take_name(part, place)
        finally:
            shutil.rmtree(private, ignore_errors=True)


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Signals that end a program at once, unless it handles them, raise SystemExit here, so that it can tidy up."""
    is_main = threading.current_thread() is threading.main_thread()  # no other thread may say what a signal does
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if is_main and hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in ours:
            signal.signal(number, lambda number, _: sys.exit(128 + number))
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _take_name(part: Path, place: Path) -> None:
    """Rename a folder, unless something has the name by now. On POSIX a rename replaces an empty folder, so that must be our own."""
    if os.name == "posix":
        try:
            place.mkdir()
        except FileExistsError:
            raise FileExistsError(f"{place}: exists by now; give the name of a new folder") from None
    try:
        part.rename(place)
    except BaseException:
        if os.name == "posix":
            with suppress(OSError):
                place.rmdir()
        raise


def save_arrays(arrays: dict[str, npt.NDArray[Any]], path: Path) -> None:
    """C-contiguous arrays as safetensors. Raises OSError if they cannot be written."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file  # writes files only; what it imports is not needed to read one

    try:
        save_file(arrays, path, metadata={"format": "pt"})
    except SafetensorError as error:  # of a full disk, say
        raise OSError(f"{path.name}: cannot be written: {error}") from None
    path.chmod(stat.S_IMODE(path.parent.stat().st_mode) & 0o666)  # the library lets only its user read


def write_json(path: Path, content: dict[str, Any]) -> None:
    """An object, a field a line. With an indentation at each depth, deep lists would take a thousand times as much as where they were read.

    A lone surrogate, which a file may spell as an escape, becomes that escape again.
    """
    lines = (f"  {json.dumps(name, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}" for name, value in content.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8", errors="backslashreplace")
