"""Attention of int8 models, compiled: `int16_attention` of numpy_int8.py, head by head.

An instruction multiplies two pairs of int16 in the time of one pair of float32, and adds without
rounding. So query, key, value and the probabilities become int16, in the order in which a tile
reads them. Softmax stays float32. A layer of L8_H128 takes 11 % less time for texts of 128 tokens
and 2 % less for texts of 20 tokens. For L6_H768 it is 5 % and nothing.

Queries and keys have twelve to fourteen bits, far more than the eight bits of the other products.
Probabilities need fifteen: with eight, the many small ones of a long text would be lost.
"""

import math

import numpy as np

from ...runtime.jit import inlined, jit, pasted
from .attention import ONE, ZERO, Head, Scores, greatest_of, keep_probs, registers, softmax_rows, write_context
from .layout import FIRST, LANES, Address, Integer
from .memory import get, load, offset, put, store_int16, store_pairs, transpose
from .simd import MAGIC, Float, broadcast, fma, reduce_add
from .tiles import Operand, int16_tile
from .workspace import Workspace

f32 = np.float32
GREATEST = 32767
LEAST_NORMAL = np.finfo(np.float32).tiny  # least unit: a lesser one has too few digits, and its inverse may be infinite


@pasted
def factor_of(unit: Float) -> Float:
    """The factor from float32 to int16; 0 if the unit is NaN or below the normal float32."""
    return ONE / unit if unit >= LEAST_NORMAL else ZERO


@inlined
def to_int16(x: Address, size: Integer, factor: Float, out: Address, at: Integer, padded: Integer) -> Float:
    """Store `size` numbers times `factor` as int16 from `at` on, and return their sum.

    Zeros follow up to `padded` numbers, a multiple of sixteen.
    """
    sums = broadcast(ZERO)
    for i in range(0, padded, LANES):
        numbers = fma(load(x, i, size - i, ZERO), broadcast(factor), broadcast(MAGIC))
        store_int16(out, at + i, numbers)
        sums = sums + (numbers - broadcast(MAGIC))
    return reduce_add(sums)


