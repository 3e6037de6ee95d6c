"""The recipe of the bundled model, on a small scale.

minibert computes what the student computes, and training that was stopped continues.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

import minibert
from minibert.folders.bundled import bundled_folder
from weights.training import lessons, model_folder, pairs, train
from weights.training.grammar import sentences
from weights.training.student import Student

LONG = [" ".join(sentences(9, seed=seed)) for seed in range(10)]
LINES = [*sentences(290, seed=3), *LONG[:5], *(f"Heading number {index}\t{text}" for index, text in enumerate(LONG[5:]))]
TEXTS = [text for line in LINES for text in line.split("\t")]


class Stopped(Exception):
    """Raised in place of a kill."""


def random_student() -> Student:
    """Every parameter counts."""
    torch.manual_seed(0)
    student = Student(model_folder.CONFIG["vocab_size"], train.MAX_LENGTH, train.NUM_LAYERS, train.HIDDEN_SIZE, train.NUM_HEADS)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
            parameter.copy_(parameter.half())  # what is saved
    return student


def test_the_student_is_what_minibert_runs(tmp_path: Path) -> None:
    student = random_student()
    train.save_folder(student, tmp_path)
    model = minibert.load(tmp_path)
    ids = np.random.default_rng(0).integers(1000, 30000, (4, 60))
    mask = (np.arange(60) < np.array([60, 3, 31, 59])[:, None]).astype(np.int64)
    with torch.no_grad():
        expected = student(torch.from_numpy(ids), torch.from_numpy(mask)).numpy() * mask[..., None]
    np.testing.assert_allclose(model(ids, mask).last_hidden_state, expected, rtol=0, atol=5e-5)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path) -> Path:
    """Lessons. The last one is made again, as after a stop."""
    work = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lessons, "CHUNK", 64)
        lessons.ask_teacher(LINES, minilm_folder, train.HIDDEN_SIZE, train.MAX_LENGTH, work)
        last = sorted(work.glob("lesson-*.npz"))[-1]
        before, first = last.read_bytes(), work / "lesson-0000.npz"
        last.unlink()
        written = first.stat().st_mtime_ns
        lessons.ask_teacher(LINES, minilm_folder, train.HIDDEN_SIZE, train.MAX_LENGTH, work)
        assert first.stat().st_mtime_ns == written
        assert last.read_bytes() == before
    return work


def test_lessons_of_other_texts_are_not_taken(work: Path, minilm_folder: Path) -> None:
    with pytest.raises(ValueError, match="of other texts, or of another teacher"):
        lessons.ask_teacher(LINES[1:], minilm_folder, train.HIDDEN_SIZE, train.MAX_LENGTH, work)


def test_lessons_say_what_the_teacher_says(work: Path, minilm_folder: Path) -> None:
    lesson = lessons.load(work / "lesson-0001.npz")
    expected = minibert.load(minilm_folder, precision="int8").encode(TEXTS[64:128], truncation="silent", max_length=train.MAX_LENGTH)
    assert (lesson.sentences.astype(np.float32) * expected).sum(1).min() > 0.9999
    projected = expected @ np.load(work / "directions.npy")[:, : train.HIDDEN_SIZE]
    for index, vector in enumerate(projected):
        mean = lesson.tokens[lesson.text(index)].astype(np.float32).mean(0)
        assert mean @ vector > 0.999 * np.linalg.norm(mean) * np.linalg.norm(vector)


def test_an_epoch_is_every_text_once_in_batches_of_one_length(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "BATCH_TEXTS", 8)
    seen: Counter[bytes] = Counter()
    for lesson, indices in lessons.batches(work, np.random.default_rng(0), lessons.plan):
        assert len(indices) <= 8
        seen.update(lesson.ids[lesson.text(index)].tobytes() for index in indices)
    assert sum(seen.values()) == len(TEXTS)
    assert max(seen.values()) == 1


def asked(work: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[lessons.Lesson, int, pairs.Ids, pairs.Ids]]:
    """(lesson, index of a passage, query, what it should find), in an epoch."""
    monkeypatch.setattr(pairs, "FEWEST_PAIRS", 1)
    batches = lessons.batches(work, np.random.default_rng(0), pairs.plan)
    found = [(lesson, batch) for lesson, batch in batches if isinstance(batch, pairs.Pairs)]
    return [(lesson, *each) for lesson, batch in found for each in zip(batch.indices, batch.queries, batch.passages, strict=True)]


def test_a_pair_is_a_sentence_and_the_passage_without_it(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence and the rest make up the passage again.

    Each of the ten long texts is cut once.
    """
    monkeypatch.setattr(pairs, "BY_HEADING", 0)
    found = []
    for lesson, index, sentence, rest in asked(work, monkeypatch):
        text = lesson.ids[lesson.text(index)]
        whole, inner, left = text[1:-1], sentence[1:-1], rest[1:-1]
        assert pairs.SHORTEST <= len(inner) <= pairs.LONGEST
        place = next(place for place in range(len(left) + 1) if np.array_equal(np.insert(left, place, inner), whole))
        assert place == 0 or pairs.VOCAB[whole[place - 1]] in ".!?"
        assert place + len(inner) == len(whole) or pairs.VOCAB[inner[-1]] in ".!?"
        assert not {pairs.VOCAB[each] for each in inner[:-1]} & set(".!?")
        np.testing.assert_array_equal(text[[0, -1]], sentence[[0, -1]])
        np.testing.assert_array_equal(text[[0, -1]], rest[[0, -1]])
        found.append(text.tobytes())
    assert Counter(Counter(found).values()) == {1: 10}


