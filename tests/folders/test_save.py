"""The int8 form of a folder: written whole or not at all, read as what it was."""

import errno
import importlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import minibert
from minibert.bert.quantize import quantize
from minibert.bert.weights import from_arrays, sums_of_two, to_arrays
from minibert.cli.main import main
from minibert.files.access import MAX_JSON_BYTES
from minibert.folders.save import new_folder, open_weights, save_arrays, save_int8, write_json
from minibert.importers.convert import convert
from tests.fuzz.fuzz_targets import Targets
from tests.support.backends import BACKENDS
from tests.support.models import make_config, write_model

TEXTS = ["I hate cancer", "Antibiotics aren't painkiller", "", "hello " * 40]


@pytest.fixture
def quantized(tiny_folder: Path, tmp_path: Path) -> Path:
    save_int8(tiny_folder, tmp_path / "int8")
    return tmp_path / "int8"


@pytest.mark.parametrize("backend", BACKENDS)
def test_stored_and_quantised_at_load_are_the_same(backend: str, tiny_folder: Path, quantized: Path) -> None:
    stored = minibert.load(quantized, backend=backend)
    assert stored.precision == "int8"
    at_load = minibert.load(tiny_folder, backend=backend, precision="int8")
    np.testing.assert_array_equal(stored.encode(TEXTS), at_load.encode(TEXTS))
    assert not np.array_equal(stored.encode(TEXTS), minibert.load(tiny_folder, backend=backend).encode(TEXTS))


def test_a_quarter_of_the_size_in_plain_order(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", make_config(2, 128, 2))
    save_int8(source, tmp_path / "int8")
    before, after = (folder / "model.safetensors" for folder in (source, tmp_path / "int8"))
    assert after.stat().st_size < 0.29 * before.stat().st_size
    floats, integers = load_file(before), load_file(after)
    for name, weight in floats.items():
        scale = integers.get(name + "_scale")
        if scale is None:
            np.testing.assert_array_equal(integers[name], weight)
            continue
        assert integers[name].shape == weight.shape
        limits = np.abs(integers[name].astype(int)).max(axis=1)
        if "embeddings" not in name:
            assert sums_of_two(integers[name]).max() in (127, 128)
            limits = np.maximum(limits, sums_of_two(integers[name]))
        assert limits.min() >= 126  # the whole range is used
        assert np.abs(integers[name] * scale[:, np.newaxis] - weight).max() <= 0.51 * scale.max()
    assert "embeddings.word_embeddings.weight_scale" in integers


def test_everything_else_comes_along(minilm_folder: Path, tmp_path: Path) -> None:
    save_int8(minilm_folder, tmp_path / "int8")
    names = {path.relative_to(minilm_folder) for path in minilm_folder.rglob("*") if path.is_file()}
    changed, unknown = {Path("config.json"), Path("model.safetensors")}, {Path("data_config.json"), Path(".gitattributes")}
    assert {path.relative_to(tmp_path / "int8") for path in (tmp_path / "int8").rglob("*") if path.is_file()} == names - unknown
    for name in names - changed - unknown:
        assert (tmp_path / "int8" / name).read_bytes() == (minilm_folder / name).read_bytes()
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (minilm_folder, tmp_path / "int8"))
    assert after == before | {"quantization_config": {"quant_method": "minibert-int8"}}
    pair = [minibert.load(folder).encode(TEXTS, truncation="silent") for folder in (minilm_folder, tmp_path / "int8")]
    assert (pair[0] * pair[1]).sum(axis=1).min() > 0.99


def test_arrays_survive_the_way_there_and_back(tiny_folder: Path) -> None:
    with open_weights(tiny_folder, mmap=True) as mapped, open_weights(tiny_folder) as read:
        for weights in (mapped, quantize(read)):
            arrays = dict(to_arrays(weights))
            again = dict(to_arrays(from_arrays(arrays, weights.config)))
            assert list(again) == list(arrays)
            assert all(again[name] is arrays[name] for name in arrays)


