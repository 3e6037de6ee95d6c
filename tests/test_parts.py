"""MiniBert made from parts, the registry of backends, and the last step of `encode`."""

import pickle
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.bert.checkpoint import from_arrays
from minibert.model_base import ModelSettings
from minibert.ops import backends
from minibert.pooling import finish, unit_length
from tests.support.backends import BACKENDS, prepare
from tests.support.models import make_config, make_weights

TEXTS = ["Playing chess!", "", "one two three four five"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_from_parts_gives_the_vectors_of_its_folder(tiny_folder: object, backend: str) -> None:
    loaded = minibert.load(tiny_folder, backend=backend)  # type: ignore[arg-type]
    config = make_config(2, 24, 3, max_position_embeddings=64)
    encoder = prepare(backend, from_arrays(make_weights(config), config))
    model = minibert.MiniBert(encoder, loaded.tokenizer, ModelSettings(max_length=64))
    np.testing.assert_array_equal(model.encode(TEXTS), loaded.encode(TEXTS))
    assert (model.backend, model.precision, model.pooling) == (backend, "float32", "mean")
    assert repr(model) == f"MiniBert('parts': 2 layers of 24, {backend}, float32)"


def test_a_model_from_parts_cannot_be_pickled(tiny: minibert.MiniBert) -> None:
    model = minibert.MiniBert(tiny._encoder, tiny.tokenizer, ModelSettings(max_length=8))
    with pytest.raises(TypeError, match=r"made from parts cannot be pickled; save its folder and use minibert\.load"):
        pickle.dumps(model)


def test_the_first_backend_that_can_run_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["library", "numba", "numpy"]
    assert [backends.choose(name).name for name in names] == names
    for number, expected in enumerate(names):
        chosen = [each._replace(is_available=lambda is_there=index >= number: is_there) for index, each in enumerate(backends.BACKENDS)]
        monkeypatch.setattr(backends, "BACKENDS", chosen)
        assert backends.choose("auto").name == expected
        assert backends.choose("library").name == "library"  # by name it is chosen, and its import says what is missing


def test_the_last_step_normalises_truncates_and_normalises() -> None:
    vectors = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)
    unit = unit_length(vectors)
    np.testing.assert_array_equal(finish(vectors, False, None, False), vectors)
    np.testing.assert_array_equal(finish(vectors, True, 4, False), unit[:, :4])
    np.testing.assert_array_equal(finish(vectors, False, 4, True), unit_length(vectors[:, :4]))
    np.testing.assert_array_equal(finish(vectors, True, 4, True), unit_length(unit[:, :4]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_mean_of_the_token_vectors_is_the_vector_of_the_text(tiny_folder: object, backend: str) -> None:
    """For any number of texts."""
    model = minibert.load(tiny_folder, backend=backend)  # type: ignore[arg-type]
    for texts in (TEXTS[:1], TEXTS, TEXTS * 200):
        means = [each.vectors.mean(axis=0) for each in model.encode_tokens(texts)]
        np.testing.assert_allclose(means, model.encode(texts), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("poolings", "message"), [(("average",), "pooling: expected 'mean' or .*, found 'average'"), ((), "found 0")])
def test_a_model_from_parts_has_a_pooling(tiny: minibert.MiniBert, poolings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        minibert.MiniBert(tiny._encoder, tiny.tokenizer, ModelSettings(max_length=8, poolings=poolings))


@pytest.mark.parametrize("backend", BACKENDS)
def test_parts_that_do_not_fit_are_refused(tiny: minibert.MiniBert, backend: str) -> None:
    """A vocabulary larger than the word embeddings, and texts longer than the positions."""
    config = make_config(1, 24, 3, vocab_size=1100, max_position_embeddings=8)
    encoder = prepare(backend, from_arrays(make_weights(config), config))
    model = minibert.MiniBert(encoder, tiny.tokenizer, ModelSettings(max_length=64))
    with pytest.raises(ValueError, match="input_ids: expected 0 to 1099, found"):
        model.encode("hello")
    with pytest.raises(ValueError, match="position_ids: expected 0 to 7, found"):
        model.encode("a " * 20)
