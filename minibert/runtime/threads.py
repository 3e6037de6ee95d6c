"""Numbers of threads: of a call, and of BLAS. And contexts that delay a fork of the process.

`encode` computes whole batches of texts at the same time in Python threads. NumPy releases the GIL
inside a matrix product, but its BLAS starts threads of its own. `blas_threads` sets their number
during a computation and restores the setting afterwards.

A fork copies one thread, and every lock in its current state. A lock that another thread holds at
that moment is held for ever in the child. In addition, OpenBLAS ends its threads before a fork, and
the whole process hangs if they are computing. Therefore a fork waits until no thread is in
`forks_wait`.
"""

import ctypes
import os
import time
from _thread import RLock, get_ident  # `threading` takes half a millisecond to import
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any

import numpy as np

CGROUP = "/sys/fs/cgroup"


def available_cpus() -> int:
    """The number of CPUs that the affinity of this process and its container's quota allow."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cpus, cgroup_quota(CGROUP) or cpus))


def usable_threads(number: int | None) -> int:
    """The number of threads of a call.

    Args:
        number: the wanted number, or None for the available CPUs. It is limited to four for each
            CPU, because more threads would only take turns.
    """
    return available_cpus() if number is None else min(number, 4 * (os.cpu_count() or 1))


def cgroup_quota(cgroup: str) -> int | None:
    """The CPUs of a control group's quota, rounded up; None without a quota.

    Version 2 of control groups (`cpu.max`) is tried before version 1.
    """
    try:
        if os.path.exists(path := os.path.join(cgroup, "cpu.max")):
            quota, period = _read(path).split()
        else:
            quota, period = (_read(os.path.join(cgroup, "cpu", f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
        return -(-int(quota) // int(period)) if int(quota) > 0 else None
    except (OSError, ValueError):  # there are no control groups, or the quota is "max"
        return None


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


@cache
def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """The functions that get and set the number of threads of the OpenBLAS in NumPy's wheel.

    None for another BLAS, which keeps its own setting.
    """
    package = os.path.dirname(np.__file__)
    for path in _libraries(f"{package}.libs") + _libraries(os.path.join(package, ".dylibs")):
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for prefix in ("scipy_openblas_", "openblas_"):  # NumPy 2, NumPy 1.26
            if hasattr(library, f"{prefix}get_num_threads64_"):
                return getattr(library, f"{prefix}get_num_threads64_"), getattr(library, f"{prefix}set_num_threads64_")
    return None


def _libraries(folder: str) -> list[str]:
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if "openblas" in name]
    except OSError:
        return []


# Sets of thread identifiers. Each change of a set is atomic. Therefore no lock is needed, and a
# signal handler cannot meet a lock that is held.
_inside: set[int] = set()  # in `forks_wait`
_forking: set[int] = set()
_paused: set[int] = set()  # removed from `_inside`, because they fork
helping: set[int] = set()  # working for a call of another thread, which has set the threads of BLAS
_setting: set[int] = set()  # in `blas_threads`
_lock = RLock()  # held while the threads of BLAS are set; no thread in `forks_wait` holds it
_setting_before = 0  # the number of BLAS threads before the first call
_held: list[AbstractContextManager[Any]] = []  # see `hold_over_forks`
PATIENCE = 60  # seconds; then a fork takes place although threads are in `forks_wait`


def hold_over_forks(lock: AbstractContextManager[Any]) -> None:
    """Acquire a lock before each fork, and release it in both processes after it."""
    _held.append(lock)


def is_inside() -> bool:
    """Whether this thread is in `forks_wait`.

    There it must not wait for another thread, which may be waiting for a fork.
    """
    return get_ident() in _inside


# A class would be 1 µs faster. But a signal handler that raises at the start of `__exit__` would
# leave the thread inside. A generator is closed in any case.
@contextmanager
def forks_wait() -> Iterator[None]:
    """A context that delays the forks of other threads until it ends.

    This thread itself may fork in it.
    """
    thread = get_ident()
    if thread in _inside:
        yield
        return
    try:
        _enter(thread)
        yield
    finally:
        _inside.discard(thread)


def _enter(thread: int) -> None:
    """Add a thread to `_inside` as soon as no other thread forks."""
    _inside.add(thread)
    while _forking and _forking - {thread}:  # read after `add`; `_before_fork` adds to `_forking` and then reads `_inside`
        _inside.discard(thread)
        time.sleep(0.001)
        _inside.add(thread)


def _before_fork() -> None:
    thread = get_ident()
    _forking.add(thread)
    if thread in _inside:  # this is a signal handler or a finalizer
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
    thread = get_ident()
    _forking.discard(thread)
    if thread in _paused:
        _enter(thread)
        _paused.discard(thread)


def _after_fork_in_child() -> None:
    global _lock
    _lock = RLock()
    thread = get_ident()
    if _setting - {thread} and thread not in _setting and (openblas := _openblas()):
        openblas[1](_setting_before)
    for others in (_inside, _forking, _paused, _setting, helping):
        others.intersection_update({thread})
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)


@contextmanager
def blas_threads(number: int) -> Iterator[None]:
    """A context in which BLAS uses `number` threads, but no more than there are CPUs.

    Contexts of several threads may overlap. At the end of the last one, the setting from before the
    first one is restored. A context inside another one, in the same thread or in a thread that
    helps it, keeps the number of the outer context.
    """
    global _setting_before
    thread = get_ident()
    if (openblas := _openblas()) is None or thread in _setting or thread in helping or is_inside():
        yield
        return
    get_number, set_number = openblas
    try:
        with _lock:  # a signal handler may enter this context between any two of these statements
            if not _setting:
                _setting_before = get_number()
            _setting.add(thread)
            # More threads than CPUs would only take turns. And a product was seen to wait for ever
            # for threads that RLIMIT_NPROC did not allow.
            set_number(min(number, os.cpu_count() or 1))
        yield
    finally:
        with _lock:
            try:
                if _setting == {thread}:
                    set_number(_setting_before)
            finally:  # a signal handler may raise in `set_number`
                _setting.discard(thread)
