"""Measure how the cost grows: one text of 8 to 512 tokens, and 1 to 1,024 texts of 20 tokens.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python -m benchmarks.growth

minibert is compared with onnxruntime, in float32 and int8. onnxruntime has its best configuration
at every point: graph, threads and, with many texts, batch size. About six minutes on two cores.
"""

import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common import SIZES, arguments, check_environment, median, model_folder, num_tokens_of, paired, ratio, save, texts_of_length
from benchmarks.rivals import Graphs, Systems, make_graphs, onnx_rivals
from benchmarks.speed import best, minibert_systems
from minibert.bert.config import load_config
from minibert.runtime.threads import available_cpus

LENGTHS = {"L8_H128": (8, 16, 32, 64, 128, 256, 512), "L6_H768": (8, 32, 128, 512)}
NUMBERS = {"L8_H128": tuple(2**n for n in range(11)), "L6_H768": (1, 4, 16, 64)}
BATCH_SIZES = (8, 32)
TOKENS = 20  # of a text, while the number of texts grows
REPEATED = 2000  # tokens of a measurement at least: a call with fewer is repeated
ROUNDS = 5


def systems(folder: Path, graphs: Graphs) -> Systems:
    """Both precisions of minibert and onnxruntime."""
    found = {name: many for name, many in minibert_systems(folder).items() if name != "minibert numpy"}
    for precision, paths in graphs.items():
        configurations = {}
        for threads in sorted({1, available_cpus()}):
            many = onnx_rivals(folder, paths, threads, BATCH_SIZES)
            configurations |= {f"{label}, {threads} thread{'s' * (threads > 1)}": encode for label, encode in many}
        found[f"onnxruntime {precision}"] = configurations
    return found


def points(name: str, is_quick: bool) -> Iterator[tuple[str, int, list[str]]]:
    """What grows, its size, and the texts."""
    step = 3 if is_quick else 1
    for length in LENGTHS[name][::step]:
        yield "tokens of one text", length, texts_of_length(length, 1)
    for number in NUMBERS[name][::step]:
        yield "texts of 20 tokens", number, texts_of_length(TOKENS, number)


def measure(everyone: Systems, batch: list[str], rounds: int) -> dict[str, Any]:
    """Milliseconds of one call and tokens per second of each system."""
    num_tokens = num_tokens_of(batch)
    times = max(1, REPEATED // num_tokens)
    chosen = {system: configurations[best(configurations, batch, 1)[0]] for system, configurations in everyone.items()}

    def repeated(system: str) -> None:
        for _ in range(times):
            chosen[system](batch)

    seconds = paired({system: partial(repeated, system) for system in chosen}, rounds)
    return {
        system: {
            "ms": float(f"{1e3 * median(each) / times:.4g}"),
            "tokens_per_s": round(num_tokens * times / median(each)),
            "to_minibert": ratio(each, seconds[f"minibert {system.split()[1]}"]),
        }
        for system, each in seconds.items()
    }


def main() -> None:
    options = arguments(__doc__, tuple(SIZES))
    check_environment()
    warnings.filterwarnings("ignore")
    results: list[dict[str, Any]] = []
    for name in options.models:
        with tempfile.TemporaryDirectory() as parent:
            folder = model_folder(name, Path(parent))
            config = load_config(folder / "config.json")
            everyone = systems(folder, make_graphs(folder, Path(parent), config.num_attention_heads, config.hidden_size))
            for kind, number, batch in points(name, options.quick):
                found = measure(everyone, batch, 2 if options.quick else ROUNDS)
                results.append({"model": name, "grows": kind, "number": number, "systems": found})
                print(results[-1], flush=True)
                save("growth", results, options.folder)


if __name__ == "__main__":
    main()
