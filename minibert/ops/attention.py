"""Attention, compiled: the twin of `attention` of reference.py, one head of one text at a time.

Both of its products go through the register tile that the weights go through. Key is transposed into panels for the first, value is copied
into panels for the second, six rows of scores lie between them: that is all the memory there is, and it is in the second-level cache.
"""

import math
from typing import Any

import numpy as np

from ..jit import inlined, jit, pasted
from .activations import exp
from .packed import WIDTH
from .simd import (
    LANES,
    Address,
    Float,
    Integer,
    advance,
    fma,
    get,
    greatest,
    load,
    maximum,
    put,
    splat,
    store,
    total,
)
from .team import Room, finish, take, wait
from .tiers import TIER
from .tiles import float32_tile

f32 = np.float32
ZERO, ONE, INFINITY = f32(0), f32(1), f32(np.inf)
ROWS, REGISTER = TIER.rows, TIER.lanes
# An int would be a type of its own to Numba, and what is called with it be compiled once more.
FIRST, NO_PROBS, WITH_PROBS, I_WIDTH = map(np.int64, (0, 0, 1, WIDTH))


@inlined
def softmax_row(scores: Address, at: Integer, size: Integer, scale: Float) -> Float:
    """exp(scale (x - max x)) in place; returns the sum, by which somebody has to divide."""
    most = splat(-INFINITY)
    for i in range(0, size, LANES):
        most = maximum(load(scores, at + i, size - i, -INFINITY), most)
    shift = splat(-greatest(most) * scale)
    sums = splat(ZERO)
    for i in range(0, size, LANES):
        p = exp(fma(load(scores, at + i, size - i, -INFINITY), splat(scale), shift))
        store(scores, at + i, p, size - i)
        sums = sums + p
    return total(sums)


@inlined
def pack_head(qkv: Address, key: Integer, stride: Integer, size: Integer, head_dim: Integer, keys: Address, values: Address) -> None:
    """Key of one head transposed into panels (head_dim, WIDTH) of tokens; value into panels (size, WIDTH) of dimensions."""
    for token in range(size):
        at = key + token * stride
        column = token // WIDTH * WIDTH * head_dim + token % WIDTH
        for dim in range(head_dim):
            put(keys, column + dim * WIDTH, get(qkv, at + dim))
        for dim in range(0, head_dim, LANES):
            value = load(qkv, at + stride // 3 + dim, head_dim - dim, ZERO)
            store(values, (dim // WIDTH * size + token) * WIDTH + dim % WIDTH, value, LANES)


@jit
def any_tile(
    rows: Integer, vectors: Integer, a: Address, a_at: Integer, lda: Integer, b: Address, b_at: Integer, c: Address, ldc: Integer,
    steps: Integer, room: Room,
) -> None:  # fmt: skip
    """A tile of any shape, with nothing to begin from, compiled once for both products of attention."""
    float32_tile(rows, vectors, a, a_at, lda, b, b_at, WIDTH, room.zeros, 0, c, 0, ldc, steps)


@jit
def attend(
    qkv: Address, query: Integer, stride: Integer, size: Integer, head_dim: Integer, out: Address, at: Integer, probs: Address,
    wants_probs: Integer, room: Room,
) -> None:  # fmt: skip
    """softmax(query key^T / sqrt(head_dim)) value of one head of one text, a few rows at a time.

    The scores of these rows are all that there ever is of the quadratic part; probabilities are kept for who wants them.
    """
    width, scale = (size + WIDTH - 1) // WIDTH * WIDTH, f32(1 / math.sqrt(head_dim))
    scores, context = room.scratch, advance(room.scratch, ROWS * width)
    sums = advance(context, ROWS * WIDTH)
    keys = advance(sums, LANES)
    values = advance(keys, head_dim * width)
    pack_head(qkv, query + stride // 3, stride, size, head_dim, keys, values)
    for row in range(0, size, ROWS):
        rows = min(ROWS, size - row)
        for column in range(0, size, WIDTH):
            vectors = (min(WIDTH, size - column) + REGISTER - 1) // REGISTER
            target = advance(scores, column)
            any_tile(rows, vectors, qkv, query + row * stride, stride, keys, column * head_dim, target, width, head_dim, room)
        for i in range(rows):
            share = ONE / softmax_row(scores, i * width, size, scale)
            put(sums, i, share)
            if wants_probs:
                for j in range(0, size, LANES):
                    store(probs, (row + i) * size + j, load(scores, i * width + j, size - j, ZERO) * splat(share), size - j)
        for column in range(0, head_dim, WIDTH):
            count = min(WIDTH, head_dim - column)
            vectors = (count + REGISTER - 1) // REGISTER
            any_tile(rows, vectors, scores, FIRST, width, values, column * size, context, I_WIDTH, size, room)
            for i in range(rows):
                share = splat(get(sums, i))
                for j in range(0, count, LANES):
                    target = at + (row + i) * (stride // 3) + column + j
                    store(out, target, load(context, i * WIDTH + j, count - j, ZERO) * share, count - j)


@pasted
def attention(qkv: Address, cu_seqlens: Any, num_heads: Integer, hidden: Integer, out: Address, room: Room, step: Integer) -> None:
    """`attend` for every head of every text."""
    head_dim = hidden // num_heads
    pieces = (len(cu_seqlens) - 1) * num_heads
    piece = take(room.counters, step)
    while piece < pieces:
        start, end, head = cu_seqlens[piece // num_heads], cu_seqlens[piece // num_heads + 1], piece % num_heads
        at = start * hidden + head * head_dim
        attend(qkv, start * 3 * hidden + head * head_dim, 3 * hidden, end - start, head_dim, out, at, out, NO_PROBS, room)
        finish(room.counters, step)
        piece = take(room.counters, step)
    wait(room.counters, step, pieces)
