"""What Python and the loops agree on: constants, the places of addresses, and the calls.

Nothing here needs Numba, so a process that has the loops in a library can import it.

A call is what one of the loops is given, see runtime/records.py. The fields that change from
call to call come first.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import numpy as np

from ...arrays import BFLOAT16, FLOAT32, Bytes, Float64, Int8
from ...runtime.records import Loop, Record, addresses_of
from ...runtime.tuples import FieldTuple
from .. import Float32, Int32, Int64
from .tiers import Tier

# Numba gives a literal int a type of its own, and compiles a function that is called with one once
# more. So every constant that is an argument, or a field of a NamedTuple, is an int64 such as this.
FIRST = np.int64(0)
LANES = 16  # numbers in a Vector
COUNTERS = 16  # int64 for each phase. Two are used, 64 bytes apart, so no two share a cache line.
LINEAR_PHASES = 2
LAYER_PHASES = 11  # four linear layers, attention, two norms
STORED_FLOAT32, STORED_FLOAT16, STORED_BFLOAT16, STORED_INT8 = map(np.int64, range(4))
# dtype -> the form of an array that loops read as it is stored
STORED_FORMS = {FLOAT32: STORED_FLOAT32, np.dtype(np.float16): STORED_FLOAT16, BFLOAT16: STORED_BFLOAT16, np.dtype(np.int8): STORED_INT8}
NO_ACTIVATION, ERF, TANH, POOL = map(np.int64, range(4))

# Places in the addresses of a layer: five of each matrix, then weight, bias and eps of each norm
QUERY_KEY_VALUE, ATTENTION_OUTPUT, INTERMEDIATE, OUTPUT, ATTENTION_NORM, OUTPUT_NORM = map(np.int64, (0, 5, 10, 15, 20, 23))
ONLY_MATRIX = QUERY_KEY_VALUE  # the place of a matrix that has a table to itself

Address: TypeAlias = Any  # an int64, or an array where nothing is compiled
Integer: TypeAlias = Any  # an int64 in a loop: Numba infers the type, mypy does not
Addresses = Int64  # or arrays as objects, where nothing is compiled
Tables = Annotated[Addresses, 2]
Rows = Annotated[Float32, 2]


class Stack(FieldTuple):
    """The layers of a model."""

    table: Tables  # (num_layers, 26): the addresses of each layer's parameters
    is_int8: int
    num_heads: int
    intermediate_size: int
    activation: int


class Buffers(FieldTuple):
    """The arrays of a Storage. All threads of a call share them, except `scratch`."""

    wide: Float32  # two numbers for each token, see Workspace.lows; then what lies between the phases of a layer
    quantized: Bytes  # rows of eight-bit numbers
    zeros: Float32  # as many as a tile is wide
    scratch: Float32  # of one thread


class LayersCall(FieldTuple):
    """What `layers_loop` is given."""

    hidden_states: Rows  # (num_tokens, hidden_size), overwritten
    cu_seqlens: Int64  # (num_sequences + 1,)
    first: int
    last: int
    counters: Int64  # zeros
    stack: Stack
    buffers: Buffers


class LinearCall(FieldTuple):
    """What `linear_loop` is given: out = activation(x weight^T + bias)."""

    table: Addresses  # (5,): the addresses of the matrix
    is_int8: int
    x: Rows  # (num_tokens, in_features)
    activation: int
    out: Rows  # (num_tokens, out_features)
    counters: Int64  # zeros
    buffers: Buffers


class ProbsCall(FieldTuple):
    """What `probs_loop` is given: attention of one text, with its probabilities."""

    query_key_value: Rows  # (seq_len, 3 * hidden_size)
    num_heads: int
    is_int8: int
    context: Rows  # (seq_len, hidden_size)
    probs: Float32  # (num_heads * seq_len * seq_len,)
    counters: Int64  # none
    buffers: Buffers


class EmbedCall(FieldTuple):
    """What `embed_loop` is given: LayerNorm(out + positions[position_ids] + types[type_ids])."""

    out: Rows  # (num_tokens, hidden_size), overwritten
    position_ids: Int32
    type_ids: Int32
    positions: Rows
    types: Rows
    weight: Float32
    bias: Float32
    eps: Float32  # (1,)
    last_read: Int64  # (2,): receives the position and the type that were read last


class SumCall(FieldTuple):
    """What `sum_rows_loop` is given: sums[i] = the sum of rows spans[i, 0] to spans[i, 1] - 1."""

    rows: Rows  # (num_rows, hidden_size), overwritten
    spans: Annotated[Int64, 2]  # (num_spans, 2): they do not overlap
    sums: Rows  # (num_spans, hidden_size)


class TextsCall(FieldTuple):
    """What `texts_loop` is given: a few short texts, from UTF-8 to vectors.

    It calls the loops of three steps, and each has a record of its own. `texts_loop` writes the
    numbers that depend on the texts into these records.
    """

    num_bytes: int  # of the texts and of what follows them
    num_texts: int
    max_pieces: int  # of a text that is not cut
    takes_first: int  # whether the vector is that of the first token; else it is the mean
    is_normalized: int  # whether vectors get the length 1
    max_tokens: int  # the capacity
    tokenize: int  # the address of the record of a Work
    embed: int  # of an EmbedCall
    layers: int  # of a LayersCall with all layers
    words: int  # the address of the word embeddings
    num_words: int
    stored: int  # in which form they are stored: one of STORED_...
    scale: Float32  # (num_words,) where they are int8, else (0,)
    position_ids: Int32  # (max_tokens,), those of the EmbedCall
    counters: Int64  # those of the LayersCall
    hidden_states: Rows  # (max_tokens, hidden_size), those of both
    squares: Float64  # (hidden_size,)
    vectors: Rows  # (MAX_SHORT_TEXTS, hidden_size)


class PackCall(FieldTuple):
    """What `pack_loop` is given: a matrix as it is stored, and panels for it."""

    parts: Addresses  # (num_parts,): matrices of one shape and form, whose outputs lie side by side
    stored: int  # in which form they are stored: one of STORED_...
    num_outputs: int  # of each part
    in_features: int
    panels: Int8  # those of packed.py, as one row, or of float32: only the address is used
    sums: Float32  # (num_panels * width,): zeros, to which int8 weights of each output are added
    scratch: Float32  # two squares of LANES by LANES


class QuantizeCall(FieldTuple):
    """What `quantize_loop` is given: float rows, and their int8 form to be filled."""

    rows: Addresses  # (1,): a matrix as it is stored
    stored: int  # in which form: one of STORED_...
    are_paired: int  # whether two neighbours may add up to 128 only, see bert/quantize.py
    integers: Annotated[Int8, 2]  # (num_rows, size)
    scale: Float32  # (num_rows,)


# Numbers of a record that `texts_loop` writes, by their place
NUM_BYTES, NUM_ENDS, MAX_PIECES = map(np.int64, (1, 3, 10))  # in the record of a Work
NUM_TOKENS, NUM_CU_SEQLENS = map(np.int64, (1, 4))  # of an EmbedCall and of a LayersCall; of a LayersCall


class Loops(FieldTuple):
    """The loops of an encoder, compiled for a tier, and how their arguments are made."""

    backend: str
    tier: Tier
    layers: Loop
    linear: Loop
    probs: Loop
    embed: Loop
    sum_rows: Loop
    pack: Loop
    quantize: Loop
    texts: Loop | None  # None where nothing is compiled
    record: Callable[[Any], Record] = Record
    addresses_of: Callable[..., Addresses] = addresses_of
    may_share: bool = True  # whether several threads may do one call together
