"""Forks, signals, finalizers, and threads that cannot be had: a call comes back, with the same vectors."""

import os
import subprocess
import sys
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.runtime import threads
from minibert.scheduling import Schedule
from tests.support.backends import BACKENDS, needs_numba

TIMEOUT = 600  # of a process, for a machine under load; a hang lasts for ever
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
PRELUDE = """
import _thread, faulthandler, gc, os, signal, sys, threading, time, warnings
import numpy as np
import minibert

warnings.simplefilter("error")
warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")  # Python 3.12: the process has threads
model = minibert.load(sys.argv[1], backend=sys.argv[2], num_threads=4)
many, long = [f"some words about planes {number}" for number in range(300)], "word " * 60
LIMIT = 1e-5 if model.backend == "numpy" else 0

def differs(found, expected):
    return max(float(np.abs(a - b).max()) for a, b in zip(found, expected)) > LIMIT

def compute():
    return model.encode(many), model.encode(long), model([[1, 2, 3]]).last_hidden_state

def ends_well(child):
    for _ in range(600):
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status == 0
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False
"""


def start(code: str, folder: Path, backend: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, which has `model`, `compute` and `differs`."""
    command = [sys.executable, "-c", PRELUDE + code, str(folder), backend]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=os.environ | environment)


def check(code: str, folder: Path, backend: str, expected: str = "right\n", **environment: str) -> None:
    """What it prints, and that it says nothing on stderr, unless it is the first that compiles."""
    result = start(code, folder, backend, **environment)
    said = [line for line in result.stderr.splitlines() if not line.startswith("minibert: compiling")]
    assert (result.stdout, said, result.returncode) == (expected, [], 0)


@needs_fork
@pytest.mark.parametrize("backend", BACKENDS)
def test_forks_beside_threads_that_encode(tiny_folder: Path, backend: str) -> None:
    check(
        """
expected = compute()
is_over = []

def work():
    while not is_over:
        if differs(compute(), expected):
            print("wrong in a thread")

workers = [threading.Thread(target=work) for _ in range(3)]
for each in workers:
    each.start()
for number in range(30):
    if not (child := os.fork()):
        os._exit(differs(compute(), expected))
    if not ends_well(child):
        print("wrong after fork", number)
is_over.append(True)
for each in workers:
    each.join()
print("right")
""",
        tiny_folder,
        backend,
    )


@needs_fork
@needs_numba
def test_forks_beside_a_thread_that_loads_compiled_code(tiny_folder: Path) -> None:
    compute = "compute()\n"
    assert start(compute, tiny_folder, "numba").returncode == 0  # it is compiled, unless it was
    check(
        """
thread = threading.Thread(target=compute)
thread.start()
children = []
while thread.is_alive() and len(children) < 5:
    time.sleep(0.05)
    if not (child := os.fork()):
        compute()
        os._exit(0)
    children.append(child)
thread.join()
print("right" if children and all(map(ends_well, children)) else "wrong")
""",
        tiny_folder,
        "numba",
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no timers and no fork here")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_signal_handler_may_encode_and_fork_in_the_middle_of_a_call(tiny_folder: Path, backend: str) -> None:
    check(
        """
expected = compute()
calls = []

def handle(*_):
    calls.append(differs(compute(), expected))
    if len(calls) % 5 == 0:
        if not (child := os.fork()):
            os._exit(differs(compute(), expected))
        calls.append(not ends_well(child))

signal.signal(signal.SIGALRM, handle)
for number in range(40):
    signal.setitimer(signal.ITIMER_REAL, 0.001 + 0.0007 * number)
    calls.append(differs(compute(), expected))
signal.setitimer(signal.ITIMER_REAL, 0)
print("wrong" if any(calls) or len(calls) <= 40 else "right")
""",
        tiny_folder,
        backend,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no timers and no fork here")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_child_that_is_forked_in_the_middle_of_a_call_completes_it(tiny_folder: Path, backend: str) -> None:
    check(
        """
expected, parent, children = compute(), os.getpid(), []
signal.signal(signal.SIGALRM, lambda *_: children.append(os.fork()))
wrong = 0
for number in range(20):
    children.clear()
    signal.setitimer(signal.ITIMER_REAL, 0.001 + 0.001 * number)
    is_wrong = differs(compute(), expected)
    signal.setitimer(signal.ITIMER_REAL, 0)
    if os.getpid() != parent:
        os._exit(is_wrong)
    wrong += is_wrong + (not all(map(ends_well, children)))
print("wrong" if wrong else "right")
""",
        tiny_folder,
        backend,
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_callback_of_the_garbage_collector_may_encode(tiny_folder: Path, backend: str) -> None:
    check(
        """
expected = compute()
calls, busy = [], []

def collected(phase, _):
    if not busy and len(calls) < 5:
        busy.append(True)
        calls.append(differs(compute(), expected))
        busy.clear()

gc.callbacks.append(collected)
gc.set_threshold(50)
wrong = [differs(compute(), expected) for _ in range(5)]
print("wrong" if any(wrong + calls) or not calls else "right")
""",
        tiny_folder,
        backend,
    )


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
def test_a_call_may_come_when_the_process_ends(tiny_folder: Path, backend: str) -> None:
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
    signal.setitimer(signal.ITIMER_REAL, 0.001 + 0.0007 * number)
    try:
        compute()
        signal.setitimer(signal.ITIMER_REAL, 0)
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_waits_for_other_threads_only(tiny_folder: Path) -> None:
    check(
        """
entered, forked = threading.Event(), []

def hold():
    with minibert.runtime.threads.forks_wait():
        entered.set()
        time.sleep(0.5)
        forked.append(bool(forked))  # whether the fork came before

thread = threading.Thread(target=hold)
thread.start()
entered.wait()
with minibert.runtime.threads.forks_wait():
    if not (child := os.fork()):
        os._exit(0)
    forked.append(True)
thread.join()
print("right" if ends_well(child) and forked == [False, True] else forked)
""",
        tiny_folder,
        "numpy",
    )


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
    """For want of memory, say, in which nothing can be recorded either."""
    done: list[int] = []
    schedule = Schedule(range(5), done.append, lambda: None)
    schedule._waiting.remove(3)  # somebody has taken it and is gone
    schedule.run(1, lambda _: None)
    assert sorted(done) == [0, 1, 2, 3, 4]


@needs_numba
def test_a_signal_handler_that_raises_leaves_no_team(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python calls it after a function that is written in C. Later calls would have to do without a team."""
    from minibert.ops.compiled import team

    monkeypatch.setattr(team, "EMULATED", False)
    workspace: Any = SimpleNamespace(wide=None, quantized=None, for_thread=lambda number: None, new_scratch=lambda: None)

    def is_interrupted(after: int) -> bool:
        events = []

        def handle(frame: FrameType, event: str, _: object) -> None:
            if event == "c_return" and frame.f_code is team.run.__code__:
                events.append(event)
                if len(events) == after:
                    raise KeyboardInterrupt

        before = sys.getprofile()
        with team.limit_threads(2, []):
            sys.setprofile(handle)
            try:
                team.run(lambda *arguments: None, (), workspace, 1, team.PAYS)
            except KeyboardInterrupt:
                return True
            finally:
                sys.setprofile(before)
        return False

    interruptions = 0
    while is_interrupted(interruptions + 1):
        interruptions += 1
        assert not team._team
    assert interruptions > 5
