"""Any checkpoint of the family -> a model folder, without the framework that wrote it.

A source is recognised by what it holds: safetensors; torch's `pytorch_model.bin`, in either of its formats; a TensorFlow checkpoint
(`bert_model.ckpt.index` and its data), or a SavedModel, as TF Hub has them; a model zip of Spark NLP. A file format is read in `formats`,
which knows no BERT; TensorFlow's names are translated in `tensorflow_names`, to those of transformers' BertForPreTraining, heads included.

GELU: google-research/bert wrote "gelu" and computed its tanh form, and so do TF Hub and Spark NLP; what they wrote becomes "gelu_new". What
transformers wrote says what it means.

Bounds: those of the readers in `formats`. All files beside the weights have at most MAX_JSON_BYTES each. What is written is at most four
times what was read, and some megabytes: torch's tensors may share their storages, and bfloat16 becomes float32. What a zip unpacks to
lies in a temporary folder meanwhile.

Source: transformers, modeling_bert.py, for its names and what it ties.
"""

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .config import BertConfig, load_config
from .fields import load_fields
from .files import (
    MAX_JSON_BYTES,
    MAX_VOCABULARY_BYTES,
    Stamps,
    check_inside,
    check_unchanged,
    copy_inside,
    listed,
    open_regular,
    read_text,
    stamps,
)
from .folder import known_files, list_modules, load_folder
from .formats import BFLOAT16, widen
from .formats.safetensors import load_safetensors, release_pages
from .formats.spark_zip import load_spark_zip, spark_files
from .formats.tensor_bundle import bundle_files, load_tensor_bundle
from .formats.torch_file import load_torch
from .save import new_folder, save_arrays, write_json
from .tensorflow_names import ENCODER, translate, turned
from .tokenizer import load_settings
from .weights import BUFFERS, HEADS, from_arrays

Arrays = dict[str, npt.NDArray[Any]]

# A tensor that transformers ties to another
TIED = {"cls.predictions.decoder.weight": "embeddings.word_embeddings.weight", "cls.predictions.decoder.bias": "cls.predictions.bias"}
HEAD_DIM = 64  # of all 24 miniatures, and of BERT-Base and -Large; for sources that do not say


@dataclass
class Checkpoint:
    """What a source says, in transformers' words."""

    kind: str
    arrays: Arrays
    files: Stamps  # that are read, as they were before
    num_heads: int | None = None  # where the shapes tell
    do_lower_case: bool | None = None  # where the source tells
    config: dict[str, Any] | None = None  # as config.json has it; None where the source has none
    vocabulary: list[str] | None = None
    beside: Path | None = None  # a folder with tokenizer and pooling
    left_out: list[str] = field(default_factory=list)


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
    with (
        new_folder(target, source) as part,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work,
    ):  # Windows keeps what is mapped
        checkpoint = read(source, Path(work))
        config = inferred_config(checkpoint, source) if checkpoint.config is None else checkpoint.config
        config |= {"hidden_act": hidden_act} if hidden_act else {}
        write_json(part / "config.json", config)
        with _errors_of(source, part):
            numbers = load_config(part / "config.json")
        check(checkpoint, numbers, source)
        write_weights(checkpoint.arrays, part / "model.safetensors")
        write_tokenizer(checkpoint, part, numbers, source)
        record = provenance(checkpoint, source, config) | ({"fetched": fetched} if fetched else {})
        write_json(part / "provenance.json", record)
        check_unchanged(checkpoint.files)
    return record


@contextmanager
def _errors_of(source: Path, part: Path) -> Iterator[None]:
    """Errors about what has been written speak of where it came from."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(str(error).replace(str(part), str(source))) from None
    except ValueError as error:
        raise ValueError(str(error).replace(str(part), str(source))) from None


# --- Reading -------------------------------------------------------------------------------------------------------------------------


def read(source: Path, work: Path) -> Checkpoint:
    """The checkpoint in a file or folder. `work` is a folder for what has to be unpacked."""
    if not source.exists() and not Path(f"{source}.index").exists():
        raise FileNotFoundError(f"{source}: not found; expected a checkpoint, or a folder with one in it")
    if (file := _one(source, "model.safetensors", "*.safetensors")) is not None:
        return transformers_checkpoint("safetensors", load_safetensors, file)
    if (source / "variables" / "variables.index").exists():
        for folder in ("variables", "assets"):
            check_inside(source, source / folder)
        return tensorflow_checkpoint("TensorFlow SavedModel", source / "variables" / "variables", source / "assets")
    if (file := _one(source, "pytorch_model.bin", "*.bin", "*.pt", "*.pth")) is not None:
        return transformers_checkpoint("torch", load_torch, file)
    if (source / "fields").is_dir() or source.suffix == ".zip":
        files = stamps(spark_files(source))
        arrays, vocabulary, settings = load_spark_zip(source, work)
        content = _translated(arrays, source) | {"do_lower_case": is_uncased(settings)}
        return Checkpoint("Spark NLP", files=files, vocabulary=vocabulary, **content)
    if (file := _one(source, "*.index") or Path(f"{source}.index")).exists():
        return tensorflow_checkpoint("TensorFlow checkpoint", file.with_suffix(""), file.parent)
    raise ValueError(
        f"{source}: expected model.safetensors, pytorch_model.bin, a TensorFlow checkpoint (*.index), a SavedModel or a model of Spark "
        f"NLP, found none of them"
    )


def is_uncased(settings: dict[str, Any]) -> bool | None:
    """Spark NLP's `caseSensitive`, said or left at its default."""
    for kind in ("paramMap", "defaultParamMap"):
        value = settings.get(kind, {}).get("caseSensitive") if isinstance(settings.get(kind), dict) else None
        if isinstance(value, bool):
            return not value
    return None


