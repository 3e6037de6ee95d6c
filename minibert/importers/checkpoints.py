"""A file, a folder or a zip -> Checkpoint: where the checkpoint is, and of which kind.

A source is recognised by its content, which is one of these:

* safetensors, or torch's `pytorch_model.bin` in either of its formats
* a TensorFlow checkpoint (`bert_model.ckpt.index` and its data), or a SavedModel, as on TF Hub
* a model of Spark NLP, in a folder or a zip
* a zip of any such folder

In a folder of sentence-transformers, `modules.json` tells where the weights are.

Bounds: those of the readers in `formats`. A zip is unpacked into a temporary folder.
"""

import re
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from ..files.access import HEAD_BYTES, check_inside, listed, open_regular, stamps
from ..files.fields import is_there
from ..files.sources import is_aside, missing
from ..folders.layout import FILES, MAX_PATH_LENGTH, ListedModule, module_weights, read_modules, transformer_path
from ..formats.torch_file import LEGACY_START
from ..formats.zip_archive import member_names, unpack
from .checkpoint_kinds import CONFIGS, Checkpoint, spark_checkpoint, tensorflow_checkpoint, transformers_checkpoint

# Names of weights -> their format. The first name that a folder has is read. A pattern must match
# one file.
WEIGHTS = {
    "model.safetensors": "safetensors",
    "model.safetensors.index.json": "safetensors",
    "pytorch_model.bin": "torch",
    "pytorch_model.bin.index.json": "torch",
    "*.safetensors": "safetensors",
    "*.bin": "torch",
    "*.pt": "torch",
    "*.pth": "torch",
    "*.ckpt": "torch",
}
# In a zip of a folder: files that show the place of a model, and files that are read beside those
# of a model folder
MARKS = ("modules.json", *CONFIGS, "saved_model.pb", "*.index", *WEIGHTS)
UNPACKED = ("bert_config.json", "*.index", "*.data-[0-9]*", *WEIGHTS)
MAX_DEPTH = 4  # folders around a file in such a zip
EXPECTED = "model.safetensors, pytorch_model.bin, a TensorFlow checkpoint (*.index), a SavedModel, a model of Spark NLP or a zip"


def read(source: Path, work: Path) -> Checkpoint:
    """Return the checkpoint in a file or folder. `work` is an empty folder for unpacked files.

    Raises FileNotFoundError, or ValueError that says what was expected and found.
    """
    if source.is_dir():
        modules = read_modules(source)
        return _with_modules(_read_folder(source / transformer_path(modules), work), source, modules)
    if source.exists():
        return _read_file(source, work)
    if Path(f"{source}.index").exists():
        return _beside_modules(tensorflow_checkpoint("TensorFlow checkpoint", source, source.parent))
    raise FileNotFoundError(f"{source}: not found; expected a checkpoint, or a folder with one in it")


def _read_file(source: Path, work: Path) -> Checkpoint:
    """Return the checkpoint in a file, recognised by its name or its first bytes."""
    kind = next((kind for pattern, kind in WEIGHTS.items() if fnmatchcase(source.name, pattern) and not is_aside(source.name)), None)
    with open_regular(source) as file:
        start = file.read(HEAD_BYTES)
    if kind is None and (start[:4] == b"PK\x03\x04" or source.suffix == ".zip"):
        names = member_names(source)
        if any(re.fullmatch(r"([^/]+/)?metadata/part-00000", name) for name in names):
            return spark_checkpoint(source, work)
        roots = {name.partition("/")[0] for name in names}
        if len(roots) != 1 or f"{min(roots)}/data.pkl" not in names:
            return _read_zip(source, names, work)
        kind = "torch"
    if kind is None and start.startswith(LEGACY_START):
        kind = "torch"
    if kind is not None:
        return _beside_modules(transformers_checkpoint(kind, source))
    for prefix in (source.with_suffix(""), source):
        if source == Path(f"{prefix}.index") or Path(f"{prefix}.index").exists():
            return _beside_modules(tensorflow_checkpoint("TensorFlow checkpoint", prefix, source.parent))
    raise ValueError(missing(source, EXPECTED, converting=True, head=start))


