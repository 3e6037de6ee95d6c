"""Tensors that TensorFlow wrote, in tests/golden/tensorflow."""

from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).parents[1] / "golden" / "tensorflow"


def check(loaded: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, array in expected.items():
        assert loaded[name].dtype == array.dtype
        assert not loaded[name].flags.writeable
        np.testing.assert_array_equal(loaded[name].reshape(array.shape), array)
