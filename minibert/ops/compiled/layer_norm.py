"""LayerNorm, compiled: `layer_norm` of numpy_ops.py, row by row."""

import math
from typing import NamedTuple

import numpy as np

from ...runtime.jit import inlined, jit, pasted
from .counters import in_blocks
from .layout import LANES, Address, Integer
from .memory import get, get_int64, load, offset, store
from .simd import Float, Vector, broadcast, fma, reduce_add
from .workspace import Workspace

f32 = np.float32
ZERO, ONE = f32(0), f32(1)


class Norm(NamedTuple):
    """The parameters of a LayerNorm."""

    weight: Address  # (hidden_size,)
    bias: Address  # (hidden_size,)
    eps: Float


class AddAndNorm(NamedTuple):
    """What `add_layer_norm` is given: hidden_states = LayerNorm(hidden_states + residual)."""

    hidden_states: Address  # (num_tokens, hidden_size)
    residual: Address  # (num_tokens, hidden_size)
    num_tokens: Integer
    hidden_size: Integer
    norm: Norm


@pasted
def norm_at(table: Address, place: Integer) -> Norm:
    """A norm whose addresses stand in a table."""
    return Norm(get_int64(table, place), get_int64(table, place + 1), get(get_int64(table, place + 2), 0))


@inlined
def normalize_row(row: Address, hidden_size: Integer, sums: Vector, norm: Norm) -> None:
    """LayerNorm of one row (hidden_size,) in place. `sums` holds the sums of its lanes.

    The row is read twice more, and is in the first-level cache by then.
    """
    mean = reduce_add(sums) / f32(hidden_size)
    squares = broadcast(ZERO)
    for i in range(0, hidden_size, LANES):
        difference = load(row, i, hidden_size - i, mean) - broadcast(mean)
        squares = fma(difference, difference, squares)
    variance = reduce_add(squares) / f32(hidden_size)
    # NaN if the variance has overflowed; its inverse, 0, would hide that.
    factor = ONE / f32(math.sqrt(variance + norm.eps)) + variance * ZERO
    for i in range(0, hidden_size, LANES):
        normal = (load(row, i, hidden_size - i, ZERO) - broadcast(mean)) * broadcast(factor)
        weight = load(norm.weight, i, hidden_size - i, ZERO)
        bias = load(norm.bias, i, hidden_size - i, ZERO)
        store(row, i, fma(normal, weight, bias), hidden_size - i)


@pasted
def add_layer_norm_block(block: Integer, task: AddAndNorm, workspace: Workspace) -> None:
    """The rows of one block."""
    first, size = block * workspace.tier.block_rows, task.hidden_size
    for token in range(first, min(first + workspace.tier.block_rows, task.num_tokens)):
        row, residual = offset(task.hidden_states, token * size), offset(task.residual, token * size)
        sums = broadcast(ZERO)
        for i in range(0, size, LANES):
            x = load(row, i, size - i, ZERO) + load(residual, i, size - i, ZERO)
            store(row, i, x, size - i)
            sums = sums + x
        normalize_row(row, size, sums, task.norm)


@jit
def add_layer_norm(task: AddAndNorm, workspace: Workspace, phase: Integer) -> None:
    """Both halves of a layer end like this. One phase."""
    block_rows = workspace.tier.block_rows
    in_blocks(add_layer_norm_block, task, (task.num_tokens + block_rows - 1) // block_rows, workspace, phase)
