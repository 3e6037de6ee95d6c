"""Run `quantize` and `convert` with odd folders and odd targets.

Afterwards nothing but the target may be new or changed.

    python -m tests.fuzz.fuzz_targets quantize 100000 --save    # or convert

The options are those of fuzz_formats.py. Input N of a command is always the same. It is a source
and a target. The source is a model folder of one of several kinds with one to three changes.
Changes are known and unknown files, links inside, outside and in circles, FIFOs and devices, paths
of modules, and damaged bytes. The target may exist already, or lie in the source. After each input,
everything around is compared with its state before.
"""

import json
import os
import random
import shutil
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from safetensors.numpy import save_file

from minibert.folders.layout import GENERAL_FILES, TOKENIZER_FILES, TRANSFORMER_FILES
from minibert.folders.save import save_int8
from minibert.folders.settings import load_folder
from minibert.importers import encoder
from minibert.importers.convert import convert
from minibert.tokenizer.compiled import TABLES_FILE
from tests.fuzz.fuzz_formats import GOLDEN, command_line, mutate, summary
from tests.support.models import make_config, make_weights

SECRET = b"2b1d0c7f a secret that nobody may find in a target 99aa01"
MODEL = make_config(1, 8, 2, max_position_embeddings=12, vocab_size=30, intermediate_size=16)
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxy"]
CONFIG = json.dumps({"model_type": "bert", **MODEL._asdict()}).encode()
POOLING, NORMALIZE = "1_Pooling/config.json", "2_Normalize/config.json"
KNOWN = (*GENERAL_FILES, *TOKENIZER_FILES, *TRANSFORMER_FILES[:2], "config.json", "model.safetensors", POOLING, NORMALIZE)
UNKNOWN = (
    "id_rsa",
    ".env",
    "a",
    "b",
    "deep/c",
    "model.onnx",
    "pytorch_model.bin.old",
    "0_BERT/notes.txt",
    "1_Pooling/d",
    "x.index",
    "y.pt",
)
PATHS = ("", ".", "..", "../victim", "/", "1_Pooling", "1_Pooling/", "0_BERT", "a", "deep", "a/b", "./0_BERT", "0_BERT/..", "../source",
         "a\\b", "C:", "x\0y", "x" * 300, "\ud800", "config.json", "../new", "../../victim", "2_Normalize", "CON", " ", "é", "...",
         "0_BERT/../../victim")  # fmt: skip
LINKS = (".", "..", "/", "../secret", "../victim", "../victim/config.json", "../victim/vocab.txt", "../victim/model.safetensors",
         "../victim/README.md", "../fifo", "/dev/zero", "/dev/null", "/dev/full", "config.json", "model.safetensors", "vocab.txt",
         "nothing", "../nothing", "a", "b", "1_Pooling", "../blobs", "../../../secret", "/proc/self/environ", "/etc/passwd")  # fmt: skip
TARGETS = (*["new"] * 20, "new/", "./new", "source/../new", "source", "source/new", "source/1_Pooling/new",
           "victim", "victim/new", "link/new", "up/new", "nowhere/new", "secret", "secret/new", "fifo", ".", "..", "", "dangling", "loop",
           "loop/new", "n" * 255, "n" * 256, "é", "\udcff", "a\nb", "x\0y", "source\\new")  # fmt: skip

Files = dict[str, bytes]


def _modules(transformer: str, pooling: str = "1_Pooling", normalize: str = "2_Normalize") -> bytes:
    paths = {"Transformer": transformer, "Pooling": pooling, "Normalize": normalize}
    return json.dumps([{"type": f"sentence_transformers.models.{name}", "path": path} for name, path in paths.items()]).encode()


