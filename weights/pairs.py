"""Searches that nobody had to write: a sentence, and the passage that it was cut out of (the inverse cloze task; Lee, Chang and Toutanova
2019, https://arxiv.org/abs/1906.00300).

The teacher never says what a passage should be found by; its text does.
"""

from dataclasses import dataclass
from pathlib import Path

import lessons
import numpy as np
import numpy.typing as npt
from lessons import Indices, Lesson

Ids = npt.NDArray[np.uint16]
VOCAB = (Path(__file__).parent / "vocab.txt").read_text(encoding="utf-8").split("\n")
ENDS = [VOCAB.index(sign) for sign in ".!?"]
SHORTEST_PASSAGE = 40  # tokens
SHORTEST, LONGEST = 8, 48  # tokens of a sentence
# Every other passage of a batch is a wrong answer, so there should be many; but of 12,288 tokens a third is padding, of 8192 a quarter
BATCH_TOKENS, BATCH_PAIRS, FEWEST_PAIRS = 8192, 128, 8
CUTS, KEPT = 2, 0.4  # of each epoch: how often a passage is cut, and the share of the other batches


@dataclass(frozen=True)
class Pairs:
    """Sentences and what is left of their passages, each in its frame of [CLS] and [SEP]."""

    indices: Indices  # (B,): the passages in their lesson
    sentences: list[Ids]
    rests: list[Ids]


def plan(lesson: Lesson, random: np.random.Generator) -> list[Indices | Pairs]:
    """Batches of pairs from all passages, and some of those that `lessons.plan` makes."""
    found: list[Indices | Pairs] = [batch for batch in lessons.plan(lesson, random) if random.random() < KEPT]
    for _ in range(CUTS):
        found += cut_all(lesson, random)
    return [found[index] for index in random.permutation(len(found))]


def cut_all(lesson: Lesson, random: np.random.Generator) -> list[Pairs]:
    """A sentence out of every passage that has two; batches of about one length and of neighbours, whose difference must be learnt."""
    passages = np.flatnonzero(np.diff(lesson.cu_seqlens) >= SHORTEST_PASSAGE)
    cuts = {int(index): found for index in passages if (found := cut(lesson.ids[lesson.text(index)], random))}
    batches = lessons.divide(lesson, np.array(list(cuts), np.int64), BATCH_TOKENS, BATCH_PAIRS, random)
    whole = [batch for batch in batches if len(batch) >= FEWEST_PAIRS]
    return [Pairs(batch, [cuts[index][0] for index in batch], [cuts[index][1] for index in batch]) for batch in whole]


def cut(ids: Ids, random: np.random.Generator) -> tuple[Ids, Ids] | None:
    """(a sentence of a passage, the rest of it), or None where no sentence of a fitting length has others beside it."""
    frame, text = ids[[0, -1]], ids[1:-1]
    bounds = np.unique([0, *np.flatnonzero(np.isin(text, ENDS)) + 1, len(text)])
    fitting = np.flatnonzero((np.diff(bounds) >= SHORTEST) & (np.diff(bounds) <= LONGEST))
    if len(bounds) < 3 or not len(fitting):
        return None
    sentence = slice(*bounds[(chosen := random.choice(fitting)) : chosen + 2])
    return np.insert(frame, 1, text[sentence]), np.insert(frame, 1, np.delete(text, sentence))
