"""The memory of a call beside its arguments: intermediate results, and scratch for each thread."""

import numpy as np

from ...bert.config import BertConfig
from ...runtime.records import Record
from .. import Float32
from .layout import LANES, Buffers
from .packed import aligned, rounded_up
from .tiers import Tier


class Storage:
    """The arrays for one call at a time. They grow with the calls."""

    def __init__(self, tier: Tier, config: BertConfig, is_int8: bool) -> None:
        self.tier, self.config, self.is_int8 = tier, config, is_int8
        self.num_tokens = self.longest = 0
        self.zeros = aligned((tier.width,), np.dtype(np.float32))
        self.wide = aligned((0,), np.dtype(np.float32))
        self.quantized = aligned((0,), np.dtype(tier.activation))
        self.scratches: list[Float32] = []  # by number of thread
        self.records: dict[type, Record] = {}  # by kind of call, with these arrays and the scratch of thread 0

    def reserve(self, num_tokens: int, longest: int) -> None:
        """Make the capacity at least so many tokens, and so many tokens of the longest text."""
        if num_tokens > self.num_tokens or longest > self.longest:
            self.records.clear()
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

    def buffers(self, scratch: Float32) -> Buffers:
        """The arrays, with the scratch of one thread."""
        return Buffers(self.wide, self.quantized, self.zeros, scratch)

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
