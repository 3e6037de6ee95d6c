"""What Python and the loops agree on: constants, the places of addresses, and the calls.

Nothing here needs Numba, so a process that has the loops in a library can import it.

A call is what one of the four loops is given, see runtime/records.py. The fields that change from
call to call come first.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ...runtime.records import Loop, Record, addresses_of
from .. import Float32, Int32, Int64
from .tiers import Tier

# Numba gives a literal int a type of its own, and compiles a function that is called with one once
# more. So every constant that is an argument, or a field of a NamedTuple, is an int64 such as this.
FIRST = np.int64(0)
LANES = 16  # numbers in a Vector
COUNTERS = 16  # int64 for each phase. Two are used, 64 bytes apart, so no two share a cache line.
LINEAR_PHASES = 2
LAYER_PHASES = 11  # four linear layers, attention, two norms
NO_ACTIVATION, ERF, TANH, POOL = map(np.int64, range(4))

# Places in the addresses of a layer: five of each matrix, then weight, bias and eps of each norm
QUERY_KEY_VALUE, ATTENTION_OUTPUT, INTERMEDIATE, OUTPUT, ATTENTION_NORM, OUTPUT_NORM = map(np.int64, (0, 5, 10, 15, 20, 23))
ONLY_MATRIX = QUERY_KEY_VALUE  # the place of a matrix that has a table to itself

Address: TypeAlias = Any  # an int64, or an array where nothing is compiled
Integer: TypeAlias = Any  # an int64 in a loop: Numba infers the type, mypy does not
Addresses = npt.NDArray[np.int64]  # or arrays as objects, where nothing is compiled
Tables = Annotated[Addresses, 2]
Rows = Annotated[Float32, 2]


class Stack(NamedTuple):
    """The layers of a model."""

    table: Tables  # (num_layers, 26): the addresses of each layer's parameters
    is_int8: int
    num_heads: int
    intermediate_size: int
    activation: int


class Buffers(NamedTuple):
    """The arrays of a Storage. All threads of a call share them, except `scratch`."""

    wide: Float32  # two numbers for each token, see Workspace.lows; then what lies between the phases of a layer
    quantized: npt.NDArray[np.uint8]  # rows of eight-bit numbers
    zeros: Float32  # as many as a tile is wide
    scratch: Float32  # of one thread


class LayersCall(NamedTuple):
    """What `layers_loop` is given."""

    hidden_states: Rows  # (num_tokens, hidden_size), overwritten
    cu_seqlens: Int64  # (num_sequences + 1,)
    first: int
    last: int
    counters: Int64  # zeros
    stack: Stack
    buffers: Buffers


class LinearCall(NamedTuple):
    """What `linear_loop` is given: out = activation(x weight^T + bias)."""

    table: Addresses  # (5,): the addresses of the matrix
    is_int8: int
    x: Rows  # (num_tokens, in_features)
    activation: int
    out: Rows  # (num_tokens, out_features)
    counters: Int64  # zeros
    buffers: Buffers


class ProbsCall(NamedTuple):
    """What `probs_loop` is given: attention of one text, with its probabilities."""

    query_key_value: Rows  # (seq_len, 3 * hidden_size)
    num_heads: int
    is_int8: int
    context: Rows  # (seq_len, hidden_size)
    probs: Float32  # (num_heads * seq_len * seq_len,)
    counters: Int64  # none
    buffers: Buffers


class EmbedCall(NamedTuple):
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


class Loops(NamedTuple):
    """The four loops, compiled for a tier, and how their arguments are made."""

    backend: str
    tier: Tier
    layers: Loop
    linear: Loop
    probs: Loop
    embed: Loop
    record: Callable[[Any], Record] = Record
    addresses_of: Callable[..., Addresses] = addresses_of
    may_share: bool = True  # whether several threads may do one call together
