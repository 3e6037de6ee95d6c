"""MiniBert made from parts, the registry of backends, and the end of the road."""

import pickle

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
    assert [backends.choose(name).name for name in ("numba", "numpy")] == ["numba", "numpy"]
    absent = backends.BACKENDS[0]._replace(is_available=lambda: False)
    monkeypatch.setattr(backends, "BACKENDS", (absent, *backends.BACKENDS[1:]))
    assert backends.choose("auto").name == "numpy"
    assert backends.choose("numba").name == "numba"  # by name it is chosen, and its import says what is missing


def test_the_end_normalises_truncates_and_normalises() -> None:
    vectors = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)
    unit = unit_length(vectors)
    np.testing.assert_array_equal(finish(vectors, False, None, False), vectors)
    np.testing.assert_array_equal(finish(vectors, True, 4, False), unit[:, :4])
    np.testing.assert_array_equal(finish(vectors, False, 4, True), unit_length(vectors[:, :4]))
    np.testing.assert_array_equal(finish(vectors, True, 4, True), unit_length(unit[:, :4]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_tokens_and_vectors_share_one_road(tiny_folder: object, backend: str) -> None:
    """The mean of the token vectors is the vector of the text, for any number of texts."""
    model = minibert.load(tiny_folder, backend=backend)  # type: ignore[arg-type]
    for texts in (TEXTS[:1], TEXTS, TEXTS * 200):
        means = [each.vectors.mean(axis=0) for each in model.encode_tokens(texts)]
        np.testing.assert_allclose(means, model.encode(texts), rtol=0, atol=1e-5)
