"""Building libraries: a process for each tier, as many at a time as there are CPUs.

The bytes of a library depend on the sources, the tier and the versions of Numba, llvmlite and
ziglang. They do not depend on this machine, on folders, or on variables of the environment.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..runtime.library import seal
from ..runtime.threads import available_cpus
from .link import link
from .targets import TARGETS

NEEDS = ("numba", "ziglang")
POLL_SECONDS = 0.05


class Library(NamedTuple):
    """A library that has been built."""

    tier: str
    content: bytes  # with its trailer
    seconds: float


class Worker(NamedTuple):
    """A process that compiles the loops for a tier."""

    tier: str
    process: subprocess.Popen[bytes]
    folder: Path  # of its files
    start: float

    @property
    def object_file(self) -> Path:
        """Where it writes the object file."""
        return self.folder / f"{self.tier}.o"

    @property
    def log(self) -> Path:
        """Where its messages are."""
        return self.folder / "log"


def check_tools() -> None:
    """Raise ImportError unless the compiler and the linker are installed."""
    if missing := [name for name in NEEDS if find_spec(name) is None]:
        command = f"python -m pip install {' '.join(missing)}"
        raise ImportError(f"expected {' and '.join(NEEDS)}, found no {' and no '.join(missing)}; `{command}` installs what is missing")


def build(tiers: list[str]) -> Iterator[Library]:
    """Build the libraries of some tiers, and give each when it is complete.

    Raises ImportError without Numba or ziglang, and ValueError for a tier that cannot be built.
    """
    check_tools()
    waiting, running = list(tiers), list[Worker]()
    with tempfile.TemporaryDirectory(prefix="minibert-") as folder:
        try:
            while waiting or running:
                while waiting and len(running) < available_cpus():
                    running.append(_start(waiting.pop(0), Path(folder)))
                if finished := [worker for worker in running if worker.process.poll() is not None]:
                    for worker in finished:
                        running.remove(worker)
                        yield _finish(worker)
                else:
                    time.sleep(POLL_SECONDS)
        finally:
            for worker in running:
                worker.process.kill()
                worker.process.wait()


def _start(tier: str, parent: Path) -> Worker:
    folder = parent / tier
    folder.mkdir()
    command = [sys.executable, "-P", "-m", "minibert.compile.worker", tier, str(folder / f"{tier}.o")]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(tier, folder), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    return Worker(tier, process, folder, time.monotonic())


def _environment(tier: str, folder: Path) -> dict[str, str]:
    """The environment of a worker, without the variables that change what Numba or Python do.

    The working folder of a worker is its own. So no settings of Numba are found there, and relative
    paths must be made absolute.
    """
    target = TARGETS[tier]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "LLVMLITE_", "PYTHON"))}
    return kept | {
        "NUMBA_CACHE_DIR": str(folder),
        "NUMBA_CPU_FEATURES": target.features,
        "NUMBA_CPU_NAME": target.cpu,
        "NUMBA_DISABLE_INTEL_SVML": "1",  # its functions would be in no library
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path),
    }


def _finish(worker: Worker) -> Library:
    tier = worker.tier
    if worker.process.returncode:
        log = worker.log.read_text(encoding="utf-8", errors="replace").strip()
        reason = log or f"the process ended with status {worker.process.returncode}"
        raise ValueError(f"{tier}: the loops could not be compiled: {reason}")
    try:
        content = seal(link(tier, worker.object_file), tier)
    except ValueError as error:
        raise ValueError(f"{tier}: {error}") from None
    return Library(tier, content, time.monotonic() - worker.start)
