"""No argument of an encoder leads outside of memory: ids, lengths, layers, shapes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minibert.bert.checkpoint import from_arrays
from minibert.bert.config import ARCHITECTURE
from minibert.bert.quantize import quantize
from minibert.bert.weights import BertWeights
from tests.support.backends import BACKENDS, COMPILED, needs_compiled, prepare
from tests.support.models import make_config, make_weights

CONFIG = make_config(2, 24, 3, vocab_size=20, max_position_embeddings=8)
TABLES = {"input_ids": 20, "position_ids": 8, "token_type_ids": 2}
FAR = 2**31 - 1


def weights() -> BertWeights:
    return from_arrays(make_weights(CONFIG), CONFIG)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("value", [-1, -2, -FAR - 1, FAR, "size"])
def test_a_number_outside_its_table_is_refused(name: str, value: Any, backend: str) -> None:
    found = TABLES[name] if value == "size" else value
    for stored in (weights(), quantize(weights())):
        encoder = prepare(backend, stored)
        for token in (0, 4):
            ids = {each: np.zeros(5, np.int32) for each in TABLES}
            ids[name][token] = found
            with pytest.raises(ValueError, match=rf"^{name}: expected 0 to {TABLES[name] - 1}, found .*{found}"):
                encoder.embed(*ids.values())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("ids", [np.zeros(4, np.int32), np.zeros(5, np.int64), np.zeros((5, 1), np.int32), np.zeros(10, np.int32)[::2],
                                 np.zeros(5, ">i4"), np.zeros(5, np.float32)])  # fmt: skip
def test_ids_of_another_kind_are_refused(name: str, ids: np.ndarray, backend: str) -> None:
    if name == "input_ids" and ids.shape == (4,):
        name = "position_ids"  # then the other arrays are too long
    given = {each: np.zeros(5, np.int32) for each in TABLES} | {name: ids}
    with pytest.raises(ValueError, match=rf"^{name}: expected contiguous int32"):
        prepare(backend, weights()).embed(*given.values())


RACE = """
import sys, threading
import numpy as np
from tests.support.backends import prepare
from tests.support.models import make_weights
from tests.test_checked_arguments import CONFIG, FAR, TABLES, weights

