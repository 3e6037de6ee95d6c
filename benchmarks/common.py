"""What the benchmarks share: texts, medians, and a record of the machine beside every number."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"
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
    "nanotoken",
    "Django",
)


def machine() -> dict[str, Any]:
    """CPU, cores that we may use, versions."""
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"cpu": names[0], "cores": len(os.sched_getaffinity(0)), "python": platform.python_version(), "versions": found}


def save(name: str, results: Any) -> None:
    """Write results/NAME.json, with the machine and the day."""
    RESULTS.mkdir(exist_ok=True)
    content = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "results": results}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def check_environment() -> None:
    """These two variables slow a current NumPy to half speed and would make any comparison with it a lie."""
    if {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & os.environ.keys():
        raise SystemExit("run this with: env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python ...")


def texts(kind: str, number: int, seed: int = 0) -> list[str]:
    """Texts of a known number of tokens: words that are one entry of the vocabulary, frequent ones more often, as in prose."""
    random = np.random.default_rng(seed)
    words = [token for token in VOCAB.read_text(encoding="utf-8").split("\n") if token.isascii() and token.isalpha()]
    lengths = {
        "about 20 tokens": random.normal(18, 6, number).clip(2, 60),
        "about 130 tokens": random.normal(128, 30, number).clip(20, 300),
        "3 to 512 tokens": np.exp(random.uniform(np.log(3), np.log(512), number)) - 2,
    }[kind].astype(int)
    ranks = (len(words) ** random.random(lengths.sum())).astype(int)  # Zipf: the logarithm of the rank is uniform
    return [" ".join(words[rank] for rank in each) for each in np.split(ranks, np.cumsum(lengths)[:-1])]


def paired(calls: dict[str, Callable[[], object]], repeats: int = 7) -> dict[str, list[float]]:
    """Seconds of each call, in turns, so that a noisy moment hits all of them. The first round warms up and is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for round_number in range(repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if round_number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def median(values: list[float]) -> float:
    return statistics.median(values)
