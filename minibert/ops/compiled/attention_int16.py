"""Attention of int8 models, compiled: the twin of `int16_attention` of reference.py, beside `attend` of attention.py.

An instruction multiplies two pairs of int16 in the time of one pair of float32, and adds without rounding. So query, key, value and the
probabilities become int16, in the order in which a tile reads them; softmax stays between them as it is. A layer of L8_H128 takes 11 %
less time for texts of 128 tokens and 2 % less for those of 20, of L6_H768 5 % less and as much. Queries and keys have twelve to fourteen
bits, far more than the eight of the other products. Probabilities need their fifteen: with eight, what is spread over a long text would
be lost.
"""

import math

import numpy as np

from ...runtime.jit import inlined, jit
from .attention import ONE, REGISTER, ROWS, ZERO, farthest, keep_probs, softmax_rows, write_context
from .memory import advance, get, load, put, store_int16, store_pairs, transpose
from .packed import WIDTH
from .simd import LANES, MAGIC, Address, Float, Integer, fma, splat, total
from .team import Room
from .tiles import int16_tile

f32 = np.float32
GREATEST = 32767
# An int would be a type of its own to Numba, and what is called with it be compiled once more.
I_WIDTH = np.int64(WIDTH)
LEAST_NORMAL = np.finfo(np.float32).tiny  # least unit: a lesser one has too few digits, and its inverse may be infinite


@inlined
def unit_of(x: Address, at: Integer, stride: Integer, size: Integer, head_dim: Integer, limit: Float) -> Float:
    """What 1 stands for if the greatest number of a head becomes `limit`; NaN if one of them is not finite."""
    return farthest(x, at, stride, size, head_dim) / limit


@inlined
def factor_of(unit: Float) -> Float:
    """By what to multiply; 0 where there is nothing but 0, or what is not finite, or less than a normal float32."""
    return ONE / unit if unit >= LEAST_NORMAL else ZERO


@inlined
def quantize_row(x: Address, at: Integer, size: Integer, factor: Float, out: Address, to: Integer, width: Integer) -> Float:
    """`size` numbers, times `factor`, as int16, and then 0 up to `width`, a multiple of sixteen. Returns their sum."""
    sums = splat(ZERO)
    for i in range(0, width, LANES):
        numbers = fma(load(x, at + i, size - i, ZERO), splat(factor), splat(MAGIC))
        store_int16(out, to + i, numbers)
        sums = sums + (numbers - splat(MAGIC))
    return total(sums)