def _read_folder(folder: Path, work: Path) -> Checkpoint:
    """Return the checkpoint in a folder: the first kind that it has."""
    exact = {pattern: kind for pattern, kind in WEIGHTS.items() if "*" not in pattern}
    if (found := _find(folder, exact)) is not None:
        return transformers_checkpoint(*found)
    if (folder / "variables" / "variables.index").exists():
        for name in ("variables", "assets"):
            check_inside(folder, folder / name)
        return tensorflow_checkpoint("TensorFlow SavedModel", folder / "variables" / "variables", folder / "assets")
    if (folder / "fields").is_dir():
        return spark_checkpoint(folder, work)
    if (found := _find(folder, {"*.index": "TensorFlow checkpoint"})) is not None:
        return tensorflow_checkpoint(found[0], found[1].with_suffix(""), folder)
    if (found := _find(folder, WEIGHTS)) is not None:
        return transformers_checkpoint(*found)
    raise ValueError(missing(folder, EXPECTED, converting=True))


def _find(folder: Path, patterns: dict[str, str]) -> tuple[str, Path] | None:
    """Return (format, file) for the first pattern that matches a file; None if no pattern does."""
    for pattern, kind in patterns.items():
        found = sorted(path for path in folder.glob(pattern) if not is_aside(path.name))
        if len(found) > 1:
            raise ValueError(f"{folder}: expected one {pattern}, found {listed(each.name for each in found)}; name the file")
        if found:
            check_inside(folder, found[0])
            return kind, found[0]
    return None


def _beside_modules(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint that the user named itself, with the modules.json beside it."""
    assert checkpoint.beside is not None
    modules = read_modules(checkpoint.beside)
    if transformer_path(modules) != ".":
        raise ValueError(
            f"{checkpoint.beside / 'modules.json'}: expected the Transformer in this folder, found it elsewhere; "
            "give the folder of modules.json"
        )
    return _with_modules(checkpoint, checkpoint.beside, modules)


def _with_modules(checkpoint: Checkpoint, outer: Path, modules: list[ListedModule]) -> Checkpoint:
    """Add the other modules of sentence-transformers to a checkpoint."""
    if checkpoint.beside is None:  # Spark NLP has no such files
        return checkpoint
    checkpoint.outer, checkpoint.modules = outer, modules
    checkpoint.files |= stamps(path for module in modules if (path := module_weights(outer, module)) is not None)
    if not modules and checkpoint.is_of_transformers and is_there(outer / ".." / "modules.json"):
        checkpoint.notes.append("modules.json in the folder around it was not read; convert that folder to keep its pooling")
    return checkpoint


# --- Zips -----------------------------------------------------------------------------------------


def unpacked_folder(work: Path) -> Path:
    """Return the folder with the files of a zip. Errors replace its path by that of the zip."""
    return work / "unpacked"


def _read_zip(source: Path, names: list[str], work: Path) -> Checkpoint:
    """Return the checkpoint in a zip of a folder, or of a folder in a folder."""
    before = stamps([source])
    unpack(source, zip_targets(source, names, unpacked_folder(work)))
    checkpoint = read(unpacked_folder(work), work)
    checkpoint.files = before
    return checkpoint


def zip_targets(source: Path, names: list[str], folder: Path) -> dict[str, Path]:
    """Return the members of a zip to unpack, and the file that each becomes.

    They are the known files of the model that lies nearest to the root of the zip.
    """
    paths = {name: PurePosixPath(name) for name in names if not any(part[0] == "." or part == "__MACOSX" for part in name.split("/"))}
    places = {path.parent for path in paths.values() if any(fnmatchcase(path.name, mark) for mark in MARKS)}
    depth = min((len(place.parts) for place in places), default=0)
    roots = sorted(place for place in places if len(place.parts) == depth)
    if len(roots) != 1:
        found = f"some in {listed(map(str, roots))}; unpack it, and convert one folder" if roots else f"{listed(names)}"
        raise ValueError(f"{source}: expected a zip of a model folder, a model of Spark NLP or a checkpoint of torch, found {found}")
    targets = {}
    for name, path in paths.items():
        inner = path.relative_to(roots[0]) if path.is_relative_to(roots[0]) else None
        if inner is None or not _is_of_use(inner):
            continue
        targets[name] = folder / inner
    files = {*targets.values()}
    if both := {parent.name for path in files for parent in path.parents if parent in files}:
        raise ValueError(f"{source}: expected the name of a file or of a folder, found {listed(both)} as both")
    return targets


def _is_of_use(path: PurePosixPath) -> bool:
    """Return whether a member is a known file, under a name that any system accepts.

    A folder with the name of a known file is refused.
    """
    *folders, name = path.parts
    is_plain = str(path).isprintable() and len(str(path).encode()) <= MAX_PATH_LENGTH and len(folders) < MAX_DEPTH
    return is_plain and not FILES & set(folders) and (name in FILES or any(fnmatchcase(name, pattern) for pattern in UNPACKED))
