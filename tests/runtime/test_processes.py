"""Ending processes, interrupts and missing threads: a call returns the same vectors."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.runtime import team, threads
from minibert.scheduling import Schedule
from tests.runtime.process import check
from tests.support.backends import BACKENDS


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_needs_no_other_thread(tiny_folder: Path, backend: str) -> None:
    check(
        """
expected = compute()

def refuse(*_):
    raise RuntimeError("can't start new thread")

_thread.start_new_thread = threading._start_new_thread = refuse
print("wrong" if differs(compute(), expected) else "right")
""",
        tiny_folder,
        backend,
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_work_while_the_process_ends(tiny_folder: Path, backend: str) -> None:
    check(
        """
import atexit
expected = compute()

def late(name):
    if name == "thread":
        threading.main_thread().join()
    print(name, differs(compute(), expected), flush=True)

atexit.register(late, "atexit")
threading.Thread(target=late, args=("thread",)).start()
""",
        tiny_folder,
        backend,
        "thread False\natexit False\n",
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no timers here")
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_interrupt_is_raised_once_and_leaves_nothing(tiny_folder: Path, backend: str) -> None:
    check(
        """
expected, threads, interrupts = compute(), _thread._count(), 0
signal.signal(signal.SIGALRM, signal.default_int_handler)
for number in range(40):
    # A timer of the system may signal another thread, and Python's handler may run after the `try`.
    arguments = threading.main_thread().ident, signal.SIGALRM
    timer = threading.Timer(0.001 + 0.0007 * number, signal.pthread_kill, arguments)
    try:
        timer.start()
        compute()
        timer.cancel()
        timer.join()
    except KeyboardInterrupt:
        interrupts += 1
    if differs(compute(), expected):
        print("wrong", number)
for _ in range(100):
    if _thread._count() == threads:
        break
    time.sleep(0.1)
print("right" if interrupts and _thread._count() == threads else f"{interrupts} interrupts, {_thread._count()} threads")
""",
        tiny_folder,
        backend,
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_more_threads_than_the_machine_can_use_are_not_started(tiny_folder: Path, backend: str) -> None:
    texts = ["a few words"] * 500 + ["word " * 60]
    model = minibert.load(tiny_folder, backend=backend, num_threads=100_000)
    assert 4 <= model.num_threads <= 4 * (os.cpu_count() or 1)
    np.testing.assert_allclose(model.encode(texts), minibert.load(tiny_folder, backend=backend, num_threads=1).encode(texts), atol=1e-5)
    assert minibert.load(tiny_folder, backend=backend, num_threads=4).num_threads == 4


def test_the_first_failure_is_raised_once_all_threads_have_left() -> None:
    at_work: set[Any] = set()

    def work(number: int) -> None:
        at_work.add(number)
        try:
            if number == 3:
                raise ValueError("the third")
        finally:
            at_work.discard(number)

    schedule = Schedule(range(100), work, lambda: None)
    with pytest.raises(ValueError, match="the third"):
        schedule.run(4, lambda _: None)
    assert not at_work
    assert not threads.helping


def test_a_thread_that_dies_leaves_its_batch_to_the_caller() -> None:
    """It may die because memory is short. Then it cannot record its failure either."""
    done: list[int] = []
    schedule = Schedule(range(5), done.append, lambda: None)
    schedule._waiting.remove(3)  # a thread has taken it and died
    schedule.run(1, lambda _: None)
    assert sorted(done) == [0, 1, 2, 3, 4]


def interruptions(run: Callable[[], object], is_there: Callable[[FrameType, str], bool], check: Callable[[], None]) -> int:
    """Run again and again, with a KeyboardInterrupt at the first place, the second one, and so on.

    `is_there` says whether a profiler's event is such a place. After each, `check` is called.
    Returns how many places there are.
    """

    def is_interrupted(after: int) -> bool:
        events = []

        def handle(caller: FrameType, event: str, _: object) -> None:
            if is_there(caller, event):
                events.append(event)
                if len(events) == after:
                    raise KeyboardInterrupt

        before = sys.getprofile()
        try:
            sys.setprofile(handle)
            run()
        except KeyboardInterrupt:
            return True
        finally:
            sys.setprofile(before)
        return False

    number = 0
    while is_interrupted(number + 1):
        number += 1
        check()
    return number


def test_a_signal_handler_that_raises_leaves_no_team() -> None:
    """Python calls the handler after a function that is written in C.

    If a team were left, later calls would run without one.
    """

    def is_there(caller: FrameType, event: str) -> bool:
        return event == "c_return" and caller.f_code is team.run.__code__

    def check() -> None:
        assert not team._team

    with team.limit_threads(2, []):
        assert interruptions(lambda: team.run(team.Call(lambda scratch: None, lambda: None, lambda: True), None), is_there, check) > 5


@pytest.mark.parametrize("context", [threads.forks_wait, lambda: team.limit_threads(2, [])], ids=["forks_wait", "limit_threads"])
def test_a_signal_handler_that_raises_leaves_no_context(context: Callable[[], AbstractContextManager[None]]) -> None:
    """Python also calls the handler at the start of a function, such as `__exit__`."""

    def run() -> None:
        with context():
            pass

    def check() -> None:
        assert not threads._inside
        assert team._setting() == (1, [])

    assert interruptions(run, lambda _, event: event in ("call", "c_return"), check) > 5