def _files(folder: Path, prefix: str = "") -> Files:
    return {prefix + path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _weights(prefix: str) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        arrays = {prefix + name: array for name, array in make_weights(MODEL).items()}
        save_file(arrays, Path(scratch) / "x", metadata={"format": "pt"})
        return (Path(scratch) / "x").read_bytes()


def _kinds() -> dict[str, Files]:
    """Folders that both commands, or at least `convert`, can read."""
    weights, wrapped = _weights(""), _weights("module.bert.")
    vocabulary = {"vocab.txt": "\n".join([*TOKENS, ""]).encode()}
    plain = vocabulary | {"config.json": CONFIG, "model.safetensors": weights, "README.md": b"Read me.\n"}
    sentence = {"modules.json": _modules(""), POOLING: b'{"pooling_mode": "cls"}', "sentence_bert_config.json": b'{"max_seq_length": 9}'}
    inner = {f"0_BERT/{name}": data for name, data in plain.items()} | sentence | {"modules.json": _modules("0_BERT")}
    torch = {"pytorch_model.bin": (GOLDEN / "torch" / "pretraining.zip.bin").read_bytes(), "config.json": CONFIG} | vocabulary
    with zipfile.ZipFile(GOLDEN / "spark" / "sent_small_bert_L1_8.zip") as archive:
        spark = {name: archive.read(name) for name in archive.namelist()}
    tensorflow = _files(GOLDEN / "tensorflow" / "saved_model" / "variables", "variables/")
    return {
        "plain": plain,
        "sentence": plain | sentence,
        "inner": inner,
        "wrapped": inner | {"0_BERT/model.safetensors": wrapped},
        "torch": torch,
        "spark": spark,
        "tensorflow": tensorflow | {f"assets/{name}": data for name, data in vocabulary.items()},
    }


class Targets:
    """Makes the inputs of one command and runs it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.world, self.target = name, folder / "world", Path()
        self.work = folder / "work"
        self.work.mkdir()
        self.kinds = _kinds()
        self.others = [data for files in self.kinds.values() for data in files.values() if data]
        self.known_names = {Path(name).name for name in KNOWN} | {"provenance.json", TABLES_FILE} | set(TRANSFORMER_FILES)

    def write(self, number: int) -> None:
        """Write input `number`: a source, a target, and other files around them."""
        source = random.Random(f"{self.name} {number}")
        shutil.rmtree(self.world, ignore_errors=True)
        (self.world / "victim").mkdir(parents=True)
        for name, data in self.kinds["sentence"].items():
            _put(self.world / "victim" / name, data)
        for name, data in {"vocab.txt": SECRET, "README.md": SECRET, "config.json": CONFIG[:-1] + b', "x": "' + SECRET + b'"}'}.items():
            (self.world / "victim" / name).write_bytes(data)
        (self.world / "secret").write_bytes(SECRET)
        os.mkfifo(self.world / "fifo")
        for name, to in {"link": "source", "up": ".", "dangling": "nothing", "loop": "loop"}.items():
            (self.world / name).symlink_to(to)
        kinds = ["plain", "sentence", "sentence", "inner"] if self.name == "quantize" else list(self.kinds)
        files = dict(self.kinds[source.choice(kinds)])
        self.source = self._snapshot(files) if source.random() < 0.2 else self._folder(files)
        for _ in range(source.choice([0, 1, 1, 2, 3])):
            self._change(source, files)
        if self.name == "convert" and source.random() < 0.3:
            self._zip(source)
        self.target = self.world / source.choice(TARGETS)
        if source.random() < 0.05:
            (self.world / "new").mkdir()

    def _folder(self, files: Files) -> Path:
        for name, data in files.items():
            _put(self.world / "source" / name, data)
        return self.world / "source"

    def _snapshot(self, files: Files) -> Path:
        """The layout of the hub's cache: links to blobs."""
        repository = self.world / "models--a--b"
        snapshot = repository / "snapshots" / "1"
        for number, (name, data) in enumerate(files.items()):
            _put(repository / "blobs" / str(number), data)
            _put_link(snapshot / name, os.path.relpath(repository / "blobs" / str(number), (snapshot / name).parent))
        (self.world / "source").symlink_to("models--a--b/snapshots/1")
        return snapshot

    def _change(self, source: random.Random, files: Files) -> None:
        name = source.choice([*files, *files, *KNOWN, *UNKNOWN])
        path, kind = self.source / name, source.randrange(10)
        if kind < 4:
            _put_link(path, source.choice(LINKS))
        elif kind == 4:
            _put(self.source / source.choice(UNKNOWN), b"of no use")  # a known name may be a link to this file
        elif kind == 5 and name in files:
            _put(path, mutate(source, files[name], self.others))
        elif kind == 6:
            _remove(path)
            source.choice([lambda: None, path.mkdir, lambda: os.mkfifo(path)])() if path.parent.is_dir() else None
        elif kind == 7:
            _put(path, source.choice([b"", b"{}", b"[]", b"\xff", b"null", SECRET.replace(b" a secret", b""), b"[" * 50_000]))
        else:
            _put(
                self.source / "modules.json",
                _modules(*(source.choice(PATHS) if source.random() < 0.4 else p for p in ("", "1_Pooling", "2"))),
            )

    def _zip(self, source: random.Random) -> None:
        """Put the source into an archive, sometimes with odd members, sometimes damaged."""
        prefix, path = source.choice(["", "model/", "a/b/"]), self.world / "source.zip"
        with (
            warnings.catch_warnings(action="ignore"),
            zipfile.ZipFile(path, "w", source.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive,
        ):
            for name, content in sorted(_tree(self.source).items()):
                if isinstance(content, bytes):
                    archive.writestr(prefix + name, content)
                elif content.startswith("link to ") and source.random() < 0.1:
                    archive.write(self.source / name, prefix + name) if (self.source / name).is_file() else None
            for _ in range(source.choice([0, 0, 0, 1, 2])):
                odd = source.choice([*PATHS, *KNOWN, *UNKNOWN, *LINKS]).encode("utf-8", "replace").decode()
                info = zipfile.ZipInfo(source.choice(["", prefix]) + odd.replace("\0", "0") or "x")
                info.external_attr = source.choice([0o100644, 0o120777, 0o010644, 0o040755]) << 16
                archive.writestr(info, source.choice([b"", b"{}", SECRET[:9], b"../victim", bytes(1 << 18)]))
        if source.random() < 0.2:
            path.write_bytes(mutate(source, path.read_bytes(), self.others))
        self.source = path

    def outcome(self) -> str:
        """`read` for a new folder, or the refusal without its details.

        Other errors of the command are raised.
        """
        before = _tree(self.world)
        command: Callable[[Path, Path], object] = save_int8 if self.name == "quantize" else convert
        try:
            with mock.patch.object(tempfile, "tempdir", str(self.work)), mock.patch.object(encoder, "HEAD_DIM", 4):
                command(self.source, self.target)
        except (ValueError, OSError) as error:
            _expect(_tree(self.world) == before, "something has changed, though the command failed")
            _expect(not any(self.work.iterdir()), "something is left in the folder for temporary files")
            return f"{type(error).__name__}: {summary(str(error), self.world)}"
        place = os.path.relpath(os.path.realpath(self.target), self.world)
        after = _tree(self.world)
        new = {name: content for name, content in after.items() if name == place or name.startswith(f"{place}/")}
        _expect(place not in before, "the target was there before")
        _expect({name: content for name, content in after.items() if name not in new} == before, "something else has changed")
        _expect(not any(self.work.iterdir()), "something is left in the folder for temporary files")
        self._check_target(new)
        return "read"

    def _check_target(self, new: dict[str, bytes | str]) -> None:
        files = {name: content for name, content in new.items() if isinstance(content, bytes)}
        _expect(all(content == "folder" for name, content in new.items() if name not in files), "something else than files and folders")
        _expect(all(Path(name).name in self.known_names for name in files), "an unknown file")
        _expect(not any(SECRET in content for content in files.values()), "a secret")
        _expect(sum(map(len, files.values())) < 1 << 20, "more than a megabyte")
        load_folder(self.target)


def _expect(is_right: bool, problem: str) -> None:
    if not is_right:
        raise AssertionError(problem)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _clear(path: Path) -> bool:
    """Remove what is at a path. False if the path leads through a link or below a file."""
    try:
        if Path(os.path.realpath(path.parent)) != path.parent:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(path)
    except OSError:
        return False
    return True


def _put(path: Path, data: bytes) -> None:
    if _clear(path):
        path.write_bytes(data)


def _put_link(path: Path, to: str) -> None:
    if _clear(path):
        path.symlink_to(to)


def _tree(folder: Path) -> dict[str, bytes | str]:
    """Everything below a folder: the content of files, the targets of links, and other entries.

    No link is followed.
    """
    found: dict[str, bytes | str] = {}
    for place, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = os.path.join(place, name)
            relative = os.path.relpath(path, folder)
            if os.path.islink(path):
                found[relative] = f"link to {os.readlink(path)}"
            elif os.path.isfile(path):
                found[relative] = Path(path).read_bytes()
            else:
                found[relative] = "folder" if os.path.isdir(path) else "something else"
    return found


if __name__ == "__main__":
    sys.exit(command_line(Targets, ("quantize", "convert"), str(__doc__)))
