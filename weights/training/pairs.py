"""Queries and passages that come from the text itself.

A query is the heading of its passage, or a sentence that is cut out of it. The latter is the
inverse cloze task (Lee, Chang and Toutanova 2019, https://arxiv.org/abs/1906.00300). The teacher
gives vectors of texts, but no queries.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from weights.training import lessons
from weights.training.lessons import Indices, Lesson

Ids = npt.NDArray[np.uint16]
VOCAB = (Path(__file__).parents[1] / "vocab.txt").read_text(encoding="utf-8").split("\n")
ENDS = [VOCAB.index(sign) for sign in ".!?"]
SHORTEST_PASSAGE = 40  # tokens
SHORTEST, LONGEST = 8, 48  # tokens of a sentence
# Every other passage of a batch is a wrong answer, so a batch should have many. But a third of
# 12,288 tokens is padding, and a quarter of 8192.
BATCH_TOKENS, BATCH_PAIRS, FEWEST_PAIRS = 8192, 128, 8
BY_HEADING = 0.5  # how often the heading of a passage is its query, if it has one
KEPT = 0.5  # the share of the shorter texts that each epoch learns as before


@dataclass(frozen=True)
class Pairs:
    """Queries and the passages that they should find, each with [CLS] and [SEP]."""

    indices: Indices  # (B,): the passages in their lesson
    queries: list[Ids]
    passages: list[Ids]


def plan(lesson: Lesson, random: np.random.Generator) -> list[Indices | Pairs]:
    """Batches of pairs from all passages, and of some of the texts that are shorter."""
    short = np.flatnonzero(np.diff(lesson.cu_seqlens) < SHORTEST_PASSAGE)
    batches = lessons.divide(lesson, short, lessons.BATCH_TOKENS, lessons.BATCH_TEXTS, random)
    found: list[Indices | Pairs] = [batch for batch in batches if random.random() < KEPT]
    found += ask_all(lesson, random)
    return [found[index] for index in random.permutation(len(found))]


def ask_all(lesson: Lesson, random: np.random.Generator) -> list[Pairs]:
    """Every passage that has a query, in batches.

    The passages of a batch have about one length and are neighbours: the student has to learn
    their differences.
    """
    headings = set((lesson.queries + 1).tolist())
    asked: dict[int, tuple[Ids, Ids]] = {}
    for index in np.flatnonzero(np.diff(lesson.cu_seqlens) >= SHORTEST_PASSAGE).tolist():
        passage = lesson.ids[lesson.text(index)]
        if index in headings and random.random() < BY_HEADING:
            asked[index] = lesson.ids[lesson.text(index - 1)], passage
        elif found := cut(passage, random):
            asked[index] = found
    batches = lessons.divide(lesson, np.array(list(asked), np.int64), BATCH_TOKENS, BATCH_PAIRS, random)
    whole = [batch for batch in batches if len(batch) >= FEWEST_PAIRS]
    return [Pairs(batch, [asked[index][0] for index in batch], [asked[index][1] for index in batch]) for batch in whole]


def cut(ids: Ids, random: np.random.Generator) -> tuple[Ids, Ids] | None:
    """(a sentence of a passage, the rest of it).

    None if no sentence has a fitting length and others beside it.
    """
    special_tokens, text = ids[[0, -1]], ids[1:-1]
    bounds = np.unique([0, *np.flatnonzero(np.isin(text, ENDS)) + 1, len(text)])
    fitting = np.flatnonzero((np.diff(bounds) >= SHORTEST) & (np.diff(bounds) <= LONGEST))
    if len(bounds) < 3 or not len(fitting):
        return None
    sentence = slice(*bounds[(chosen := random.choice(fitting)) : chosen + 2])
    return np.insert(special_tokens, 1, text[sentence]), np.insert(special_tokens, 1, np.delete(text, sentence))