@inlined
def pack_keys(
    qkv: Address, key: Integer, stride: Integer, size: Integer, head_dim: Integer, factor: Float, numbers: Address, keys: Address
) -> None:
    """Panels (head_dim / 2, WIDTH, 2) of tokens. A pair of int16 is moved as if it were one float32."""
    half, width = (head_dim + 1) // 2, (head_dim + LANES - 1) // LANES * LANES
    whole = half // LANES * LANES
    for token in range(0, size, LANES):
        rows = min(LANES, size - token)
        for i in range(rows):
            quantize_row(qkv, key + (token + i) * stride, head_dim, factor, numbers, i * width, width)
        column = token // WIDTH * WIDTH * half + token % WIDTH
        for pair in range(0, whole, LANES):
            transpose(numbers, pair, width // 2, rows, keys, column + pair * WIDTH, WIDTH)
        for i in range(rows):
            for pair in range(whole, half):
                put(keys, column + i + pair * WIDTH, get(numbers, i * width // 2 + pair))


@inlined
def pack_values(qkv: Address, value: Integer, stride: Integer, size: Integer, head_dim: Integer, factor: Float, values: Address) -> None:
    """Panels (size / 2, WIDTH, 2) of dimensions: two tokens side by side."""
    pairs = (size + 1) // 2
    for pair in range(pairs):
        at = value + 2 * pair * stride
        for dim in range(0, head_dim, LANES):
            even = fma(load(qkv, at + dim, head_dim - dim, ZERO), splat(factor), splat(MAGIC))
            count = head_dim - dim if 2 * pair + 1 < size else 0
            odd = fma(load(qkv, at + stride + dim, count, ZERO), splat(factor), splat(MAGIC))
            store_pairs(values, (dim // WIDTH * pairs + pair) * WIDTH + dim % WIDTH, even, odd)


@jit
def any_int16_tile(
    rows: Integer, vectors: Integer, a: Address, lda: Integer, b: Address, b_at: Integer, c: Address, ldc: Integer, steps: Integer,
    room: Room,
) -> None:  # fmt: skip
    """A tile of any shape, with nothing to begin from, compiled once for both products of attention."""
    int16_tile(rows, vectors, a, 0, lda, b, b_at, 2 * WIDTH, room.zeros, 0, c, 0, ldc, steps)


@jit
def attend_int16(
    qkv: Address, query: Integer, stride: Integer, size: Integer, head_dim: Integer, out: Address, at: Integer, probs: Address,
    wants_probs: Integer, room: Room,
) -> None:  # fmt: skip
    """`attend` of attention.py, in integers.

    Probabilities of a row are shares of 32767. Rounded they have another sum, by which the result is divided. It is at the most
    32767 + INT16_TOKENS / 2, and that times the greatest value is below 2^31. So is a score, head_dim (32767 / sqrt(head_dim) + 1/2)^2,
    for any head_dim up to 7e8.
    """
    hidden, limit = stride // 3, f32(GREATEST / math.sqrt(head_dim))
    query_unit = unit_of(qkv, query, stride, size, head_dim, limit)
    key_unit = unit_of(qkv, query + hidden, stride, size, head_dim, limit)
    value_unit = unit_of(qkv, query + 2 * hidden, stride, size, head_dim, f32(GREATEST))
    scale = query_unit * key_unit * f32(1 / math.sqrt(head_dim))
    scale = scale if scale != ZERO else LEAST_NORMAL  # by which the -inf that fills up a row stays what it is
    width, half, pairs = (size + WIDTH - 1) // WIDTH * WIDTH, (head_dim + 1) // 2, (size + 1) // 2
    head_width, size_width = (head_dim + LANES - 1) // LANES * LANES, (size + LANES - 1) // LANES * LANES
    scores, context = room.scratch, advance(room.scratch, ROWS * width)
    shares = advance(context, ROWS * WIDTH)
    numbers = advance(shares, LANES)
    keys = advance(numbers, max(LANES * head_width, ROWS * size_width) // 2)
    values = advance(keys, half * width)
    pack_keys(qkv, query + hidden, stride, size, head_dim, factor_of(key_unit), numbers, keys)
    pack_values(qkv, query + 2 * hidden, stride, size, head_dim, factor_of(value_unit), values)
    for row in range(0, size, ROWS):
        rows = min(ROWS, size - row)
        for i in range(rows):
            quantize_row(qkv, query + (row + i) * stride, head_dim, factor_of(query_unit), numbers, i * head_width, head_width)
        for column in range(0, size, WIDTH):
            vectors = (min(WIDTH, size - column) + REGISTER - 1) // REGISTER
            any_int16_tile(rows, vectors, numbers, head_width, keys, 2 * column * half, advance(scores, column), width, half, room)
        softmax_rows(scores, width, rows, size, scale, shares)
        if wants_probs:
            keep_probs(scores, width, rows, size, shares, probs, row)
        for i in range(rows):
            sum = quantize_row(scores, i * width, size, get(shares, i) * f32(GREATEST), numbers, i * size_width, size_width)
            put(shares, i, value_unit / sum)
        for column in range(0, head_dim, WIDTH):
            vectors = (min(WIDTH, head_dim - column) + REGISTER - 1) // REGISTER
            any_int16_tile(rows, vectors, numbers, size_width, values, 2 * column * pairs, context, I_WIDTH, pairs, room)
            write_context(context, rows, min(WIDTH, head_dim - column), shares, out, at + row * hidden + column, hidden)
