"""The loop for a few short texts: from UTF-8 to vectors in one call of Python.

The arithmetic of a short text takes less time than a dozen calls from Python. So this loop calls
the loops of the tokenizer and of the encoder, one after the other. It looks up the word embeddings
before them, and pools after them.
"""

import math

import numpy as np

from ...arrays import Float64
from ...runtime.jit import jit, pasted
from ...runtime.unpack import Record, unpack
from ...tokenizer.compiled.layout import Work
from ...tokenizer.compiled.loops import encode
from .. import Int32, Int64
from .counters import reset
from .layout import (
    COUNTERS,
    LANES,
    MAX_PIECES,
    NUM_BYTES,
    NUM_CU_SEQLENS,
    NUM_ENDS,
    NUM_TOKENS,
    STORED_INT8,
    Address,
    Integer,
    TextsCall,
)
from .loops import ZERO, add_halves, embed_loop, layers_loop
from .memory import address, get, load, offset, put, put_int64, store
from .simd import broadcast
from .stored import load_stored
from .tiers import Tier

f32, f64 = np.float32, np.float64
ALL, NONE = np.int64(1), np.int64(0)  # what `texts_loop` returns: how many of the texts are done


@jit
def texts_loop(tier: Tier, record: Record) -> Integer:
    """Fill a vector for each text. Returns ALL, or NONE if these texts need the usual calls.

    The usual calls report what is wrong, or have other means. So NONE is for:

    * a text that is cut, and a text for the readable tokenizer;
    * too many tokens;
    * an id without a row, and a result that is not finite.
    """
    call = unpack(record, TextsCall)
    output = unpack(call.tokenize, Work).output
    put_int64(call.tokenize, NUM_BYTES, call.num_bytes)
    put_int64(call.tokenize, NUM_ENDS, call.num_texts)
    put_int64(call.tokenize, MAX_PIECES, call.max_pieces)
    num_tokens = encode(call.tokenize)
    if num_tokens > call.max_tokens:
        return NONE
    for text in range(call.num_texts):
        if output.needs_fallback[text] or output.num_truncated[text] > 0:
            return NONE
        first = output.cu_seqlens[text]
        for token in range(first, output.cu_seqlens[text + 1]):
            call.position_ids[token] = token - first
    put_int64(call.embed, NUM_TOKENS, num_tokens)
    if not look_up(call, output.input_ids, num_tokens) or embed_loop(tier, call.embed) < num_tokens:
        return NONE
    for phase in range(call.counters.shape[0] // COUNTERS):
        reset(address(call.counters), phase)
    put_int64(call.layers, NUM_TOKENS, num_tokens)
    put_int64(call.layers, NUM_CU_SEQLENS, call.num_texts + 1)
    layers_loop(tier, call.layers)
    return pool(call, output.cu_seqlens)


@pasted
def look_up(call: TextsCall, input_ids: Int32, num_tokens: Integer) -> bool:
    """Fill the hidden states with word embeddings. Returns whether each id has a row."""
    size = call.hidden_states.shape[1]
    for token in range(num_tokens):
        id, row = np.int64(input_ids[token]), offset(address(call.hidden_states), token * size)
        if id < 0 or id >= call.num_words:
            return False
        scale = broadcast(call.scale[id] if call.stored == STORED_INT8 else f32(1))
        for i in range(0, size, LANES):
            store(row, i, load_stored(call.words, id * size + i, size - i, call.stored) * scale, size - i)
    return True


@pasted
def pool(call: TextsCall, cu_seqlens: Int64) -> Integer:
    """Fill the vectors with the mean or the first of each text's hidden states."""
    size = call.hidden_states.shape[1]
    for text in range(call.num_texts):
        first, last = cu_seqlens[text], cu_seqlens[text + 1]
        states, vector = offset(address(call.hidden_states), first * size), offset(address(call.vectors), text * size)
        number = np.int64(1) if call.takes_first else last - first
        add_halves(states, number, size)
        for i in range(0, size, LANES):
            store(vector, i, load(states, i, size - i, ZERO) / broadcast(f32(number)), size - i)
        if not finish(vector, call.is_normalized, call.squares):
            return NONE
    return ALL


@pasted
def finish(vector: Address, is_normalized: Integer, squares: Float64) -> bool:
    """Divide a vector by its length if that is wanted. Returns whether its numbers are finite.

    As `unit_length` of pooling.py, squares are added in halves and in float64.
    """
    size = squares.shape[0]
    for i in range(size):
        squares[i] = f64(get(vector, i)) * f64(get(vector, i))
    left = size
    while left > 1:
        for i in range(left // 2):
            squares[i] += squares[left - left // 2 + i]
        left -= left // 2
    if not squares[0] < math.inf:  # NaN too
        return False
    length = max(math.sqrt(squares[0]), 1e-12)
    if is_normalized:
        for i in range(size):
            put(vector, i, f32(f64(get(vector, i)) / length))
    return True
