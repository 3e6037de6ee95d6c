"""A new folder of `quantize` or `convert`: it appears complete or not at all."""

import errno
import importlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minibert.cli.main import main
from minibert.folders.new import new_folder, save_arrays
from minibert.folders.save import save_int8
from tests.fuzz.fuzz_targets import Targets
from tests.support.small_folders import COMMANDS, tree, write_modules


@pytest.mark.skipif(os.name != "posix", reason="a working folder that is gone")
@pytest.mark.parametrize("command", [["quantize", "SOURCE", "new.jsonl"], ["tokenize", "-m", "SOURCE", "x", "-o", "new.jsonl"]])
def test_a_missing_working_folder_is_named(
    command: list[str], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main([str(source) if each == "SOURCE" else each for each in command]) == 2
    assert "No such file or directory: 'new.jsonl'" in capsys.readouterr().err


@COMMANDS
@pytest.mark.parametrize("name", ["source/new", "source/1_Pooling/new", "source/../source/new", "link/new", "inner/new", "source/./new"])
def test_a_target_in_the_source_is_refused(command: Any, name: str, source: Path, tmp_path: Path) -> None:
    write_modules(source)
    (tmp_path / "link").symlink_to("source")
    (tmp_path / "inner").symlink_to("source/1_Pooling")
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="expected a folder outside of"):
        command(source, tmp_path / name)
    assert tree(tmp_path) == before


@COMMANDS
@pytest.mark.parametrize("kind", ["source", "folder", "file", "link to nothing", "link to a folder", "loop"])
def test_whatever_has_the_name_is_not_replaced(command: Any, kind: str, source: Path, tmp_path: Path) -> None:
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
def test_whatever_took_the_name_meanwhile_is_not_replaced(kind: str, tmp_path: Path) -> None:
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
def test_a_folder_is_private_until_it_is_complete(source: Path, tmp_path: Path) -> None:
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
def test_nothing_is_left_after_any_error(error: BaseException, tmp_path: Path) -> None:
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
        from minibert.folders.new import new_folder
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


def test_a_signal_handler_of_the_program_stays(tmp_path: Path) -> None:
    handlers = [signal.SIG_IGN, signal.default_int_handler, signal.SIG_DFL]
    for handler in handlers:
        old = signal.signal(signal.SIGTERM, handler)
        try:
            with new_folder(tmp_path / str(handlers.index(handler)), tmp_path / "source"):
                assert (signal.getsignal(signal.SIGTERM) is handler) == (handler is not signal.SIG_DFL)
            assert signal.getsignal(signal.SIGTERM) is handler
        finally:
            signal.signal(signal.SIGTERM, old)


def test_parts_of_a_killed_run_are_no_obstacle(source: Path, tmp_path: Path) -> None:
    (tmp_path / ".new.abcdefgh.part" / "new").mkdir(parents=True)
    save_int8(source, tmp_path / "new")
    assert (tmp_path / "new" / "model.safetensors").exists()


def test_a_name_of_the_greatest_length_is_taken(source: Path, tmp_path: Path) -> None:
    save_int8(source, tmp_path / ("n" * 255))
    assert {path.name for path in tmp_path.iterdir()} == {"source", "n" * 255}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
@pytest.mark.parametrize("name", ["quantize", "convert"])
def test_random_folders_and_targets_change_nothing_else(tmp_path: Path, name: str) -> None:
    """Run the first inputs of tests/fuzz/fuzz_targets.py. Only the new folder may change."""
    fuzzer, num_read = Targets(name, tmp_path), 0
    for number in range(200):
        fuzzer.write(number)
        num_read += fuzzer.outcome() == "read"
    assert 20 < num_read < 180


@COMMANDS
def test_a_full_disk_is_an_oserror(command: Any, source: Path, tmp_path: Path) -> None:
    """A limit on the size of files stops the library that writes weights, as a full disk does."""
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

    for module in ("folders.save", "importers.write"):
        monkeypatch.setattr(importlib.import_module(f"minibert.{module}"), "save_arrays", save_and_change)
    with pytest.raises(ValueError, match=r"model\.safetensors: changed while it was read"):
        command(source, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
