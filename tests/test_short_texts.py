"""Short texts in one call of a loop: the bits of the usual path, and when that one is taken.

An argument that changes no result, `batch_tokens`, sends a call the usual path.
"""

import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import minibert
from minibert.runtime import team
from tests.runtime.process import check, needs_fork
from tests.support.backends import COMPILED, needs_compiled
from tests.support.hard_texts import TEXTS, adversarial_texts
from tests.support.models import SIZES, make_config, write_model
from tests.support.small_folders import write_json, write_modules

pytestmark = needs_compiled
USUAL = 10_000  # for `batch_tokens`
LEARN = "some words about planes " * 500  # with so many characters the compiled tokenizer pays in any folder


def prepared(path: Path | None, precision: str = "auto", **options: Any) -> minibert.MiniBert:
    """Load a model whose compiled tokenizer is made."""
    model = minibert.load(path, backend=COMPILED, precision=precision, **options)
    model.tokenizer.encode_batch([LEARN])
    return model


def taken(model: minibert.MiniBert, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that receives the number of texts of each call that takes the short path."""
    numbers: list[int] = []
    short = model._short_texts
    assert short

    def spy(texts: list[str], *options: Any) -> Any:
        vectors = short(texts, *options)
        if vectors is not None:
            numbers.append(len(vectors))
        return vectors

    monkeypatch.setitem(vars(model), "_short_texts", spy)
    return numbers


@pytest.fixture(scope="module", params=["float32", "int8"])
def precision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(tiny_folder: Path, precision: str) -> minibert.MiniBert:
    return prepared(tiny_folder, precision)


def test_ten_thousand_texts_have_the_bits_of_the_usual_path(model: minibert.MiniBert, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*TEXTS, *adversarial_texts(9_900, seed=5)]
    numbers = taken(model, monkeypatch)
    actual = [model.encode(text, truncation="silent") for text in texts]
    np.testing.assert_array_equal(actual, model.encode(texts, truncation="silent", batch_tokens=USUAL))
    assert len(numbers) > 0.9 * len(texts)


@pytest.mark.parametrize("size", SIZES)
def test_the_sizes_of_real_models(size: str, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = prepared(write_model(tmp_path / "model", make_config(*SIZES[size])), precision, num_threads=1)
    numbers = taken(model, monkeypatch)
    texts = [*TEXTS[:12], "the quick brown fox jumps over it " * 12]
    actual = [model.encode(text) for text in texts]
    np.testing.assert_array_equal(actual, model.encode(texts, batch_tokens=USUAL))
    assert numbers == [1] * len(texts)


def test_the_bundled_model(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = prepared(None, precision)
    numbers = taken(model, monkeypatch)
    actual = [model.encode(text, truncation="silent") for text in TEXTS]
    np.testing.assert_array_equal(actual, model.encode(TEXTS, truncation="silent", batch_tokens=USUAL))
    assert len(numbers) > 0.8 * len(TEXTS)


def test_a_few_texts_in_a_list(model: minibert.MiniBert, monkeypatch: pytest.MonkeyPatch) -> None:
    """They share a call. More than a few take the usual path."""
    numbers = taken(model, monkeypatch)
    texts = [text for text in TEXTS if len(text) < 30][:9]
    for count in (1, 2, 3, 8, 9):
        np.testing.assert_array_equal(model.encode(texts[:count]), model.encode(texts[:count], batch_tokens=USUAL))
    assert numbers == [1, 2, 3, 8]
    assert model.encode([]).shape == (0, 24)
    assert model.encode(["a\nb", "\n", ""]).tolist() == [model.encode(text).tolist() for text in ("a\nb", "\n", "")]


@pytest.mark.parametrize(
    "options",
    [
        {"pooling": "max"}, {"pooling": ("mean", "cls")}, {"layer": 1}, {"layer": [-1]}, {"truncate_dim": 5}, {"batch_tokens": 9},
        {"show_progress_bar": True},
    ],
)  # fmt: skip
def test_other_arguments_take_the_usual_path(options: dict[str, Any], model: minibert.MiniBert, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = taken(model, monkeypatch)
    expected = model.encode(["a few words", "a" * 10_000], truncation="silent", **options)
    np.testing.assert_array_equal(model.encode("a few words", **options), expected[0])
    assert numbers == []


@pytest.mark.parametrize("options", [{"pooling": "mean"}, {"pooling": "cls"}, {"max_length": 5}, {"normalize_embeddings": True}])
def test_arguments_of_the_short_path(options: dict[str, Any], model: minibert.MiniBert, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = taken(model, monkeypatch)
    expected = model.encode(["a few words"], batch_tokens=USUAL, **options)
    np.testing.assert_array_equal(model.encode("a few words", **options), expected[0])
    np.testing.assert_array_equal(model.encode(["a few words"] * 3, **options), [expected[0]] * 3)
    assert numbers == [1, 3]
    with pytest.warns(minibert.TruncationWarning, match="longer than 4 tokens"):
        model.encode("a few words", **options | {"max_length": 4})


def test_what_is_no_str_takes_the_usual_path(model: minibert.MiniBert, monkeypatch: pytest.MonkeyPatch) -> None:
    class Text(str):
        def encode(self, *_: Any) -> bytes:  # type: ignore[override]
            return b"\xff" * 100

    numbers = taken(model, monkeypatch)

    class Prompt(str):
        def __add__(self, text: str) -> "Text":
            return Text(str(self) + text)

    np.testing.assert_array_equal(model.encode("few words", prompt=Prompt("a ")), model.encode("a few words", batch_tokens=USUAL))
    numbers.clear()
    expected = model.encode("a few words")
    for texts in (Text("a few words"), [Text("a few words")], ("a few words",), iter(["a few words"]), np.array(["a few words"])):
        np.testing.assert_array_equal(model.encode(texts).reshape(-1), expected)
    model.encode([("a", "pair")])
    assert numbers == [1]


def test_errors_and_warnings_are_those_of_the_usual_path(model: minibert.MiniBert) -> None:
    long = "word " * 100
    for texts in (long, ["a", long]):
        with pytest.warns(minibert.TruncationWarning, match="are longer than 64 tokens") as warned:
            vectors = model.encode(texts)
        assert warned[0].filename == __file__
        np.testing.assert_array_equal(vectors, model.encode(texts, truncation="silent", batch_tokens=USUAL))
    for options, message in (
        ({"truncation": "never"}, "truncation: expected"),
        ({"normalize_embeddings": 1}, "normalize_embeddings: expected"),
        ({"prompt_name": "none"}, "prompt_name: expected"),
        ({"layer": "last"}, "layer: expected"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            model.encode("a", **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="are longer than 64 tokens"):
        model.encode(long, truncation="error")
    np.testing.assert_array_equal(model.encode("a\ud800b"), model.encode(["a\ud800b"], batch_tokens=USUAL)[0])


def sentence_folder(source: Path, target: Path, pooling: dict[str, Any], normalizes: bool) -> Path:
    shutil.copytree(source, target)
    write_modules(target)
    write_json(target / "1_Pooling" / "config.json", pooling)
    if normalizes:
        modules = [(0, "", "Transformer"), (1, "1_Pooling", "Pooling"), (2, "2_Normalize", "Normalize")]
        entries = [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"} for i, path, kind in modules]
        write_json(target / "modules.json", entries)
    write_json(target / "config_sentence_transformers.json", {"prompts": {"query": "find: "}, "default_prompt_name": None})
    return target


@pytest.mark.parametrize("pooling", ["pooling_mode_cls_token", "pooling_mode_mean_tokens", "pooling_mode_max_tokens"])
@pytest.mark.parametrize("normalizes", [False, True])
def test_what_a_folder_says(pooling: str, normalizes: bool, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pooling, unit length and prompts."""
    model = prepared(sentence_folder(tiny_folder, tmp_path / "model", {pooling: True}, normalizes))
    numbers = taken(model, monkeypatch)
    for options in ({}, {"normalize_embeddings": True}, {"normalize_embeddings": False}, {"prompt": "to "}, {"prompt_name": "query"}):
        expected = model.encode("planes", batch_tokens=USUAL, **options)  # type: ignore[arg-type]
        np.testing.assert_array_equal(model.encode("planes", **options), expected)  # type: ignore[arg-type]
    np.testing.assert_array_equal(model.encode_query("planes"), model.encode("find: planes"))
    assert len(numbers) == (0 if "max" in pooling else 7)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_word_embeddings_of_another_type(dtype: Any, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """float16 is read in the loop; float64 takes the usual path."""
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    save_file({name: array.astype(dtype) for name, array in load_file(folder / "model.safetensors").items()}, folder / "model.safetensors")
    model = prepared(folder)
    if dtype == np.float64:
        assert model._short_texts is None
        return
    numbers = taken(model, monkeypatch)
    np.testing.assert_array_equal(model.encode("unaffable"), model.encode("unaffable", batch_tokens=USUAL))
    assert numbers == [1]


def test_a_result_that_is_not_finite_is_an_error(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    tensors["encoder.layer.1.output.dense.bias"][3] = np.nan
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"found NaN or infinity in encoder\.layer\.1\.output\.dense\.bias"):
        prepared(folder).encode("a few words")


def test_a_text_that_pays_several_threads_takes_the_usual_path(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    per_token = prepared(tiny_folder, num_threads=2)._encoder.multiplications(1, 2)  # type: ignore[attr-defined]
    monkeypatch.setattr(team, "PAYS", 10 * per_token)
    model = prepared(tiny_folder, num_threads=2)
    numbers = taken(model, monkeypatch)
    model.encode("one " * 7)
    model.encode("one " * 8)
    assert numbers == [1]
    monkeypatch.setattr(team, "PAYS", 5 * per_token)
    assert prepared(tiny_folder, num_threads=2)._short_texts is None


def test_four_threads_at_once(model: minibert.MiniBert) -> None:
    texts = [f"words about {number} planes" for number in range(2000)]
    expected = model.encode(texts)
    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(np.array([*pool.map(model.encode, texts)]), expected)


def test_a_signal_handler_encodes_too(model: minibert.MiniBert) -> None:
    texts = [f"words about {number} planes" for number in range(1000)]
    expected, inside = model.encode(texts), []
    before = signal.signal(signal.SIGALRM, lambda *_: inside.append(model.encode(texts[7])))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0007)
        actual = [model.encode(text) for text in texts]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    np.testing.assert_array_equal(actual, expected)
    assert inside
    np.testing.assert_array_equal(inside, [expected[7]] * len(inside))


@needs_fork
def test_forks_while_threads_encode(tiny_folder: Path) -> None:
    check(
        """
model.tokenizer.encode_batch(["words " * 3000])
expected = model.encode("some words about planes")
is_over = False

def work():
    while not is_over:
        model.encode("some words about planes")

others = [threading.Thread(target=work) for _ in range(3)]
for other in others:
    other.start()
children = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(0 if (model.encode("some words about planes") == expected).all() else 1)
    children.append(ends_well(child))
is_over = True
for other in others:
    other.join()
print("right" if all(children) else "wrong")
""",
        tiny_folder,
        COMPILED,
    )
