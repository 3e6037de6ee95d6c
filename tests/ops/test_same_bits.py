"""A text has the same bits, whatever is in its batch, and whichever threads work on it."""

import multiprocessing
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import minibert
from minibert.runtime import team
from tests.support.backends import COMPILED, needs_compiled
from tests.support.models import SIZES, make_config, write_model

pytestmark = needs_compiled
WORDS = "the cat sat on a mat antibiotics are no painkillers nobody hates naïve kiwis".split()  # noqa: SIM905


def some_texts(number: int, longest: int = 40) -> list[str]:
    stream = np.random.default_rng(5)
    return [" ".join(stream.choice(WORDS, stream.integers(0, longest))) for _ in range(number)]


@pytest.fixture(scope="module", params=["float32", "int8"])
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[int, minibert.MiniBert]:
    """By number of threads."""
    folder = write_model(tmp_path_factory.mktemp("L8_H128"), make_config(*SIZES["L8_H128"]))
    return {number: minibert.load(folder, backend=COMPILED, precision=request.param, num_threads=number) for number in (1, 2, 5)}


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
    """Two threads are at the same time in a function that waits for a second one."""
    both, calls, in_sight = threading.Barrier(2, timeout=60), [], []

    def work(scratch: object) -> None:
        in_sight.append(len(calls))
        both.wait()

    def run() -> None:
        with team.limit_threads(1, calls):
            team.run(team.Call(work, lambda: None, lambda: True), None)

    thread = threading.Thread(target=run)
    thread.start()
    while not calls and thread.is_alive():
        time.sleep(0.001)
    team.join(calls)
    thread.join()
    assert in_sight == [1, 1]
    assert calls == []
    assert [team.pays(number) for number in (0, team.PAYS - 1, team.PAYS)] == [False, False, True]


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
