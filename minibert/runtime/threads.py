"""How many threads: what the machine lends us, and what BLAS takes. And what a fork of the process waits for.

`encode` runs whole batches of texts side by side in Python threads. NumPy gives the GIL away inside a matrix product, but its BLAS
starts threads of its own; this keeps it at the number asked for while we compute, and puts its setting back afterwards.

A fork copies one thread, and every lock as it is. What another thread holds at that moment is held for ever in the child. OpenBLAS
moreover ends its threads before a fork, and the whole process hangs if they are at work. So a fork waits for `forks_wait`.
"""

import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

CGROUP = Path("/sys/fs/cgroup")


def available_cpus() -> int:
    """CPUs that this process may use: its affinity, and the CPU quota of its container, whichever is less."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cpus, cgroup_quota(CGROUP) or cpus))


def usable_threads(number: int | None) -> int:
    """The threads of a call when so many are wanted, or None for the available CPUs. More than four a CPU would only take turns."""
    return available_cpus() if number is None else min(number, 4 * (os.cpu_count() or 1))


def cgroup_quota(cgroup: Path) -> int | None:
    """CPUs of the control group's quota, rounded up; None without one. Version 2 (`cpu.max`), then version 1."""
    try:
        if (cgroup / "cpu.max").exists():
            quota, period = (cgroup / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota, period = ((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period"))
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


# Sets of threads, by their identifiers. What is done to a set is atomic, so there is no lock that a signal handler could find taken.
_inside: set[int] = set()  # in `forks_wait`
_forking: set[int] = set()
_paused: set[int] = set()  # taken from `_inside`, since they fork
helping: set[int] = set()  # at work for a call of another thread, which has told BLAS
_telling: set[int] = set()  # in `blas_threads`
_lock = threading.RLock()  # held while BLAS is told, by no thread that is in `forks_wait`
_setting_before = 0
_held: list[AbstractContextManager[Any]] = []
PATIENCE = 60  # seconds, after which a fork takes place nevertheless


def hold_over_forks(lock: AbstractContextManager[Any]) -> None:
    """Acquire this lock before each fork, and release it afterwards in both processes."""
    _held.append(lock)


def is_inside() -> bool:
    """Whether this thread is in `forks_wait`. There it must not wait for another thread, which may wait for a fork."""
    return threading.get_ident() in _inside


@contextmanager
def forks_wait() -> Iterator[None]:
    """Another thread that forks waits until this is over. This thread itself may fork in it."""
    thread = threading.get_ident()
    if thread in _inside:
        yield
        return
    try:
        _enter(thread)
        yield
    finally:
        _inside.discard(thread)


def _enter(thread: int) -> None:
    _inside.add(thread)
    while _forking - {thread}:  # looked at after `add`, as `_before_fork` looks the other way round
        _inside.discard(thread)
        time.sleep(0.001)
        _inside.add(thread)


def _before_fork() -> None:
    thread = threading.get_ident()
    _forking.add(thread)
    if thread in _inside:  # a signal handler or a finalizer
        _paused.add(thread)
        _inside.discard(thread)
    end = time.monotonic() + PATIENCE
    while _inside and time.monotonic() < end:
        time.sleep(0.001)
    for lock in _held:
        lock.__enter__()


def _after_fork() -> None:
    for lock in reversed(_held):
        lock.__exit__(None, None, None)
    thread = threading.get_ident()
    _forking.discard(thread)
    if thread in _paused:
        _enter(thread)
        _paused.discard(thread)


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    thread = threading.get_ident()
    if _telling - {thread} and thread not in _telling and (openblas := _openblas()):
        openblas[1](_setting_before)
    for others in (_inside, _forking, _paused, _telling, helping):
        others.intersection_update({thread})
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)


@contextmanager
def blas_threads(number: int) -> Iterator[None]:
    """BLAS with `number` threads, but no more than CPUs.

    Calls may overlap. When the last one ends, the setting that the first one found is back.
    A call in the middle of another one, in the same thread or for it, keeps the other's number.
    """
    global _setting_before
    thread = threading.get_ident()
    if (openblas := _openblas()) is None or thread in _telling or thread in helping or is_inside():
        yield
        return
    get_number, set_number = openblas
    try:
        with _lock:  # the order of the steps is such that a signal handler may call this between any two of them
            if not _telling:
                _setting_before = get_number()
            _telling.add(thread)
            # More would take turns only. And a product was seen to wait for ever for threads that RLIMIT_NPROC did not allow.
            set_number(min(number, os.cpu_count() or 1))
        yield
    finally:
        with _lock:
            try:
                if _telling == {thread}:
                    set_number(_setting_before)
            finally:  # a signal handler may raise in `set_number`
                _telling.discard(thread)
