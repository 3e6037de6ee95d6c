"""The loops that Numba compiles in this process. Needs Numba."""

import platform
from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import binding

from ...bert.weights import BertWeights
from ...runtime.jit import JitLoop
from ...runtime.records import Record
from .encoder import CompiledEncoder, encoder_of
from .layout import Addresses, Loops
from .loops import embed_loop, layers_loop, linear_loop, probs_loop, sum_rows_loop
from .pack_loops import pack_loop, quantize_loop
from .texts_loop import texts_loop
from .tier_type import EMULATED, present
from .tiers import TIERS, Tier, tier_for

LOOPS = {
    "layers": layers_loop,
    "linear": linear_loop,
    "probs": probs_loop,
    "embed": embed_loop,
    "sum_rows": sum_rows_loop,
    "pack": pack_loop,
    "quantize": quantize_loop,
    "texts": texts_loop,
}


def prepare(weights: BertWeights, is_int8: bool = False) -> CompiledEncoder:
    """Return an encoder with these weights, whose loops Numba compiles for this processor."""
    return encoder_of(loops_for(host_tier()), weights, is_int8)


@cache
def host_tier() -> Tier:
    """The tier of the processor that Numba compiles for.

    That is this processor, or the one that NUMBA_CPU_FEATURES describes.
    """
    if EMULATED:
        return TIERS["generic"]
    if numba.config.CPU_FEATURES is not None:
        return tier_for(platform.machine().lower(), present(numba.config.CPU_FEATURES))
    features = {name for name, is_present in binding.get_host_cpu_features().items() if is_present}
    return tier_for(platform.machine().lower(), features)


def loops_for(tier: Tier) -> Loops:
    """The loops for a tier. Nothing is compiled before the first call."""
    loops: dict[str, Any] = {name: JitLoop(loop, tier) for name, loop in LOOPS.items()}
    if EMULATED:  # a record of a record is an address
        return Loops("numba", tier, **loops | {"texts": None}, record=EmulatedRecord, addresses_of=emulated_addresses, may_share=False)
    return Loops("numba", tier, **loops)


class EmulatedRecord(Record):
    """A record where nothing is compiled: objects, with an array in the place of its address."""

    __slots__ = ()
    address: Any

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self.address = np.empty(len(_flat(arguments)), object)
        self.begin(*arguments)

    def begin(self, *arguments: Any) -> None:
        for place, each in enumerate(_flat(arguments)):
            self.address[place] = each


def _flat(arguments: tuple[Any, ...]) -> list[Any]:
    flat: list[Any] = []
    for each in arguments:
        if isinstance(each, np.ndarray):
            flat += each, *each.shape
        else:
            flat += _flat(each) if isinstance(each, tuple) else [each]
    return flat


def emulated_addresses(*arrays: Any) -> Addresses:
    """The arrays themselves, each as a row of numbers."""
    result = np.empty(len(arrays), object)
    result[:] = [array.reshape(-1) for array in arrays]
    return result
