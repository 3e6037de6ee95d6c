"""What there is at a path in place of a model folder, and the command that helps.

Two tables serve all errors of this kind. `BEGINNINGS` recognises files by their first bytes, and
`NAMES` recognises folders and files by names. They are imported only after something was missing or
unreadable. A Git-LFS pointer is the exception: it is recognised whenever a file is opened
(`access.open_regular`).

Bounds: `access.HEAD_BYTES` of a file and MAX_NAMES names of a folder are read. Of its subfolders,
names are read but not files.
"""

import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from . import HUB_PREFIX, StrPath

MAX_NAMES = 2000
SHOWN_NAMES = 5


class Kind(NamedTuple):
    """Something that may be in place of what is expected, and what to do then."""

    seen: str  # a regular expression of a file's first bytes; or names in a folder or its subfolders, with `*` and `?`
    what: str
    advice: str  # {folder} and {file} stand for where it was found


AGAIN = "get the file again, or the model with `minibert fetch`"
UNPACK = "unpack it first (`tar xf`, `gunzip`, `7z x` or `unrar x`)"
TORCH_NAME = "name it pytorch_model.bin, which `minibert convert` reads"
POINTER = Kind(
    r"version https://(git-lfs|hawser)\.github\.com/spec/", "a Git-LFS pointer to it",
    "run `git lfs pull` in its folder, or get the model with `minibert fetch`",
)  # fmt: skip
BEGINNINGS = (
    POINTER,
    Kind(r"(?s).{4}\0{4}\{", "a safetensors file", "give it its own name, model.safetensors"),
    Kind(r"\Z", "an empty file", AGAIN),
    Kind(r"\0{16}", "a file of zeros, whose download was not finished", AGAIN),
    Kind(r"(?is)(\xef\xbb\xbf)?\s*(<!--((?!-->).)*-->\s*)*<(!doctype html|html|head|body|title)", "an HTML page",
         "a browser's page about a file is not the file; on the hub, the file is at /resolve/main/, not at /blob/main/"),
    Kind(r"(\xef\xbb\xbf)?\s*<(\?xml|Error>)", "an XML page, such as a server's error", AGAIN),
    Kind(r'\s*\{\s*"(error|message|detail)"', "a server's error in JSON", AGAIN),
    Kind(r"(Found|Moved Permanently|Temporary Redirect|Permanent Redirect)\. Redirecting to |"
         r"(Entry not found|Repository not found|Invalid username or password|Access to model |Not Found|Unauthorized|Forbidden)",
         "a server's answer in place of the file", "get it with a client that follows redirects and stops at errors (`curl -fL`)"),
    Kind(r"(?s)\x1f\x8b\x08.{5}[^{]", "a gzip file", UNPACK),
    Kind(r"(?s).{257}ustar", "a tar archive", "unpack it first (`tar xf`); if it is a torch checkpoint, save it again with torch"),
    Kind(r"BZh[1-9]1AY|\xfd7zXZ\0|\x28\xb5\x2f\xfd|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07", "a compressed file", UNPACK),
    Kind(r"PK\x03\x04", "a zip archive", f"if it is a torch checkpoint, {TORCH_NAME}"),
    Kind(r"\x80\x02\x8a\x0a", "an old torch checkpoint", TORCH_NAME),
    Kind(r"\x89HDF\r\n", "an HDF5 file of Keras", "load it with transformers 4 (`from_tf=True`) and `save_pretrained`"),
    Kind(r"GGUF", "a GGUF file of llama.cpp", "get the model that it was made from with `minibert fetch`"),
    Kind(r"\xff\xfe|\xfe\xff", "a text in UTF-16", "save it as UTF-8"),
)  # fmt: skip