def test_what_is_there_is_not_overwritten(tiny_folder: Path, quantized: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="give the name of a new folder"):
        save_int8(tiny_folder, quantized)
    with pytest.raises(ValueError, match="quantised already"):
        save_int8(quantized, tmp_path / "again")
    with pytest.raises(FileNotFoundError, match="in a folder that exists"):
        save_int8(tiny_folder, tmp_path / "nowhere" / "int8")
    with pytest.raises(ValueError, match="these weights are stored as int8"):
        minibert.load(quantized, precision="float32")


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", make_config(1, 8, 2, max_position_embeddings=8))
    tensors = load_file(source / "model.safetensors")
    tensors["pooler.dense.bias"][3] = np.nan
    save_file(tensors, source / "model.safetensors")
    with pytest.raises(ValueError, match=r"NaN or infinity in pooler\.dense\.bias"):
        save_int8(source, tmp_path / "int8")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


# What may come along, and where it may go

SMALL = make_config(1, 8, 2, max_position_embeddings=8)
COMMANDS = pytest.mark.parametrize("command", [save_int8, convert], ids=["quantize", "convert"])


def tree(folder: Path) -> dict[str, bytes]:
    """All that is in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_model(tmp_path / "source", SMALL)


def modules(folder: Path, transformer: str = "", pooling: str = "1_Pooling") -> None:
    paths = {"Transformer": transformer, "Pooling": pooling}
    content = [{"type": f"sentence_transformers.models.{name}", "path": path} for name, path in paths.items()]
    (folder / "modules.json").write_text(json.dumps(content))
    if not (folder / pooling).exists():
        (folder / pooling).mkdir(parents=True)
        write_json(folder / pooling / "config.json", {"pooling_mode": "cls"})


@COMMANDS
@pytest.mark.parametrize("path", ["../victim", "link"])
def test_a_model_beside_the_target_is_not_overwritten(command: Any, path: str, source: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "victim", SMALL)
    modules(source)
    (source / "link").symlink_to(tmp_path / "victim")
    modules(source, path)
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="path: expected a relative path that stays in the folder"):
        command(source, tmp_path / "new")
    assert tree(tmp_path) == before


@COMMANDS
def test_only_known_files_come_along(command: Any, source: Path, tmp_path: Path) -> None:
    modules(source, pooling="deep/pooling")
    kept = {"README.md", "LICENSE", "special_tokens_map.json", "sentence_roberta_config.json"}
    for name in kept | {"id_rsa", "training_args.bin.txt", ".env", "deep/other"}:
        (source / name).write_text("{}")
    command(source, tmp_path / "new")
    names = {path.relative_to(tmp_path / "new").as_posix() for path in (tmp_path / "new").rglob("*") if path.is_file()}
    written = {"config.json", "model.safetensors", "vocab.txt", "modules.json", "deep/pooling/config.json"}
    assert names - {"tokenizer_config.json", "provenance.json"} == kept | written
    assert minibert.load(tmp_path / "new").pooling == "cls"


@COMMANDS
@pytest.mark.parametrize("name", ["README.md", "vocab.txt", "config.json", "model.safetensors", "1_Pooling/config.json"])
def test_files_outside_are_not_copied(command: Any, name: str, source: Path, tmp_path: Path) -> None:
    modules(source)
    (source / "README.md").write_text("read me")
    (source / name).rename(tmp_path / "secret")
    (source / name).symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match=f"{name}: is a link to a file outside the folder; copy the file there"):
        command(source, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret", "source"]


@pytest.mark.skipif(os.name != "posix", reason="a working folder that is gone")
@pytest.mark.parametrize("command", [["quantize", "SOURCE", "new.jsonl"], ["tokenize", "-m", "SOURCE", "x", "-o", "new.jsonl"]])
def test_a_working_folder_that_is_gone(
    command: list[str], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main([str(source) if each == "SOURCE" else each for each in command]) == 2
    assert "No such file or directory: 'new.jsonl'" in capsys.readouterr().err


def test_a_vocabulary_that_is_no_text_is_named_where_it_was(source: Path, tmp_path: Path) -> None:
    (source / "vocab.txt").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=re.escape(f"{source / 'vocab.txt'}: expected UTF-8")):
        convert(source, tmp_path / "new")


@COMMANDS
@pytest.mark.parametrize("content", ['"\\ud800"', "[" * 400 + ",".join(["0"] * 10_000) + "]" * 400])
def test_a_config_does_not_grow(command: Any, content: str, source: Path, tmp_path: Path) -> None:
    """Nor is a lone surrogate an error, which JSON can spell and UTF-8 cannot."""
    path = source / "config.json"
    path.write_text(f'{path.read_text().strip()[:-1]}, "other": {content}}}')
    command(source, tmp_path / "new")
    assert (tmp_path / "new" / "config.json").stat().st_size < 2 * path.stat().st_size + 1000
    assert json.loads((tmp_path / "new" / "config.json").read_text())["other"] == json.loads(content)


@COMMANDS
def test_who_may_not_read_the_source_may_not_read_the_target(command: Any, source: Path, tmp_path: Path) -> None:
    (source / "README.md").write_text("read me")
    (source / "README.md").chmod(0o600)
    source.chmod(0o700)
    command(source, tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    assert (tmp_path / "new" / "README.md").stat().st_mode & 0o077 == 0


@COMMANDS
def test_files_and_links_that_nobody_knows_are_not_followed(command: Any, source: Path, tmp_path: Path) -> None:
    """Neither a loop, nor a way out, nor a FIFO."""
    (source / "a").symlink_to(".")
    (source / "b").symlink_to(".")
    (source / "root").symlink_to("/")
    (source / "key").symlink_to("/etc/passwd")
    if hasattr(os, "mkfifo"):
        os.mkfifo(source / "fifo")
    command(source, tmp_path / "new")
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names - {"tokenizer_config.json", "provenance.json"} == {"config.json", "model.safetensors", "vocab.txt"}


@COMMANDS
def test_known_files_must_be_files_of_some_size(command: Any, source: Path, tmp_path: Path) -> None:
    (source / "README.md").mkdir()
    with pytest.raises(ValueError, match=r"README\.md: expected a regular file, found a folder"):
        command(source, tmp_path / "new")
    (source / "README.md").rmdir()
    with (source / "README.md").open("wb") as file:
        file.truncate(MAX_JSON_BYTES + 1)  # takes no disk
    with pytest.raises(ValueError, match=r"README\.md: expected at most 67,108,864 bytes, found more"):
        command(source, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@COMMANDS
def test_a_snapshot_of_the_hub_cache(command: Any, source: Path, tmp_path: Path) -> None:
    modules(source)
    repository = tmp_path / "models--owner--name"
    snapshot = repository / "snapshots" / "abc"
    (repository / "blobs").mkdir(parents=True)
    for number, path in enumerate(sorted(path for path in source.rglob("*") if path.is_file())):
        link = snapshot / path.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        path.rename(repository / "blobs" / str(number))
        link.symlink_to(os.path.relpath(repository / "blobs" / str(number), link.parent))
    command(snapshot, tmp_path / "new")
    vectors = [minibert.load(folder, precision="int8").encode(TEXTS[0]) for folder in (snapshot, tmp_path / "new")]
    np.testing.assert_array_equal(*vectors)
    assert not any(path.is_symlink() for path in (tmp_path / "new").rglob("*"))


@COMMANDS
@pytest.mark.parametrize("name", ["source/new", "source/1_Pooling/new", "source/../source/new", "link/new", "inner/new", "source/./new"])
def test_a_target_in_the_source_is_refused(command: Any, name: str, source: Path, tmp_path: Path) -> None:
    modules(source)
    (tmp_path / "link").symlink_to("source")
    (tmp_path / "inner").symlink_to("source/1_Pooling")
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="expected a folder outside of"):
        command(source, tmp_path / name)
    assert tree(tmp_path) == before


@COMMANDS
@pytest.mark.parametrize("kind", ["source", "folder", "file", "link to nothing", "link to a folder", "loop"])
def test_what_bears_the_name_stays(command: Any, kind: str, source: Path, tmp_path: Path) -> None:
    target = source if kind == "source" else tmp_path / "new"
    (tmp_path / "other").mkdir()
    make: dict[str, Callable[[], Any]] = {
        "folder": target.mkdir,
        "file": target.touch,
        "link to nothing": lambda: target.symlink_to("nothing"),
        "link to a folder": lambda: target.symlink_to("other"),
        "loop": lambda: target.symlink_to("new"),
    }
    make.get(kind, lambda: None)()
    before = tree(tmp_path)
    with pytest.raises(FileExistsError, match="give the name of a new folder"):
        command(source, target)
    assert tree(tmp_path) == before
    assert target.is_symlink() == (kind.startswith("link") or kind == "loop")


@pytest.mark.parametrize("kind", ["folder", "full folder", "file", "link"])
def test_what_has_taken_the_name_meanwhile_stays(kind: str, tmp_path: Path) -> None:
    target = tmp_path / "new"
    make: dict[str, Callable[[], Any]] = {
        "folder": target.mkdir,
        "full folder": lambda: (target / "mine").mkdir(parents=True),
        "file": target.touch,
        "link": lambda: target.symlink_to("nothing"),
    }

    def fill() -> None:
        with new_folder(target, tmp_path / "source") as part:
            (part / "file").touch()
            make[kind]()

    with pytest.raises(FileExistsError, match="exists by now"):
        fill()
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert target.is_symlink() == (kind == "link")
    assert list(target.glob("*")) == ([target / "mine"] if kind == "full folder" else [])


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_folder_is_private_until_it_is_whole(source: Path, tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with new_folder(tmp_path / "x", source) as part:
            (private,) = tmp_path.glob(".x.*.part")
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
            assert part.parent == private
        save_int8(source, tmp_path / "new")
    finally:
        os.umask(old)
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (tmp_path / "x", tmp_path / "new")} == {0o750}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()} == {0o640}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), OSError(errno.ENOSPC, "No space left on device")])
def test_nothing_is_left_of_any_error(error: BaseException, tmp_path: Path) -> None:
    def fill() -> None:
        with new_folder(tmp_path / "new", tmp_path / "source") as part:
            (part / "file").touch()
            raise error

    with pytest.raises(type(error)) as raised:
        fill()
    assert list(tmp_path.iterdir()) == []
    if isinstance(error, OSError):
        assert str(raised.value) == f"[Errno {errno.ENOSPC}] No space left on device: '{tmp_path / 'new'}'"


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_nothing_is_left_after_a_signal(name: str, tmp_path: Path) -> None:
    code = f"""if True:
        import os, signal, sys
        from pathlib import Path
        from minibert.folders.save import new_folder
        with new_folder(Path({str(tmp_path)!r}, "new"), Path("source")) as part:
            (part / "file").touch()
            print(*(path.name for path in Path({str(tmp_path)!r}).iterdir()), flush=True)
            os.kill(os.getpid(), signal.{name})
            signal.pause()
    """
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert result.stdout.startswith(".new.")
    assert result.returncode in (128 + getattr(signal, name), -signal.SIGINT)
    assert list(tmp_path.iterdir()) == []


def test_a_handler_of_the_user_stays(tmp_path: Path) -> None:
    handlers = [signal.SIG_IGN, signal.default_int_handler, signal.SIG_DFL]
    for handler in handlers:
        old = signal.signal(signal.SIGTERM, handler)
        try:
            with new_folder(tmp_path / str(handlers.index(handler)), tmp_path / "source"):
                assert (signal.getsignal(signal.SIGTERM) is handler) == (handler is not signal.SIG_DFL)
            assert signal.getsignal(signal.SIGTERM) is handler
        finally:
            signal.signal(signal.SIGTERM, old)


def test_parts_of_a_killed_run_are_in_nobodys_way(source: Path, tmp_path: Path) -> None:
    (tmp_path / ".new.abcdefgh.part" / "new").mkdir(parents=True)
    save_int8(source, tmp_path / "new")
    assert (tmp_path / "new" / "model.safetensors").exists()


def test_a_long_name_is_as_good_as_any(source: Path, tmp_path: Path) -> None:
    save_int8(source, tmp_path / ("n" * 255))
    assert {path.name for path in tmp_path.iterdir()} == {"source", "n" * 255}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
@pytest.mark.parametrize("name", ["quantize", "convert"])
def test_odd_folders_and_targets(tmp_path: Path, name: str) -> None:
    """The first inputs of tests/fuzz/fuzz_targets.py: some become a new folder, and nothing else ever changes."""
    fuzzer, num_read = Targets(name, tmp_path), 0
    for number in range(200):
        fuzzer.write(number)
        num_read += fuzzer.outcome() == "read"
    assert 20 < num_read < 180


@COMMANDS
def test_a_full_disk_is_an_oserror(command: Any, source: Path, tmp_path: Path) -> None:
    """A limit on the size of files stops the library that writes the weights, as a full disk does."""
    code = f"""if True:
        import resource, signal, sys
        from minibert.cli.main import main
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (240_000, 240_000))
        sys.exit(main(["{"quantize" if command is save_int8 else "convert"}", {str(source)!r}, {str(tmp_path / "new")!r}]))
    """
    if importlib.util.find_spec("resource") is None:
        pytest.skip("there are no such limits here")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "cannot be written" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@COMMANDS
def test_a_source_that_changes_is_refused(command: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = source / "model.safetensors"

    def save_and_change(*arguments: Any) -> None:
        save_arrays(*arguments)
        os.utime(weights, ns=(0, weights.stat().st_mtime_ns + 1))

    for module in ("save", "convert"):
        monkeypatch.setattr(importlib.import_module(f"minibert.{module}"), "save_arrays", save_and_change)
    with pytest.raises(ValueError, match=r"model\.safetensors: changed while it was read"):
        command(source, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_half_of_a_quantised_file_is_refused(quantized: Path) -> None:
    tensors = load_file(quantized / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight_scale"]
    tensors["pooler.dense.weight"] = tensors["pooler.dense.weight"].astype(np.float32)
    save_file(tensors, quantized / "model.safetensors")
    with pytest.raises(ValueError, match=r"missing: encoder\.layer\.1\.output\.dense\.weight_scale(.|\n)*pooler\.dense\.weight: .*as int8"):
        minibert.load(quantized)


def test_what_would_saturate_is_refused(quantized: Path) -> None:
    tensors = load_file(quantized / "model.safetensors")
    tensors["encoder.layer.1.output.dense.weight"][3, 4:6] = 64, 65
    save_file(tensors, quantized / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"encoder\.layer\.1\.output\.dense\.weight: .* add up to 128 at the most.*quantise the model again"
    ):
        minibert.load(quantized)


@pytest.mark.parametrize("name", ["vocab.txt", "tokenizer.json"])
def test_a_folder_whose_tokenizer_cannot_be_read_is_refused(tiny_folder: Path, tmp_path: Path, name: str) -> None:
    source = tmp_path / "source"
    shutil.copytree(tiny_folder, source)
    for each in ("vocab.txt", "tokenizer.json"):
        (source / each).unlink(missing_ok=True)
    (source / name).write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=name):
        save_int8(source, tmp_path / "int8")
    assert not (tmp_path / "int8").exists()
