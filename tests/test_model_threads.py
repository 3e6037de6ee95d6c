"""MiniBert in several threads and processes, its progress, and the threads of BLAS."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import minibert
from minibert.runtime import threads

TEXTS = ["I hate cancer", "Antibiotics aren't painkiller", "", "hello " * 40, "unaffable", "I love NLP", "a", "b c d"]


def test_threads_share_a_model(miniature: minibert.MiniBert) -> None:
    texts = [[f"{text} {number}" for text in TEXTS] for number in range(40)]
    expected = [miniature.encode(each) for each in texts]
    with ThreadPoolExecutor(8) as pool:
        for actual, same in zip(pool.map(miniature.encode, texts), expected, strict=True):
            np.testing.assert_allclose(actual, same, rtol=0, atol=1e-5)


def test_a_model_pickles_as_its_path(tiny: minibert.MiniBert) -> None:
    data = pickle.dumps(tiny)
    assert len(data) < 1000
    for model in (pickle.loads(data), copy.deepcopy(tiny)):
        np.testing.assert_array_equal(model.encode(TEXTS), tiny.encode(TEXTS))


def test_an_error_in_one_batch_reaches_the_caller(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = minibert.load(tiny_folder, num_threads=4)
    monkeypatch.setattr("minibert.model.mean_hidden_states", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.encode(TEXTS, batch_tokens=1)


def test_progress_goes_to_stderr(tiny: minibert.MiniBert, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.encode(TEXTS)
    assert capsys.readouterr() == ("", "")
    tiny.encode(TEXTS, show_progress_bar=True, batch_tokens=1)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\r8 of 8 texts\n")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_quota_of_a_container(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    assert threads.cgroup_quota(tmp_path) == expected


def test_blas_has_its_number_of_threads_again() -> None:
    openblas = threads._openblas()
    if openblas is None:
        assert not list(Path(np.__file__).parent.parent.glob("numpy.libs/*openblas*"))
        pytest.skip("this NumPy has another BLAS than the wheels of the package index")
    get_number, _ = openblas
    before = get_number()
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with threads.blas_threads(2):
            entered.set()
            leave.wait()

    thread = threading.Thread(target=other)
    thread.start()
    entered.wait()
    with threads.blas_threads(1):
        assert get_number() == 1
    leave.set()
    thread.join()
    assert get_number() == before


def test_a_signal_handler_that_raises_leaves_the_setting_of_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def set_number(number: int) -> None:
        told.append(number)
        if number == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(threads, "_openblas", lambda: (lambda: 7, set_number))
    for _ in range(2):  # the second call sets the number again
        with pytest.raises(KeyboardInterrupt), threads.blas_threads(1):
            pass
    assert told == [1, 7, 1, 7]
