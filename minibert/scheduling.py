"""Batches, and the threads that work on them. The calling thread works too, and needs no other.

Another thread may fail to start, end because memory is short, or stay in the parent of a fork. The
calling thread then does its work. No lock is held while `work` runs. So a signal handler, a
finalizer or a callback of the garbage collector may call in the middle of a call.
"""

import _thread
import math
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress

import numpy as np

from .arguments import check_integer
from .ops import Encoder
from .runtime.team import Call, join, limit_threads
from .runtime.threads import blas_threads, forks_wait, helping, is_inside

SMALL_BATCH = 64  # tokens; a smaller batch costs more than a thread saves
NAP = 0.05  # seconds between two looks at whether a thread is still there
Batch = list[int]  # numbers of texts
Work = Callable[[Batch], None]


def run_batches(
    work: Work, seqlens: list[int], encoder: Encoder, num_threads: int, batch_tokens: int | None, show_progress: bool = False
) -> None:
    """Call `work` with every batch of texts, on up to `num_threads` threads.

    A single batch runs in this thread, with all threads for its products. `batch_tokens` is the
    size of a batch, or None for the encoder's choice.
    """
    budget = encoder.batch_tokens if batch_tokens is None else check_integer("batch_tokens", batch_tokens, 1)
    batches = plan_batches(seqlens, budget, num_threads)
    workers = max(1, min(num_threads, len(batches)))
    share = num_threads // workers
    calls: list[Call] = []  # calls of compiled loops, which a thread without a batch joins

    def quietly(batch: Batch) -> None:
        with limited(encoder, share, calls), forks_wait(), np.errstate(all="ignore"):  # the result is checked
            work(batch)

    def report(done: Sequence[int]) -> None:
        if show_progress and sys.stderr is not None:
            number = sum(len(batches[index]) for index in done)
            sys.stderr.write(f"\r{number:,} of {len(seqlens):,} texts" + "\n" * (number == len(seqlens)))

    if len(batches) == 1:
        quietly(batches[0])
        report([0])
        return
    schedule = Schedule(batches, quietly, lambda: join(calls))
    with limited(encoder, share, calls):  # between two batches too, where this thread joins calls
        schedule.run(1 if is_inside() else workers, report)


def limited(encoder: Encoder, num_threads: int, calls: list[Call]) -> AbstractContextManager[None]:
    """Calls of this thread use so many threads. Other threads find compiled calls in `calls`."""
    return blas_threads(num_threads) if encoder.uses_blas else limit_threads(num_threads, calls)


def plan_batches(seqlens: Sequence[int], batch_tokens: int, num_threads: int = 1) -> list[Batch]:
    """Return the numbers of the texts of each batch, longest texts first.

    A batch has at most `batch_tokens` tokens, or is a single text. Several threads get equally many
    batches of about equal size, at least two each, so that all end together. No batch becomes
    smaller than SMALL_BATCH for that.

    >>> plan_batches([3, 9, 4, 2], batch_tokens=9)
    [[1], [2, 0, 3]]
    >>> [len(batch) for batch in plan_batches([20] * 40, batch_tokens=150, num_threads=2)]
    [6, 6, 6, 6, 6, 6, 4]
    """
    if num_threads > 1:
        total = sum(seqlens)
        turns = max(2, math.ceil(total / (num_threads * batch_tokens)))
        batch_tokens = min(batch_tokens, max(SMALL_BATCH, math.ceil(total / (num_threads * turns))))
    batches: list[Batch] = []
    capacity = 0
    for index in sorted(range(len(seqlens)), key=seqlens.__getitem__, reverse=True):
        if not batches or seqlens[index] > capacity:
            batches.append([])
            capacity = batch_tokens
        batches[-1].append(index)
        capacity -= seqlens[index]
    return batches


class Schedule:
    """Batches, what has become of them, and the threads at work."""

    def __init__(self, batches: Sequence[Batch], work: Work, join: Callable[[], None]) -> None:
        self._batches, self._work, self._join = batches, work, join
        self._waiting = list(reversed(range(len(batches))))  # `pop` and `clear` are atomic
        self._helpers: set[int] = set()  # threads that may hold a batch
        self._failures: list[BaseException] = []
        self._left = _thread.allocate_lock()  # held here, and released by a helper that leaves
        self._left.acquire()
        self._process = os.getpid()
        self.done: list[int] = []  # numbers of batches

    def run(self, num_threads: int, report: Callable[[list[int]], None]) -> None:
        """Work on every batch, in this thread and up to `num_threads - 1` others.

        `report` is called in this thread with the numbers of the batches that are done. What `work`
        raises is raised here once, when no other thread works any more.
        """
        try:
            with suppress(RuntimeError, MemoryError):  # no more threads can be started
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
            except IndexError:  # another thread took the last one
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
