"""Each kind of checkpoint -> Checkpoint: tensors under transformers' names, and other facts.

The package `formats` reads the file formats and knows no BERT. tensorflow_names.py translates the
names of TensorFlow to those of transformers' BertForPreTraining, heads included.

Training programs wrap a model. The wrapper puts its name before or into the names of the tensors:
`module.` (DataParallel), `_orig_mod.` (torch.compile), `0.auto_model.` (sentence-transformers),
`model.bert.` (a class around it). Any prefix of `embeddings.` and `encoder.` is removed, if the
file has only one encoder.

Sources: transformers, modeling_bert.py; the names that torch.nn.DataParallel, torch.compile and
FSDP give the module that they wrap.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bert.tensors import PREFIX, encoder_prefixes
from ..files.access import Stamps, check_inside, listed, stamps
from ..files.fields import is_there, load_fields
from ..folders.layout import ListedModule
from ..formats.safetensors import load_safetensors
from ..formats.shards import files_of, load_whole
from ..formats.spark_zip import load_spark_zip, spark_files
from ..formats.tensor_bundle import bundle_files, load_tensor_bundle
from ..formats.torch_file import load_torch
from .tensorflow_names import ENCODER, reshaped, transformers_name

Arrays = dict[str, npt.NDArray[Any]]

LOADERS: dict[str, Callable[[Path], Arrays]] = {"safetensors": load_safetensors, "torch": load_torch}
CONFIGS = ("config.json", "bert_config.json")  # the second name is that of Google, and of pytorch-pretrained-bert
# Parts of names that wrappers put anywhere: DataParallel, torch.compile, FSDP, checkpointed
# activations, accelerate
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"}


@dataclass
class Checkpoint:
    """A checkpoint under the names of transformers.

    Attributes:
        arrays: tensors by their name in BertForPreTraining, with or without "bert."; and tensors
            whose name is unknown.
        files: the stamps of the files, taken before they are read.
        num_heads, do_lower_case: None if the source does not tell them.
        config: the content of config.json; None if the source has none.
        beside: the folder with the tokenizer.
        outer: the folder with the licence, and with modules.json if there is one.
        is_of_transformers: whether transformers reads such a source. Then its defaults hold.
        stored: name in `arrays` -> name in the file, where they differ.
        left_out: names in the file of tensors that are not converted.
        notes: messages for the user.
    """

    kind: str
    arrays: Arrays
    files: Stamps
    num_heads: int | None = None
    do_lower_case: bool | None = None
    config: dict[str, Any] | None = None
    vocabulary: list[str] | None = None
    beside: Path | None = None
    outer: Path | None = None
    modules: list[ListedModule] = field(default_factory=list)
    is_of_transformers: bool = False
    stored: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


# --- transformers ---------------------------------------------------------------------------------


def transformers_checkpoint(kind: str, file: Path) -> Checkpoint:
    """Return the checkpoint in a safetensors or torch file; its config is a file beside it."""
    path = next((path for name in CONFIGS if is_there(path := file.parent / name)), file.parent / CONFIGS[0])
    if not path.exists():
        raise FileNotFoundError(f"{path}: not found; a checkpoint of transformers has it beside {file.name}, so put it there")
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
    """Return the names in a file without the parts of wrappers, and the names outside of the model.

    The first result maps a name without those parts to the name in the file. A prefix that ends
    with "bert." keeps that part: in the classes of transformers, the heads lie beside it.
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


# --- TensorFlow and Spark NLP ---------------------------------------------------------------------


def spark_checkpoint(source: Path, work: Path) -> Checkpoint:
    """Return the checkpoint in a model of Spark NLP, which is unpacked into `work`."""
    files = stamps(spark_files(source))
    arrays, vocabulary, settings = load_spark_zip(source, work)
    content = _translated(arrays, source) | {"do_lower_case": is_uncased(settings)}
    return Checkpoint("Spark NLP", files=files, vocabulary=vocabulary, **content)


def is_uncased(settings: dict[str, Any]) -> bool | None:
    """Return whether Spark NLP's `caseSensitive`, or its default, is off; None without both."""
    for kind in ("paramMap", "defaultParamMap"):
        value = settings.get(kind, {}).get("caseSensitive") if isinstance(settings.get(kind), dict) else None
        if isinstance(value, bool):
            return not value
    return None


def tensorflow_checkpoint(kind: str, prefix: Path, beside: Path) -> Checkpoint:
    """Return the checkpoint in a tensor bundle. Its config may lie in the folder `beside`."""
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
    """Return the config beside a TensorFlow checkpoint in transformers' form.

    Google's own config has no model type, and its "gelu" is the tanh form.
    """
    if "model_type" in content:  # transformers wrote it
        return content
    activation = "gelu_new" if content.get("hidden_act") == "gelu" else content.get("hidden_act")
    return {"model_type": "bert", "layer_norm_eps": 1e-12, **content, "hidden_act": activation}


def _translated(arrays: Arrays, source: Path) -> dict[str, Any]:
    """Return fields of a Checkpoint for tensors of TensorFlow.

    They are the tensors in transformers' form and the names that are left out. Some tensors tell
    two more facts: TF2's kernels have a dimension for the heads, and a variable of TF Hub tells
    whether texts are lower-cased.
    """
    kept: Arrays = {}
    left_out, unknown = [], []
    num_heads = do_lower_case = None
    for stored, array in arrays.items():
        if (name := transformers_name(stored)) is not None:
            if name in kept:
                raise ValueError(f"{source}: two tensors for {name:.200}; one of them is {stored:.200}")
            kept[name] = reshaped(name, array)
            if array.ndim == 3 and ".query." in name:
                num_heads = array.shape[1]
        elif array.dtype == np.bool_ and array.ndim == 0 and do_lower_case is None:
            do_lower_case = bool(array)  # TF Hub's BERTs keep it in a variable without a name of its own
        elif ENCODER.search(stored) and "adam" not in stored.lower():  # Adam keeps two numbers for each weight
            unknown.append(stored)
        else:
            left_out.append(stored)
    if unknown:
        raise ValueError(f"{source}: expected the tensors of a BERT, found also {listed(unknown)}")
    kept = {name.replace(".kernel", ".weight"): array for name, array in kept.items()}
    return {"arrays": kept, "left_out": left_out, "num_heads": num_heads, "do_lower_case": do_lower_case}
