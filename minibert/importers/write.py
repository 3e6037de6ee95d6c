"""The files of a model folder that are written from a checkpoint."""

import json
from pathlib import Path

import numpy as np

from ..arrays import BFLOAT16, release_pages, widen
from ..files.access import MAX_JSON_BYTES, MAX_VOCABULARY_BYTES, copy_inside, read_text
from ..files.fields import optional_fields
from ..folders.layout import GENERAL_FILES, TOKENIZER_FILES, TRANSFORMER_FILES, module_weights
from ..folders.new import save_arrays, write_json
from .checkpoint_kinds import LOADERS, Arrays, Checkpoint
from .checkpoints import WEIGHTS

NARROWED = (BFLOAT16, np.dtype(np.float64))  # stored as float32: NumPy has no bfloat16, and no product here is in float64


def write_weights(arrays: Arrays, path: Path) -> None:
    """Write the weights in the order of the source.

    A large array that needs no change is written from the map. Any other is copied, and the pages
    of its map are released. That holds for small arrays too: with one page of theirs, the system
    maps up to two megabytes of neighbours.
    """
    has_heads = any(name.startswith("cls.") for name in arrays)
    tensors: Arrays = {}
    for name, array in arrays.items():
        outer = "bert." if has_heads and not name.startswith("cls.") else ""
        is_ready = array.flags.c_contiguous and array.nbytes >= 1 << 20
        tensors[outer + name] = widen(array) if array.dtype in NARROWED else array if is_ready else np.array(array, order="C")
        if not is_ready:
            release_pages(array)
    save_arrays(tensors, path)


def write_files(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the files beside the weights, and the other modules of sentence-transformers.

    The layout is that of the current sentence-transformers.
    """
    if checkpoint.beside is not None:
        for name in (*TOKENIZER_FILES, *TRANSFORMER_FILES):
            copy_inside(checkpoint.beside, name, folder, MAX_JSON_BYTES)
    if checkpoint.outer is None:
        return
    for name in GENERAL_FILES:
        if name not in ("modules.json", "provenance.json"):  # these two are written anew
            copy_inside(checkpoint.outer, name, folder, MAX_JSON_BYTES)
    for module in checkpoint.modules:
        if module.new_path:
            copy_inside(checkpoint.outer / module.path, "config.json", folder / module.new_path, MAX_JSON_BYTES)
        if (weights := module_weights(checkpoint.outer, module)) is not None:
            (folder / module.new_path).mkdir(parents=True, exist_ok=True)
            write_weights(LOADERS[WEIGHTS[weights.name]](weights), folder / module.new_path / "model.safetensors")
    if checkpoint.modules:
        entries = [
            {"idx": index, "name": str(index), "path": each.new_path, "type": each.type} for index, each in enumerate(checkpoint.modules)
        ]
        (folder / "modules.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


def write_tokenizer(checkpoint: Checkpoint, folder: Path, source: Path) -> None:
    """Write the vocabulary, if it was in the weights, and do_lower_case, if no file says it."""
    vocabulary, config = folder / "vocab.txt", folder / "tokenizer_config.json"
    if checkpoint.vocabulary is not None:
        if any("\n" in token or "\r" in token for token in checkpoint.vocabulary):
            raise ValueError(
                f"{source}: expected a vocabulary without line ends in its tokens, found one with them; vocab.txt cannot hold it"
            )
        vocabulary.write_text("\n".join(checkpoint.vocabulary) + "\n", encoding="utf-8", newline="\n")
    if (folder / "tokenizer.json").exists():
        return
    if not vocabulary.exists():
        raise FileNotFoundError(f"{next(iter(checkpoint.files))}: no vocab.txt beside it; put the model's own there")
    stated = optional_fields(config).get("do_lower_case", bool)
    if stated is not None or (checkpoint.do_lower_case is not None and config.exists()):
        return
    is_cased = has_capitals(vocabulary)
    guess = checkpoint.is_of_transformers or config.exists() or not is_cased
    is_lower = guess if checkpoint.do_lower_case is None else checkpoint.do_lower_case
    if not config.exists():
        write_json(config, {"do_lower_case": is_lower})
    if is_cased and checkpoint.do_lower_case is None:
        checkpoint.notes.append(
            f"vocab.txt has capital letters, and no file says do_lower_case: texts {'are' if is_lower else 'are not'} lower-cased"
            f"{', as transformers does' if is_lower else ''}; do_lower_case in tokenizer_config.json changes that"
        )


def has_capitals(vocabulary: Path) -> bool:
    """Return whether a vocabulary has a capital letter outside of special tokens such as [CLS]."""
    tokens = read_text(vocabulary, MAX_VOCABULARY_BYTES).split("\n")
    return any("A" <= character <= "Z" for token in tokens if not token.startswith("[") for character in token)
