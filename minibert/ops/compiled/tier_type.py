"""Numba's type of a Tier, and what Numba knows of the processor that it compiles for.

The type holds the numbers of its tier, so Numba compiles a loop anew for each tier, with
`tier.rows` and the others as constants. One process can hold loops of several tiers.
"""

from typing import Any

import numba
from numba import types
from numba.core.typing.templates import AttributeTemplate
from numba.extending import NativeValue, infer_getattr, lower_getattr_generic, models, register_model, unbox

EMULATED: bool = bool(numba.config.DISABLE_JIT)  # the loops run as Python, and a Tier is a plain object


class TierType(types.Type):  # type: ignore[misc]
    """Numba's type of one Tier.

    A value of it has no bits: all that is known of it stands in the type.
    """

    def __init__(self, tier: Any) -> None:
        self.tier = tier
        super().__init__(name=f"Tier({tier.name}, {tier.lanes}, {tier.rows}, {tier.vectors}, {tier.int8})")


register_model(TierType)(models.OpaqueModel)


@unbox(TierType)  # type: ignore[untyped-decorator]
def _unbox(kind: TierType, tier: Any, compiler: Any) -> NativeValue:
    return NativeValue(compiler.context.get_dummy_value())


@infer_getattr
class _TierAttribute(AttributeTemplate):  # type: ignore[misc]
    key = TierType

    def generic_resolve(self, kind: TierType, name: str) -> Any:
        return types.intp if isinstance(getattr(kind.tier, name, None), int) else None


@lower_getattr_generic(TierType)  # type: ignore[untyped-decorator]
def _lower_attribute(context: Any, builder: Any, kind: TierType, value: Any, name: str) -> Any:
    return context.get_constant(types.intp, getattr(kind.tier, name))


def has_fma(context: Any) -> bool:
    """Whether the processor that code is emitted for has a fused multiply-add.

    Without it, LLVM calls a function for each lane.
    """
    triple, _, features = context.codegen().magic_tuple()
    return triple.startswith(("aarch64", "arm64")) or "fma" in present(features)


def present(features: str) -> set[str]:
    """The features that LLVM's list "+name,-name,..." switches on."""
    return {feature[1:] for feature in features.split(",") if feature.startswith("+")}
