"""Batches on several threads. The thread that calls works too, and needs no other.

So there is nothing to wait for that may not come: a thread that cannot be started, that dies for want of memory, or that a fork
left in the parent. What such a thread has not done is done by the one that calls. No lock is held while `work` runs, so a signal
handler, a finalizer or a callback of the garbage collector may call in the middle of a call.
"""

import _thread
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from .runtime.threads import helping

Batch = TypeVar("Batch")
NAP = 0.05  # seconds between two looks at whether a thread is still there, unless it says before that it leaves


class Schedule:
    """Batches, what has become of them, and the threads at work."""

    def __init__(self, batches: Sequence[Batch], work: Callable[[Batch], None], join: Callable[[], None]) -> None:
        self._batches, self._work, self._join = batches, work, join
        self._waiting = list(reversed(range(len(batches))))  # `pop` and `clear` are atomic
        self._helpers: set[int] = set()  # those that may hold a batch
        self._failures: list[BaseException] = []
        self._left = _thread.allocate_lock()  # held, and released by a helper that leaves
        self._left.acquire()
        self._process = os.getpid()
        self.done: list[int] = []  # numbers of batches

    def run(self, num_threads: int, report: Callable[[list[int]], None]) -> None:
        """Work on every batch, in this thread and up to `num_threads - 1` others; `report` is called here, now and
        then, with the numbers of the batches that are done.

        What `work` raises is raised here once, when no other thread works any more.
        """
        try:
            with suppress(RuntimeError, MemoryError):  # no more threads to be had
                for number in range(1, num_threads):
                    _thread.start_new_thread(self._help, (number,))
            self._take(report)
            self._join()
            self._wait()
        except BaseException:
            self._waiting.clear()
            self._wait()
            raise
        if self._failures:
            raise self._failures[0]
        for number in {*range(len(self._batches))} - {*self.done}:
            self._work(self._batches[number])
            self.done.append(number)
        report(self.done)

    def _take(self, report: Callable[[list[int]], None]) -> None:
        while self._waiting:
            try:
                number = self._waiting.pop()
            except IndexError:  # another thread was faster
                return
            self._work(self._batches[number])
            self.done.append(number)
            if self._waiting:
                report(self.done)

    def _help(self, number: int) -> None:
        thread = _thread.get_ident()
        try:
            self._helpers.add(number)  # before it takes a batch
            helping.add(thread)
            self._take(lambda _: None)
            self._join()
        except BaseException as error:
            self._waiting.clear()
            self._failures.append(error)
        finally:
            helping.discard(thread)
            self._helpers.discard(number)
            with suppress(RuntimeError):  # released already
                self._left.release()

    def _wait(self) -> None:
        while self._helpers and os.getpid() == self._process:
            self._left.acquire(timeout=NAP)
