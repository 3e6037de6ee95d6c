"""The forward pass: golden files of transformers, invariants, and mutations."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.bert.checkpoint import from_arrays
from minibert.encoder import forward
from minibert.ops import numpy_ops
from minibert.packing import pack, pack_padded, unpack, unpack_attentions
from tests.support.backends import BACKENDS, TOLERANCE, prepare
from tests.support.golden_cases import CASES, Case, sample
from tests.support.models import make_config, make_weights, write_model

GOLDEN = Path(__file__).parent / "golden"


def results(case: Case, tensors: dict[str, np.ndarray], backend: str, shift: int = 0) -> dict[str, np.ndarray]:
    """Return what tests/make/golden.py computes with transformers, computed here."""
    made = prepare(backend, from_arrays(tensors, case.config))
    actual = {}
    for number, (ids, mask, types) in enumerate(case.rectangles()):
        visible = mask.astype(bool)
        batch = pack_padded(ids.astype(np.int32), visible, types.astype(np.int32))
        if shift:
            batch = batch._replace(position_ids=(batch.position_ids + shift) % case.config.max_position_embeddings)
        attentions: list[list[np.ndarray]] = []
        every = range(case.config.num_hidden_layers + 1)
        states = [unpack(hidden, visible) for hidden in forward(made, batch, every, attentions)]
        pooled = made.pooler(np.ascontiguousarray(states[-1][:, 0])) * mask[:, :1]
        actual[f"{number}/hidden_states"] = sample(np.stack(states), case.sampled)
        actual[f"{number}/attentions"] = sample(np.stack([unpack_attentions(each, visible) for each in attentions]), case.sampled)
        actual[f"{number}/pooler_output"] = sample(pooled, case.sampled)
    return actual


def greatest_difference(name: str, actual: dict[str, np.ndarray]) -> float:
    with np.load(GOLDEN / f"{name}.npz") as expected:
        assert set(expected.files) - {"versions"} == set(actual)
        return max(float(np.abs(expected[key] - actual[key]).max()) for key in actual)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CASES)
def test_hidden_states_attentions_and_pooler_equal_transformers(name: str, backend: str) -> None:
    case = CASES[name]
    assert greatest_difference(name, results(case, make_weights(case.config), backend)) <= TOLERANCE


def test_golden_files_name_their_versions() -> None:
    with np.load(GOLDEN / "L8_H128.npz") as golden:
        assert set(json.loads(str(golden["versions"]))) == {"python", "torch", "transformers", "tokenizers"}


# Mutations: each is an error that is easily made. The golden files must notice every one of them.

Tensors = dict[str, np.ndarray]


def zero(suffix: str) -> Callable[[Tensors], None]:
    def mutate(tensors: Tensors) -> None:
        for name in [name for name in tensors if name.endswith(suffix)]:
            tensors[name] = np.zeros_like(tensors[name])

    return mutate


def swap(one: str, other: str) -> Callable[[Tensors], None]:
    def mutate(tensors: Tensors) -> None:
        for name in [name for name in tensors if name.endswith(one)]:
            partner = name.removesuffix(one) + other
            tensors[name], tensors[partner] = tensors[partner], tensors[name]

    return mutate


TENSOR_MUTATIONS: dict[str, Callable[[Tensors], None]] = {
    **{
        f"no {part} bias": zero(f"{part}.bias")
        for part in (
            "query", "value", "attention.output.dense", "intermediate.dense", "0.output.dense",
            "embeddings.LayerNorm", "attention.output.LayerNorm", "0.output.LayerNorm", "pooler.dense",
        )
    },
    "query and key biases swapped": swap("self.query.bias", "self.key.bias"),
    "query and value swapped": swap("self.query.weight", "self.value.weight"),
    "gamma and beta swapped in the embeddings": swap("embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias"),
    "gamma and beta swapped after attention": swap("attention.output.LayerNorm.weight", "attention.output.LayerNorm.bias"),
    "gamma and beta swapped at the end of a layer": swap("0.output.LayerNorm.weight", "0.output.LayerNorm.bias"),
    "norms of a layer swapped": swap("0.attention.output.LayerNorm.weight", "0.output.LayerNorm.weight"),
    "no token types": zero("token_type_embeddings.weight"),
    "no positions": zero("position_embeddings.weight"),
}  # fmt: skip


@pytest.mark.parametrize("mutation", TENSOR_MUTATIONS)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["L8_H128", "L2_H15"])
def test_wrong_tensors_are_noticed(name: str, backend: str, mutation: str) -> None:
    case = CASES[name]
    tensors = make_weights(case.config)
    TENSOR_MUTATIONS[mutation](tensors)
    assert greatest_difference(name, results(case, tensors, backend)) > TOLERANCE


def test_a_key_bias_changes_nothing() -> None:
    """So it is not among the mutations. It adds the same number to all scores of a row, and softmax
    does not change (Vaswani et al. 2017, equation 1).
    """
    case = CASES["L8_H128"]
    tensors = make_weights(case.config)
    zero("key.bias")(tensors)
    assert greatest_difference("L8_H128", results(case, tensors, "numpy")) <= TOLERANCE


TRUTH = SimpleNamespace(**vars(numpy_ops))  # before a mutation


def without_scale(query_key_value: np.ndarray, *rest: Any) -> np.ndarray:
    scaled = query_key_value.copy()
    hidden_size = scaled.shape[1] // 3
    scaled[:, :hidden_size] *= np.float32((hidden_size // rest[1]) ** 0.5)
    return TRUTH.attention(scaled, *rest)


def without_residual(hidden_states: np.ndarray, residual: np.ndarray, norm: Any) -> np.ndarray:
    return TRUTH.add_layer_norm(hidden_states, np.zeros_like(residual), norm)


def other_gelu(hidden_states: np.ndarray, approximate: str) -> np.ndarray:
    return TRUTH.gelu(hidden_states, "none" if approximate == "tanh" else "tanh")


def other_eps(hidden_states: np.ndarray, residual: np.ndarray, norm: Any) -> np.ndarray:
    return TRUTH.add_layer_norm(hidden_states, residual, norm._replace(eps=1e-12))


def across_texts(query_key_value: np.ndarray, cu_seqlens: np.ndarray, num_heads: int) -> np.ndarray:
    return TRUTH.attention(query_key_value, cu_seqlens[[0, -1]], num_heads)


def other_heads(query_key_value: np.ndarray, cu_seqlens: np.ndarray, num_heads: int) -> np.ndarray:
    return TRUTH.attention(query_key_value, cu_seqlens, 1)


CODE_MUTATIONS: dict[str, tuple[str, str, Callable[..., Any]]] = {
    "1/sqrt(head_dim) forgotten": ("L8_H128", "attention", without_scale),
    "residual forgotten": ("L8_H128", "add_layer_norm", without_residual),
    "tanh for erf": ("L8_H128", "gelu", other_gelu),
    "erf for tanh": ("L1_H24", "gelu", other_gelu),
    "eps not from the config": ("L2_H15", "add_layer_norm", other_eps),
    "attention across texts": ("L8_H128", "attention", across_texts),
    "one head": ("L8_H128", "attention", other_heads),
}


@pytest.mark.parametrize("mutation", CODE_MUTATIONS)
def test_wrong_code_is_noticed(mutation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, function, wrong = CODE_MUTATIONS[mutation]
    monkeypatch.setattr(numpy_ops, function, wrong)
    assert greatest_difference(name, results(CASES[name], make_weights(CASES[name].config), "numpy")) > TOLERANCE


def test_a_shifted_position_is_noticed() -> None:
    case = CASES["L2_H15"]
    assert greatest_difference("L2_H15", results(case, make_weights(case.config), "numpy", shift=1)) > TOLERANCE


# Invariants


def hidden_states(model: minibert.MiniBert, texts: list[list[int]]) -> list[np.ndarray]:
    batch = pack(texts)
    (last,) = forward(model._encoder, batch, [model.config.num_hidden_layers])
    return np.split(last, batch.cu_seqlens[1:-1])


def test_a_text_in_a_batch_equals_the_text_alone(miniature: minibert.MiniBert) -> None:
    random = np.random.default_rng(3)
    texts = [random.integers(0, 30522, length).tolist() for length in (1, 9, 9, 2, 130, 9, 512, 3)]
    for text, actual in zip(texts, hidden_states(miniature, texts), strict=True):
        (expected,) = hidden_states(miniature, [text])
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def test_packed_equals_padded_with_a_mask(miniature: minibert.MiniBert) -> None:
    random = np.random.default_rng(4)
    texts = [random.integers(0, 30522, length).tolist() for length in (5, 17, 11)]
    ids, mask = np.zeros((3, 20), np.int64), np.zeros((3, 20), np.int64)
    for row, text in enumerate(texts):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
    padded = miniature(ids, mask).last_hidden_state
    for row, expected in enumerate(hidden_states(miniature, texts)):
        np.testing.assert_allclose(padded[row, : len(expected)], expected, rtol=0, atol=1e-5)
        assert not padded[row, len(expected) :].any()


def test_padding_anywhere_only_moves_positions(miniature: minibert.MiniBert) -> None:
    """The ids under the mask do not matter."""
    random = np.random.default_rng(5)
    ids = random.integers(0, 30522, (2, 30))
    mask = np.ones((2, 30), np.int64)
    mask[0, :12] = 0
    mask[1, 3::4] = 0
    other = np.where(mask == 1, ids, random.integers(0, 30522, ids.shape))
    np.testing.assert_array_equal(miniature(ids, mask).last_hidden_state, miniature(other, mask).last_hidden_state)


@pytest.mark.parametrize("num_heads", [1, 2, 5, 10])
def test_any_heads_and_sizes(num_heads: int, tmp_path: Path) -> None:
    """The context of a head is a mean of its values. If all are equal, it is that value."""
    config = make_config(1, 20, num_heads, max_position_embeddings=8)
    model = minibert.load(write_model(tmp_path, config))
    value = np.random.default_rng(1).standard_normal(20).astype(np.float32)
    query_key_value = np.random.default_rng(2).standard_normal((9, 60)).astype(np.float32)
    query_key_value[:, 40:] = value
    context = numpy_ops.attention(query_key_value, np.array([0, 4, 9]), num_heads)
    np.testing.assert_allclose(context, np.tile(value, (9, 1)), atol=1e-6)
    assert model(np.arange(8)[np.newaxis], output_attentions=True).attentions[0].shape == (1, num_heads, 8, 8)