def _one(source: Path, *patterns: str) -> Path | None:
    """The file itself, or the one file in a folder, of the first pattern that has one."""
    if source.is_file():
        return source if any(source.match(pattern) for pattern in patterns) else None
    for pattern in patterns:
        found = sorted(source.glob(pattern)) if source.is_dir() else []
        if len(found) > 1:
            raise ValueError(f"{source}: expected one {pattern}, found {listed(each.name for each in found)}; name the file")
        if found:
            check_inside(source, found[0])
            return found[0]
    return None


def transformers_checkpoint(kind: str, load: Callable[[Path], Arrays], file: Path) -> Checkpoint:
    """Names are right already; the config stands beside."""
    path = file.parent / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{path}: not found; a checkpoint of transformers has it beside {file.name}")
    check_inside(file.parent, path)
    files = stamps([file])
    arrays = load(file)
    kept: Arrays = {}
    left_out = []
    for stored, array in arrays.items():
        name = stored.removeprefix("bert.")
        name = re.sub(r"(?<=LayerNorm\.)gamma$", "weight", re.sub(r"(?<=LayerNorm\.)beta$", "bias", name))
        if name in BUFFERS or _is_tied(name, array, arrays):
            left_out.append(stored)
        elif name in kept:
            raise ValueError(f"{file}: two tensors for {name:.200} under different names; keep one of them")
        else:
            kept[name] = array
    return Checkpoint(kind, kept, files, config=load_fields(path).content, beside=file.parent, left_out=left_out)


def _is_tied(name: str, array: npt.NDArray[Any], arrays: Arrays) -> bool:
    """Whether transformers ties the tensor to another that is there."""
    twin = TIED.get(name)
    other = next((arrays[prefix + twin] for prefix in ("bert.", "") if prefix + twin in arrays), None) if twin else None
    return other is not None and array.shape == other.shape and np.array_equal(array, other)


def tensorflow_checkpoint(kind: str, prefix: Path, beside: Path) -> Checkpoint:
    """A tensor bundle; the config, if there is one, is Google's."""
    config = next((beside / name for name in ("bert_config.json", "config.json") if (beside / name).exists()), None)
    files = stamps(bundle_files(prefix))
    for path in [*files, *([] if config is None else [config])]:
        check_inside(path.parent, path)
    content = None if config is None else tensorflow_config(load_fields(config).content)
    return Checkpoint(kind, files=files, config=content, beside=beside, **_translated(load_tensor_bundle(prefix), prefix))


def tensorflow_config(content: dict[str, Any]) -> dict[str, Any]:
    """The config beside a TensorFlow checkpoint. Google's own names no model type, and its "gelu" is the tanh form."""
    if "model_type" in content:  # transformers wrote it
        return content
    activation = "gelu_new" if content.get("hidden_act") == "gelu" else content.get("hidden_act")
    return {"model_type": "bert", "layer_norm_eps": 1e-12, **content, "hidden_act": activation}


def _translated(arrays: Arrays, source: Path) -> dict[str, Any]:
    """Of a Checkpoint: TensorFlow's names and shapes in transformers' form, what is left out, and the heads that TF2's kernels show."""
    kept: Arrays = {}
    left_out, unknown = [], []
    num_heads = do_lower_case = None
    for stored, array in arrays.items():
        if (name := translate(stored)) is not None:
            if name in kept:
                raise ValueError(f"{source}: two tensors for {name:.200}; one of them is {stored:.200}")
            kept[name] = turned(name, array)
            if array.ndim == 3 and ".query." in name:
                num_heads = array.shape[1]
        elif array.dtype == np.bool_ and array.ndim == 0 and do_lower_case is None:
            do_lower_case = bool(array)  # TF Hub's BERTs keep it in a variable that has no other name
        elif ENCODER.search(stored) and "adam" not in stored.lower():  # which keeps two numbers for each that it trains
            unknown.append(stored)
        else:
            left_out.append(stored)
    if unknown:
        raise ValueError(f"{source}: expected the tensors of a BERT, found also {listed(unknown)}")
    kept = {name.replace(".kernel", ".weight"): array for name, array in kept.items()}
    return {"arrays": kept, "left_out": left_out, "num_heads": num_heads, "do_lower_case": do_lower_case}


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


