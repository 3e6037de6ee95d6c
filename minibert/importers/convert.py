"""Any checkpoint of the family -> a model folder, without the framework that wrote it.

`checkpoints` reads it. What is written is a folder as sentence-transformers writes it today: encoder and tokenizer beside modules.json,
other modules in folders of their own, weights as safetensors. Heads of pre-training are kept; other tensors beside the encoder are not.

GELU: google-research/bert wrote "gelu" and computed its tanh form, and so do TF Hub and Spark NLP; what they wrote becomes "gelu_new". What
transformers wrote says what it means.

Case of letters, where a source does not tell: transformers lower-cases, so what it would read is lower-cased. What it would not read is
lower-cased unless its vocabulary has capital letters.

Bounds: those of `checkpoints`. All files beside the weights have at most MAX_JSON_BYTES each. What is written is at most four times what
was read, and some megabytes: torch's tensors may share their storages, and bfloat16 becomes float32.

Source: transformers, modeling_bert.py, for its names and what it ties.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import BFLOAT16, release_pages, widen
from ..bert.config import BertConfig, load_config
from ..bert.weights import encoder_names, from_arrays
from ..files.access import (
    MAX_JSON_BYTES,
    MAX_VOCABULARY_BYTES,
    check_unchanged,
    copy_inside,
    listed,
    open_regular,
    read_text,
)
from ..files.fields import optional_fields
from ..folders.hub_cache import snapshot
from ..folders.layout import GENERAL_FILES, TOKENIZER_FILES, TRANSFORMER_FILES, module_weights
from ..folders.save import new_folder, save_arrays, write_json
from ..folders.sentence_modules import read_tensors
from ..folders.settings import load_folder
from ..tokenizer import load_settings
from .checkpoint_kinds import LOADERS, Arrays, Checkpoint
from .checkpoints import WEIGHTS, read, unpacked_folder

# A tensor that transformers ties to another
TIED = {"cls.predictions.decoder.weight": "embeddings.word_embeddings.weight", "cls.predictions.decoder.bias": "cls.predictions.bias"}
HEAD_DIM = 64  # of all 24 miniatures, and of BERT-Base and -Large; for sources that do not say
NARROWED = (BFLOAT16, np.dtype(np.float64))  # NumPy knows no bfloat16, and nothing here computes in float64


def convert(source: Path, target: Path, hidden_act: str | None = None, fetched: dict[str, Any] | None = None) -> dict[str, Any]:
    """Write a model folder from a checkpoint; returns its provenance record.

    Args:
        source: a file, or a folder with a checkpoint in it.
        target: name of the folder to write.
        hidden_act: which GELU the model is to be run with; None for what the source means.
        fetched: for the record, where the files of the source came from.

    Raises:
        FileExistsError, FileNotFoundError: as `save.new_folder`, and for a source that is not there.
        ValueError: the source is none of the known kinds, is damaged, is not a BERT, or changes while it is read.

    Weights are mapped. A program that makes their file shorter meanwhile ends this process (SIGBUS); no Python can catch that.
    """
    source = snapshot(source)
    with (
        new_folder(target, source) as part,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work,  # Windows keeps what is mapped
        _errors_of(source, part, unpacked_folder(Path(work))),
    ):
        checkpoint = read(source, Path(work))
        config = inferred_config(checkpoint, source) if checkpoint.config is None else checkpoint.config
        config |= {"hidden_act": hidden_act} if hidden_act else {}
        write_json(part / "config.json", config)
        numbers = load_config(part / "config.json")
        write_weights(sorted_arrays(checkpoint, numbers, source), part / "model.safetensors")
        write_files(checkpoint, part)
        write_tokenizer(checkpoint, part, source)
        check_folder(part, numbers, source)
        record = provenance(checkpoint, source, config) | ({"fetched": fetched} if fetched else {})
        write_json(part / "provenance.json", record)
        check_unchanged(checkpoint.files)
    return record


@contextmanager
def _errors_of(source: Path, *folders: Path) -> Iterator[None]:
    """Errors about what has been unpacked or written speak of where it came from."""
    try:
        yield
    except (FileNotFoundError, ValueError) as error:
        message = str(error)
        for folder in folders:
            message = message.replace(str(folder), str(source))
        raise (FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError)(message) from None


def inferred_config(checkpoint: Checkpoint, source: Path) -> dict[str, Any]:
    """The config of a source that has none, from its shapes; what they do not tell is the same for all that Google published."""
    arrays = checkpoint.arrays
    words, positions, types, inner = (
        arrays.get(name)
        for name in (
            "embeddings.word_embeddings.weight",
            "embeddings.position_embeddings.weight",
            "embeddings.token_type_embeddings.weight",
            "encoder.layer.0.intermediate.dense.weight",
        )
    )
    if (
        words is None
        or positions is None
        or types is None
        or inner is None
        or any(each.ndim != 2 for each in (words, positions, types, inner))
    ):
        raise ValueError(f"{source}: expected embeddings and layers of a BERT, found {listed(arrays)}")
    hidden_size = words.shape[1]
    if checkpoint.num_heads is None and hidden_size % HEAD_DIM:
        raise ValueError(
            f"{source}: expected a config.json, or a hidden size that heads of {HEAD_DIM} divide, as Google has it, found {hidden_size}"
        )
    layers = {int(name.split(".")[2]) for name in arrays if name.startswith("encoder.layer.")}
    return {
        "model_type": "bert",
        "vocab_size": words.shape[0],
        "hidden_size": hidden_size,
        "num_hidden_layers": max(layers) + 1,
        "num_attention_heads": checkpoint.num_heads or hidden_size // HEAD_DIM,
        "intermediate_size": inner.shape[0],
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": positions.shape[0],
        "type_vocab_size": types.shape[0],
    }


# --- Weights -------------------------------------------------------------------------------------------------------------------------


def sorted_arrays(checkpoint: Checkpoint, config: BertConfig, source: Path) -> Arrays:
    """The encoder and the heads of pre-training, by name in BertForPreTraining without "bert."; in the order of the source.

    All else goes to the names that are left out. Raises ValueError for what would not load, and for a head that does not fit.
    """
    arrays = checkpoint.arrays
    names = {stored: name for name, stored in encoder_names(arrays, config, source).items()}
    encoder = {name: arrays[stored] for stored, name in names.items()}
    list(from_arrays(encoder, config, source).layers)  # each is looked at
    if checkpoint.num_heads not in (None, config.num_attention_heads):
        raise ValueError(f"{source}: expected {config.num_attention_heads} attention heads, found kernels of {checkpoint.num_heads}")
    shapes = head_shapes(config)
    heads = {name: array for name, array in arrays.items() if name in shapes and not _is_tied(name, encoder | arrays)}
    if wrong := [f"{name}: expected {shapes[name]}, found {each.shape}" for name, each in heads.items() if each.shape != shapes[name]]:
        raise ValueError(f"{source}: " + "; ".join(wrong))
    checkpoint.left_out += [checkpoint.stored.get(name, name) for name in arrays if name not in names and name not in heads]
    return {names.get(name, name): array for name, array in arrays.items() if name in names or name in heads}


def head_shapes(config: BertConfig) -> dict[str, tuple[int, ...]]:
    """Names of the heads of pre-training, and their shapes."""
    hidden, vocabulary = config.hidden_size, config.vocab_size
    return {
        "cls.predictions.bias": (vocabulary,),
        "cls.predictions.transform.dense.weight": (hidden, hidden),
        "cls.predictions.transform.dense.bias": (hidden,),
        "cls.predictions.transform.LayerNorm.weight": (hidden,),
        "cls.predictions.transform.LayerNorm.bias": (hidden,),
        "cls.predictions.decoder.weight": (vocabulary, hidden),
        "cls.predictions.decoder.bias": (vocabulary,),
        "cls.seq_relationship.weight": (2, hidden),
        "cls.seq_relationship.bias": (2,),
    }


def _is_tied(name: str, arrays: Arrays) -> bool:
    """Whether transformers ties the tensor to another that is there."""
    array, other = arrays[name], arrays.get(TIED.get(name, ""))
    return other is not None and array.shape == other.shape and np.array_equal(array, other)


def write_weights(arrays: Arrays, path: Path) -> None:
    """In the order of their names in the source.

    Memory: a large array that is right already is written from the map; all else is copied, and the pages that it was read from are let
    go. Small ones too, since a page of theirs brings up to two megabytes of neighbours with it.
    """
    with_heads = any(name.startswith("cls.") for name in arrays)
    tensors: Arrays = {}
    for name, array in arrays.items():
        outer = "bert." if with_heads and not name.startswith("cls.") else ""
        is_right = array.flags.c_contiguous and array.nbytes >= 1 << 20
        tensors[outer + name] = widen(array) if array.dtype in NARROWED else array if is_right else np.array(array, order="C")
        if not is_right:
            release_pages(array)
    save_arrays(tensors, path)


# --- What is beside the weights ------------------------------------------------------------------------------------------------------


def write_files(checkpoint: Checkpoint, folder: Path) -> None:
    """What lies beside the weights, and the other modules of sentence-transformers, in its layout of today."""
    if checkpoint.beside is not None:
        for name in (*TOKENIZER_FILES, *TRANSFORMER_FILES):
            copy_inside(checkpoint.beside, name, folder, MAX_JSON_BYTES)
    if checkpoint.outer is None:
        return
    for name in GENERAL_FILES:
        if name not in ("modules.json", "provenance.json"):  # which are written anew
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
    """The vocabulary, if it was in the weights, and what nothing has said about the case of letters."""
    vocabulary, config = folder / "vocab.txt", folder / "tokenizer_config.json"
    if checkpoint.vocabulary is not None:
        if any("\n" in token or "\r" in token for token in checkpoint.vocabulary):
            raise ValueError(f"{source}: expected a vocabulary without line ends in its tokens")
        vocabulary.write_text("\n".join(checkpoint.vocabulary) + "\n", encoding="utf-8", newline="\n")
    if (folder / "tokenizer.json").exists():
        return
    if not vocabulary.exists():
        raise FileNotFoundError(f"{next(iter(checkpoint.files))}: no vocab.txt beside it; put the model's own there")
    said = optional_fields(config).get("do_lower_case", bool)
    if said is not None or (checkpoint.do_lower_case is not None and config.exists()):
        return
    is_cased = has_capitals(vocabulary)
    guess = checkpoint.is_of_transformers or config.exists() or not is_cased
    is_lower = guess if checkpoint.do_lower_case is None else checkpoint.do_lower_case
    if not config.exists():
        write_json(config, {"do_lower_case": is_lower})
    if is_cased and checkpoint.do_lower_case is None:
        checkpoint.notes.append(
            f"vocab.txt has capital letters, and nothing says do_lower_case: texts {'are' if is_lower else 'are not'} lower-cased"
            f"{', as transformers does' if is_lower else ''}; do_lower_case in tokenizer_config.json changes that"
        )


def has_capitals(vocabulary: Path) -> bool:
    """Whether a vocabulary has a capital letter beside those of [CLS] and its like."""
    tokens = read_text(vocabulary, MAX_VOCABULARY_BYTES).split("\n")
    return any("A" <= character <= "Z" for token in tokens if not token.startswith("[") for character in token)


def check_folder(folder: Path, config: BertConfig, source: Path) -> None:
    """Refuse what could not be loaded later."""
    settings = load_folder(folder)
    settings.dimension(config.hidden_size)
    for module in settings.modules:
        if module.shapes:
            read_tensors(module)
    greatest = load_settings(folder).last_id
    if greatest >= config.vocab_size:
        raise ValueError(f"{source}: expected a vocabulary of at most {config.vocab_size} tokens, found ids up to {greatest}")


def provenance(checkpoint: Checkpoint, source: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Where a folder came from."""
    return {
        "converted_by": f"minibert {metadata.version('minibert-numpy')}",
        "format": checkpoint.kind,
        "source": _text(source.name),
        "files": {
            _text(str(file.relative_to(source if source.is_dir() else source.parent))): {
                "bytes": file.stat().st_size,
                "sha256": digest(file),
            }
            for file in checkpoint.files
        },
        "tensors_left_out": checkpoint.left_out,
        "hidden_act": config["hidden_act"],
        "notes": checkpoint.notes,
    }


def _text(name: str) -> str:
    """The name of a file, whose bytes need not be UTF-8, as JSON can have it."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def digest(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
