"""The memory of a call beside its arguments: intermediate results, and scratch for each thread."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...bert.config import BertConfig
from ...runtime.jit import pasted
from .. import Float32
from .memory import address, offset
from .packed import aligned, rounded_up
from .simd import LANES, Address, Integer
from .tiers import Tier


class Buffers(NamedTuple):
    """The arrays of a Storage, as a loop receives them.

    All threads of a call share them, except `scratch`.
    """

    wide: Float32  # two numbers for each token, see Workspace.lows; then what lies between the phases of a layer
    quantized: npt.NDArray[Any]  # rows of eight-bit numbers
    zeros: Float32  # as many as a tile is wide
    scratch: Float32  # of one thread
    counters: npt.NDArray[np.int64]  # see counters.py


class Workspace(NamedTuple):
    """The same as addresses, with the tier: what every function inside a loop receives."""

    tier: Tier
    lows: Address  # (num_tokens,) float32: what 0 stands for in each row of `quantized`
    units: Address  # (num_tokens,) float32: how much 1 is in that row
    quantized: Address  # (num_tokens, stride) of eight-bit numbers
    hidden: Address  # float32: hidden states between the phases of a layer
    zeros: Address
    scratch: Address  # float32: a few tiles, or the keys, values and scores of one head
    counters: Address


@pasted
def workspace_of(tier: Tier, buffers: Buffers, num_tokens: Integer) -> Workspace:
    """The addresses of the buffers."""
    lows = address(buffers.wide)
    return Workspace(
        tier, lows, offset(lows, num_tokens), address(buffers.quantized), offset(lows, (2 * num_tokens + LANES - 1) // LANES * LANES),
        address(buffers.zeros), address(buffers.scratch), address(buffers.counters),
    )  # fmt: skip


class Storage:
    """The arrays for one call at a time. They grow with the calls."""

    def __init__(self, tier: Tier, config: BertConfig, is_int8: bool) -> None:
        self.tier, self.config, self.is_int8 = tier, config, is_int8
        self.num_tokens = self.longest = 0
        self.zeros = aligned((tier.width,), np.dtype(np.float32))
        self.wide = aligned((0,), np.dtype(np.float32))
        self.quantized = aligned((0,), np.dtype(tier.activation))
        self.scratches: list[Float32] = []  # by number of thread

    def reserve(self, num_tokens: int, longest: int) -> None:
        """Make the capacity at least so many tokens, and so many tokens of the longest text."""
        hidden, intermediate = self.config.hidden_size, self.config.intermediate_size
        if num_tokens > self.num_tokens:
            row = hidden + max(4 * hidden, intermediate)
            self.wide = aligned((-(-2 * num_tokens // LANES) * LANES + num_tokens * row,), np.dtype(np.float32))
            stride = rounded_up(max(hidden, intermediate), self.tier.group) if self.is_int8 else 0
            self.quantized = aligned((num_tokens * stride,), np.dtype(self.tier.activation))
            self.num_tokens = num_tokens
        if longest > self.longest:
            self.longest = longest
            self.scratches.clear()

    def buffers(self, scratch: Float32, counters: npt.NDArray[np.int64]) -> Buffers:
        """The arrays, and those of one thread and one call."""
        return Buffers(self.wide, self.quantized, self.zeros, scratch, counters)

    def scratch(self, thread: int) -> Float32:
        """Scratch of a thread, kept for later calls."""
        while thread >= len(self.scratches):
            self.scratches.append(self.new_scratch())
        return self.scratches[thread]

    def new_scratch(self) -> Float32:
        """Scratch of one more thread: enough for either kind of attention and for tiles."""
        tier, longest, head_dim = self.tier, self.longest, self.config.head_dim
        tokens, dims = rounded_up(longest, tier.width), rounded_up(head_dim, tier.width)
        pairs, half = (longest + 1) // 2, (head_dim + 1) // 2
        float32 = head_dim * tokens + longest * dims  # keys, values
        int16 = max(LANES * dims, tier.rows * tokens) // 2 + half * tokens + pairs * dims  # rows of numbers, keys, values
        head = tier.rows * (tokens + tier.width) + LANES + max(float32, int16)
        scratch: Float32 = aligned((max(head, tier.pass_rows * tier.width),), np.dtype(np.float32))
        return scratch
