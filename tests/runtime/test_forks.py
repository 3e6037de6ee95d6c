"""Forks, signals and finalizers: a call returns the same vectors."""

import os
import shutil
from pathlib import Path

import pytest

from minibert.tokenizer.compiled import TABLES_FILE
from minibert.tokenizer.table_writer import tables_of
from tests.runtime.process import check, needs_fork, start
from tests.support.backends import BACKENDS, COMPILED, needs_compiled, needs_numba


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


@needs_fork
@needs_compiled
@pytest.mark.parametrize(
    "action",
    [
        "model.tokenizer('a word')", "model.tokenizer.decode([101, 102])", "pickle.dumps(model.tokenizer)",
        "model.encode('a' + chr(0xD800))", "model.encode_tokens('a word', level='spark')",
        "minibert.load(sys.argv[1], backend=sys.argv[2], precision='int8')",
    ],
)  # fmt: skip
def test_a_fork_while_another_thread_imports(tiny_folder: Path, tmp_path: Path, action: str) -> None:
    """A module that is half imported in the child would never be imported there."""
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    (folder / TABLES_FILE).write_bytes(tables_of(folder, False) or b"")
    check(
        f"""
import pickle

class Slow:
    def find_spec(self, name, path=None, target=None):  # called with the lock of the module
        if name.startswith("minibert."):
            found.append(name)
            time.sleep(0.2)

found = []
sys.meta_path.insert(0, Slow())
other = threading.Thread(target=lambda: {action})
other.start()
time.sleep(0.1)
child = os.fork()
if child == 0:
    {action}
    os._exit(0)
print("right" if ends_well(child) else "wrong")
other.join()
""",
        folder,
        COMPILED,
    )
