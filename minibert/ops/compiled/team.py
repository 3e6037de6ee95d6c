"""Several threads in one function: who does what, and when a step is over.

All of them run the same loop over the same arrays. A step is cut into pieces of work; whoever is free takes the next number (`take`), and
when there is none left waits until all of them are finished (`finish`, `wait`). So nobody waits for a thread that has not come yet, and one
that comes late finds every piece taken, every step over, and is done. Which thread makes a piece does not change its bits.

Two counters a step, on a cache line of their own, zero at the start.
"""

import _thread
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types

from ...runtime.jit import inlined
from .. import Float32
from .memory import address, advance, pointer
from .packed import Addresses, Workspace
from .simd import I32, I64, Address, Integer, call, operation
from .tiers import EMULATED, TIER

ZEROS = np.zeros(TIER.width, np.float32)
COUNTERS = 16  # int64 a step: two are used, and no two steps share a cache line or its neighbour
SPINS = 1024  # looks at a counter, some 20 µs, before a waiting thread offers its processor to others


TAKEN, FINISHED = 0, COUNTERS // 2  # the places of a step's two counters


def _counter(builder: Any, counters: Any, step: Any, which: int) -> Any:
    at = builder.add(builder.mul(step, ir.Constant(I64, COUNTERS)), ir.Constant(I64, which))
    return pointer(builder, counters, at, I64)


def _emit_add(which: int) -> Callable[..., Any]:
    def emit(builder: Any, counters: Any, step: Any) -> Any:
        return builder.atomic_rmw("add", _counter(builder, counters, step, which), ir.Constant(I64, 1), "acq_rel")

    return emit


@operation(types.intp, (types.intp, types.intp), _emit_add(TAKEN))
def take(counters: Address, step: Integer) -> Integer:
    """The number of a piece of work that nobody else has."""
    counters[step * COUNTERS + TAKEN] += 1
    return counters[step * COUNTERS + TAKEN] - 1


@operation(types.intp, (types.intp, types.intp), _emit_add(FINISHED))
def finish(counters: Address, step: Integer) -> Integer:
    """One piece more is finished, and what was written is there for all; returns how many were before."""
    counters[step * COUNTERS + FINISHED] += 1
    return counters[step * COUNTERS + FINISHED] - 1


def _emit_wait(builder: Any, counters: Any, step: Any, number: Any) -> None:
    counter = _counter(builder, counters, step, FINISHED)
    before, look, rest, over = builder.block, *map(builder.append_basic_block, ("look", "rest", "over"))
    builder.branch(look)
    builder.position_at_end(look)
    looks = builder.phi(I64)
    looks.add_incoming(ir.Constant(I64, 1), before)
    found = builder.load_atomic(counter, "acquire", 8)
    builder.cbranch(builder.icmp_signed("<", found, number), rest, over)
    builder.position_at_end(rest)
    if "x86" in builder.module.triple:
        call(builder, "llvm.x86.sse2.pause", ir.VoidType())
    elif "aarch64" in builder.module.triple:
        call(builder, "llvm.aarch64.hint", ir.VoidType(), ir.Constant(I32, 1))
    if sys.platform != "win32":
        with builder.if_then(builder.icmp_signed("==", builder.urem(looks, ir.Constant(I64, SPINS)), ir.Constant(I64, 0))):
            call(builder, "sched_yield", I32)
    looks.add_incoming(builder.add(looks, ir.Constant(I64, 1)), builder.block)
    builder.branch(look)
    builder.position_at_end(over)


@operation(types.void, (types.intp, types.intp, types.intp), _emit_wait)
def wait(counters: Address, step: Integer, number: Integer) -> None:
    """Until so many pieces of a step are finished, as they are where one thread does everything."""


