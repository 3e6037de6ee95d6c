"""The functions of reference.py, compiled: the same contract, the same arithmetic, one tile or one row at a time while it is in a cache.

Read reference.py first; then simd.py and memory.py for the words (`fma`, `total`, `load`), products.py, attention.py, and this. A public
function makes room and calls a loop; a loop takes arrays and sizes and fills what it is given. Nothing in a loop allocates, raises or
touches an object, so a loop gives the GIL away, and could be compiled ahead of time.

The same text gives the same bits whatever stands beside it: every number of a result is made from its own row (in attention, its own
text) by a chain of operations whose order depends on sizes alone, and no BLAS is asked.

The contract's `layers` is one call for any number of layers. Seven calls a layer from Python, as they once were here, cost 15 µs a layer,
which is what the arithmetic of eight short words of an int8 L8_H128 costs, and with two threads each had to wait for the GIL seven times.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ...bert.weights import Linear
from ...runtime.jit import inlined, jit, pasted
from .. import INT16_TOKENS, Float32, Int32
from ..numpy_ops import activated
from ..parameters import check_ids, look_up, outside
from . import team
from .activations import ERF, NO_ACTIVATION, POOL, TANH
from .attention import attend
from .attention_int16 import attend_int16
from .memory import address, advance, get_address, get_int32, load, store
from .packed import PackedInt8Linear, PackedLinear, PackedParameters, borrowed, pack, prepare
from .products import BLOCK, linear
from .simd import LANES, Address, Float, Integer, Vector, fma, splat, total
from .team import Room, finish, join, limit_threads, make_room, take, wait

__all__ = [
    "BATCH_TOKENS", "attention_probs", "dense", "embed", "join", "layers", "limit_threads", "pooler", "prepare", "prepare_linear",
]  # fmt: skip

f32 = np.float32
ZERO, ONE = f32(0), f32(1)
BATCH_TOKENS = 384  # up to 1,024 none is more than 3 % faster; with 256, two threads meet too often: L8_H128's int8 is 2 to 5 % slower
STEPS = 11  # of a layer, at the most: four products of two steps, attention, two norms
FORMS = {"none": ERF, "tanh": TANH}
# In a layer's addresses, see packed.py. An int would be a type of its own to Numba, and what is called with it be compiled once more.
QKV, ATTENTION_OUTPUT, INTERMEDIATE, OUTPUT, ATTENTION_NORM, OUTPUT_NORM = map(np.int64, (0, 5, 10, 15, 20, 22))
FIRST_STEP, FIRST_ROW, NO_PROBS, WITH_PROBS = map(np.int64, (0, 0, 0, 1))
Int64 = npt.NDArray[np.int64]


# LayerNorm


@inlined
def normalize_row(row: Address, at: Integer, size: Integer, sums: Vector, weight: Address, bias: Address, eps: Float) -> None:
    """LayerNorm of a row whose sum is known, in place. Two more short passes over it, in the first-level cache."""
    mean = total(sums) / f32(size)
    squares = splat(ZERO)
    for i in range(0, size, LANES):
        difference = load(row, at + i, size - i, mean) - splat(mean)
        squares = fma(difference, difference, squares)
    variance = total(squares) / f32(size)
    factor = ONE / f32(math.sqrt(variance + eps)) + variance * ZERO  # NaN if the variance has overflowed; its inverse, 0, would hide it
    for i in range(0, size, LANES):
        normal = (load(row, at + i, size - i, ZERO) - splat(mean)) * splat(factor)
        store(row, at + i, fma(normal, load(weight, i, size - i, ZERO), load(bias, i, size - i, ZERO)), size - i)


@jit
def add_layer_norm(
    out: Address, residual: Address, rows: Integer, size: Integer, table: Address, norm: Integer, eps: Float, room: Room, step: Integer
) -> None:
    """LayerNorm(out + residual), in place."""
    weight, bias = get_address(table, norm), get_address(table, norm + 1)
    pieces = (rows + BLOCK - 1) // BLOCK
    piece = take(room.counters, step)
    while piece < pieces:
        for row in range(piece * BLOCK, min(piece * BLOCK + BLOCK, rows)):
            at = row * size
            sums = splat(ZERO)
            for i in range(0, size, LANES):
                x = load(out, at + i, size - i, ZERO) + load(residual, at + i, size - i, ZERO)
                store(out, at + i, x, size - i)
                sums = sums + x
            normalize_row(out, at, size, sums, weight, bias, eps)
        finish(room.counters, step)
        piece = take(room.counters, step)
    wait(room.counters, step, pieces)


# Attention


@pasted
def attend_in(
    qkv: Address, query: Integer, stride: Integer, size: Integer, head_dim: Integer, out: Address, at: Integer, probs: Address,
    wants_probs: Integer, is_int8: Integer, room: Room,
) -> None:  # fmt: skip
    """One head of one text, in either precision. Which one depends on the text alone, so its bits do not depend on its batch."""
    if is_int8 and size <= INT16_TOKENS:
        attend_int16(qkv, query, stride, size, head_dim, out, at, probs, wants_probs, room)
    else:
        attend(qkv, query, stride, size, head_dim, out, at, probs, wants_probs, room)


@pasted
def attention(
    qkv: Address, cu_seqlens: Any, num_heads: Integer, hidden: Integer, out: Address, is_int8: Integer, room: Room, step: Integer
) -> None:
    """Every head of every text."""
    head_dim = hidden // num_heads
    pieces = (len(cu_seqlens) - 1) * num_heads
    piece = take(room.counters, step)
    while piece < pieces:
        start, end, head = cu_seqlens[piece // num_heads], cu_seqlens[piece // num_heads + 1], piece % num_heads
        at = start * hidden + head * head_dim
        attend_in(qkv, start * 3 * hidden + head * head_dim, 3 * hidden, end - start, head_dim, out, at, out, NO_PROBS, is_int8, room)
        finish(room.counters, step)
        piece = take(room.counters, step)
    wait(room.counters, step, pieces)


# The loops that Python calls


@jit
def layers_loop(
    table: Any, first: Integer, last: Integer, is_int8: Integer, cu_seqlens: Any, num_heads: Integer, intermediate: Integer,
    activation: Integer, eps: Float, hidden_states: Any, wide: Any, quantized: Any, scratch: Any, zeros: Any, counters: Any,
) -> None:  # fmt: skip
    """Layers `first` to `last` of the encoder, in place: what `reference.layers` writes in five lines."""
    rows, hidden = hidden_states.shape
    x = address(hidden_states)
    room = make_room(rows, wide, quantized, scratch, zeros, counters)
    middle = advance(address(wide), (2 * rows + LANES - 1) // LANES * LANES)
    qkv = inner = advance(middle, rows * hidden)
    context = advance(qkv, rows * 3 * hidden)
    step = FIRST_STEP
    for layer in range(first, last):
        row = address(table[layer])
        step = linear(x, rows, hidden, row, QKV, 3 * hidden, qkv, NO_ACTIVATION, is_int8, room, step)
        attention(qkv, cu_seqlens, num_heads, hidden, context, is_int8, room, step)
        step = linear(context, rows, hidden, row, ATTENTION_OUTPUT, hidden, middle, NO_ACTIVATION, is_int8, room, step + 1)
        add_layer_norm(middle, x, rows, hidden, row, ATTENTION_NORM, eps, room, step)
        step = linear(middle, rows, hidden, row, INTERMEDIATE, intermediate, inner, activation, is_int8, room, step + 1)
        step = linear(inner, rows, intermediate, row, OUTPUT, hidden, x, NO_ACTIVATION, is_int8, room, step)
        add_layer_norm(x, middle, rows, hidden, row, OUTPUT_NORM, eps, room, step)
        step += 1


@jit
def linear_loop(
    table: Any, is_int8: Integer, x: Any, activation: Integer, out: Any, wide: Any, quantized: Any, scratch: Any,
    zeros: Any, counters: Any,
) -> None:  # fmt: skip
    """One product by itself."""
    rows, inner = x.shape
    room = make_room(rows, wide, quantized, scratch, zeros, counters)
    linear(address(x), rows, inner, address(table), QKV, out.shape[1], address(out), activation, is_int8, room, FIRST_STEP)


@jit
def probs_loop(
    qkv: Any, num_heads: Integer, is_int8: Integer, out: Any, probs: Any, wide: Any, quantized: Any, scratch: Any, zeros: Any,
    counters: Any,
) -> None:  # fmt: skip
    """Attention of one text, with its probabilities."""
    size, hidden = out.shape
    room = make_room(size, wide, quantized, scratch, zeros, counters)
    head_dim = hidden // num_heads
    for head in range(num_heads):
        at = head * head_dim
        place = advance(address(probs), head * size * size)
        attend_in(address(qkv), at, 3 * hidden, size, head_dim, address(out), at, place, WITH_PROBS, is_int8, room)


@jit
def embed_loop(
    out: Any, positions: Any, position_ids: Any, types: Any, type_ids: Any, weight: Any, bias: Any, eps: Float
) -> tuple[Integer, Integer, Integer]:
    """In place, LayerNorm(out + positions[position_ids] + types[type_ids]).

    Returns how many tokens are done, and the position and the type of the last one that was read. It stops before a number that is
    outside its table.
    """
    num_tokens, size = out.shape
    rows, weights, biases = address(out), address(weight), address(bias)
    position_rows, type_rows = address(positions), address(types)
    position, kind = FIRST_ROW, FIRST_ROW
    for token in range(num_tokens):
        position, kind = get_int32(address(position_ids), token), get_int32(address(type_ids), token)
        if position < 0 or position >= positions.shape[0] or kind < 0 or kind >= types.shape[0]:
            return token, position, kind
        at, position_at, type_at = token * size, position * size, kind * size
        sums = splat(ZERO)
        for i in range(0, size, LANES):
            added = load(position_rows, position_at + i, size - i, ZERO) + load(type_rows, type_at + i, size - i, ZERO)
            x = load(rows, at + i, size - i, ZERO) + added
            store(rows, at + i, x, size - i)
            sums = sums + x
        normalize_row(rows, at, size, sums, weights, biases, eps)
    return num_tokens, position, kind


# The contract. A loop computes addresses from the arrays that it is given, so they are compared with one another here.


def embed(parameters: PackedParameters, input_ids: Int32, position_ids: Int32, token_type_ids: Int32) -> Float32:
    """Twin of `reference.embed`."""
    check_ids(input_ids, position_ids, token_type_ids)
    out = look_up("input_ids", parameters.word_embeddings, input_ids)
    positions, types, norm = parameters.position_embeddings, parameters.token_type_embeddings, parameters.embeddings_norm
    done, position, kind = embed_loop(out, positions, position_ids, types, token_type_ids, norm.weight, norm.bias, f32(norm.eps))
    if done < len(out):
        is_position = not 0 <= position < len(positions)
        name, table, found = ("position_ids", positions, position) if is_position else ("token_type_ids", types, kind)
        raise outside(name, len(table), found, found)
    return out


def _check_hidden_states(found: Float32, width: int) -> None:
    """ValueError unless they are writable, C-contiguous and of this width."""
    if found.dtype != np.float32 or found.ndim != 2 or found.shape[1] != width or not found.flags.carray:
        raise ValueError(
            f"hidden_states: expected writable, C-contiguous float32 (num_tokens, {width}), "
            f"found {found.dtype} {found.shape}, strides {found.strides}"
        )


def _checked(cu_seqlens: Int64, num_tokens: int) -> tuple[Int64, int]:
    """A copy that no other thread can change, and the length of the longest text.

    Raises ValueError unless the numbers ascend from 0 to num_tokens.
    """
    own = cu_seqlens.astype(np.int64)
    seqlens = own[1:] - own[:-1]
    if cu_seqlens.dtype != np.int64 or own.ndim != 1 or not seqlens.size or own[0] or own[-1] != num_tokens or seqlens.min() < 1:
        raise ValueError(
            f"cu_seqlens: expected int64 that ascend from 0 to {num_tokens}, the number of tokens, "
            f"found {cu_seqlens.dtype} {cu_seqlens.shape} {own.ravel()[:8].tolist()}"
        )
    return own, int(seqlens.max())


def layers(parameters: PackedParameters, hidden_states: Float32, cu_seqlens: Int64, first: int, last: int) -> Float32:
    """Twin of `reference.layers`. Overwrites its argument and returns it."""
    config, num_layers = parameters.config, len(parameters.layers)
    _check_hidden_states(hidden_states, config.hidden_size)
    num_tokens = len(hidden_states)
    own_cu_seqlens, longest = _checked(cu_seqlens, num_tokens)
    if not 0 <= first <= last <= num_layers:
        raise ValueError(f"first, last: expected 0 <= first <= last <= {num_layers}, found {first} and {last}")
    multiplications = num_tokens * parameters.layer_size * (last - first)
    shared = (
        parameters.table, first, last, parameters.is_int8, own_cu_seqlens, config.num_attention_heads, config.intermediate_size,
        FORMS[config.gelu], f32(config.layer_norm_eps), hidden_states,
    )  # fmt: skip
    with borrowed(parameters, num_tokens, longest) as workspace:
        team.run(layers_loop, shared, workspace, (last - first) * STEPS, multiplications)
    return hidden_states


def linear_activation(parameters: PackedParameters, x: Float32, weights: PackedLinear | PackedInt8Linear, activation: Integer) -> Float32:
    """activation(x @ weight.T + bias)."""
    out = np.empty((len(x), weights.out_features), np.float32)
    shared = (weights.addresses, isinstance(weights, PackedInt8Linear), x, activation, out)
    with borrowed(parameters, len(x), 1) as workspace:
        team.run(linear_loop, shared, workspace, STEPS)
    return out


def attention_probs(parameters: PackedParameters, hidden_states: Float32, cu_seqlens: Int64, layer: int) -> list[Float32]:
    """Twin of `reference.attention_probs`."""
    num_heads, num_layers = parameters.config.num_attention_heads, len(parameters.layers)
    _check_hidden_states(hidden_states, parameters.config.hidden_size)
    own_cu_seqlens, _ = _checked(cu_seqlens, len(hidden_states))
    if not 0 <= layer < num_layers:
        raise ValueError(f"layer: expected 0 to {num_layers - 1}, found {layer}")
    qkv = linear_activation(parameters, hidden_states, parameters.layers[layer].query_key_value, NO_ACTIVATION)
    every = []
    for text in np.split(qkv, own_cu_seqlens[1:-1]):
        probs = np.empty((num_heads, len(text), len(text)), np.float32)
        shared = (text, num_heads, parameters.is_int8, np.empty((len(text), text.shape[1] // 3), np.float32), probs)
        with borrowed(parameters, len(text), len(text)) as workspace:
            team.run(probs_loop, shared, workspace, STEPS)
        every.append(probs)
    return every


def pooler(parameters: PackedParameters, hidden_states: Float32) -> Float32:
    """Twin of `reference.pooler`."""
    return dense(parameters, hidden_states, parameters.pooler, "Tanh")


def prepare_linear(stored: Linear) -> PackedLinear:
    """One more matrix in panels."""
    return pack(stored)  # type: ignore[return-value]  # float32 panels of a Linear


def dense(parameters: PackedParameters, hidden_states: Float32, weights: PackedLinear | PackedInt8Linear, activation: str) -> Float32:
    """Twin of `reference.dense`. The product and tanh are compiled; the other activations, which are rare, are those of NumPy."""
    _check_hidden_states(hidden_states, weights.in_features)
    if activation == "Tanh":
        return linear_activation(parameters, hidden_states, weights, POOL)
    with np.errstate(all="ignore"):
        return activated(linear_activation(parameters, hidden_states, weights, NO_ACTIVATION), activation)