# --- Writing -------------------------------------------------------------------------------------------------------------------------


def check(checkpoint: Checkpoint, config: BertConfig, source: Path) -> None:
    """Refuse what would not load, and a head that does not fit. Raises ValueError."""
    arrays = checkpoint.arrays
    list(from_arrays(arrays, config, source).layers)  # each is looked at
    if checkpoint.num_heads not in (None, config.num_attention_heads):
        raise ValueError(f"{source}: expected {config.num_attention_heads} attention heads, found kernels of {checkpoint.num_heads}")
    hidden, vocabulary = config.hidden_size, config.vocab_size
    heads = {
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
    wrong = [
        f"{name}: expected {heads[name]}, found {array.shape}"
        for name, array in arrays.items()
        if name in heads and array.shape != heads[name]
    ]
    if wrong:
        raise ValueError(f"{source}: " + "; ".join(wrong))


def write_weights(arrays: Arrays, path: Path) -> None:
    """In the order of their names in the source.

    Memory: a large array that is right already is written from the map; all else is copied, and the pages that it was read from are let
    go. Small ones too, since a page of theirs brings up to two megabytes of neighbours with it.
    """
    with_heads = any(name.startswith("cls.") for name in arrays)
    tensors: Arrays = {}
    for name, array in arrays.items():
        outer = "bert." if with_heads and not name.startswith(HEADS) else ""
        is_right = array.flags.c_contiguous and array.nbytes >= 1 << 20
        # the library knows no bfloat16 where NumPy has none
        tensors[outer + name] = widen(array) if array.dtype == BFLOAT16 else array if is_right else np.array(array, order="C")
        if not is_right:
            release_pages(array)
    save_arrays(tensors, path)


def write_tokenizer(checkpoint: Checkpoint, folder: Path, config: BertConfig, source: Path) -> None:
    """What lies beside the weights, or the vocabulary that was in them; refused here if it could not be loaded later."""
    if checkpoint.vocabulary is not None:
        if any("\n" in token or "\r" in token for token in checkpoint.vocabulary):
            raise ValueError(f"{source}: expected a vocabulary without line ends in its tokens")
        (folder / "vocab.txt").write_text("\n".join(checkpoint.vocabulary) + "\n", encoding="utf-8", newline="\n")
    if checkpoint.beside is not None:
        if [module.path for module in list_modules(checkpoint.beside)[:1]] not in ([], ["."]):
            raise ValueError(f"{checkpoint.beside / 'modules.json'}: expected the Transformer in this folder, where the weights are")
        for name in known_files(checkpoint.beside):
            copy_inside(checkpoint.beside, name, folder, MAX_JSON_BYTES)
    if not (folder / "vocab.txt").exists() and not (folder / "tokenizer.json").exists():
        raise FileNotFoundError(f"{next(iter(checkpoint.files))}: no vocab.txt beside it; put the model's own there")
    if not (folder / "tokenizer_config.json").exists() and not (folder / "tokenizer.json").exists():
        with _errors_of(source, folder):
            write_json(folder / "tokenizer_config.json", {"do_lower_case": is_lower_case(checkpoint, folder / "vocab.txt")})
    with _errors_of(source, folder):
        load_folder(folder)
        greatest = max(load_settings(folder).ids.values())
    if greatest >= config.vocab_size:
        raise ValueError(f"{source}: expected a vocabulary of at most {config.vocab_size} tokens, found ids up to {greatest}")


def is_lower_case(checkpoint: Checkpoint, vocabulary: Path) -> bool:
    """What the source says; else whether the vocabulary has no capital letter but those of [CLS] and its like."""
    if checkpoint.do_lower_case is not None:
        return checkpoint.do_lower_case
    tokens = read_text(vocabulary, MAX_VOCABULARY_BYTES).split("\n")
    return not any("A" <= character <= "Z" for token in tokens if not token.startswith("[") for character in token)


def provenance(checkpoint: Checkpoint, source: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Where a folder came from."""
    return {
        "converted_by": f"minibert {metadata.version('minibert-numpy')}",
        "format": checkpoint.kind,
        "source": _text(source.name),
        "files": {
            _text(str(file.relative_to(source if source.is_dir() else file.parent))): {"bytes": file.stat().st_size, "sha256": digest(file)}
            for file in checkpoint.files
        },
        "tensors_left_out": checkpoint.left_out,
        "hidden_act": config["hidden_act"],
    }


def _text(name: str) -> str:
    """The name of a file, whose bytes need not be UTF-8, as JSON can have it."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def digest(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
