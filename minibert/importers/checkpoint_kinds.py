"""What each kind of checkpoint says -> Checkpoint: its tensors in transformers' words, and what is known beside them.

A file format is read in `formats`, which knows no BERT; TensorFlow's names are translated in `tensorflow_names`, to those of transformers'
BertForPreTraining, heads included.

Training programs wrap a model, and the wrapper puts its name before, or into, those of the tensors: `module.` (DataParallel),
`_orig_mod.` (torch.compile), `0.auto_model.` (sentence-transformers), `model.bert.` (a class around it). Whatever stands before
`embeddings.` and `encoder.` is taken off, as long as there is one encoder.

Sources: transformers, modeling_bert.py; what torch.nn.DataParallel, torch.compile and FSDP call the module that they wrap.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bert.weights import PREFIX, encoder_prefixes
from ..files.access import Stamps, check_inside, listed, stamps
from ..files.fields import is_there, load_fields
from ..folders.layout import ListedModule
from ..formats.safetensors import load_safetensors
from ..formats.shards import files_of, load_whole
from ..formats.spark_zip import load_spark_zip, spark_files
from ..formats.tensor_bundle import bundle_files, load_tensor_bundle
from ..formats.torch_file import load_torch
from .tensorflow_names import ENCODER, translate, turned

Arrays = dict[str, npt.NDArray[Any]]

LOADERS: dict[str, Callable[[Path], Arrays]] = {"safetensors": load_safetensors, "torch": load_torch}
CONFIGS = ("config.json", "bert_config.json")  # the second is Google's, and pytorch-pretrained-bert's
# Components of names that wrappers put anywhere: DataParallel, torch.compile, FSDP, checkpointed activations, accelerate
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"}


@dataclass
class Checkpoint:
    """What a source says, in transformers' words."""

    kind: str
    arrays: Arrays  # by name in BertForPreTraining, with or without "bert."; and tensors of no known name
    files: Stamps  # that are read, as they were before
    num_heads: int | None = None  # where the shapes tell
    do_lower_case: bool | None = None  # where the source tells
    config: dict[str, Any] | None = None  # as config.json has it; None where the source has none
    vocabulary: list[str] | None = None
    beside: Path | None = None  # a folder with the tokenizer
    outer: Path | None = None  # a folder with modules.json, where it has one, and the licence
    modules: list[ListedModule] = field(default_factory=list)
    is_of_transformers: bool = False  # whether transformers reads such a source, so that its rules hold where the source does not tell
    stored: dict[str, str] = field(default_factory=dict)  # name in `arrays` -> name in the file, where that differs
    left_out: list[str] = field(default_factory=list)  # names in the file
    notes: list[str] = field(default_factory=list)  # what its user should know


# --- transformers --------------------------------------------------------------------------------------------------------------------


def transformers_checkpoint(kind: str, file: Path) -> Checkpoint:
    """What safetensors or torch hold; the config stands beside."""
    path = next((path for name in CONFIGS if is_there(path := file.parent / name)), file.parent / CONFIGS[0])
    if not path.exists():
        raise FileNotFoundError(f"{path}: not found; a checkpoint of transformers has it beside {file.name}")
    check_inside(file.parent, path)
    files = stamps(files_of(file))
    arrays = load_whole(file, LOADERS[kind])
    names, outside = unwrapped_names(arrays, file)
    return Checkpoint(
        kind,
        {name: arrays[stored] for name, stored in names.items()},
        files,
        config={"model_type": "bert"} | load_fields(path).content,
        beside=file.parent,
        is_of_transformers=True,
        stored=names,
        left_out=outside,
    )


def unwrapped_names(stored_names: Arrays, file: Path) -> tuple[dict[str, str], list[str]]:
    """Name without what wrappers put into it -> name in the file; and names in the file that stand beside the wrapped model.

    A prefix that ends with "bert." keeps that, as transformers' classes have their heads beside it.
    """
    plain: dict[str, str] = {}
    for stored in stored_names:
        name = ".".join(part for part in stored.split(".") if part not in WRAPPERS)
        if name in plain:
            raise ValueError(f"{file}: two tensors for {name:.200}: {plain[name]:.200} and {stored:.200}; keep one of them")
        plain[name] = stored
    prefixes = encoder_prefixes(plain)
    if len(prefixes) > 1:
        found = listed(repr(prefix) for prefix in prefixes)
        raise ValueError(f"{file}: expected one encoder, found {len(prefixes)}, whose names begin with {found}; keep the tensors of one")
    prefix = prefixes[0] if prefixes else ""
    outer = prefix.removesuffix(PREFIX) if prefix == PREFIX or prefix.endswith(f".{PREFIX}") else prefix
    inside = {name.removeprefix(outer): stored for name, stored in plain.items() if name.startswith(outer)}
    return inside, [stored for name, stored in plain.items() if not name.startswith(outer)]


# --- TensorFlow and Spark NLP --------------------------------------------------------------------------------------------------------


def spark_checkpoint(source: Path, work: Path) -> Checkpoint:
    files = stamps(spark_files(source))
    arrays, vocabulary, settings = load_spark_zip(source, work)
    content = _translated(arrays, source) | {"do_lower_case": is_uncased(settings)}
    return Checkpoint("Spark NLP", files=files, vocabulary=vocabulary, **content)


def is_uncased(settings: dict[str, Any]) -> bool | None:
    """Spark NLP's `caseSensitive`, said or left at its default."""
    for kind in ("paramMap", "defaultParamMap"):
        value = settings.get(kind, {}).get("caseSensitive") if isinstance(settings.get(kind), dict) else None
        if isinstance(value, bool):
            return not value
    return None


def tensorflow_checkpoint(kind: str, prefix: Path, beside: Path) -> Checkpoint:
    """A tensor bundle; the config, if there is one, is Google's."""
    config = next((beside / name for name in reversed(CONFIGS) if (beside / name).exists()), None)
    files = stamps(bundle_files(prefix))
    for path in [*files, *([] if config is None else [config])]:
        check_inside(path.parent, path)
    content = None if config is None else load_fields(config).content
    checkpoint = Checkpoint(kind, files=files, beside=beside, **_translated(load_tensor_bundle(prefix), prefix))
    if content is not None:
        checkpoint.config, checkpoint.is_of_transformers = tensorflow_config(content), "model_type" in content
    return checkpoint


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
