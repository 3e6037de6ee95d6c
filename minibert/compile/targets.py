"""What LLVM is told about the processors of each tier."""

from typing import NamedTuple

from ..runtime.library import LOOPS

ENTRIES = frozenset(f"minibert_{name}" for name in LOOPS)
# The libraries of C have it, without a version of the symbol. So one file serves all of them.
FOREIGN = frozenset({"sched_yield"})


class Target(NamedTuple):
    """A kind of processor, in LLVM's words."""

    architecture: str
    cpu: str
    features: str  # also those that `cpu` implies and that our code generators look for

    @property
    def triple(self) -> str:
        """LLVM's name of the architecture and the system.

        The C library that it names makes no difference to the code.
        """
        return f"{self.architecture}-unknown-linux-gnu"


# LLVM tunes its levels of x86-64 for processors on which an LEA of three operands is slow. Without
# that, the tokenizer is 3 % faster (Sapphire Rapids), as if it was compiled for the very processor.
AVX2 = "+avx2,+fma,-slow-3ops-lea"
AVX512 = f"{AVX2},+avx512f,+avx512bw,+avx512vl"
TARGETS = {
    "avx2": Target("x86_64", "x86-64-v3", AVX2),
    "avxvnni": Target("x86_64", "x86-64-v3", f"{AVX2},+avxvnni"),
    "avx512": Target("x86_64", "x86-64-v4", AVX512),
    "avx512vnni": Target("x86_64", "x86-64-v4", f"{AVX512},+avx512vnni"),
    "neon": Target("aarch64", "generic", "+neon"),
    "neondot": Target("aarch64", "generic", "+neon,+dotprod"),
}
ARCHITECTURES = ("x86_64", "aarch64")


def tiers_of(name: str) -> list[str]:
    """The tiers that a name stands for: a tier, all of an architecture, or `all`."""
    return [tier for tier, target in TARGETS.items() if name in (tier, target.architecture, "all")]
