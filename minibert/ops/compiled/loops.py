"""The loops of the encoder that Python calls: whole layers without Python.

Each loop takes a tier and a record of arrays and sizes (layout.py), and fills the arrays. Nothing
in a loop allocates, raises or touches an object of Python. So a loop runs without the GIL, and
`minibert compile` can make a library of it. A loop checks nothing but the ids of `embed_loop`:
encoder.py has checked the rest.

The same text gives the same bits whatever stands beside it. Every number of a result is made from
its own row, or in attention from its own text. The order of the operations depends on sizes alone.

`layers_loop` does any number of layers in one call. An earlier version made seven calls a layer
from Python. A layer took 15 µs more, as much as the arithmetic of eight short words of an int8
L8_H128. And each of two threads had to wait for the GIL seven times.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import jit, pasted
from ...runtime.unpack import Record, unpack
from .. import INT16_TOKENS
from .attention import Head, attend
from .attention_int16 import attend_int16
from .counters import in_blocks
from .layer_norm import AddAndNorm, Norm, add_layer_norm, norm_at, normalize_row
from .layout import (
    ATTENTION_NORM,
    ATTENTION_OUTPUT,
    FIRST,
    INTERMEDIATE,
    LANES,
    LAYER_PHASES,
    NO_ACTIVATION,
    ONLY_MATRIX,
    OUTPUT,
    OUTPUT_NORM,
    QUERY_KEY_VALUE,
    Address,
    EmbedCall,
    Integer,
    LayersCall,
    LinearCall,
    ProbsCall,
    SumCall,
)
from .memory import address, get_int32, get_int64, load, offset, store
from .products import Product, linear, panels_at
from .simd import broadcast
from .tiers import Tier
from .workspace import Workspace, workspace_of

f32 = np.float32
ZERO = f32(0)
NO_PROBS, WITH_PROBS = np.int64(0), np.int64(1)
DONE = np.int64(0)


class Attention(NamedTuple):
    """What `attention` is given: every head of every text."""

    query_key_value: Address  # (num_tokens, 3 * hidden_size)
    context: Address  # (num_tokens, hidden_size)
    cu_seqlens: Address  # (num_sequences + 1,) int64
    num_sequences: Integer
    num_heads: Integer
    hidden_size: Integer
    is_int8: Integer


@pasted
def head_at(
    start: Address, context: Address, probs: Address, hidden_size: Integer, seq_len: Integer, head_dim: Integer, wants_probs: Integer
) -> Head:
    """A head of a text, given the addresses of its first query and of its context."""
    key = offset(start, hidden_size)
    return Head(start, key, offset(key, hidden_size), context, probs, 3 * hidden_size, seq_len, head_dim, wants_probs)


@pasted
def attend_in(head: Head, is_int8: Integer, workspace: Workspace) -> None:
    """One head in either precision.

    That depends on the text alone, so its bits do not depend on its batch.
    """
    if is_int8 and head.seq_len <= INT16_TOKENS:
        attend_int16(head, workspace)
    else:
        attend(head, workspace)


@pasted
def attention_block(block: Integer, task: Attention, workspace: Workspace) -> None:
    """One head of one text."""
    text, number = block // task.num_heads, block % task.num_heads
    start, hidden_size = get_int64(task.cu_seqlens, text), task.hidden_size
    seq_len, head_dim = get_int64(task.cu_seqlens, text + 1) - start, hidden_size // task.num_heads
    query = offset(task.query_key_value, start * 3 * hidden_size + number * head_dim)
    context = offset(task.context, start * hidden_size + number * head_dim)
    attend_in(head_at(query, context, context, hidden_size, seq_len, head_dim, NO_PROBS), task.is_int8, workspace)


@pasted
def attention(task: Attention, workspace: Workspace, phase: Integer) -> None:
    """Fill the context. One phase."""
    in_blocks(attention_block, task, task.num_sequences * task.num_heads, workspace, phase)


@jit
def layers_loop(tier: Tier, record: Record) -> Integer:
    """Layers `first` to `last` - 1, in place.

    `x` holds the hidden states, and `middle` those between the two halves of a layer. `qkv`,
    `context` and `inner` are intermediate results; `inner` may overwrite the first two.
    """
    call = unpack(record, LayersCall)
    stack, cu_seqlens, (num_tokens, hidden) = call.stack, call.cu_seqlens, call.hidden_states.shape
    intermediate, is_int8 = stack.intermediate_size, stack.is_int8
    workspace = workspace_of(tier, call.buffers, call.counters, num_tokens)
    x, middle = address(call.hidden_states), workspace.hidden
    qkv = inner = offset(middle, num_tokens * hidden)
    context = offset(qkv, num_tokens * 3 * hidden)
    texts = Attention(qkv, context, address(cu_seqlens), cu_seqlens.shape[0] - 1, stack.num_heads, hidden, is_int8)
    for layer in range(call.first, call.last):
        table, phase = address(stack.table[layer]), (layer - call.first) * LAYER_PHASES
        to_qkv = Product(x, qkv, panels_at(table, QUERY_KEY_VALUE), num_tokens, hidden, 3 * hidden, NO_ACTIVATION, is_int8)
        to_middle = Product(context, middle, panels_at(table, ATTENTION_OUTPUT), num_tokens, hidden, hidden, NO_ACTIVATION, is_int8)
        to_inner = Product(middle, inner, panels_at(table, INTERMEDIATE), num_tokens, hidden, intermediate, stack.activation, is_int8)
        to_x = Product(inner, x, panels_at(table, OUTPUT), num_tokens, intermediate, hidden, NO_ACTIVATION, is_int8)
        linear(to_qkv, workspace, phase)
        attention(texts, workspace, phase + 2)
        linear(to_middle, workspace, phase + 3)
        add_layer_norm(AddAndNorm(middle, x, num_tokens, hidden, norm_at(table, ATTENTION_NORM)), workspace, phase + 5)
        linear(to_inner, workspace, phase + 6)
        linear(to_x, workspace, phase + 8)
        add_layer_norm(AddAndNorm(x, middle, num_tokens, hidden, norm_at(table, OUTPUT_NORM)), workspace, phase + 10)
    return DONE


@jit
def linear_loop(tier: Tier, record: Record) -> Integer:
    """One linear layer by itself, whose addresses are the whole table."""
    call = unpack(record, LinearCall)
    num_tokens, in_features = call.x.shape
    workspace = workspace_of(tier, call.buffers, call.counters, num_tokens)
    x, out, panels = address(call.x), address(call.out), panels_at(address(call.table), ONLY_MATRIX)
    linear(Product(x, out, panels, num_tokens, in_features, call.out.shape[1], call.activation, call.is_int8), workspace, FIRST)
    return DONE


@jit
def probs_loop(tier: Tier, record: Record) -> Integer:
    """Attention of one text, with its probabilities (num_heads, seq_len, seq_len)."""
    call = unpack(record, ProbsCall)
    seq_len, hidden_size = call.context.shape
    workspace, head_dim = workspace_of(tier, call.buffers, call.counters, seq_len), hidden_size // call.num_heads
    for number in range(call.num_heads):
        query = offset(address(call.query_key_value), number * head_dim)
        place = offset(address(call.probs), number * seq_len * seq_len)
        head = head_at(query, offset(address(call.context), number * head_dim), place, hidden_size, seq_len, head_dim, WITH_PROBS)
        attend_in(head, call.is_int8, workspace)
    return DONE


@pasted
def add_halves(rows: Address, num_rows: Integer, size: Integer) -> None:
    """Overwrite the first row with the sum of all, in the order of ops/sums.py."""
    while num_rows > 1:
        added = num_rows // 2 * size
        others = offset(rows, num_rows * size - added)
        for i in range(0, added, LANES):
            store(rows, i, load(rows, i, added - i, ZERO) + load(others, i, added - i, ZERO), added - i)
        num_rows -= num_rows // 2


@jit
def sum_rows_loop(tier: Tier, record: Record) -> Integer:
    """The sum of the rows of each span, and zeros for an empty one. Overwrites the rows."""
    call = unpack(record, SumCall)
    size = call.rows.shape[1]
    for span in range(call.spans.shape[0]):
        first, num_rows = call.spans[span, 0], call.spans[span, 1] - call.spans[span, 0]
        rows, sums = offset(address(call.rows), first * size), offset(address(call.sums), span * size)
        add_halves(rows, num_rows, size)
        for i in range(0, size, LANES):
            store(sums, i, load(rows, i, size - i, ZERO) if num_rows > 0 else broadcast(ZERO), size - i)
    return DONE


@jit
def embed_loop(tier: Tier, record: Record) -> Integer:
    """LayerNorm(out + positions[position_ids] + types[type_ids]) in place.

    Returns how many tokens are done. The loop stops before a number that is outside its table.
    `last_read` receives the position and the type that were read last.
    """
    call = unpack(record, EmbedCall)
    num_tokens, hidden_size = call.out.shape
    norm = Norm(address(call.weight), address(call.bias), call.eps[0])
    for token in range(num_tokens):
        position, kind = get_int32(address(call.position_ids), token), get_int32(address(call.type_ids), token)
        if position < 0 or position >= call.positions.shape[0] or kind < 0 or kind >= call.types.shape[0]:
            call.last_read[0], call.last_read[1] = position, kind
            return token
        row = offset(address(call.out), token * hidden_size)
        position_row = offset(address(call.positions), position * hidden_size)
        type_row = offset(address(call.types), kind * hidden_size)
        sums = broadcast(ZERO)
        for i in range(0, hidden_size, LANES):
            added = load(position_row, i, hidden_size - i, ZERO) + load(type_row, i, hidden_size - i, ZERO)
            x = load(row, i, hidden_size - i, ZERO) + added
            store(row, i, x, hidden_size - i)
            sums = sums + x
        normalize_row(row, hidden_size, sums, norm)
    return num_tokens
