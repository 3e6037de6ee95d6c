"""The loops that make weights give the bits of NumPy. Needs Numba.

test_library_bits.py does the same for the loops of libraries, and test_guard_pages.py looks for
reads and writes outside the arrays.
"""

import numpy as np
import pytest

from minibert.arrays import BFLOAT16, widen
from minibert.bert.checkpoint import from_arrays
from minibert.bert.quantize import int8_rows, quantize
from minibert.bert.weights import Linear, side_by_side
from minibert.ops.compiled.jit_loops import host_tier, loops_for, prepare
from minibert.ops.compiled.pack_weights import pack_one, rows_of
from minibert.ops.compiled.packed import CACHE_LINE, pack
from minibert.ops.compiled.tiers import TIERS
from tests.support import hard_weights
from tests.support.hard_weights import assert_same, packed_together, stored
from tests.support.models import make_config, make_weights

random = np.random.default_rng(0)


# One tier of each form of panels. `pack_loop` needs no instruction of a tier, so all can run here.
FORMS = {(tier.width, tier.group, tier.int8_offset): name for name, tier in TIERS.items()}


@pytest.mark.parametrize("name", FORMS.values())
def test_panels_are_those_of_numpy(name: str) -> None:
    assert hard_weights.compare_packing(loops_for(TIERS[name])) == 864


def test_int8_rows_are_those_of_numpy() -> None:
    assert hard_weights.compare_quantization(loops_for(host_tier())) == 3248


def test_parts_of_different_dtypes() -> None:
    """NumPy does not join bfloat16 and float32 by itself."""
    loops = loops_for(host_tier())
    parts = tuple(Linear(stored(random.normal(size=(5, 7)), dtype), stored(np.ones(5), dtype)) for dtype in hard_weights.DTYPES)
    assert_same(packed_together(parts, loops), pack(side_by_side(*parts), loops.tier))


def test_int8_while_a_model_is_loaded() -> None:
    """The encoder is that of weights which NumPy has quantized."""
    config = make_config(2, 24, 3, vocab_size=9, max_position_embeddings=7)
    weights = from_arrays(make_weights(config), config)
    mine, right = (prepare(weights, is_int8=True).parameters, prepare(quantize(weights)).parameters)
    assert_same(mine.word_embeddings, right.word_embeddings)
    for layers in zip(mine.layers, right.layers, strict=True):
        for actual, expected in zip(*layers, strict=True):
            assert_same(actual, expected)
    assert_same(mine.pooler, right.pooler)


@pytest.mark.parametrize("dtype", hard_weights.DTYPES)
def test_weights_at_any_place(dtype: np.dtype) -> None:
    """Transposed weights, and weights that begin at an odd address."""
    loops = loops_for(host_tier())
    numbers = stored(random.normal(size=(20, 33)), dtype)
    odd = np.frombuffer(b"\0" + numbers.tobytes(), np.uint8)[1:].view(dtype).reshape(numbers.shape)
    for weight in (numbers.T, odd):
        linear = Linear(weight, np.zeros(len(weight), np.float32))
        assert_same(pack_one(linear, loops), pack(linear, loops.tier))
        assert_same(rows_of(loops)(weight, True), int8_rows(weight, True))


def test_every_panel_begins_on_a_cache_line() -> None:
    loops = loops_for(TIERS["avx2"])
    for dtype in (np.dtype(np.float32), BFLOAT16):
        parts = [Linear(stored(random.normal(size=(3, 5)), dtype), np.zeros(3, np.float32))] * 2
        packed = packed_together(tuple(parts), loops)
        assert packed.panels.ctypes.data % CACHE_LINE == 0
        np.testing.assert_array_equal(packed.panels[0, :, :3, 0].T, widen(parts[0].weight))
