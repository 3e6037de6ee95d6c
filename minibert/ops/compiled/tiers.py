"""Tiers: what kind of processor Numba compiles for, and what that means for a register tile."""

import platform
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import binding

EMULATED: bool = bool(numba.config.DISABLE_JIT)


class Tier(NamedTuple):
    """What a kind of processor is given."""

    name: str
    lanes: int  # numbers of 32 bits in a register
    rows: int  # of a tile
    vectors: int  # registers side by side in a tile: 6 x 4 sums of 32 registers (AVX-512, NEON), 6 x 2 of 16 (AVX2), 2 x 4 (SSE)
    int8: str  # how int8 is multiplied, see INT8
    fma: bool  # whether there is a fused multiply-add

    @property
    def width(self) -> int:
        """Columns of a tile, and of a panel of packed weights."""
        return self.lanes * self.vectors


class Int8Kind(NamedTuple):
    """How eight-bit integers are multiplied: exactly, in steps of `group` values of k."""

    group: int
    activation: Any  # dtype of the quantised activations, unsigned but for `dot`
    offset: int  # taken from activations of 0..255


INT8 = {
    "vnni": Int8Kind(4, np.uint8, 0),  # vpdpbusd: four products of u8 and s8, added to an int32
    "dot": Int8Kind(4, np.int8, 128),  # sdot: the same of s8 and s8
    "pairs": Int8Kind(4, np.uint8, 0),  # vpmaddubsw: two products of u8 and s8, added to an int16; vpmaddwd: two of these, to an int32
    "single": Int8Kind(1, np.uint8, 0),  # any processor
}

TIERS = {
    tier.name: tier
    for tier in (
        Tier("avx512vnni", 16, 6, 4, "vnni", True),
        Tier("avx512", 16, 6, 4, "pairs", True),
        Tier("avxvnni", 8, 6, 2, "vnni", True),
        Tier("avx2", 8, 6, 2, "pairs", True),
        Tier("neondot", 4, 6, 4, "dot", True),
        Tier("neon", 4, 6, 4, "single", True),
        Tier("generic", 4, 2, 4, "single", False),
    )
}


def tier_for(architecture: str, features: set[str]) -> Tier:
    """The tier of a processor with these features, in LLVM's words."""
    if architecture in ("aarch64", "arm64"):
        return TIERS["neondot" if "dotprod" in features else "neon"]
    if {"avx512f", "avx512bw", "avx512vl", "fma"} <= features:
        return TIERS["avx512vnni" if "avx512vnni" in features else "avx512"]
    if {"avx2", "fma"} <= features:
        return TIERS["avxvnni" if "avxvnni" in features else "avx2"]
    return TIERS["generic"]


def _features() -> set[str]:
    """What Numba compiles for: this processor, or what NUMBA_CPU_FEATURES says. Nothing is known of a processor that is only named."""
    if numba.config.CPU_FEATURES is not None:
        return {feature[1:] for feature in numba.config.CPU_FEATURES.split(",") if feature.startswith("+")}
    return {name for name, present in binding.get_host_cpu_features().items() if present}


TIER = TIERS["generic"] if EMULATED else tier_for(platform.machine().lower(), _features())
