"""Attention, compiled: `attention` of numpy_ops.py, one head of one text at a time.

Both of its products use the register tile that the weights use. Key is transposed into panels for
the first product, value is copied into panels for the second. Between them lie the scores of one
tile of rows. That is all the memory of a head, and it stays in the second-level cache.
"""

import math
from typing import NamedTuple

import numpy as np

from ...runtime.jit import inlined, jit, pasted
from .activations import exp
from .layout import FIRST, LANES, Address, Integer
from .memory import get, load, offset, put, store, transpose
from .simd import Float, broadcast, max_abs, maximum, reduce_add, reduce_max
from .tiers import Tier
from .tiles import Operand, float32_tile
from .workspace import Workspace

f32 = np.float32
ZERO, ONE, INFINITY, NAN = f32(0), f32(1), f32(np.inf), f32(np.nan)


class Head(NamedTuple):
    """One head of one text.

    Rows of query, key and value are `stride` apart, those of context `stride` / 3.
    """

    query: Address  # (seq_len, head_dim), as are key, value and context
    key: Address
    value: Address
    context: Address  # receives softmax(query key^T / sqrt(head_dim)) value
    probs: Address  # (seq_len, seq_len): receives the softmax if `wants_probs`
    stride: Integer
    seq_len: Integer
    head_dim: Integer
    wants_probs: Integer


class Scores(NamedTuple):
    """The scores of a few rows of a head, and what softmax makes of them."""

    rows: Address  # (num_rows, stride): scores, then exp(score - greatest score of the row)
    stride: Integer  # seq_len, rounded up to whole panels
    seq_len: Integer
    factors: Address  # (num_rows,): the probabilities are the numbers of a row times its factor


@inlined
def greatest_of(x: Address, head: Head) -> Float:
    """The greatest |x| of query, key or value of a head; NaN if one number is not finite."""
    most = broadcast(ZERO)
    for token in range(head.seq_len):
        for dim in range(0, head.head_dim, LANES):
            most = max_abs(load(x, token * head.stride + dim, head.head_dim - dim, ZERO), most)
    return reduce_max(most) + reduce_add(most * broadcast(ZERO))


@inlined
def softmax_rows(scores: Scores, num_rows: Integer, scale: Float) -> None:
    """exp(scale (x - max x)) of each row in place, and the factors by which it must be multiplied.

    Two passes over the rows: first each row's maximum, then exp and sum. Working on several rows at
    once hides the latency of each. With that, and with keys transposed sixteen by sixteen, a layer
    of L8_H128 takes 1.5 % less time. The maximum becomes exactly e^0, so no sum is less than 1.
    """
    size = scores.seq_len
    for i in range(num_rows):
        most = broadcast(-INFINITY)
        for j in range(0, size, LANES):
            most = maximum(load(scores.rows, i * scores.stride + j, size - j, -INFINITY), most)
        put(scores.factors, i, reduce_max(most))
    for i in range(num_rows):
        most, sums = broadcast(get(scores.factors, i)), broadcast(ZERO)
        for j in range(0, size, LANES):
            p = exp((load(scores.rows, i * scores.stride + j, size - j, -INFINITY) - most) * broadcast(scale))
            store(scores.rows, i * scores.stride + j, p, LANES)  # the row is one of whole Vectors, and e^-inf is 0
            sums = sums + p
        put(scores.factors, i, ONE / reduce_add(sums))


@inlined
def keep_probs(scores: Scores, num_rows: Integer, probs: Address) -> None:
    """Write the probabilities (num_rows, seq_len)."""
    size = scores.seq_len
    for i in range(num_rows):
        for j in range(0, size, LANES):
            probability = load(scores.rows, i * scores.stride + j, size - j, ZERO) * broadcast(get(scores.factors, i))
            store(probs, i * size + j, probability, size - j)