@inlined
def pack_keys(head: Head, factor: Float, numbers: Address, keys: Address, width: Integer) -> None:
    """Panels (head_dim / 2, width, 2) of tokens.

    A pair of int16 is moved as if it were one float32.
    """
    size, head_dim = head.seq_len, head.head_dim
    half, padded = (head_dim + 1) // 2, (head_dim + LANES - 1) // LANES * LANES
    whole = half // LANES * LANES
    for token in range(0, size, LANES):
        num_rows = min(LANES, size - token)
        for i in range(num_rows):
            to_int16(offset(head.key, (token + i) * head.stride), head_dim, factor, numbers, i * padded, padded)
        column = token // width * width * half + token % width
        for pair in range(0, whole, LANES):
            transpose(numbers, pair, padded // 2, num_rows, keys, column + pair * width, width, LANES)
        for i in range(num_rows):
            for pair in range(whole, half):
                put(keys, column + i + pair * width, get(numbers, i * padded // 2 + pair))


@inlined
def pack_values(head: Head, factor: Float, values: Address, width: Integer) -> None:
    """Panels (seq_len / 2, width, 2) of dimensions: two tokens side by side."""
    pairs, head_dim = (head.seq_len + 1) // 2, head.head_dim
    for pair in range(pairs):
        at = 2 * pair * head.stride
        for dim in range(0, head_dim, LANES):
            even = fma(load(head.value, at + dim, head_dim - dim, ZERO), broadcast(factor), broadcast(MAGIC))
            count = head_dim - dim if 2 * pair + 1 < head.seq_len else 0
            odd = fma(load(head.value, at + head.stride + dim, count, ZERO), broadcast(factor), broadcast(MAGIC))
            store_pairs(values, (dim // width * pairs + pair) * width + dim % width, even, odd)


@pasted
def pack_queries(head: Head, first: Integer, num_rows: Integer, factor: Float, numbers: Address, padded: Integer) -> None:
    """Rows (num_rows, padded) of the queries from token `first` on."""
    for i in range(num_rows):
        to_int16(offset(head.query, (first + i) * head.stride), head.head_dim, factor, numbers, i * padded, padded)


@pasted
def pack_probs(scores: Scores, num_rows: Integer, value_unit: Float, numbers: Address, padded: Integer) -> None:
    """Rows (num_rows, padded) of the probabilities as shares of 32767, and factors of the context.

    After rounding, the shares of a row have another sum, and the context is divided by that.
    """
    for i in range(num_rows):
        factor = get(scores.factors, i) * f32(GREATEST)
        sum = to_int16(offset(scores.rows, i * scores.stride), scores.seq_len, factor, numbers, i * padded, padded)
        put(scores.factors, i, value_unit / sum)


@jit
def any_int16_tile(num_rows: Integer, vectors: Integer, a: Operand, b: Operand, c: Operand, k_steps: Integer, workspace: Workspace) -> None:
    """`any_tile` of attention.py, in integers."""
    panel = Operand(b.address, b.at, 2 * workspace.tier.width)
    int16_tile(workspace.tier, num_rows, vectors, a, panel, workspace.zeros, c, k_steps)


@jit
def attend_int16(head: Head, workspace: Workspace) -> None:
    """`attend` of attention.py, in integers.

    No sum of products overflows. The rounded shares of a row add up to at most
    32767 + INT16_TOKENS / 2, and that times the greatest value is below 2^31. So is a score,
    head_dim (32767 / sqrt(head_dim) + 1/2)^2, for any head_dim up to 7e8.
    """
    tier, size, head_dim, hidden_size = workspace.tier, head.seq_len, head.head_dim, head.stride // 3
    width, limit = tier.width, f32(GREATEST / math.sqrt(head_dim))
    query_unit = greatest_of(head.query, head) / limit
    key_unit = greatest_of(head.key, head) / limit
    value_unit = greatest_of(head.value, head) / f32(GREATEST)
    scale = query_unit * key_unit * f32(1 / math.sqrt(head_dim))
    scale = scale if scale != ZERO else LEAST_NORMAL  # so that the -inf that fills up a row stays -inf
    tokens, half, pairs = (size + width - 1) // width * width, (head_dim + 1) // 2, (size + 1) // 2
    dims, padded = (head_dim + LANES - 1) // LANES * LANES, (size + LANES - 1) // LANES * LANES
    context = Operand(offset(workspace.scratch, tier.rows * tokens), FIRST, width)
    scores = Scores(workspace.scratch, tokens, size, offset(context.address, tier.rows * width))
    numbers = offset(scores.factors, LANES)
    keys = offset(numbers, max(LANES * dims, tier.rows * padded) // 2)
    values = offset(keys, half * tokens)
    pack_keys(head, factor_of(key_unit), numbers, keys, width)
    pack_values(head, factor_of(value_unit), values, width)
    for row in range(0, size, tier.rows):
        num_rows = min(tier.rows, size - row)
        pack_queries(head, row, num_rows, factor_of(query_unit), numbers, dims)
        for column in range(0, size, width):
            queries, panel = Operand(numbers, FIRST, dims), Operand(keys, 2 * column * half, 2 * width)
            target = Operand(scores.rows, column, tokens)
            any_int16_tile(num_rows, registers(size - column, tier), queries, panel, target, half, workspace)
        softmax_rows(scores, num_rows, scale)
        if head.wants_probs:
            keep_probs(scores, num_rows, offset(head.probs, row * size))
        pack_probs(scores, num_rows, value_unit, numbers, padded)
        for column in range(0, head_dim, width):
            shares, panel = Operand(numbers, FIRST, padded), Operand(values, 2 * column * pairs, 2 * width)
            any_int16_tile(num_rows, registers(head_dim - column, tier), shares, panel, context, pairs, workspace)
            place, columns = offset(head.context, row * hidden_size + column), min(width, head_dim - column)
            write_context(context, num_rows, columns, scores.factors, place, hidden_size)