class Room(NamedTuple):
    """Where a thread finds room, as addresses. All but `scratch` are shared by the threads of a call."""

    lows: Address  # (rows,) float32: of each row of `quantized`, what 0 stands for
    units: Address  # (rows,) float32: and how much 1 is
    quantized: Address  # (rows, stride) of eight-bit numbers
    scratch: Address  # float32: a tile, or what a head of attention needs
    zeros: Address  # float32, as many as a tile is wide
    counters: Address


@inlined
def make_room(rows: Integer, wide: Any, quantized: Any, scratch: Any, zeros: Any, counters: Any) -> Room:
    """The addresses; two numbers a row are kept at the beginning of `wide`."""
    lows = address(wide)
    return Room(lows, advance(lows, rows), address(quantized), address(scratch), address(zeros), address(counters))


PAYS = 100_000_000  # multiplications, one to two milliseconds, from which on a second thread is sure to save more than it costs to call
_local = threading.local()
_team: dict[str, "Call"] = {}  # the call that has a team, if any: a second team would only get in its way


@dataclass(eq=False)
class Call:
    """A loop at work, and what a thread needs to take part in it."""

    loop: Callable[..., None]
    shared: tuple[Any, ...]
    counters: Addresses
    workspace: Workspace
    process: int = field(default_factory=os.getpid)  # after a fork, the threads that took pieces are not in the new process
    is_over: bool = False

    def work(self, scratch: Float32) -> None:
        self.loop(*self.shared, self.workspace.wide, self.workspace.quantized, scratch, ZEROS, self.counters)

    def take_part(self) -> None:
        """Work, with scratch of this thread's own: when it comes, the call may be over and the workspace with another."""
        if self.is_over or self.process != os.getpid():
            return
        try:
            scratch = self.workspace.new_scratch()
        except MemoryError:  # those that have some do everything
            return
        self.work(scratch)


def _complete() -> None:
    """Before a fork, complete what this thread has begun with others. (It is in a signal handler or a finalizer.)"""
    for each in getattr(_local, "begun", ()):
        if getattr(each.loop, "signatures", ()):  # compiled, so that others may have taken pieces
            each.take_part()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_complete, after_in_child=_team.clear)


def _setting() -> tuple[int, list[Call]]:
    """How many threads calls of this thread may use, and where others find them."""
    setting: tuple[int, list[Call]] = getattr(_local, "setting", (1, []))
    return setting


@contextmanager
def limit_threads(number: int, calls: list[Call]) -> Iterator[None]:
    """Calls of this thread may use so many threads, itself included (one unless they are told); what others may join is in `calls`."""
    before = _setting()
    _local.setting = number, calls
    try:
        yield
    finally:
        _local.setting = before


def join(calls: list[Call]) -> None:
    """Take part in the calls that are at work, until they are done."""
    for each in calls.copy():
        each.take_part()


def run(loop: Callable[..., None], shared: tuple[Any, ...], workspace: Workspace, steps: int, multiplications: int = 0) -> None:
    """Call a loop in this thread; and where so many multiplications are worth it, in others that start now or join later.

    A loop that says how many it has must `take` every piece of its work: one that does not would do it again in each thread.
    """
    call = Call(loop, shared, np.zeros(steps * COUNTERS, np.int64), workspace)
    if multiplications < PAYS or EMULATED:
        call.work(workspace.for_thread(0))
        return
    limit, calls = _setting()
    begun: list[Call] = _local.__dict__.setdefault("begun", [])
    try:
        begun.append(call)
        calls.append(call)
        if limit > 1 and _team.setdefault("call", call) is call:
            with suppress(RuntimeError, MemoryError):  # no more threads to be had: those that are here do everything
                for _ in range(1, limit):
                    _thread.start_new_thread(call.take_part, ())
        call.work(workspace.for_thread(0))
    finally:
        call.is_over = True
        if _team == {"call": call}:  # no function is called before `clear`, so no signal handler can raise
            _team.clear()
        for places in (begun, calls):
            with suppress(ValueError):
                places.remove(call)
