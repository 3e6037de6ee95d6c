"""Tiers: the kinds of processor that there are kernels for, and the shape of the kernels for each.

A `Tier` is a value of Python and a type of Numba at once, see tier_type.py. Every loop has one as
its first argument.
"""

from typing import Any

import numpy as np

from ...runtime.cached import cached_attribute
from ...runtime.tuples import FieldTuple


class Int8Kind(FieldTuple):
    """How a processor multiplies eight-bit integers. All kinds are exact."""

    group: int  # values of k that one instruction multiplies and adds
    activation: Any  # dtype of the quantized activations
    offset: int  # subtracted from activations of 0..255, so that they fit into that dtype


INT8 = {
    "vnni": Int8Kind(4, np.uint8, 0),  # vpdpbusd: four products of u8 and s8, added to an int32
    "dot": Int8Kind(4, np.int8, 128),  # sdot: four products of s8 and s8, added to an int32
    "pairs": Int8Kind(4, np.uint8, 0),  # vpmaddubsw: two products of u8 and s8 as an int16; vpmaddwd: two of those as an int32
    "single": Int8Kind(1, np.uint8, 0),  # any processor
}


class Tier:
    """The shape of the kernels for one kind of processor."""

    def __init__(self, name: str, lanes: int, rows: int, vectors: int, int8: str) -> None:
        self.name = name
        self.lanes = lanes  # numbers of 32 bits in a register
        self.rows = rows  # of a register tile
        self.vectors = vectors  # registers side by side in a register tile
        self.int8 = int8  # a name in INT8

    @property
    def width(self) -> int:
        """Columns of a tile, and of a panel of packed weights."""
        return self.lanes * self.vectors

    @property
    def pass_rows(self) -> int:
        """Rows of activations that pass by one panel before the next panel is read."""
        return 4 * self.rows

    @property
    def block_rows(self) -> int:
        """Rows in a block, the unit of work of a thread."""
        return 4 * self.pass_rows

    @property
    def group(self) -> int:
        """Values of k that one int8 instruction multiplies and adds."""
        return INT8[self.int8].group

    @property
    def int8_offset(self) -> int:
        """What is subtracted from quantized activations of 0..255 before they are stored."""
        return INT8[self.int8].offset

    @property
    def activation(self) -> Any:
        """Dtype of quantized activations."""
        return INT8[self.int8].activation

    def __reduce__(self) -> Any:
        return tier_of, (self.name,)  # without the cached type, which holds this object

    @cached_attribute
    def _numba_type_(self) -> Any:
        from .tier_type import TierType  # here, because it imports Numba

        return TierType(self)


# rows x vectors fill the registers: 6 x 4 sums of 32 registers (AVX-512, NEON), 6 x 2 of 16 (AVX2),
# 2 x 4 of 16 (SSE)
TIERS = {
    tier.name: tier
    for tier in (
        Tier("avx512vnni", 16, 6, 4, "vnni"),
        Tier("avx512", 16, 6, 4, "pairs"),
        Tier("avxvnni", 8, 6, 2, "vnni"),
        Tier("avx2", 8, 6, 2, "pairs"),
        Tier("neondot", 4, 6, 4, "dot"),
        Tier("neon", 4, 6, 4, "single"),
        Tier("generic", 4, 2, 4, "single"),
    )
}


def tier_of(name: str) -> Tier:
    """The tier of a name."""
    return TIERS[name]


def tier_for(architecture: str, features: set[str]) -> Tier:
    """The tier of a processor with these features, which have LLVM's names."""
    if architecture in ("aarch64", "arm64"):
        return TIERS["neondot" if "dotprod" in features else "neon"]
    if {"avx512f", "avx512bw", "avx512vl", "fma"} <= features:
        return TIERS["avx512vnni" if "avx512vnni" in features else "avx512"]
    if {"avx2", "fma"} <= features:
        return TIERS["avxvnni" if "avxvnni" in features else "avx2"]
    return TIERS["generic"]
