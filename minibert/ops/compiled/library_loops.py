"""The loops of a shared library, see runtime/library.py."""

from typing import Any

from ...bert.weights import BertWeights
from ...runtime.library import Library, find
from .encoder import CompiledEncoder, encoder_of
from .layout import Loops
from .tiers import TIERS


def prepare(weights: BertWeights, is_int8: bool = False) -> CompiledEncoder:
    """Return an encoder with these weights, whose loops are those of this processor's library."""
    library = find().library
    assert library is not None  # `backends.py` has checked it
    return encoder_of(loops_of(library), weights, is_int8)


def loops_of(library: Library) -> Loops:
    """The loops of the encoder."""
    loops: dict[str, Any] = {name: loop for name, loop in library.loops.items() if name in Loops._fields}
    return Loops("library", TIERS[library.tier], **loops)