def test_a_passage_under_a_heading_is_asked_for_by_it(work: Path, minilm_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last five of the ten long texts have a heading."""
    monkeypatch.setattr(pairs, "BY_HEADING", 1)
    tokenizer = minibert.load(minilm_folder).tokenizer
    whole = {}
    for lesson, index, query, passage in asked(work, monkeypatch):
        if np.array_equal(passage, lesson.ids[lesson.text(index)]):
            whole[passage.tobytes()] = query
    expected = [tokenizer.encode_batch(line.split("\t")) for line in LINES[-5:]]
    assert len(whole) == 5
    for packed in expected:
        middle = packed.cu_seqlens[1]
        query = whole[packed.input_ids[middle:].astype(np.uint16).tobytes()]
        np.testing.assert_array_equal(query, packed.input_ids[:middle])


def trained(work: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, stops: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    """The parameters after two rounds of more than an epoch, with stops before these steps."""
    monkeypatch.setattr(pairs, "FEWEST_PAIRS", 1)
    rounds = train.Round(6000, 1e-3, lessons.plan), train.Round(5000, 1e-3, pairs.plan)
    for name, value in {"WARMUP_STEPS": 2, "REPORT_SECONDS": -1, "ROUNDS": rounds}.items():
        monkeypatch.setattr(train, name, value)
    (work / "checkpoint.pt").unlink(missing_ok=True)
    for stop in (*stops, None):
        torch.manual_seed(0)
        training = train.Training(train.Student(30522, 512, 2, 128, 2), work, folder, seed=0, sts=None)
        learn = training.step

        def step(*batch: Any, training: Any = training, learn: Any = learn, stop: tuple[int, int] | None = stop) -> int:
            if (training.progress.round, training.progress.step) == stop:
                raise Stopped
            return int(learn(*batch))

        monkeypatch.setattr(training, "step", step)
        if stop is None:
            training.run()
        else:
            with pytest.raises(Stopped):
                training.run()
    return training.student.checkpoint()


def test_training_that_was_stopped_ends_where_it_would_have(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "BATCH_TEXTS", 50)
    expected = trained(work, tmp_path / "at once", monkeypatch, ())
    actual = trained(work, tmp_path / "stopped", monkeypatch, ((0, 3), (1, 2)))
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array, err_msg=name)
    with pytest.raises(ValueError, match="was trained with --seed 0"):
        train.Training(train.Student(30522, 512, 2, 128, 2), work, tmp_path, seed=1, sts=None)


def test_sentence_transformers_reads_the_bundled_model() -> None:
    theirs = SentenceTransformer(bundled_folder())
    ours = minibert.load()
    assert theirs.max_seq_length == ours.max_length
    np.testing.assert_allclose(ours.encode(TEXTS), theirs.encode(TEXTS), rtol=0, atol=1e-5)
