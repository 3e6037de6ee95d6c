"""A library of any tier that runs here gives the bits of Numba's loops.

Needs Numba and ziglang. test_tiers.py compares the tiers of Numba's loops with each other.
"""

import platform
from pathlib import Path

import numpy as np
import pytest

import minibert
from minibert.bert.checkpoint import from_arrays
from minibert.ops.compiled import library_loops
from minibert.ops.compiled.encoder import encoder_of
from minibert.ops.compiled.jit_loops import host_tier, loops_for
from minibert.runtime import library, team
from minibert.tokenizer import WordPieceTokenizer, choose, make_tokenizer
from tests.support import hard_weights
from tests.support.encodings import assert_same
from tests.support.hard_texts import COMPATS, SETTINGS, TEXTS, adversarial_texts, character_settings
from tests.support.libraries import built_library
from tests.support.models import make_config, make_weights

MACHINE = platform.machine()
FEATURES = library.processor_features(MACHINE)
HERE = [name for name, needed in library.TIERS.get(MACHINE, {}).items() if needed <= FEATURES]
CONFIG = make_config(2, 40, 5, intermediate_size=70, vocab_size=60, max_position_embeddings=300)
random = np.random.default_rng(0)


@pytest.fixture(scope="module", params=HERE)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> library.Library:
    path = built_library(request.param, tmp_path_factory)
    return library._load(str(path), request.param, MACHINE, is_package=True)


def test_there_are_tiers_here() -> None:
    """Without one, nothing below would be compared."""
    assert HERE


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_every_number_of_the_encoder(built: library.Library, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hidden states of short and long texts, probabilities, pooler, in one thread and in three."""
    weights = from_arrays(make_weights(CONFIG), CONFIG)
    pair = [encoder_of(loops, weights, precision == "int8") for loops in (loops_for(host_tier()), library_loops.loops_of(built))]
    seqlens = [1, 2, 15, 16, 17, 64, 300]
    cu_seqlens = np.cumsum([0, *seqlens])
    ids = random.integers(0, 60, cu_seqlens[-1]).astype(np.int32)
    positions = np.concatenate([np.arange(size, dtype=np.int32) for size in seqlens])
    hidden = [encoder.embed(ids, positions, np.zeros_like(ids)) for encoder in pair]
    np.testing.assert_array_equal(*hidden)
    for actual, expected in zip(*(encoder.attention_probs(hidden[0], cu_seqlens, 1) for encoder in pair), strict=True):
        np.testing.assert_array_equal(actual, expected)
    expected, actual = (encoder.layers(hidden[0].copy(), cu_seqlens, 0, 2) for encoder in pair)
    np.testing.assert_array_equal(actual, expected)
    np.testing.assert_array_equal(*(encoder.pooler(expected[:7].copy()) for encoder in pair))
    monkeypatch.setattr(team, "PAYS", 0)
    for _ in range(5):
        with team.limit_threads(3, []):
            np.testing.assert_array_equal(pair[1].layers(hidden[0].copy(), cu_seqlens, 0, 2), expected)
    with pytest.raises(ValueError, match="position_ids: expected 0 to 299, found 300"):
        pair[1].embed(ids[:2], np.array([0, 300], np.int32), np.zeros(2, np.int32))


def test_every_number_of_the_weights(built: library.Library) -> None:
    """Panels and int8 rows are those of NumPy."""
    loops = library_loops.loops_of(built)
    assert hard_weights.compare_packing(loops) == 864
    assert hard_weights.compare_quantization(loops) == 3248


def tokenizers(name: str, loop: library.LibraryLoop, monkeypatch: pytest.MonkeyPatch) -> tuple[WordPieceTokenizer, WordPieceTokenizer]:
    """(Numba's, the library's)."""
    settings = character_settings(name)
    pair = make_tokenizer(settings, "numba"), make_tokenizer(settings, "numba")
    pair[0].encode_batch(["a"])
    monkeypatch.setattr(choose, "_loop_of", lambda _: loop)
    pair[1].encode_batch(["a"])
    monkeypatch.undo()
    return pair


@pytest.mark.parametrize("name", [*SETTINGS, *COMPATS["google"]])
def test_every_number_of_the_tokenizer(built: library.Library, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids, offsets and word ids. The second of two calls knows the words of the first."""
    jit, ahead = tokenizers(name, built.loops["tokenize"], monkeypatch)
    texts = [*TEXTS, *adversarial_texts(60, seed=3), "the unaffable kiwis " * 200]
    for return_offsets in (False, True):
        for _ in range(2):
            for max_length in (None, 9):
                arguments = (texts, max_length, False, return_offsets)
                assert_same(ahead.encode_batch(*arguments), jit.encode_batch(*arguments), texts)


def test_a_model_by_name(tiny_folder: Path, built: library.Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "find", lambda: library.Found(built, built.path))
    for module in (choose, library_loops):
        monkeypatch.setattr(module, "find", library.find)
    model = minibert.load(tiny_folder, backend="library")
    texts = ["a few words", "word " * 50, *TEXTS] * 100
    assert model.backend == minibert.load(tiny_folder).backend == "library"
    expected = minibert.load(tiny_folder, backend="numba")
    np.testing.assert_array_equal(model.encode(texts), expected.encode(texts))
    for mine, theirs in zip(model.encode_tokens(texts, level="word"), expected.encode_tokens(texts, level="word"), strict=True):
        np.testing.assert_array_equal(mine.vectors, theirs.vectors)
        assert (mine.tokens, mine.offsets) == (theirs.tokens, theirs.offsets)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_short_texts(tiny_folder: Path, built: library.Library, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "find", lambda: library.Found(built, built.path))
    for module in (choose, library_loops):
        monkeypatch.setattr(module, "find", library.find)
    texts = [text for text in (*TEXTS, *adversarial_texts(500, seed=8)) if len(text) < 30]
    found = []
    for backend in ("library", "numba"):
        model = minibert.load(tiny_folder, backend=backend, precision=precision)
        model.tokenizer.encode_batch(["word " * 3000])
        short = model._short_texts
        assert short
        vectors = [short([text], "mean", 64, is_normalized) for text in texts for is_normalized in (False, True)]
        found.append([vector for vector in vectors if vector is not None])
    assert len(found[0]) > len(texts)
    np.testing.assert_array_equal(*found)
