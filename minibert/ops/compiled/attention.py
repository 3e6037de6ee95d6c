"""Attention, compiled: the twin of `attention` of reference.py, one head of one text at a time.

Both of its products go through the register tile that the weights go through. Key is transposed into panels for the first, value is copied
into panels for the second, six rows of scores lie between them: that is all the memory there is, and it is in the second-level cache.
"""

import math

import numpy as np

from ...runtime.jit import inlined, jit
from .activations import exp
from .memory import advance, get, load, put, store, transpose
from .packed import WIDTH
from .simd import LANES, Address, Float, Integer, farther, greatest, maximum, splat, total
from .team import Room
from .tiers import TIER
from .tiles import float32_tile

f32 = np.float32
ZERO, ONE, INFINITY, NAN = f32(0), f32(1), f32(np.inf), f32(np.nan)
ROWS, REGISTER = TIER.rows, TIER.lanes
# An int would be a type of its own to Numba, and what is called with it be compiled once more.
FIRST, I_WIDTH = map(np.int64, (0, WIDTH))


@inlined
def farthest(x: Address, at: Integer, stride: Integer, size: Integer, head_dim: Integer) -> Float:
    """The greatest of all |x| of a head; NaN if one of them is not finite."""
    most = splat(ZERO)
    for token in range(size):
        for dim in range(0, head_dim, LANES):
            most = farther(load(x, at + token * stride + dim, head_dim - dim, ZERO), most)
    return greatest(most) + total(most * splat(ZERO))


@inlined
def softmax_rows(scores: Address, width: Integer, rows: Integer, size: Integer, scale: Float, shares: Address) -> None:
    """exp(scale (x - max x)) of each row in place; by `shares` somebody has to multiply.

    First what is greatest in all rows, then the rest: within a row each would wait for the other. With that, and keys transposed sixteen
    by sixteen, a layer of L8_H128 takes 1.5 % less time. The greatest becomes exactly e^0, so no sum is less than 1.
    """
    for i in range(rows):
        most = splat(-INFINITY)
        for j in range(0, size, LANES):
            most = maximum(load(scores, i * width + j, size - j, -INFINITY), most)
        put(shares, i, greatest(most))
    for i in range(rows):
        most, sums = splat(get(shares, i)), splat(ZERO)
        for j in range(0, size, LANES):
            p = exp((load(scores, i * width + j, size - j, -INFINITY) - most) * splat(scale))
            store(scores, i * width + j, p, LANES)  # of a row of whole Vectors; and e^-inf is 0
            sums = sums + p
        put(shares, i, ONE / total(sums))


@inlined
def keep_probs(scores: Address, width: Integer, rows: Integer, size: Integer, shares: Address, probs: Address, row: Integer) -> None:
    """Rows `row` and on of the probabilities (size, size), for who wants them."""
    for i in range(rows):
        for j in range(0, size, LANES):
            probability = load(scores, i * width + j, size - j, ZERO) * splat(get(shares, i))
            store(probs, (row + i) * size + j, probability, size - j)


@inlined
def write_context(context: Address, rows: Integer, count: Integer, shares: Address, out: Address, at: Integer, stride: Integer) -> None:
    """Rows of a tile, each times its share, to where they belong."""
    for i in range(rows):
        share = splat(get(shares, i))
        for j in range(0, count, LANES):
            store(out, at + i * stride + j, load(context, i * WIDTH + j, count - j, ZERO) * share, count - j)


@inlined
def pack_head(qkv: Address, key: Integer, stride: Integer, size: Integer, head_dim: Integer, keys: Address, values: Address) -> None:
    """Key of one head transposed into panels (head_dim, WIDTH) of tokens; value into panels (size, WIDTH) of dimensions."""
    whole = head_dim // LANES * LANES
    for token in range(0, size, LANES):
        at, column = key + token * stride, token // WIDTH * WIDTH * head_dim + token % WIDTH
        for dim in range(0, whole, LANES):
            transpose(qkv, at + dim, stride, size - token, keys, column + dim * WIDTH, WIDTH)
        for i in range(min(LANES, size - token)):
            for dim in range(whole, head_dim):
                put(keys, column + i + dim * WIDTH, get(qkv, at + i * stride + dim))
    for token in range(size):
        at = key + token * stride + stride // 3
        for dim in range(0, head_dim, LANES):
            value = load(qkv, at + dim, head_dim - dim, ZERO)
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

    The scores of these rows are all that there ever is of the quadratic part; probabilities are kept for who wants them. Everything is
    NaN where a score may overflow: softmax would make 0 of a score of -infinity, and hide it.
    """
    width, scale = (size + WIDTH - 1) // WIDTH * WIDTH, f32(1 / math.sqrt(head_dim))
    if not farthest(qkv, query, stride, size, head_dim) * farthest(qkv, query + stride // 3, stride, size, head_dim) * head_dim < INFINITY:
        scale = NAN
    scores, context = room.scratch, advance(room.scratch, ROWS * width)
    shares = advance(context, ROWS * WIDTH)
    keys = advance(shares, LANES)
    values = advance(keys, head_dim * width)
    pack_head(qkv, query + stride // 3, stride, size, head_dim, keys, values)
    for row in range(0, size, ROWS):
        rows = min(ROWS, size - row)
        for column in range(0, size, WIDTH):
            vectors = (min(WIDTH, size - column) + REGISTER - 1) // REGISTER
            target = advance(scores, column)
            any_tile(rows, vectors, qkv, query + row * stride, stride, keys, column * head_dim, target, width, head_dim, room)
        softmax_rows(scores, width, rows, size, scale, shares)
        if wants_probs:
            keep_probs(scores, width, rows, size, shares, probs, row)
        for column in range(0, head_dim, WIDTH):
            count = min(WIDTH, head_dim - column)
            vectors = (count + REGISTER - 1) // REGISTER
            any_tile(rows, vectors, scores, FIRST, width, values, column * size, context, I_WIDTH, size, room)
            write_context(context, rows, count, shares, out, at + row * (stride // 3) + column, stride // 3)
