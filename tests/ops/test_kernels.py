"""The kernels beside their functions in numpy_ops.py, and the promise of the same bits. Needs Numba."""

import dataclasses
import math
import multiprocessing
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.bert.checkpoint import from_arrays
from minibert.bert.int8 import MAX_PAIR_SUM, max_pair_sums
from minibert.bert.quantize import quantize
from minibert.bert.weights import Int8Linear, Linear
from minibert.ops import numpy_ops
from minibert.ops.compiled import activations, attention, attention_int16, kernels, packed, products, team
from minibert.ops.compiled.memory import address, load, store
from minibert.runtime import jit
from tests.support.models import SIZES, make_config, make_weights, write_model

ACTIVATIONS = {None: kernels.NO_ACTIVATION, "none": kernels.ERF, "tanh": kernels.TANH}
random = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(np.float32)


# exp, GELU, tanh


def lane_by_lane(function: Callable[..., Any]) -> Callable[[np.ndarray], np.ndarray]:
    @jit.jit
    def loop(x: Any, out: Any) -> None:
        for i in range(0, x.size, 16):
            store(address(out), i, function(load(address(x), i, x.size - i, np.float32(0))), x.size - i)

    def call(x: np.ndarray) -> np.ndarray:
        out = np.empty_like(x)
        loop(x, out)
        return out

    return call


def test_exp_is_exact_to_float32() -> None:
    x = np.linspace(-87, 88, 1_000_003).astype(np.float32)
    expected = np.exp(x.astype(np.float64))
    actual = lane_by_lane(activations.exp)(x)
    near = np.abs(x) < 20
    assert np.abs(actual / expected - 1)[near].max() <= 2e-7  # two units in the last place
    assert np.abs(actual / expected - 1).max() <= 5e-7


def test_exp_far_out() -> None:
    x = np.array([-np.inf, -1e30, -88, -87.4, 0], np.float32)
    np.testing.assert_array_equal(lane_by_lane(activations.exp)(x), [0, 0, 0, 0, 1])


@pytest.mark.parametrize("form", ["none", "tanh"])
def test_gelu(form: str) -> None:
    x = np.linspace(-12, 12, 400_003).astype(np.float32)
    wide = x.astype(np.float64)
    if form == "none":
        expected = np.array([0.5 * value * math.erfc(-value / math.sqrt(2)) for value in wide])
    else:
        expected = 0.5 * wide * (1 + np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))
    function = activations.gelu_erf if form == "none" else activations.gelu_tanh
    error = np.abs(lane_by_lane(function)(x) - expected)
    assert error[np.abs(x) < 4].max() <= 6e-7
    assert error.max() <= 2e-6  # two units in the last place of 12


@pytest.mark.parametrize("function", [activations.gelu_erf, activations.gelu_tanh, activations.tanh])
def test_what_is_not_finite_is_not_hidden(function: Callable[..., Any]) -> None:
    x = np.array([np.nan, -3.4e38, -1e30, -50, 3e38, 0], np.float32)
    actual = lane_by_lane(function)(x)
    expected = [np.nan, -1, -1, -1, 1, 0] if function is activations.tanh else [np.nan, 0, 0, 0, 3e38, 0]
    np.testing.assert_allclose(actual, np.array(expected, np.float32), rtol=3e-7, atol=1e-8)
    # a network of -inf is broken, and 0 or -1 would not say so
    assert not np.isfinite(lane_by_lane(function)(np.array([-np.inf, np.inf], np.float32))).any()


def test_tanh() -> None:
    x = np.linspace(-12, 12, 100_001).astype(np.float32)
    assert np.abs(lane_by_lane(activations.tanh)(x) - np.tanh(x.astype(np.float64))).max() <= 3e-7


# Twins. Sizes with edges: no multiple of a register, of a tile, of a pass of tiles, of what one integer instruction takes

SHAPES = [(1, 1, 1), (5, 15, 37), (6, 16, 16), (7, 64, 64), (13, 129, 65), (29, 40, 70), (45, 20, 130), (100, 128, 384), (97, 30, 200)]


