"""The buffers of a call as a loop sees them: addresses, with the tier."""

from typing import Any, NamedTuple

from ...runtime.jit import pasted
from .layout import LANES, Address, Buffers, Integer
from .memory import address, offset
from .tiers import Tier


class Workspace(NamedTuple):
    """What every function inside a loop receives."""

    tier: Tier
    lows: Address  # (num_tokens,) float32: what 0 stands for in each row of `quantized`
    units: Address  # (num_tokens,) float32: how much 1 is in that row
    quantized: Address  # (num_tokens, stride) of eight-bit numbers
    hidden: Address  # float32: hidden states between the phases of a layer
    zeros: Address
    scratch: Address  # float32: a few tiles, or the keys, values and scores of one head
    counters: Address


@pasted
def workspace_of(tier: Tier, buffers: Buffers, counters: Any, num_tokens: Integer) -> Workspace:
    """The addresses of the buffers, and of the counters of this call."""
    lows = address(buffers.wide)
    return Workspace(
        tier, lows, offset(lows, num_tokens), address(buffers.quantized), offset(lows, (2 * num_tokens + LANES - 1) // LANES * LANES),
        address(buffers.zeros), address(buffers.scratch), address(counters),
    )  # fmt: skip
