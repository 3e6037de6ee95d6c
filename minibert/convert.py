"""Any checkpoint of the family -> a model folder, without the framework that wrote it.

A source is recognised by what it holds: safetensors; torch's `pytorch_model.bin`, in either of its formats; a TensorFlow checkpoint
(`bert_model.ckpt.index` and its data), or a SavedModel, as TF Hub has them; a model zip of Spark NLP. A file format is read in `formats`,
which knows no BERT; TensorFlow's names are translated in `tensorflow_names`, to those of transformers' BertForPreTraining, heads included.

GELU: google-research/bert wrote "gelu" and computed its tanh form, and so do TF Hub and Spark NLP; what they wrote becomes "gelu_new". What
transformers wrote says what it means.

Source: transformers, modeling_bert.py, for its names and what it ties.
"""

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .config import BertConfig, load_config
from .fields import load_fields
from .folder import load_folder
from .formats import BFLOAT16, widen
from .formats.safetensors import load_safetensors, release_pages
from .formats.spark_zip import load_spark_zip
from .formats.tensor_bundle import load_tensor_bundle
from .formats.torch_file import load_torch
from .save import new_folder, save_arrays, write_json
from .tensorflow_names import ENCODER, translate, turned
from .tokenizer import load_settings
from .weights import BUFFERS, HEADS, from_arrays

Arrays = dict[str, npt.NDArray[Any]]

# Files of a model folder that say how to cut and pool
BESIDE = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "modules.json",
          "config_sentence_transformers.json", "sentence_bert_config.json", "1_Pooling/config.json", "2_Normalize/config.json",
          "README.md", "LICENSE")  # fmt: skip
# A tensor that transformers ties to another
TIED = {"cls.predictions.decoder.weight": "embeddings.word_embeddings.weight", "cls.predictions.decoder.bias": "cls.predictions.bias"}
HEAD_DIM = 64  # of all 24 miniatures, and of BERT-Base and -Large; for sources that do not say


@dataclass
class Checkpoint:
    """What a source says, in transformers' words."""

    kind: str
    arrays: Arrays
    files: list[Path]  # that were read
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
        ValueError: the source is none of the known kinds, is damaged, or is not a BERT.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work, new_folder(target) as part:  # Windows keeps what is mapped
        checkpoint = read(source, Path(work))
        config = inferred_config(checkpoint, source) if checkpoint.config is None else checkpoint.config
        config |= {"hidden_act": hidden_act} if hidden_act else {}
        write_json(part / "config.json", config)
        try:
            numbers = load_config(part / "config.json")
        except ValueError as error:
            raise ValueError(str(error).replace(str(part), str(source))) from None
        check(checkpoint, numbers, source)
        write_weights(checkpoint.arrays, part / "model.safetensors")
        write_tokenizer(checkpoint, part, numbers, source)
        record = provenance(checkpoint, source, config) | ({"fetched": fetched} if fetched else {})
        write_json(part / "provenance.json", record)
    return record


# --- Reading -------------------------------------------------------------------------------------------------------------------------


def read(source: Path, work: Path) -> Checkpoint:
    """The checkpoint in a file or folder. `work` is a folder for what has to be unpacked."""
    if not source.exists() and not Path(f"{source}.index").exists():
        raise FileNotFoundError(f"{source}: not found; expected a checkpoint, or a folder with one in it")
    if (file := _one(source, "model.safetensors", "*.safetensors")) is not None:
        return transformers_checkpoint("safetensors", load_safetensors(file), file)
    if (source / "variables" / "variables.index").exists():
        return tensorflow_checkpoint("TensorFlow SavedModel", source / "variables" / "variables", source / "assets")
    if (file := _one(source, "pytorch_model.bin", "*.bin", "*.pt", "*.pth")) is not None:
        return transformers_checkpoint("torch", load_torch(file), file)
    if (source / "fields").is_dir() or source.suffix == ".zip":
        arrays, vocabulary, settings = load_spark_zip(source, work)
        files = [source] if source.is_file() else sorted(path for path in source.rglob("[!.]*") if path.is_file())
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
            raise ValueError(f"{source}: expected one {pattern}, found {', '.join(each.name for each in found)}; name the file")
        if found:
            return found[0]
    return None


