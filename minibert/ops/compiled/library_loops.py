"""The loops of a shared library, see runtime/library.py."""

from ...bert.weights import BertWeights
from ...runtime.library import Library, find
from .encoder import CompiledEncoder
from .layout import Loops
from .tiers import TIERS


def prepare(weights: BertWeights) -> CompiledEncoder:
    """Return an encoder with these weights, whose loops are those of this processor's library."""
    library = find().library
    assert library is not None  # `backends.py` has checked it
    return CompiledEncoder(loops_of(library), weights)


def loops_of(library: Library) -> Loops:
    """The four loops of the encoder."""
    loops = library.loops
    return Loops("library", TIERS[library.tier], loops["layers"], loops["linear"], loops["probs"], loops["embed"])