@pytest.mark.parametrize("approximate", [None, "none", "tanh"])
@pytest.mark.parametrize(("rows", "inner", "outer"), SHAPES)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_products(precision: str, rows: int, inner: int, outer: int, approximate: str | None) -> None:
    x = normal(rows, inner) * np.float32(2) - np.float32(0.5)
    linear: Any = Linear(normal(outer, inner) / np.float32(math.sqrt(inner)), normal(outer))
    if precision == "int8":
        linear = _int8(linear)
    expected = numpy_ops.linear_gelu(x, linear, approximate) if approximate else numpy_ops.linear(x, linear)
    actual = product(x, linear, ACTIVATIONS[approximate])
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def product(x: np.ndarray, linear: Linear | Int8Linear, activation: int) -> np.ndarray:
    """Of the kernels, with room for any of these sizes."""
    parameters = kernels.prepare(from_arrays(make_weights(SMALL), SMALL))
    roomy = dataclasses.replace(parameters, config=make_config(1, 3073, 1), is_int8=isinstance(linear, Int8Linear))
    return kernels.linear_activation(roomy, x, packed.pack(linear), activation)


def _int8(linear: Linear) -> Int8Linear:
    scale = np.maximum(np.abs(linear.weight).max(axis=1), max_pair_sums(linear.weight)) / np.float32(127)
    return Int8Linear(np.rint(linear.weight / scale[:, np.newaxis]).astype(np.int8), scale, linear.bias)


SMALL = make_config(1, 16, 2, vocab_size=20, max_position_embeddings=8)


