"""The bundled model: its architecture, the quality of its vectors, and its place in a wheel."""

import hashlib
import json
import pickle
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import minibert
from minibert.cli.main import main
from minibert.folders.bundled import BUNDLED, bundled_folder
from tests.support.backends import BACKENDS

WEIGHTS = Path(__file__).parent.parent / "weights"
FOLDER = WEIGHTS / BUNDLED


@pytest.fixture(scope="module")
def bundled() -> minibert.MiniBert:
    return minibert.load()


def test_it_has_the_architecture_of_the_original(bundled: minibert.MiniBert) -> None:
    config = bundled.config
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads, config.intermediate_size) == (8, 128, 2, 512)
    assert (bundled.max_length, bundled.pooling, bundled.normalize_embeddings) == (512, "mean", True)


def test_sentences_of_the_same_meaning_are_nearest(bundled: minibert.MiniBert) -> None:
    """Each sentence is nearer to its paraphrase than to any other sentence."""
    pairs = [
        ("A man is slicing an onion.", "Someone cuts up a vegetable."),
        ("How can I lose weight?", "What is a good way to get slimmer?"),
        ("The bank raised its interest rates.", "Borrowing money has become more expensive."),
        ("The film was terrible.", "I did not enjoy the movie at all."),
        ("Python raises an exception when a key is missing.", "A lookup error is thrown by the interpreter."),
        ("Two dogs run across a field.", "A pair of puppies race over the grass."),
        ("The minister resigned after the vote.", "A politician stepped down following an election."),
        ("My phone does not charge any more.", "The battery of my mobile stays empty."),
    ]
    vectors = bundled.encode([text for pair in pairs for text in pair])
    cosines = vectors @ vectors.T - 2 * np.eye(len(vectors))
    assert [int(nearest) ^ 1 for nearest in cosines.argmax(1)] == list(range(len(vectors)))


def test_a_question_finds_the_long_passage_that_answers_it(bundled: minibert.MiniBert, passages: list[str]) -> None:
    queries = ["how do I write a number in binary", "check that something is true while debugging", "repeat until a condition is false"]
    found = np.argmax(bundled.encode_query(queries) @ bundled.encode_document(passages, truncation="silent").T, axis=1)
    for index, word in zip(found, ("integer literals", "assert", "while"), strict=True):
        assert word in passages[index].lower()


@pytest.fixture(scope="module")
def passages() -> list[str]:
    """Return the sections of the language reference that is part of every Python."""
    import pydoc_data.topics

    return [re.sub(r"\s+", " ", text)[:1000] for text in pydoc_data.topics.topics.values()]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_backends_and_precisions_agree(bundled: minibert.MiniBert, passages: list[str], backend: str, precision: str) -> None:
    texts = [passage[:300] for passage in passages[:40]]
    vectors = minibert.load(backend=backend, precision=precision).encode(texts)
    least = 0.99 if precision == "int8" else 1 - 1e-6
    assert (vectors * bundled.encode(texts)).sum(1).min() > least


def test_it_pickles_by_name_and_not_by_path(bundled: minibert.MiniBert) -> None:
    assert str(FOLDER).encode() not in pickle.dumps(bundled)
    assert repr(pickle.loads(pickle.dumps(bundled))) == repr(bundled)
    assert BUNDLED in repr(bundled)


def test_the_command_line_uses_it_by_default(tmp_path: Path, bundled: minibert.MiniBert) -> None:
    assert main(["embed", "--backend", "auto", "-o", str(tmp_path / "x.npy"), "I hate cancer"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy")[0], bundled.encode("I hate cancer"))
    assert main(["info", "-o", str(tmp_path / "x.jsonl")]) == 0
    assert f'"model": "{BUNDLED}"' in (tmp_path / "x.jsonl").read_text()


def test_a_missing_bundled_model_is_an_error_with_advice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "minibert").mkdir()
    monkeypatch.setattr("minibert.folders.bundled.__file__", str(tmp_path / "minibert" / "folders" / "bundled.py"))
    with pytest.raises(FileNotFoundError, match=f"{BUNDLED}: expected in .*install the package again"):
        bundled_folder()


def test_the_files_have_the_digests_of_the_list() -> None:
    readme = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([\w./-]+)` \|.*`([0-9a-f]{64})` \|$", readme, re.M))
    assert set(listed) == {"vocab.txt", f"{BUNDLED}/model.safetensors", f"{BUNDLED}/vocab.txt"}
    for name, expected in listed.items():
        assert hashlib.sha256((WEIGHTS / name).read_bytes()).hexdigest() == expected, name


def test_a_wheel_contains_it(tmp_path: Path) -> None:
    """The wheel has less than 15 MB, and its model loads without the checkout."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(WEIGHTS.parent / name, tmp_path)
    for name in ("minibert", f"weights/{BUNDLED}"):
        shutil.copytree(WEIGHTS.parent / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 15_000_000
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = "import minibert; print(minibert.__file__, minibert.load(backend='numpy').encode('I hate cancer').tolist())"
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "site", capture_output=True, text=True, check=True)
    file, _, vector = result.stdout.partition(" ")
    assert file == str(tmp_path / "site" / "minibert" / "__init__.py")
    np.testing.assert_allclose(json.loads(vector), minibert.load().encode("I hate cancer"), rtol=0, atol=1e-5)


def test_loading_it_imports_neither_the_writers_nor_the_catalogue() -> None:
    """A start is fast without them."""
    code = "import sys, minibert; minibert.load(backend='numpy'); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    others = {"folders.new", "folders.save", "hub.catalog", "hub.published", "hub.http", "importers", "cli"}
    assert not {f"minibert.{name}" for name in others} & set(result.stdout.split())