@inlined
def write_context(tile: Operand, num_rows: Integer, columns: Integer, factors: Address, context: Address, stride: Integer) -> None:
    """Write the rows of a tile, each times its factor, to their place in the context."""
    for i in range(num_rows):
        factor = broadcast(get(factors, i))
        for j in range(0, columns, LANES):
            store(context, i * stride + j, load(tile.address, i * tile.stride + j, columns - j, ZERO) * factor, columns - j)


@inlined
def pack_head(head: Head, keys: Address, values: Address, width: Integer) -> None:
    """Copy key and value of a head into panels of `width` columns.

    Panels of the key are (head_dim, width) with a token in each column: the key is transposed.
    Panels of the value are (seq_len, width) with a dimension in each column.
    """
    size, head_dim, stride = head.seq_len, head.head_dim, head.stride
    whole = head_dim // LANES * LANES
    for token in range(0, size, LANES):
        at, column = token * stride, token // width * width * head_dim + token % width
        for dim in range(0, whole, LANES):
            transpose(head.key, at + dim, stride, size - token, keys, column + dim * width, width, LANES)
        for i in range(min(LANES, size - token)):
            for dim in range(whole, head_dim):
                put(keys, column + i + dim * width, get(head.key, at + i * stride + dim))
    for token in range(size):
        for dim in range(0, head_dim, LANES):
            value = load(head.value, token * stride + dim, head_dim - dim, ZERO)
            store(values, (dim // width * size + token) * width + dim % width, value, LANES)


@pasted
def registers(columns: Integer, tier: Tier) -> Integer:
    """How many registers of a tile so many columns need, at most all."""
    return (min(tier.width, columns) + tier.lanes - 1) // tier.lanes


@jit
def any_tile(num_rows: Integer, vectors: Integer, a: Operand, b: Operand, c: Operand, k_steps: Integer, workspace: Workspace) -> None:
    """A tile of any shape that begins with zeros. Compiled once for both products of attention.

    The stride of the panel `b` is set here, so that it is a constant in the tile.
    """
    panel = Operand(b.address, b.at, workspace.tier.width)
    float32_tile(workspace.tier, num_rows, vectors, a, panel, workspace.zeros, c, k_steps)


@jit
def attend(head: Head, workspace: Workspace) -> None:
    """One head of one text, a tile of rows at a time.

    Only the scores of these rows exist at a time, so the memory is not quadratic. Everything is NaN
    where a score may overflow: softmax would make 0 of a score of -infinity, and hide it.
    """
    tier, size, head_dim, stride = workspace.tier, head.seq_len, head.head_dim, head.stride
    width = tier.width
    tokens, scale = (size + width - 1) // width * width, f32(1 / math.sqrt(head_dim))
    if not greatest_of(head.query, head) * greatest_of(head.key, head) * head_dim < INFINITY:
        scale = NAN
    context = Operand(offset(workspace.scratch, tier.rows * tokens), FIRST, width)
    scores = Scores(workspace.scratch, tokens, size, offset(context.address, tier.rows * width))
    keys = offset(scores.factors, LANES)
    values = offset(keys, head_dim * tokens)
    pack_head(head, keys, values, width)
    for row in range(0, size, tier.rows):
        num_rows = min(tier.rows, size - row)
        queries = Operand(head.query, row * stride, stride)
        for column in range(0, size, width):
            panel, target = Operand(keys, column * head_dim, width), Operand(scores.rows, column, tokens)
            any_tile(num_rows, registers(size - column, tier), queries, panel, target, head_dim, workspace)
        softmax_rows(scores, num_rows, scale)
        if head.wants_probs:
            keep_probs(scores, num_rows, offset(head.probs, row * size))
        for column in range(0, head_dim, width):
            shares, panel = Operand(scores.rows, FIRST, tokens), Operand(values, column * size, width)
            any_tile(num_rows, registers(head_dim - column, tier), shares, panel, context, size, workspace)
            place, columns = offset(head.context, row * (stride // 3) + column), min(width, head_dim - column)
            write_context(context, num_rows, columns, scores.factors, place, stride // 3)
