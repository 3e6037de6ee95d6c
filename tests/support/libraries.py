"""Libraries of the loops, built once in a run of the tests. Needs Numba and ziglang."""

import fcntl
from pathlib import Path

import pytest

from minibert.compile.install import install


def built_library(tier: str, factory: pytest.TempPathFactory) -> Path:
    """The library of a tier. All processes of pytest-xdist share it."""
    base = factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "libraries"
    folder.mkdir(exist_ok=True)
    with open(folder / f"{tier}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        list(install([tier], folder, is_forced=False))
    return folder / f"{tier}.so"