CONVERT = "`minibert convert {folder} NEW` makes a model folder of it"
CONVERT_FILE = "`minibert convert {file} NEW` makes a model folder of it"
SAVE = "load it where it was made, and save its encoder with `save_pretrained` of transformers"
ORIGINAL = "get the model that it was made from with `minibert fetch`"
INDEX = "they need their index, which is published beside them; put it there"
ARCHIVES = "*.tar *.tar.* *.tgz *.gz *.bz2 *.xz *.zst *.7z *.rar"
# What a training program leaves beside its weights
LEFTOVERS = "training_args.bin optimizer.* scheduler.* rng_state* scaler.pt"
ADAPTERS = "adapter_config.json adapter_model.*"
# An earlier row wins. The rows that `convert` reads come first, in the order in which it looks for
# them
NAMES = (
    Kind("pytorch_model.bin", "a torch checkpoint", CONVERT),
    Kind("pytorch_model.bin.index.json", "a torch checkpoint in shards", CONVERT),
    Kind(ADAPTERS, "an adapter of PEFT, which changes another model",
         "merge it into that one first: `merge_and_unload` of peft, then `save_pretrained`"),
    Kind("model-?????-of-?????.safetensors", "shards without model.safetensors.index.json", INDEX),
    Kind("pytorch_model-?????-of-?????.bin", "shards without pytorch_model.bin.index.json", INDEX),
    Kind("*.safetensors", "weights of another name", CONVERT_FILE),
    Kind("variables/variables.index saved_model.pb", "a SavedModel of TensorFlow", CONVERT),
    Kind("*.index", "a TensorFlow checkpoint", CONVERT_FILE),
    Kind("*.ckpt.data-?????-of-?????", "a TensorFlow checkpoint without its *.index", "copy all files of its name"),
    Kind("*.ckpt.meta", "the graph of a TensorFlow checkpoint", "copy all files of its name"),
    Kind("fields metadata/part-00000", "a model of Spark NLP", CONVERT),
    Kind("tf_model.h5 tf_model-*.h5", "weights of Keras", "load them with transformers 4 (`from_tf=True`) and `save_pretrained`"),
    Kind("flax_model*.msgpack", "weights of Flax", "load them with transformers 4 (`from_flax=True`) and `save_pretrained`"),
    Kind("*.bin *.pt *.pth *.ckpt", "a torch checkpoint", CONVERT_FILE),
    Kind("*.h5 *.keras *.msgpack *.npz *.npy *.pkl *.pickle *.joblib *.mar", "weights in a format that is not read here", SAVE),
    Kind("*.onnx onnx/*.onnx", "a graph of ONNX", ORIGINAL),
    Kind("openvino_model.* openvino/*", "a graph of OpenVINO", ORIGINAL),
    Kind("*.gguf *.ggml ggml-*", "a file of llama.cpp", ORIGINAL),
    Kind("*.mlmodel *.mlpackage coreml/* *.tflite *.ot *.engine", "a model of another engine", ORIGINAL),
    Kind("*.zip", "a zip archive", CONVERT_FILE),
    Kind(ARCHIVES, "an archive", UNPACK),
)  # fmt: skip
# In place of vocab.txt or tokenizer.json
TOKENIZERS = (
    Kind("vocab.txt.* tokenizer.json.*", "a packed file", UNPACK),
    Kind("*vocab*.txt", "a vocabulary of another name", "if it is the model's, name it vocab.txt"),
    Kind("*.model", "a tokenizer of SentencePiece", "minibert runs BERTs with WordPiece"),
    Kind("vocab.json merges.txt", "a tokenizer of byte pairs", "minibert runs BERTs with WordPiece"),
)
WEIGHTS = {"model.safetensors", "model.safetensors.index.json"}
# Files of a model folder. An error for one of them names the folder
OWN = ("config.json model.safetensors model.safetensors.index.json model-?????-of-?????.safetensors tokenizer*.json vocab.txt "
       "special_tokens_map.json added_tokens.json modules.json sentence_*.json config_sentence_transformers.json")  # fmt: skip
# A subfolder with one of these is a model
MODEL = (
    "*/modules.json */model.safetensors */model.safetensors.index.json */pytorch_model.bin */pytorch_model.bin.index.json */*.ckpt.index"
)
MAX_DEPTH = 3  # of folders that contain one folder and nothing else
HUB_KINDS = {"datasets": "a data set", "spaces": "a space", "kernels": "a kernel"}


def described(head: bytes, expected: str = "") -> str | None:
    """What a file with these first bytes is, and what to do.

    None if the file is of the expected kind, or of no kind in BEGINNINGS.
    """
    text = head.decode("latin-1")  # one character for each byte
    found = next((kind for kind in BEGINNINGS if re.match(kind.seen, text)), None)
    return None if found is None or found.what == expected else f"{found.what}; {found.advice}"


def is_pointer(head: bytes) -> bool:
    """Whether a file with these first bytes is a Git-LFS pointer."""
    return re.match(POINTER.seen, head.decode("latin-1")) is not None


def missing(path: StrPath, expected: str, *, beside: bool = False, converting: bool = False, head: bytes | None = None) -> str:
    """The error for a folder that lacks `expected`, or for a file that is something else.

    It says what there is instead and what to do.

    Args:
        path: the folder or the file.
        expected: the name of what is missing.
        beside: whether it stands beside the weights, as a tokenizer does. No conversion makes it.
        converting: whether `convert` is running. Then its own advice would not help.
        head: the first bytes of the file.
    """
    path = Path(path)
    where = f"{path}: expected {expected}, found "
    try:
        folder, names = (path.parent, [path.name]) if path.is_file() else (path, list(_names(path)))
    except OSError:
        return where + "a folder that cannot be read"
    is_model, has_weights = "config.json" in names, not WEIGHTS.isdisjoint(names)
    kinds = [kind for kind in TOKENIZERS if beside] if is_model and (beside or has_weights) else [] if has_weights else NAMES
    found = _held(folder, names, [kind for kind in kinds if not converting or "minibert convert" not in kind.advice])
    found = found or (None if is_model else _place(folder, names)) or (None if head is None else described(head))
    if found:
        return where + found
    if (name := hub_name(folder)) is not None:
        return f"{where}a part of {name} in the hub's cache; `minibert fetch {name}` brings all of it"
    again = "copy it from the source of the model, or save the model again with `save_pretrained`"
    advice = again if is_model or has_weights else "give the folder of a model, or the name of one (`minibert models`)"
    outer = f" but {_listed([name for name in names if '/' not in name])}" if converting and path.is_dir() else ""
    return f"{where}{f'nothing of the kind{outer}' if names else 'an empty folder'}; {advice}"