@pytest.mark.parametrize("inner", [4, 768, 3073])
def test_integer_products_are_exact(inner: int) -> None:
    """The greatest integers there are: an instruction that saturates, or a float32 sum, would show.

    Two neighbours add up to 128 at the most; that they do not saturate at sixteen bits is as tight as it can be.
    """
    x = random.choice(np.array([0, 255], np.float32), (9, inner))
    x[:, 0], x[:, 1] = 0, 255  # so that a number is its own quantised value
    x[0, 2:] = 255
    pairs = np.array([(127, 1), (64, 64), (127, -127), (-127, 127), (-1, -127), (-64, -64)], np.int8)
    weight = random.choice(pairs, (70, (inner + 1) // 2)).reshape(70, -1)[:, :inner]
    weight[0], weight[1] = 64, -64
    assert max_pair_sums(weight).max() == MAX_PAIR_SUM
    expected = x.astype(np.int64) @ weight.T.astype(np.int64)
    linear = Int8Linear(weight, np.ones(70, np.float32), np.zeros(70, np.float32))
    actual = product(x, linear, kernels.NO_ACTIVATION)
    np.testing.assert_array_equal(actual, (np.float32(255) * np.float32(1 / 255)) * expected.astype(np.float32))
    np.testing.assert_array_equal(numpy_ops.linear(x, linear), actual)


@pytest.mark.parametrize("size", [1, 15, 16, 130, 768])
def test_quantised_rows_are_the_same_integers(size: int) -> None:
    x = normal(40, size) * np.float32(3)
    x[3], x[4, 0], x[5, -1] = 2.5, np.nan, np.inf
    with np.errstate(invalid="ignore"):
        low, step, expected = numpy_ops.quantize_rows(x)
    group = packed.KIND.group
    stride = -(-size // group) * group
    quantized = np.zeros((40, stride), packed.KIND.activation)
    wide, counters = np.zeros(80, np.float32), np.zeros(team.COUNTERS, np.int64)

    @jit.jit
    def loop(x: Any, quantized: Any, wide: Any, scratch: Any, zeros: Any, counters: Any) -> None:
        room = team.make_room(x.shape[0], wide, quantized, scratch, zeros, counters)
        products.quantize_rows(address(x), x.shape[0], x.shape[1], quantized.shape[1], room, kernels.FIRST_STEP)

    loop(x, quantized, wide, np.zeros(16, np.float32), team.ZEROS, counters)
    finite = np.isfinite(x).all(axis=1)
    np.testing.assert_array_equal(quantized[finite, :size].astype(int) + packed.KIND.offset, expected[finite])
    np.testing.assert_array_equal(wide[:40][finite], low[finite, 0])
    np.testing.assert_array_equal(wide[40:], np.where(finite, step[:, 0], np.nan))


@pytest.mark.parametrize(("hidden", "heads", "intermediate"), [(15, 3, 37), (24, 1, 20), (64, 2, 256), (312, 12, 1200)])
def test_layers(hidden: int, heads: int, intermediate: int) -> None:
    """Sizes of all kinds, texts of all lengths around those of a tile and of a panel."""
    config = make_config(2, hidden, heads, intermediate_size=intermediate, vocab_size=50, max_position_embeddings=140, layer_norm_eps=1e-5)
    weights = from_arrays(make_weights(config), config)
    seqlens = [1, 2, 5, 6, 7, 12, 15, 16, 17, 63, 64, 65, 140]
    cu_seqlens = np.cumsum([0, *seqlens]).astype(np.int32)
    hidden_states = normal(sum(seqlens), hidden)
    pair = numpy_ops.prepare(weights), kernels.prepare(weights)
    expected = numpy_ops.layers(pair[0], hidden_states, cu_seqlens, 0, 2)
    np.testing.assert_allclose(kernels.layers(pair[1], hidden_states.copy(), cu_seqlens, 0, 2), expected, rtol=0, atol=1e-5)
    probs = [
        backend.attention_probs(parameters, hidden_states, cu_seqlens, 1)
        for backend, parameters in zip((numpy_ops, kernels), pair, strict=True)
    ]
    for expected, actual in zip(*probs, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6)


def int16_attention(qkv: np.ndarray, cu_seqlens: np.ndarray, num_heads: int) -> np.ndarray:
    """Of the kernels, by itself."""
    hidden = qkv.shape[1] // 3
    workspace = packed.Workspace(make_config(1, hidden, num_heads), is_int8=True)
    workspace.make_room(len(qkv), int(np.diff(cu_seqlens).max()))
    out, counters = np.full((len(qkv), hidden), np.nan, np.float32), np.zeros(team.COUNTERS, np.int64)

    @jit.jit
    def loop(
        qkv: Any, cu_seqlens: Any, num_heads: int, out: Any, wide: Any, quantized: Any, scratch: Any, zeros: Any, counters: Any
    ) -> None:
        room = team.make_room(out.shape[0], wide, quantized, scratch, zeros, counters)
        kernels.attention(address(qkv), cu_seqlens, num_heads, out.shape[1], address(out), True, room, kernels.FIRST_STEP)

    loop(qkv, cu_seqlens, num_heads, out, workspace.wide, workspace.quantized, workspace.for_thread(0), team.ZEROS, counters)
    return out


@pytest.mark.parametrize(("hidden", "heads"), [(15, 3), (24, 1), (33, 1), (64, 2), (5, 5), (129, 1), (384, 2)])
def test_attention_in_integers(hidden: int, heads: int) -> None:
    """Where a last bit differs, what lies between two integers may become either."""
    seqlens = [1, 2, 5, 6, 7, 15, 16, 17, 33, 64, 65, 140]
    cu_seqlens = np.cumsum([0, *seqlens]).astype(np.int32)
    qkv = normal(sum(seqlens), 3 * hidden) * np.float32(2)
    actual = int16_attention(qkv, cu_seqlens, heads)
    expected = numpy_ops.int16_attention(qkv, cu_seqlens, heads)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=3e-3)
    assert np.abs(actual - expected).mean() <= 2e-5


@pytest.mark.parametrize("head_dim", [1, 64, 512])
def test_attention_in_the_greatest_integers(head_dim: int) -> None:
    """All at the ends of their range, sums up to 2^30 of either sign; a query is as like to the keys of one half as unlike the others."""
    size = 200
    qkv = np.ones((size, 3 * head_dim), np.float32)
    qkv[::2, head_dim : 2 * head_dim] = -1
    qkv[:, 2 * head_dim :] = 3 * qkv[:, head_dim : 2 * head_dim]
    cu_seqlens = np.array([0, size], np.int32)
    expected = np.full((size, head_dim), 3 * math.tanh(head_dim**0.5))
    for attend in (int16_attention, numpy_ops.int16_attention):
        np.testing.assert_allclose(attend(qkv, cu_seqlens, 1), expected, rtol=3e-3)  # shares of some 200 of 32767, rounded


@pytest.mark.parametrize("size", [1, 5, 16, 17, 1000])
@pytest.mark.parametrize("part", [0, 1])
def test_attention_without_a_preference(part: int, size: int) -> None:
    """Queries or keys of 0, or so small that their product is: the mean of all values, whatever their number does to rounding."""
    qkv = normal(size, 24)
    qkv[:, 8 * part : 8 * part + 8] = 0
    tiny = normal(size, 24) * np.float32(1e-25)
    tiny[:, 16:] = qkv[:, 16:]
    for given in (qkv, tiny):
        for attend in (int16_attention, numpy_ops.int16_attention):
            actual = attend(given, np.array([0, size], np.int32), 1)
            np.testing.assert_allclose(actual, np.broadcast_to(given[:, 16:].mean(axis=0), (size, 8)), rtol=0, atol=3e-4)


def test_values_too_small_for_a_unit() -> None:
    qkv = normal(5, 24)
    qkv[:, 16:] *= np.float32(1e-36)
    for attend in (int16_attention, numpy_ops.int16_attention):
        np.testing.assert_allclose(attend(qkv, np.array([0, 5], np.int32), 1), 0, rtol=0, atol=1e-35)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_huge_scores(precision: str) -> None:
    """Of thousands of millions, whose last bit is worth hundreds: each token looks at the key that is most like it, as in the numpy_ops."""
    config = make_config(1, 16, 1, vocab_size=20, max_position_embeddings=64)
    weights = from_arrays(make_weights(config), config)
    hidden_states, cu_seqlens = normal(40, 16) * np.float32(3e5), np.array([0, 40], np.int32)
    pair = [ops.prepare(quantize(weights) if precision == "int8" else weights) for ops in (numpy_ops, kernels)]
    expected, actual = (
        ops.attention_probs(parameters, hidden_states, cu_seqlens, 0)[0] for ops, parameters in zip((numpy_ops, kernels), pair, strict=True)
    )
    np.testing.assert_array_equal(actual.argmax(axis=-1), expected.argmax(axis=-1))
    np.testing.assert_allclose(actual.sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", [3, 13, 23])
def test_attention_in_integers_keeps_what_is_broken(column: int, value: float) -> None:
    """In query, key or value: all of its head and text, and nothing else, is NaN."""
    qkv = normal(9, 30)
    qkv[7, column] = value
    for attend in (int16_attention, numpy_ops.int16_attention):
        with np.errstate(invalid="ignore"):
            found = attend(qkv, np.array([0, 4, 9], np.int32), 2)
        assert np.isnan(found[4:, :5]).all()
        assert np.isfinite(found[:4]).all()
        assert np.isfinite(found[4:, 5:]).all()


def test_probabilities_of_an_int8_model() -> None:
    config = make_config(2, 30, 3, vocab_size=50, max_position_embeddings=70)
    weights = quantize(from_arrays(make_weights(config), config))
    cu_seqlens, hidden_states = np.array([0, 65, 66, 96], np.int32), normal(96, 30)
    pair = [ops.attention_probs(ops.prepare(weights), hidden_states, cu_seqlens, 1) for ops in (numpy_ops, kernels)]
    for expected, actual, size in zip(*pair, (65, 1, 30), strict=True):
        assert actual.shape == (3, size, size)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-3)


def test_embeddings() -> None:
    weights = from_arrays(make_weights(SMALL), SMALL)
    ids, positions, types = (np.array(each, np.int32) for each in ([3, 19, 0], [7, 0, 2], [1, 0, 1]))
    for stored in (weights, quantize(weights)):
        expected, actual = (ops.embed(ops.prepare(stored), ids, positions, types) for ops in (numpy_ops, kernels))
        np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_broken_numbers_are_found(precision: str, value: float, tmp_path: Path) -> None:
    """Neither softmax nor quantisation may swallow them."""
    folder = write_model(tmp_path, make_config(2, 24, 3, max_position_embeddings=64))
    model = minibert.load(folder, backend="numba", precision=precision)
    hidden = model._ops.embed(model._parameters, *(np.zeros(9, np.int32),) * 3)
    hidden[4, 7] = value
    result = model._ops.layers(model._parameters, hidden, np.array([0, 9, 9][:2], np.int32), 0, 2)
    assert not np.isfinite(result).all()


def test_a_rectangle_with_everything(tmp_path: Path) -> None:
    """`__call__`: every output beside that of the other backend."""
    folder = write_model(tmp_path, make_config(3, 48, 4, max_position_embeddings=64))
    ids = np.random.default_rng(2).integers(0, 30522, (5, 33))
    mask = np.random.default_rng(3).integers(0, 2, ids.shape)
    mask[:, 0] = 1
    pair = [
        minibert.load(folder, backend=name)(ids, mask, output_hidden_states=True, output_attentions=True) for name in ("numba", "numpy")
    ]
    for name in ("last_hidden_state", "pooler_output", "hidden_states", "attentions"):
        actual, expected = (np.array(getattr(output, name)) for output in pair)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5, err_msg=name)


# The same bits, whatever stands beside a text

WORDS = "the cat sat on a mat antibiotics are no painkillers nobody hates naïve kiwis".split()  # noqa: SIM905


def some_texts(number: int, longest: int = 40) -> list[str]:
    stream = np.random.default_rng(5)
    return [" ".join(stream.choice(WORDS, stream.integers(0, longest))) for _ in range(number)]


@pytest.fixture(scope="module", params=["float32", "int8"])
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[int, minibert.MiniBert]:
    """By number of threads."""
    folder = write_model(tmp_path_factory.mktemp("L8_H128"), make_config(*SIZES["L8_H128"]))
    return {number: minibert.load(folder, backend="numba", precision=request.param, num_threads=number) for number in (1, 2, 5)}


def test_a_text_has_one_vector(models: dict[int, minibert.MiniBert]) -> None:
    texts = some_texts(60)
    expected = np.stack([models[1].encode(text) for text in texts])
    for model in models.values():
        for batch_tokens in (1, 50, 333, 100_000):
            np.testing.assert_array_equal(model.encode(texts, batch_tokens=batch_tokens), expected)
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_array_equal(models[2].encode([texts[index] for index in order]), expected[order])


@pytest.mark.parametrize(
    "options", [{"pooling": name} for name in minibert.pooling.POOLINGS] + [{"normalize_embeddings": True}, {"layer": (1, -1)}], ids=str
)
def test_whatever_is_made_of_it(options: dict[str, Any], models: dict[int, minibert.MiniBert]) -> None:
    texts = some_texts(30)
    expected = np.stack([models[1].encode(text, **options) for text in texts])
    np.testing.assert_array_equal(models[2].encode(texts, batch_tokens=200, **options), expected)


def test_a_team_gives_the_same_bits(models: dict[int, minibert.MiniBert], monkeypatch: pytest.MonkeyPatch) -> None:
    """Helpers for every call, however short; also more of them than there are processors."""
    texts = some_texts(20, longest=300)
    expected = [models[1].encode(text) for text in texts]
    monkeypatch.setattr(team, "PAYS", 0)
    for number in (2, 5):
        for _ in range(5):
            for text, each in zip(texts, expected, strict=True):
                np.testing.assert_array_equal(models[number].encode(text), each)


def test_a_thread_joins_what_is_at_work() -> None:
    """Two at the same time in a loop that waits for a second one; what is not worth it is not offered."""
    both, calls, in_sight = threading.Barrier(2, timeout=60), [], []
    workspace = packed.Workspace(SMALL, is_int8=True)
    workspace.make_room(1, 1)

    def loop(*_: object) -> None:
        in_sight.append(len(calls))
        if calls:
            both.wait()

    def work() -> None:
        with team.limit_threads(1, calls):
            team.run(loop, (), workspace, 1, team.PAYS - 1)
            team.run(loop, (), workspace, 1, team.PAYS)

    thread = threading.Thread(target=work)
    thread.start()
    while not calls and thread.is_alive():
        time.sleep(0.001)
    team.join(calls)
    thread.join()
    assert in_sight == [0, 1, 1]
    assert calls == []


def test_joined_calls_give_the_same_bits(models: dict[int, minibert.MiniBert], monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of very different size, offered however short; also from several callers."""
    texts = [*some_texts(30), "word " * 400]
    expected = np.stack([models[1].encode(text) for text in texts])
    monkeypatch.setattr(team, "PAYS", 0)
    with ThreadPoolExecutor(3) as callers:
        for actual in callers.map(lambda number: models[number].encode(texts, batch_tokens=200), [2, 5] * 10):
            np.testing.assert_array_equal(actual, expected)


def test_ten_thousand_calls_from_sixteen_threads(models: dict[int, minibert.MiniBert]) -> None:
    texts = some_texts(50, longest=4)
    expected = [models[1].encode(text) for text in texts]
    differing: list[int] = []

    def call(offset: int) -> None:
        numbers = range(offset, 10_000, 16)
        differing.extend(n for n in numbers if not np.array_equal(models[2].encode(texts[n % 50]), expected[n % 50]))

    threads = [threading.Thread(target=call, args=(offset,)) for offset in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert differing == []


def _in_child(connection: Any, model: minibert.MiniBert, texts: list[str]) -> None:
    connection.send(model.encode(texts))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 about a fork beside threads: that it works is the point
@pytest.mark.skipif(not hasattr(multiprocessing, "get_context") or sys.platform == "win32", reason="no fork here")
def test_after_a_fork(models: dict[int, minibert.MiniBert]) -> None:
    texts = some_texts(200)
    expected = models[2].encode(texts)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_in_child, args=(theirs, models[2], texts))
    process.start()
    assert ours.poll(60)
    np.testing.assert_array_equal(ours.recv(), expected)
    process.join()


def test_every_loop_is_compiled_once(models: dict[int, minibert.MiniBert]) -> None:
    """One layout and one mutability of arrays; a second signature would be a second compilation."""
    models[1].encode(some_texts(3), layer=(0, 3))
    models[2]([[101, 7592, 102]], output_hidden_states=True, output_attentions=True)
    for name in ("layers_loop", "linear_loop", "embed_loop", "probs_loop"):
        assert len(getattr(kernels, name).signatures) == 1, name
    attentions = (attention.attend, attention.any_tile, attention_int16.attend_int16, attention_int16.any_int16_tile)
    for function in (products.product, products.quantize_rows, kernels.add_layer_norm, *attentions):
        assert len(function.signatures) <= 1, function.signatures  # none, if those above came from the cache


# Memory


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_batch_tokens_bounds_memory(precision: str, tmp_path: Path) -> None:
    """What the README says: 4 (2 H + max(4 H, I)) bytes a token, max(H, I) more with int8, and 8 d + 24 a token of the longest text."""
    hidden, heads = 256, 4
    folder = write_model(tmp_path, make_config(1, hidden, heads))
    texts = ["word " * 100] * 200

    def peak(batch_tokens: int) -> int:
        model = minibert.load(folder, backend="numba", precision=precision, num_threads=1)
        model.encode(texts, batch_tokens=1)  # compiles, and fills the tokenizer's memory
        tracemalloc.start()
        model.encode(texts, batch_tokens=batch_tokens)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    per_token = 4 * (2 * hidden + 4 * hidden) + (4 * hidden if precision == "int8" else 0)
    few, many = peak(256), peak(16_384)
    attention = 512 * (8 * (hidden // heads) + 24)
    results = len(texts) * (4 * hidden + 102 * 4 * 6)  # the vectors; ids and places of all tokens
    assert few <= 256 * per_token + attention + results + (1 << 20)
    assert many <= 16_384 * per_token + attention + results + (1 << 20)
    assert many - few >= (16_384 - 256) * per_token // 2  # so the bound is not an empty one


def test_no_quadratic_memory() -> None:
    config = make_config(1, 64, 1, vocab_size=20, max_position_embeddings=8)
    workspace = packed.Workspace(config, is_int8=True)
    workspace.make_room(10_000, 10_000)
    assert workspace.wide.nbytes + workspace.quantized.nbytes + workspace.for_thread(0).nbytes < 10_000 * 64 * 4 * 12


def test_a_large_workspace_is_not_kept() -> None:
    parameters = kernels.prepare(from_arrays(make_weights(SMALL), SMALL))
    for num_tokens, kept in ((10, 1), (packed.KEPT_TOKENS + 1, 0)):
        with packed.borrowed(parameters, num_tokens, 8):
            assert parameters.idle == []
        assert len(parameters.idle) == kept
