"""A process that compiles the loops for one tier, which need not be this machine's.

    python -m minibert.compile.worker TIER FILE

build.py starts it. Numba compiles for one kind of processor in a process. NUMBA_CPU_NAME and
NUMBA_CPU_FEATURES say which, and `choose_triple` says for which architecture.
"""

import sys
from pathlib import Path
from typing import Any

from llvmlite import binding

from .targets import TARGETS


def choose_triple(triple: str) -> None:
    """Make Numba compile for a triple. It must not be imported yet.

    Numba asks these two functions of llvmlite for the triple of its own process.
    """
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    replaced: Any = binding
    replaced.get_process_triple = lambda: triple
    replaced.Target.from_default_triple = lambda: binding.Target.from_triple(triple)


def main(tier: str, file: str) -> None:
    """Write the object file of a tier."""
    choose_triple(TARGETS[tier].triple)
    from .emit import object_of  # it imports Numba

    Path(file).write_bytes(object_of(tier))


if __name__ == "__main__":
    main(*sys.argv[1:])
