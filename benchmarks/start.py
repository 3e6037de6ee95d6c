"""Measure what the start costs: the first vector, its memory, compiling, and the size on disk.

    pip install onnxruntime onnx onnxscript sympy tokenizers==0.23.3 torch==2.13.0
    pip install transformers sentence-transformers
    python -m benchmarks.start

Every figure is the median of fresh processes, which take turns: import, load, one text. The time of
`import minibert` beside that of `import numpy` comes from imports.py. About four minutes.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

import minibert
from benchmarks import imports
from benchmarks.common import SIZES, arguments, median, model_folder, save
from benchmarks.rivals import make_graphs
from minibert.bert.config import load_config

RUNS, COMPILATIONS = 5, 3
BEGIN = """
import json, sys, time
start = time.perf_counter()
"""
END = """
encoded = time.perf_counter()
with open("/proc/self/status") as status:  # a process inherits ru_maxrss from its parent
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024 / 1e6
print(json.dumps({"import_ms": 1e3 * (imported - start), "load_ms": 1e3 * (loaded - imported), "first_vector_ms": 1e3 * (encoded - loaded),
                  "total_ms": 1e3 * (encoded - start), "peak_mb": peak}))
"""
MINIBERT = """
import minibert
imported = time.perf_counter()
model = minibert.load(sys.argv[1], backend=sys.argv[2], precision=sys.argv[3])
loaded = time.perf_counter()
model.encode("I love NLP")
"""
ONNXRUNTIME = """
import numpy, onnxruntime, tokenizers
imported = time.perf_counter()
tokenizer = tokenizers.BertWordPieceTokenizer(sys.argv[1] + "/vocab.txt")
session = onnxruntime.InferenceSession(sys.argv[2], providers=["CPUExecutionProvider"])
loaded = time.perf_counter()
ids = numpy.array([tokenizer.encode("I love NLP").ids])
inputs = {"input_ids": ids, "attention_mask": numpy.ones_like(ids), "token_type_ids": numpy.zeros_like(ids)}
session.run(None, inputs)[0].mean(axis=1)
"""
TOKENIZE = """
model.tokenizer.encode_batch(["I love NLP"] * 2000)  # enough for the compiled tokenizer
"""
INSTALLED = {
    "minibert without Numba": ("numpy", "safetensors"),
    "minibert": ("numpy", "safetensors", "numba"),
    "onnxruntime, tokenizers": ("onnxruntime", "tokenizers", "numpy"),
    "torch, transformers, sentence-transformers": ("torch", "transformers", "sentence-transformers"),
}


def run(source: str, arguments: list[str], environment: dict[str, str] | None = None) -> dict[str, float]:
    """The measurements of a fresh process."""
    command = [sys.executable, "-c", BEGIN + source + END, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(result.stdout)
    return found


def processes(folder: Path, work: Path) -> dict[str, tuple[str, list[str]]]:
    """The programs to start: a source and its arguments.

    onnxruntime's optimizer has fused the graphs, so that loading takes less time.
    """
    config = load_config(folder / "config.json")
    graphs = make_graphs(folder, work, config.num_attention_heads, config.hidden_size)
    choices = {"minibert float32": ("numba", "float32"), "minibert int8": ("numba", "int8"), "minibert numpy": ("numpy", "float32")}
    found = {name: (MINIBERT, [str(folder), *choice]) for name, choice in choices.items()}
    return found | {f"onnxruntime {name}": (ONNXRUNTIME, [str(folder), str(paths["fused"])]) for name, paths in graphs.items()}


def begin(folder: Path, work: Path, runs: int) -> dict[str, dict[str, float]]:
    """Medians of each, in turns. A first round compiles, and reads the files into memory."""
    programs = processes(folder, work)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in programs}
    for round_number in range(runs + 1):
        for name, (source, given) in programs.items():
            measured = run(source, given)
            if round_number:
                found[name].append(measured)
    return {name: {key: round(median([each[key] for each in many]), 1) for key in many[0]} for name, many in found.items()}


def first_compilation(folder: Path, runs: int) -> dict[str, float]:
    """Seconds up to the first vector with an empty cache.

    A second figure is what the compiled tokenizer adds in the first large batch.
    """
    seconds: dict[str, list[float]] = {"first_vector_s": [], "tokenizer_adds_s": []}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as cache:
            environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"} | {"XDG_CACHE_HOME": cache}
            given = [str(folder), "numba", "float32"]
            seconds["first_vector_s"].append(run(MINIBERT, given, environment)["total_ms"] / 1e3)
            cached = run(MINIBERT, given, environment)["total_ms"] / 1e3
            seconds["tokenizer_adds_s"].append(run(MINIBERT + TOKENIZE, given, environment)["total_ms"] / 1e3 - cached)
    return {name: round(median(many), 1) for name, many in seconds.items()}


def with_requirements(names: tuple[str, ...]) -> set[str]:
    """Distributions, and all that they require on this machine."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def size_mb(distribution: str) -> float:
    """The size of all files that an installation wrote."""
    files = importlib.metadata.files(distribution) or []
    return sum(Path(str(file.locate())).stat().st_size for file in files if Path(str(file.locate())).is_file()) / 1e6


def installed() -> list[dict[str, Any]]:
    """The size on disk of each way of making vectors.

    minibert may be installed as a link to a clone, so its sources are counted.
    """
    ours = sum(file.stat().st_size for file in Path(minibert.__file__).parent.rglob("*.py")) / 1e6
    rows = []
    for name, wanted in INSTALLED.items():
        distributions = with_requirements(wanted)
        size = sum(map(size_mb, distributions)) + (ours if name.startswith("minibert") else 0)
        rows.append({"what": name, "mb": round(size, 1), "distributions": len(distributions) + name.startswith("minibert")})
    return rows


def main() -> None:
    options = arguments(__doc__, tuple(SIZES))
    warnings.filterwarnings("ignore")
    results: dict[str, Any] = {"installed": installed(), "import": imports.measure(3 if options.quick else imports.ROUNDS), "begin": []}
    print(results["installed"], results["import"], flush=True)
    for name in options.models:
        with tempfile.TemporaryDirectory() as parent:
            folder = model_folder(name, Path(parent))
            systems = begin(folder, Path(parent), 1 if options.quick else RUNS)
            file_mb = round((folder / "model.safetensors").stat().st_size / 1e6, 1)
            results["begin"].append({"model": name, "file_mb": file_mb, "systems": systems})
            print(results["begin"][-1], flush=True)
            if name == options.models[-1]:
                results["compilation"] = first_compilation(folder, 1 if options.quick else COMPILATIONS)
                print(results["compilation"], flush=True)
    save("start", results, options.folder)


if __name__ == "__main__":
    main()
