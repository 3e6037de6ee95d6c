"""The teacher's vectors of every text, in files, and batches of them for the student."""

import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import minibert
from minibert import MiniBert
from minibert.folders.settings import load_folder
from minibert.runtime.threads import available_cpus

Float32 = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
CHUNK = 8192  # lines of a lesson, which is a file: a random share of all lines
BATCH_TOKENS, BATCH_TEXTS, FEWEST_TEXTS = 6144, 256, 8
# Texts of so many batches, of about one length, are divided into neighbours. 15 % of a batch is
# padding then. With 16 it is 40 %.
GROUP = 4


@dataclass
class Process:
    """The teacher of a process that gives lessons, its directions and the longest text."""

    teacher: MiniBert
    directions: Float32
    max_length: int


processes: list[Process] = []  # one, in a process that gives lessons


@dataclass(frozen=True)
class Lesson:
    """Texts, one after another, and the teacher's vectors of them."""

    ids: npt.NDArray[np.uint16]  # (num_tokens,)
    cu_seqlens: Indices  # (num_texts + 1,): where each text begins
    # (num_tokens, hidden_size of the student): the token vectors in the principal directions
    tokens: npt.NDArray[np.float16]
    sentences: npt.NDArray[np.float16]  # (num_texts, hidden_size of the teacher): their means, of length 1
    queries: Indices  # (num_queries,): texts, each the query of the text after it

    def text(self, index: int) -> slice:
        """Where the tokens of a text stand."""
        return slice(*self.cu_seqlens[index : index + 2])


Plan = Callable[[Lesson, np.random.Generator], Sequence[Any]]


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Write under another name and rename, so that a file is never incomplete."""
    part = path.with_name(f"part-{path.name}")
    save(part)
    os.replace(part, path)


def principal_directions(vectors: Float32) -> Float32:
    """(size, size): orthonormal columns. The first carry most of the vectors' length."""
    return np.ascontiguousarray(np.linalg.eigh(vectors.T @ vectors)[1][:, ::-1], np.float32)


def ask_teacher(texts: Sequence[str], teacher: Path, hidden_size: int, max_length: int, work: Path) -> None:
    """Write the lessons of all texts that are not there yet.

    There is a process for each CPU, with a teacher of its own: half of the work beside the products
    is Python code.

    Raises:
        ValueError: the lessons that are there belong to other texts.
    """
    check_same(texts, teacher, f"{hidden_size} of {max_length} tokens", work / "lessons.sha256")
    directions = work / "directions.npy"
    if not directions.exists():
        vectors = load_teacher(teacher).encode(texts[: 4 * CHUNK], normalize_embeddings=True, truncation="silent")
        write(directions, lambda part: np.save(part, principal_directions(vectors)))
    started, done = time.monotonic(), 0
    with ProcessPoolExecutor(available_cpus(), initializer=begin_lessons, initargs=(teacher, directions, hidden_size, max_length)) as pool:
        paths = {work / f"lesson-{first // CHUNK:04}.npz": texts[first : first + CHUNK] for first in range(0, len(texts), CHUNK)}
        missing = [path for path in paths if not path.exists()]
        for count, num_tokens in enumerate(pool.map(give_lesson, missing, map(paths.__getitem__, missing)), 1):
            done += num_tokens
            print(f"teacher: {count} of {len(missing)} lessons, {done / (time.monotonic() - started):,.0f} tokens/s", flush=True)


def check_same(texts: Sequence[str], teacher: Path, sizes: str, path: Path) -> None:
    weights = hashlib.sha256(Path(load_folder(teacher).weights, "model.safetensors").read_bytes()).hexdigest()
    digest = hashlib.sha256("\n".join([sizes, weights, *texts]).encode()).hexdigest()
    if path.exists() and path.read_text() != digest:
        raise ValueError(f"{path.parent}: holds the lessons of other texts, or of another teacher; give another --work, or delete it")
    path.write_text(digest)


