"""Numbers of 8 and 16 bits as Vectors of float32. Needs Numba."""

from typing import Any

import numpy as np
import pytest

from minibert.arrays import BFLOAT16, widen
from minibert.ops.compiled.layout import LANES, STORED_BFLOAT16, STORED_FLOAT16, STORED_FLOAT32, STORED_INT8
from minibert.ops.compiled.memory import address, store
from minibert.ops.compiled.stored import load_stored
from minibert.runtime.jit import jit
from tests.support.guard import guarded


@jit
def loaded_loop(stored: Any, form: Any, out: Any) -> None:
    for i in range(0, out.size, LANES):
        store(address(out), i, load_stored(address(stored), i, out.size - i, form), out.size - i)


EVERY = np.arange(1 << 16, dtype=np.uint16)
CASES = {
    "float32": (STORED_FLOAT32, np.random.default_rng(0).normal(size=1000).astype(np.float32)),
    "float16": (STORED_FLOAT16, EVERY.view(np.float16)),
    "bfloat16": (STORED_BFLOAT16, EVERY.view(BFLOAT16)),
    "int8": (STORED_INT8, np.arange(-128, 128).astype(np.int8)),
}


@pytest.mark.parametrize("name", CASES)
def test_every_value_is_what_numpy_makes_of_it(name: str) -> None:
    form, stored = CASES[name]
    expected = stored.astype(np.float32) if name == "int8" else widen(stored)
    out = np.empty(len(stored), np.float32)
    loaded_loop(stored.view(np.uint8), form, out)
    np.testing.assert_array_equal(out, expected)  # NaN equals NaN here
    np.testing.assert_array_equal(np.signbit(out), np.signbit(expected))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("size", [1, 15, 16, 17, 31])
def test_nothing_behind_the_numbers_is_read(name: str, size: int) -> None:
    """A read behind them would end the process."""
    form, stored = CASES[name]
    out = np.empty(size, np.float32)
    loaded_loop(guarded(stored[:size].view(np.uint8), at_end=True), form, out)
    np.testing.assert_array_equal(out, stored[:size].astype(np.float32) if name == "int8" else widen(stored[:size]))
