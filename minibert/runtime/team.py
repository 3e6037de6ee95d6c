"""Several threads in one call: which threads may join it, and until when.

A compiled loop divides its work between all threads that call it with the same arguments, and needs
no particular one of them. So a thread that finds a call at work may join it at any time.
"""

import _thread
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

# A call with so many multiplications takes one to two milliseconds. From there on, a second thread
# saves more than its start costs.
PAYS = 100_000_000
_local = _thread._local()  # that of `threading`, which takes half a millisecond to import
_team: dict[str, "Call"] = {}  # the call that has started threads, if any: the threads of a second call would only take turns with them


class Call:
    """Work that several threads do together, each with memory of its own."""

    def __init__(self, work: Callable[[Any], None], new_scratch: Callable[[], Any], is_compiled: Callable[[], bool]) -> None:
        self.work = work  # does a part of the work with the scratch of a thread, and returns when all of it is done
        self.new_scratch = new_scratch
        self.is_compiled = is_compiled  # whether `work` would run at once
        self.process = os.getpid()  # after a fork, the other threads are not in the new process
        self.is_over = False

    def take_part(self) -> None:
        """Work with new scratch. The call may be over by then, and its memory be in use again."""
        if self.is_over or self.process != os.getpid():
            return
        try:
            scratch = self.new_scratch()
        except MemoryError:  # the threads that have scratch do everything
            return
        self.work(scratch)


def _complete() -> None:
    """Before a fork, complete what this thread has begun with others.

    The fork is in a signal handler or a finalizer.
    """
    for call in getattr(_local, "begun", ()):
        if call.is_compiled():  # so that others may have taken blocks
            call.take_part()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_complete, after_in_child=_team.clear)


def _setting() -> tuple[int, list[Call]]:
    """How many threads calls of this thread may use, and where other threads find them."""
    setting: tuple[int, list[Call]] = getattr(_local, "setting", (1, []))
    return setting


@contextmanager
def limit_threads(number: int, calls: list[Call]) -> Iterator[None]:
    """Calls of this thread may use so many threads, itself included.

    A call at work stands in `calls`. Without this context, a call uses one thread.
    """
    before = _setting()
    try:
        _local.setting = number, calls
        yield
    finally:
        _local.setting = before


def join(calls: list[Call]) -> None:
    """Take part in the calls that are at work, until they are done."""
    for call in calls.copy():
        call.take_part()


def pays(multiplications: int) -> bool:
    """Whether so many multiplications are worth a second thread."""
    return multiplications >= max(PAYS, 1)  # 0 stays one thread, even if a test sets PAYS to 0


def run(call: Call, scratch: Any) -> None:
    """Do the work of a call in this thread with its scratch, and let other threads take part.

    These are new ones, if this thread may start them, and those that `join`.
    """
    limit, calls = _setting()
    begun: list[Call] = _local.__dict__.setdefault("begun", [])
    try:
        begun.append(call)
        calls.append(call)
        if limit > 1 and _team.setdefault("call", call) is call:
            with suppress(RuntimeError, MemoryError):  # no more threads can be started: those that are here do everything
                for _ in range(1, limit):
                    _thread.start_new_thread(call.take_part, ())
        call.work(scratch)
    finally:
        call.is_over = True
        if _team == {"call": call}:  # no function is called before `clear`, so no signal handler can raise
            _team.clear()
        for places in (begun, calls):
            with suppress(ValueError):
                places.remove(call)