def _names(folder: Path) -> Iterator[str]:
    """The names in a folder, and those in its subfolders as `sub/name`."""
    with os.scandir(folder) as entries:
        found = sorted((entry.name, entry.is_dir()) for entry in islice(entries, MAX_NAMES) if os.path.exists(entry.path))
    yield from (name for name, _ in found)
    for name in islice((name for name, is_folder in found if is_folder), 50):
        try:
            with os.scandir(folder / name) as entries:
                yield from sorted(f"{name}/{entry.name}" for entry in islice(entries, MAX_NAMES // 50))
        except OSError:
            continue


def _matches(patterns: str, name: str) -> bool:
    return any(pattern.count("/") == name.count("/") and fnmatchcase(name, pattern) for pattern in patterns.split())


def _held(folder: Path, names: list[str], kinds: Iterable[Kind]) -> str | None:
    """The first of some kinds that a folder contains, with its advice.

    None if it contains none of them.
    """
    names = [name for name in names if not _matches(LEFTOVERS, name)]
    for kind in kinds:
        if (name := next((name for name in names if _matches(kind.seen, name)), None)) is not None:
            return f"{_shown(name)}, {kind.what}; {_filled(kind.advice, _outer(folder), folder / name)}"
    return None


def is_aside(name: str) -> bool:
    """Whether a file is not a model by its name: a leftover of training, or an adapter."""
    return _matches(f"{LEFTOVERS} {ADAPTERS}", name)


def _outer(folder: Path) -> Path:
    """The folder that `convert` takes.

    For the inner folder of sentence-transformers, it is the one with modules.json.
    """
    return folder.parent if (folder.parent / "modules.json").exists() and not (folder / "modules.json").exists() else folder


def _place(folder: Path, names: list[str], depth: int = 0) -> str | None:
    """What a folder is that contains no model itself, but has a model further down.

    None for others.
    """
    kind, _, rest = folder.name.partition("--")
    if rest and kind in HUB_KINDS:
        return f"{HUB_KINDS[kind]} of the Hugging Face hub, not a model; give the folder of a model"
    if hub := [name for name in names if _matches("models--* hub/models--*", name)]:
        return f"the cache of the Hugging Face hub; give the folder of a model in it: {_listed(hub)}"
    inner = list(dict.fromkeys(name.partition("/")[0] for name in names if _matches(MODEL, name)))
    if len(inner) == 1:
        return f"a folder that contains the folder of a model; give {folder / inner[0]}"
    outer = [name for name in names if "/" not in name]
    if len(outer) == 1 and len(names) > 1 and depth < MAX_DEPTH:  # a folder in a folder
        return _place(folder / outer[0], list(_names(folder / outer[0])), depth + 1)
    return f"a folder of {len(inner)} models; give one of them: {_listed(inner)}" if inner else None


def _shown(name: str) -> str:
    return name[:100] if name.isprintable() else ascii(name[:100])


def _listed(names: list[str]) -> str:
    return ", ".join(map(_shown, names[:SHOWN_NAMES])) + (", ..." if len(names) > SHOWN_NAMES else "")


def no_folder(path: StrPath, head: bytes | None) -> str:
    """The error for a file in place of the folder of a model.

    Args:
        path: the file.
        head: its first bytes, None if it cannot be read.
    """
    path = Path(path)
    where = f"{path}: expected the folder of a model, found a file"
    if _matches(OWN, path.name):
        return f"{where} of such a folder; give the folder, {path.parent}"
    for kind in NAMES:
        if _matches(kind.seen, path.name) or _matches(kind.seen, f"{path.parent.name}/{path.name}"):
            return f"{where}, {kind.what}; {_filled(kind.advice, path.parent, path)}"
    if path.parent.name == "blobs":
        return f"{where} of the hub's cache; give its folder, {path.parent.parent}"
    found = None if head is None else described(head)
    return f"{where}, {found}" if found else f"{where}; give the folder with config.json and model.safetensors"


def _filled(advice: str, folder: Path, file: Path) -> str:
    from shlex import quote  # only errors need it

    typed = {name: quote(str(path)) for name, path in (("folder", folder), ("file", file))}
    return advice.format(**{name: path if path.isprintable() else ascii(path) for name, path in typed.items()})


def broken_link(path: StrPath) -> str:
    """The error for a link to an absent file, such as a link of the hub's cache to no blob."""
    name = hub_name(path)
    advice = "copy the file there" if name is None else f"`minibert fetch {name}` brings the model"
    return f"{path}: is a link to a file that is not there; {advice}"


def hub_name(folder: StrPath) -> str | None:
    """OWNER/REPO of a folder within the hub's cache, `models--OWNER--REPO`.

    None for other folders.
    """
    names = reversed(Path(folder).parts)
    parts = next((name.split("--") for name in names if name.startswith(HUB_PREFIX)), [])
    return "/".join(parts[1:]) if len(parts) == 3 else None  # a few old repositories have no owner; `fetch` does not take their names