def load_teacher(folder: Path, num_threads: int | None = None) -> MiniBert:
    """The teacher in int8: a third of the time, with a cosine of 0.999 to its float32 vectors."""
    return minibert.load(folder, precision="int8", num_threads=num_threads)


def begin_lessons(teacher: Path, directions: Path, hidden_size: int, max_length: int) -> None:
    """Load what a process keeps from lesson to lesson."""
    processes[:] = [Process(load_teacher(teacher, num_threads=1), np.load(directions)[:, :hidden_size], max_length)]


def give_lesson(path: Path, lines: Sequence[str]) -> int:
    """Write a lesson. Returns its number of tokens."""
    (process,) = processes
    parts = [line.split("\t") for line in lines]  # a text, or a query and its text
    texts = list(itertools.chain.from_iterable(parts))
    starts = np.cumsum([0, *map(len, parts)])
    answers = process.teacher.encode_tokens(texts, max_length=process.max_length, truncation="silent")
    vocabulary = process.teacher.tokenizer.settings.ids
    means = np.stack([answer.vectors.mean(0) for answer in answers])
    lesson = Lesson(
        ids=np.array([vocabulary[token] for answer in answers for token in answer.tokens], np.uint16),
        cu_seqlens=np.cumsum([0, *(len(answer.tokens) for answer in answers)]),
        tokens=(np.concatenate([answer.vectors for answer in answers]) @ process.directions).astype(np.float16),
        sentences=(means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float16),
        queries=starts[:-1][np.diff(starts) == 2],
    )
    write(path, lambda part: np.savez(part, **vars(lesson)))
    return len(lesson.ids)


def load(path: Path) -> Lesson:
    with np.load(path) as arrays:
        return Lesson(**arrays)


def batches(work: Path, random: np.random.Generator, plan: Plan) -> Iterator[tuple[Lesson, Any]]:
    """Yield every lesson once, with each batch that `plan` makes of it."""
    files = sorted(work.glob("lesson-*.npz"))
    for index in random.permutation(len(files)):
        lesson = load(files[index])
        for batch in plan(lesson, random):
            yield lesson, batch


def plan(lesson: Lesson, random: np.random.Generator) -> list[Indices]:
    """Every text once, in batches of neighbours, between which the teacher differs finely."""
    found = divide(lesson, np.arange(len(lesson.cu_seqlens) - 1), BATCH_TOKENS, BATCH_TEXTS, random)
    return [found[index] for index in random.permutation(len(found))]


def divide(lesson: Lesson, texts: Indices, batch_tokens: int, batch_texts: int, random: np.random.Generator) -> list[Indices]:
    """Batches of texts of about one length and of like meaning.

    One length keeps the padding small.
    """
    seqlens = np.diff(lesson.cu_seqlens)[texts]
    order = np.argsort(seqlens + random.random(len(seqlens)))[::-1]  # the longest first
    rest, seqlens = texts[order], seqlens[order]
    found: list[Indices] = []
    while len(rest):
        size = min(batch_texts, max(FEWEST_TEXTS, batch_tokens // int(seqlens[0])))
        group, rest, seqlens = rest[: GROUP * size], rest[GROUP * size :], seqlens[GROUP * size :]
        found += neighbours(group, lesson.sentences[group].astype(np.float32), size, random)
    return found


def neighbours(indices: Indices, vectors: Float32, size: int, random: np.random.Generator) -> list[Indices]:
    """Halve the texts, at a plane between two of them, until a part is a batch."""
    if len(indices) <= size:
        return [indices]
    one, other = random.choice(len(indices), 2, replace=False)
    order = np.argsort(vectors @ (vectors[one] - vectors[other]))
    middle = (-(-len(indices) // size) + 1) // 2 * size
    halves = order[:middle], order[middle:]
    return [batch for half in halves if len(half) for batch in neighbours(indices[half], vectors[half], size, random)]
