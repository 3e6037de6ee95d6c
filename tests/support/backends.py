"""The backends that tests run with."""

import pytest

from minibert.bert.weights import BertWeights
from minibert.ops import Encoder
from minibert.ops.backends import choose
from tests.support.collection import MISSING

# .ci/run has one stage without Numba
needs_numba = pytest.mark.skipif("numba" in MISSING, reason="Numba is not installed")
BACKENDS = [pytest.param("numpy"), pytest.param("numba", marks=needs_numba)]
TOKENIZER_BACKENDS = BACKENDS[:2]  # of `make_tokenizer`, which has no others
TOLERANCE = 2e-5  # max abs difference to transformers, float32, for any hidden state


def prepare(backend: str, weights: BertWeights) -> Encoder:
    """Return the encoder of a backend with these weights."""
    return choose(backend).load()(weights)
