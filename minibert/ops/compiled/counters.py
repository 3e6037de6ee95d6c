"""Several threads in one loop: how they divide the work, and how they wait for each other.

All threads run the same loop over the same arrays. Each phase of the loop is cut into blocks. A
thread takes the number of the next block, works on it, and takes another one. When no block is
left, it waits until all blocks are finished, and goes on to the next phase.

So no thread waits for one that has not started yet. A thread that joins later passes the finished
phases and works on the rest. The bits of a block do not depend on the thread.

Each phase has two counters, which are zero at the start: blocks taken, and blocks finished.
"""

import sys
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types

from ...runtime.jit import pasted
from .layout import COUNTERS, Address, Integer
from .memory import pointer
from .simd import I32, I64, emit_call, operation

TAKEN, FINISHED = 0, COUNTERS // 2  # places of the two counters
SPINS = 1024  # times that a thread reads a counter, some 20 µs, before it yields its processor


def _counter(builder: Any, counters: Any, phase: Any, which: int) -> Any:
    at = builder.add(builder.mul(phase, ir.Constant(I64, COUNTERS)), ir.Constant(I64, which))
    return pointer(builder, counters, at, I64)


def _emit_add(which: int) -> Callable[..., Any]:
    def emit(builder: Any, counters: Any, phase: Any) -> Any:
        return builder.atomic_rmw("add", _counter(builder, counters, phase, which), ir.Constant(I64, 1), "acq_rel")

    return emit


@operation(types.intp, (types.intp, types.intp), _emit_add(TAKEN))
def take(counters: Address, phase: Integer) -> Integer:
    """The number of a block that no other thread has."""
    counters[phase * COUNTERS + TAKEN] += 1
    return counters[phase * COUNTERS + TAKEN] - 1


@operation(types.intp, (types.intp, types.intp), _emit_add(FINISHED))
def finish(counters: Address, phase: Integer) -> Integer:
    """Count one more finished block, and publish what was stored. Returns the count before."""
    counters[phase * COUNTERS + FINISHED] += 1
    return counters[phase * COUNTERS + FINISHED] - 1


def _emit_wait(builder: Any, counters: Any, phase: Any, number: Any) -> None:
    counter = _counter(builder, counters, phase, FINISHED)
    before, look, rest, over = builder.block, *map(builder.append_basic_block, ("look", "rest", "over"))
    builder.branch(look)
    builder.position_at_end(look)
    looks = builder.phi(I64)
    looks.add_incoming(ir.Constant(I64, 1), before)
    found = builder.load_atomic(counter, "acquire", 8)
    builder.cbranch(builder.icmp_signed("<", found, number), rest, over)
    builder.position_at_end(rest)
    if "x86" in builder.module.triple:
        emit_call(builder, "llvm.x86.sse2.pause", ir.VoidType())
    elif "aarch64" in builder.module.triple:
        emit_call(builder, "llvm.aarch64.hint", ir.VoidType(), ir.Constant(I32, 1))
    if sys.platform != "win32":
        with builder.if_then(builder.icmp_signed("==", builder.urem(looks, ir.Constant(I64, SPINS)), ir.Constant(I64, 0))):
            emit_call(builder, "sched_yield", I32)
    looks.add_incoming(builder.add(looks, ir.Constant(I64, 1)), builder.block)
    builder.branch(look)
    builder.position_at_end(over)


@operation(types.void, (types.intp, types.intp, types.intp), _emit_wait)
def wait(counters: Address, phase: Integer, number: Integer) -> None:
    """Wait until so many blocks of a phase are finished.

    A thread that is alone has finished all.
    """


def _emit_reset(builder: Any, counters: Any, phase: Any) -> None:
    for which in (TAKEN, FINISHED):
        builder.store_atomic(ir.Constant(I64, 0), _counter(builder, counters, phase, which), "monotonic", 8)


@operation(types.void, (types.intp, types.intp), _emit_reset)
def reset(counters: Address, phase: Integer) -> None:
    """Make both counters zero.

    LLVM makes no call of memset out of atomic stores. No library has that function.
    """
    counters[phase * COUNTERS + TAKEN] = counters[phase * COUNTERS + FINISHED] = 0


@pasted
def in_blocks(work_on: Callable[..., None], task: Any, num_blocks: Integer, workspace: Any, phase: Integer) -> None:
    """Do one phase: `work_on(block, task, workspace)` for each block, in any order.

    Numba pastes this function and `work_on` into the caller.
    """
    block = take(workspace.counters, phase)
    while block < num_blocks:
        work_on(block, task, workspace)
        finish(workspace.counters, phase)
        block = take(workspace.counters, phase)
    wait(workspace.counters, phase, num_blocks)
