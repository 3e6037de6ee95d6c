"""How many threads: what the machine lends us, and what BLAS takes.

`encode` runs whole batches of texts side by side in Python threads. NumPy gives the GIL away inside a matrix product, but its BLAS
starts threads of its own; this keeps it at the number asked for while we compute, and puts its setting back afterwards.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

CGROUP = Path("/sys/fs/cgroup")


def available_cpus() -> int:
    """CPUs that this process may use: its affinity, and the CPU quota of its container, whichever is less."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cpus, cgroup_quota(CGROUP) or cpus))


def cgroup_quota(cgroup: Path) -> int | None:
    """CPUs of the control group's quota, rounded up; None without one. Version 2 (`cpu.max`), then version 1."""
    try:
        if (cgroup / "cpu.max").exists():
            quota, period = (cgroup / "cpu.max").read_text().split()
        else:
            quota, period = ((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return -(-int(quota) // int(period)) if int(quota) > 0 else None
    except (OSError, ValueError):  # no control groups, or "max"
        return None


@cache
def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """(get, set) of the number of threads of the OpenBLAS inside NumPy's wheel; None for another BLAS, whose own setting then holds."""
    package = Path(np.__file__).parent
    for path in sorted([*package.parent.glob("numpy.libs/*openblas*"), *package.glob(".dylibs/*openblas*")]):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for prefix in ("scipy_openblas_", "openblas_"):  # NumPy 2, NumPy 1.26
            if hasattr(library, f"{prefix}get_num_threads64_"):
                return getattr(library, f"{prefix}get_num_threads64_"), getattr(library, f"{prefix}set_num_threads64_")
    return None


_lock = threading.Lock()
_users = 0
_setting_before = 0


@contextmanager
def blas_threads(number: int) -> Iterator[None]:
    """BLAS with `number` threads. Calls may overlap; when the last one ends, the setting that the first one found is back."""
    global _users, _setting_before
    if (openblas := _openblas()) is None:
        yield
        return
    get_number, set_number = openblas
    with _lock:
        if _users == 0:
            _setting_before = get_number()
        _users += 1
        set_number(number)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                set_number(_setting_before)
