"""Writing a new folder: it appears under its name when it is complete, and not before."""

import json
import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ..files.access import errors_name


@contextmanager
def new_folder(target: Path, source: Path) -> Iterator[Path]:
    """Give a folder to fill with what is made from `source`. It takes the name `target` at the end.

    Until then it lies beside that name, in a folder that only its user may enter. After an error,
    or a signal that ends the program, nothing is left. After SIGKILL, `.NAME.*.part` is left, and
    later calls ignore it.

    Raises FileExistsError if something is at `target`, FileNotFoundError if the folder around
    `target` is missing, and ValueError if `target` lies in `source`.
    """
    place = _checked_place(target, source)
    with exit_on_signals(), errors_name(target):
        private = Path(tempfile.mkdtemp(prefix=f".{place.name[:40]}.", suffix=".part", dir=place.parent))
        try:
            part = private / "new"
            part.mkdir()
            if source.is_dir():  # a user who may not enter the source may not enter the result
                part.chmod(stat.S_IMODE(part.stat().st_mode) & source.stat().st_mode | stat.S_IRWXU)
            yield part
            _take_name(part, place)
        finally:
            shutil.rmtree(private, ignore_errors=True)


def _checked_place(target: Path, source: Path) -> Path:
    """Return the real path of `target`. Raises like `new_folder`."""
    if "\0" in str(target):
        raise ValueError(f"{str(target)!r:.200}: expected the name of a folder, found a zero in it")
    if os.path.lexists(target):
        raise FileExistsError(f"{target}: exists; give the name of a new folder")
    with errors_name(target):  # the working folder may be gone
        place = Path(os.path.realpath(target))
    if not place.parent.is_dir():
        raise FileNotFoundError(f"{target}: expected a name in a folder that exists, found no folder {place.parent}; make it first")
    if source.is_dir() and place.is_relative_to(os.path.realpath(source)):
        raise ValueError(f"{target}: expected a folder outside of {source}, which is the source; give another place")
    return place


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Raise SystemExit for the signals that would end the program at once, so that it can clean up.

    A signal that the program handles itself is left alone.
    """
    is_main = threading.current_thread() is threading.main_thread()  # Python sets handlers in this thread only
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if is_main and hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in ours:
            signal.signal(number, lambda number, _: sys.exit(128 + number))
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _take_name(part: Path, place: Path) -> None:
    """Rename a folder, unless something has taken the name meanwhile.

    On POSIX a rename replaces an empty folder. So `mkdir` takes the name first, and the rename
    replaces that folder of our own.
    """
    if os.name == "posix":
        try:
            place.mkdir()
        except FileExistsError:
            raise FileExistsError(f"{place}: exists by now; give the name of a new folder") from None
    try:
        part.rename(place)
    except BaseException:
        if os.name == "posix":
            with suppress(OSError):
                place.rmdir()
        raise


def save_arrays(arrays: dict[str, npt.NDArray[Any]], path: Path) -> None:
    """Write C-contiguous arrays as safetensors. Raises OSError if they cannot be written."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file  # this library writes files only; reading them needs nothing of it

    try:
        save_file(arrays, path, metadata={"format": "pt"})
    except SafetensorError as error:  # on a full disk, for example
        raise OSError(f"{path.name}: cannot be written: {error}") from None
    path.chmod(stat.S_IMODE(path.parent.stat().st_mode) & 0o666)  # the library makes it readable for its user only


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write an object, one field a line.

    Fields are not indented further. An indentation at each depth would make deep lists a thousand
    times longer than they were in the file that was read. A lone surrogate, which a file may spell
    as an escape, becomes that escape again.
    """
    lines = (f"  {json.dumps(name, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}" for name, value in content.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8", errors="backslashreplace")
