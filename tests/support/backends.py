"""The backends that tests run with."""

import importlib.util
from typing import Any

import pytest

HAS_NUMBA = importlib.util.find_spec("numba") is not None  # CI leaves it out once, on purpose
needs_numba = pytest.mark.skipif(not HAS_NUMBA, reason="Numba is not installed")
BACKENDS = [pytest.param("numpy"), pytest.param("numba", marks=needs_numba)]
TOLERANCE = 2e-5  # max abs difference to transformers, float32, for any hidden state


def backend_module(name: str) -> Any:
    """Reference or kernels."""
    return importlib.import_module(f"minibert.ops.{'numpy_ops' if name == 'numpy' else 'compiled.kernels'}")
