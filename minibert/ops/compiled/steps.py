"""k steps: what a register tile multiplies and adds at one value of k, or at a few.

| step | processor | instructions for one register of sums |
|---|---|---|
| float32 | any | a fused multiply-add |
| int8 "vnni" | AVX-512 VNNI, AVX-VNNI | vpdpbusd: four values of k |
| int8 "dot" | ARM with dotprod | sdot: four values of k |
| int8 "pairs" | AVX2, AVX-512 | vpmaddubsw, vpmaddwd, vpaddd: four values of k |
| int8 "single" | any | a multiplication and an addition of int32 |
| int16 | VNNI | vpdpwssd: two values of k |
| int16 | AVX2, AVX-512 | vpmaddwd, vpaddd: two values of k |
| int16 | any | two multiplications and two additions of int32 |

int8 multiplies activations of a row with weights. int16 serves the attention of int8 models.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir

from .simd import F32, I8, I16, I32, emit_call, emit_fma
from .tiers import Tier


class Step(NamedTuple):
    """One k step, for a tier and for a processor with or without a fused multiply-add."""

    tier: Tier
    is_fused: bool
    sums: Any  # vector type of the accumulators
    unit: Any  # type of what one step reads of a row of activations, and broadcasts
    activation: Any  # type of the elements of the activations
    weight: Any  # type of the elements of the weights
    group: int  # values of k
    loaded: Any  # vector type of the weights as they are stored
    widen: Callable[[Any], Any]  # from the stored weights to what `multiply_add` takes
    multiply_add: Callable[[Any, Any, Any], Any]  # (sums, activation, weights) -> sums


def as_stored(loaded: Any) -> Any:
    """Weights that are multiplied as they are stored."""
    return loaded


def float32_step(builder: Any, tier: Tier, is_fused: bool) -> Step:
    """One step of float32."""
    kind = ir.VectorType(F32, tier.lanes)

    def multiply_add(sums: Any, activation: Any, weights: Any) -> Any:
        return emit_fma(builder, is_fused, activation, weights, sums)

    return Step(tier, is_fused, kind, F32, F32, F32, 1, kind, as_stored, multiply_add)


def int8_step(builder: Any, tier: Tier, is_fused: bool) -> Step:
    """One step of int8, as `tier.int8` says."""
    sums, weights = ir.VectorType(I32, tier.lanes), ir.VectorType(I8, tier.lanes * tier.group)

    def vnni(sum: Any, a: Any, b: Any) -> Any:
        return emit_call(builder, f"llvm.x86.avx512.vpdpbusd.{32 * tier.lanes}", sums, sum, a, b)

    def dot(sum: Any, a: Any, b: Any) -> Any:
        return emit_call(builder, "llvm.aarch64.neon.sdot.v4i32.v16i8", sums, sum, b, builder.bitcast(a, weights))

    def single(sum: Any, a: Any, b: Any) -> Any:
        return builder.add(sum, builder.mul(a, b))

    if tier.int8 == "vnni":
        return Step(tier, is_fused, sums, I32, I8, I8, 4, sums, as_stored, vnni)
    if tier.int8 == "dot":
        return Step(tier, is_fused, sums, I32, I8, I8, 4, weights, as_stored, dot)
    if tier.int8 == "pairs":
        return Step(tier, is_fused, sums, I32, I8, I8, 4, sums, as_stored, _multiply_add_fours(builder, tier))
    return Step(tier, is_fused, sums, I8, I8, I8, 1, weights, lambda loaded: builder.sext(loaded, sums), single)


def _multiply_add_fours(builder: Any, tier: Tier) -> Callable[[Any, Any, Any], Any]:
    """Four products of bytes, added to an int32: vpmaddubsw, vpmaddwd by ones, and vpaddd.

    The first instruction saturates at sixteen bits. No sum of two products reaches that, see
    `int8.MAX_PAIR_SUM`. The other way is to widen the bytes to int16 first. It needs
    vpmaddwd and vpaddd for every two products. With it, a tile of Zen 3 did 146 instead of 181
    billion operations a second.
    """
    fours, pairs = ir.VectorType(I8, 4 * tier.lanes), ir.VectorType(I16, 2 * tier.lanes)
    name = {8: "llvm.x86.avx2.pmadd.ub.sw", 16: "llvm.x86.avx512.pmaddubs.w.512"}[tier.lanes]
    add_pairs, ones = _multiply_add_pairs(builder, tier), ir.Constant(pairs, [1] * pairs.count)

    def multiply_add(sum: Any, a: Any, b: Any) -> Any:
        return add_pairs(sum, emit_call(builder, name, pairs, builder.bitcast(a, fours), builder.bitcast(b, fours)), ones)

    return multiply_add


def _multiply_add_pairs(builder: Any, tier: Tier) -> Callable[[Any, Any, Any], Any]:
    """Two products of int16, added to an int32: vpmaddwd and vpaddd."""
    sums, pairs = ir.VectorType(I32, tier.lanes), ir.VectorType(I16, 2 * tier.lanes)
    name = {8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"}[tier.lanes]

    def multiply_add(sum: Any, a: Any, b: Any) -> Any:
        return builder.add(sum, emit_call(builder, name, sums, builder.bitcast(a, pairs), b))

    return multiply_add


def int16_step(builder: Any, tier: Tier, is_fused: bool) -> Step:
    """One step of int16 by int16."""
    sums, pairs = ir.VectorType(I32, tier.lanes), ir.VectorType(I16, 2 * tier.lanes)

    def vnni(sum: Any, a: Any, b: Any) -> Any:
        return emit_call(builder, f"llvm.x86.avx512.vpdpwssd.{32 * tier.lanes}", sums, sum, a, b)

    def halves(vector: Any) -> list[Any]:
        order = [ir.Constant(sums, list(range(first, 2 * tier.lanes, 2))) for first in (0, 1)]
        return [builder.sext(builder.shuffle_vector(vector, vector, lanes), sums) for lanes in order]

    def single(sum: Any, activation: Any, weights: list[Any]) -> Any:
        for a, b in zip(halves(builder.bitcast(activation, pairs)), weights, strict=True):
            sum = builder.add(sum, builder.mul(a, b))
        return sum

    if tier.int8 == "vnni":
        return Step(tier, is_fused, sums, I32, I16, I16, 2, sums, as_stored, vnni)
    if tier.int8 == "pairs":
        return Step(tier, is_fused, sums, I32, I16, I16, 2, pairs, as_stored, _multiply_add_pairs(builder, tier))
    return Step(tier, is_fused, sums, I32, I16, I16, 2, pairs, halves, single)