name = sys.argv[2]
encoder = prepare(sys.argv[1], weights())
ids = {each: np.zeros(600, np.int32) for each in TABLES}
right, wrong, refused = encoder.embed(*ids.values()), [-1, -FAR - 1, FAR, FAR // 2], 0
going = True

def change():
    number = 0
    while going:
        ids[name][number % 600] = wrong[number % 4]
        ids[name][number % 600] = 0
        number += 7

thread = threading.Thread(target=change)
thread.start()
sys.setswitchinterval(1e-6)
for _ in range(1000):
    try:
        np.testing.assert_array_equal(encoder.embed(*ids.values()), right)
    except ValueError as error:
        assert str(error).startswith(f"{name}: expected 0 to {TABLES[name] - 1}, found "), error
        refused += 1
going = False
thread.join()
print("done")
"""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", TABLES)
def test_numbers_that_another_thread_changes_are_refused_or_right(name: str, backend: str) -> None:
    """The test runs in a process of its own, because a number that is not checked could end it."""
    command = [sys.executable, "-c", RACE, backend, name]
    result = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=600)
    assert result.stdout == "done\n", (result.returncode, result.stderr[-2000:])


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


HIDDEN_STATES: dict[str, Callable[[], np.ndarray]] = {
    "narrower": lambda: np.zeros((5, 23), np.float32),
    "wider": lambda: np.zeros((5, 25), np.float32),
    "float64": lambda: np.zeros((5, 24)),
    "int32": lambda: np.zeros((5, 24), np.int32),
    "big-endian": lambda: np.zeros((5, 24), ">f4"),
    "one axis": lambda: np.zeros(120, np.float32),
    "three axes": lambda: np.zeros((5, 24, 1), np.float32),
    "Fortran's order": lambda: np.zeros((24, 5), np.float32).T,
    "every second row": lambda: np.zeros((10, 24), np.float32)[::2],
    "backwards": lambda: np.zeros((5, 24), np.float32)[::-1],
    "unaligned": lambda: np.zeros(481, np.uint8)[1:].view(np.float32).reshape(5, 24),
    "read-only": lambda: read_only(np.zeros((5, 24), np.float32)),
    "one row for all": lambda: np.broadcast_to(np.zeros(24, np.float32), (5, 24)),
}


@needs_compiled
@pytest.mark.parametrize("kind", HIDDEN_STATES)
def test_hidden_states_of_another_kind_are_refused(kind: str) -> None:
    encoder, cu_seqlens = prepare(COMPILED, weights()), np.array([0, 5])
    for call in (
        lambda hidden: encoder.layers(hidden, cu_seqlens, 0, 2),
        lambda hidden: encoder.attention_probs(hidden, cu_seqlens, 0),
        lambda hidden: encoder.pooler(hidden),
    ):
        with pytest.raises(ValueError, match=r"^hidden_states: expected writable, C-contiguous float32"):
            call(HIDDEN_STATES[kind]())


@needs_compiled
@pytest.mark.parametrize(
    "cu_seqlens",
    [[0, 4], [0, 6], [1, 5], [-1, 5], [0, 3, 2, 5], [0, 3, 3, 5], [0, -3, 5], [0, FAR, 5], [0, FAR, -FAR - 1, -1, 5],
     [0, 2**62, -(2**62), 5], [0, 3 * 2**61, -3 * 2**61, 5], [0], [], [5], [0, 5.0], [[0, 5]], [0, 2, 9, 5]],
)  # fmt: skip
def test_wrong_cu_seqlens_are_refused(cu_seqlens: list[Any]) -> None:
    encoder, hidden = prepare(COMPILED, weights()), np.zeros((5, 24), np.float32)
    array = np.array(cu_seqlens)
    array = array if array.size else array.astype(np.int64)
    for call, layers in ((encoder.layers, (0, 2)), (encoder.attention_probs, (0,))):
        with pytest.raises(ValueError, match=r"^cu_seqlens: expected int64 that ascend from 0 to 5"):
            call(hidden, array, *layers)


@needs_compiled
def test_layers_out_of_range_are_refused() -> None:
    encoder, hidden, cu_seqlens = prepare(COMPILED, weights()), np.zeros((5, 24), np.float32), np.array([0, 5])
    for first, last in ((-1, 1), (0, 3), (2, 1), (0, FAR), (-FAR, FAR), (3, 3)):
        with pytest.raises(ValueError, match=f"expected 0 <= first <= last <= 2, found {first} and {last}"):
            encoder.layers(hidden, cu_seqlens, first, last)
    for layer in (-1, 2, FAR):
        with pytest.raises(ValueError, match=f"layer: expected 0 to 1, found {layer}"):
            encoder.attention_probs(hidden, cu_seqlens, layer)


# Weights beside their config


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("field", [field for field in ARCHITECTURE if field != "num_attention_heads"])  # no shape depends on it
@pytest.mark.parametrize("factor", [2, 2**16])
def test_weights_that_do_not_fit_their_config_are_refused(field: str, factor: int, backend: str) -> None:
    """They are refused before anything is computed from the config or allocated for it."""
    config = CONFIG._replace(**{field: getattr(CONFIG, field) * factor})
    with pytest.raises(ValueError, match=r"expected|missing"):
        from_arrays(make_weights(CONFIG), config)
    for stored in (weights(), quantize(weights())):
        with pytest.raises(ValueError, match=r"expected|missing"):
            prepare(backend, stored._replace(config=config))


@pytest.mark.parametrize("field", ARCHITECTURE)
def test_no_number_of_a_config_is_beyond_int32(field: str) -> None:
    for number in (2**31, 2**62, 10**5000):
        with pytest.raises(ValueError, match=f"{field}: expected a positive number below 2\\^31"):
            CONFIG._replace(**{field: number})


@pytest.mark.parametrize("backend", BACKENDS)
def test_layers_of_two_precisions_are_refused(backend: str) -> None:
    """The loops have one precision for all layers."""
    stored = weights()
    mixed = stored._replace(layers=(stored.layers[0], quantize(stored).layers[1]))
    with pytest.raises(ValueError, match=r"query\.weight: expected"):
        prepare(backend, mixed)


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_may_have_any_layout_in_memory(backend: str) -> None:
    ids = np.arange(6, dtype=np.int32)
    zeros, cu_seqlens = np.zeros(6, np.int32), np.array([0, 2, 6])
    tensors = make_weights(CONFIG)
    results = []
    for given in (tensors, {name: np.asfortranarray(array) for name, array in tensors.items()},
                  {name: np.repeat(array, 2, axis=-1)[..., ::2] for name, array in tensors.items()}):  # fmt: skip
        encoder = prepare(backend, from_arrays(given, CONFIG))
        hidden = encoder.embed(ids, ids, zeros)
        results.append(encoder.layers(hidden, cu_seqlens, 0, 2))
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=0, atol=1e-5)