def transformers_checkpoint(kind: str, arrays: Arrays, file: Path) -> Checkpoint:
    """Names are right already; the config stands beside."""
    path = file.parent / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{path}: not found; a checkpoint of transformers has it beside {file.name}")
    kept: Arrays = {}
    left_out = []
    for stored, array in arrays.items():
        name = stored.removeprefix("bert.")
        name = re.sub(r"(?<=LayerNorm\.)gamma$", "weight", re.sub(r"(?<=LayerNorm\.)beta$", "bias", name))
        if name in BUFFERS or _is_tied(name, array, arrays):
            left_out.append(stored)
        elif name in kept:
            raise ValueError(f"{file}: two tensors for {name} under different names; keep one of them")
        else:
            kept[name] = array
    return Checkpoint(kind, kept, [file], config=load_fields(path).content, beside=file.parent, left_out=left_out)


def _is_tied(name: str, array: npt.NDArray[Any], arrays: Arrays) -> bool:
    """Whether transformers ties the tensor to another that is there."""
    twin = TIED.get(name)
    other = next((arrays[prefix + twin] for prefix in ("bert.", "") if prefix + twin in arrays), None) if twin else None
    return other is not None and array.shape == other.shape and np.array_equal(array, other)


def tensorflow_checkpoint(kind: str, prefix: Path, beside: Path) -> Checkpoint:
    """A tensor bundle; the config, if there is one, is Google's."""
    config = next((beside / name for name in ("bert_config.json", "config.json") if (beside / name).exists()), None)
    content = None if config is None else tensorflow_config(load_fields(config).content)
    files = sorted(prefix.parent.glob(f"{prefix.name}.*"))
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
                raise ValueError(f"{source}: two tensors for {name}; one of them is {stored}")
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
        raise ValueError(f"{source}: expected the tensors of a BERT, found also {', '.join(sorted(unknown)[:20])}")
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
        raise ValueError(f"{source}: expected embeddings and layers of a BERT, found {', '.join(sorted(arrays)[:10]) or 'no tensors'}")
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
    from_arrays(arrays, config, source)
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
    for name in BESIDE if checkpoint.beside else ():
        path = checkpoint.beside / name  # type: ignore[operator]
        if path.exists():
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, folder / name)
    if not (folder / "vocab.txt").exists() and not (folder / "tokenizer.json").exists():
        raise FileNotFoundError(f"{checkpoint.files[0]}: no vocab.txt beside it; put the model's own there")
    if not (folder / "tokenizer_config.json").exists() and not (folder / "tokenizer.json").exists():
        write_json(folder / "tokenizer_config.json", {"do_lower_case": is_lower_case(checkpoint, folder / "vocab.txt")})
    try:
        load_folder(folder)
        greatest = max(load_settings(folder).ids.values())
    except ValueError as error:
        raise ValueError(str(error).replace(str(folder), str(source))) from None
    if greatest >= config.vocab_size:
        raise ValueError(f"{source}: expected a vocabulary of at most {config.vocab_size} tokens, found ids up to {greatest}")


def is_lower_case(checkpoint: Checkpoint, vocabulary: Path) -> bool:
    """What the source says; else whether the vocabulary has no capital letter but those of [CLS] and its like."""
    if checkpoint.do_lower_case is not None:
        return checkpoint.do_lower_case
    tokens = vocabulary.read_text(encoding="utf-8").split("\n")
    return not any("A" <= character <= "Z" for token in tokens if not token.startswith("[") for character in token)


def provenance(checkpoint: Checkpoint, source: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Where a folder came from."""
    return {
        "converted_by": f"minibert {metadata.version('minibert-numpy')}",
        "format": checkpoint.kind,
        "source": source.name,
        "files": {
            str(file.relative_to(source if source.is_dir() else file.parent)): {"bytes": file.stat().st_size, "sha256": digest(file)}
            for file in checkpoint.files
        },
        "tensors_left_out": checkpoint.left_out,
        "hidden_act": config["hidden_act"],
    }


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
