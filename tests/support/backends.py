"""The backends that tests run with.

Where Numba is installed, tests of the compiled loops run with Numba's, and
tests/ops/test_library_bits.py compares those of libraries with them. Without Numba, the same tests
run with a library that is installed. `.ci/run` has a stage of each kind.
"""

import pytest

from minibert.bert.weights import BertWeights
from minibert.ops import Encoder
from minibert.ops.backends import choose
from minibert.runtime import library
from tests.support.collection import MISSING

COMPILED = "numba" if "numba" not in MISSING else "library"
needs_numba = pytest.mark.skipif("numba" in MISSING, reason="Numba is not installed")
needs_compiled = pytest.mark.skipif(COMPILED == "library" and not library.find().library, reason="no compiled loops are installed")
BACKENDS = [pytest.param("numpy"), pytest.param(COMPILED, marks=needs_compiled)]
TOLERANCE = 2e-5  # max abs difference to transformers, float32, for any hidden state


def prepare(backend: str, weights: BertWeights) -> Encoder:
    """Return the encoder of a backend with these weights."""
    return choose(backend).load()(weights)
