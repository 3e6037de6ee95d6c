"""Measure what the start costs: a process up to its first vector, its memory, and the size on disk.

    pip install onnxruntime onnx onnxscript sympy tokenizers==0.23.3 torch==2.13.0
    pip install transformers sentence-transformers numba ziglang "setuptools>=77"
    python -m benchmarks.start [--environments FOLDER] [--rounds 17]

It builds the pure wheel of this checkout and the one with libraries, and installs them into new
virtual environments. Another one has onnxruntime and tokenizers. Every figure is the median, or
the least, of fresh processes, which take turns. A process imports NumPy and the rest, loads, and
encodes one text. Its time begins before the interpreter starts. What it costs beyond `import numpy`
is processor time of its main thread alone: others of NumPy's and onnxruntime's wait in a loop.
About 12 minutes, three of them for the environments.

`--environments` says where the environments are made and stay. Those of an earlier run are used
again, so remove them when the sources have changed.
"""

import importlib.metadata
import os
import subprocess
import tempfile
import time
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement

from benchmarks.common import SIZES, median, model_folder, parsed, parser_of, ratio, save
from benchmarks.environments import build_environment, build_wheel, clean_environment, python_of, size_mb
from benchmarks.rivals import make_graphs
from minibert.bert.config import load_config
from minibert.folders.bundled import BUNDLED

ROUNDS, COMPILATIONS = 17, 3
LIBRARIES, NUMBA, NUMPY = "minibert with libraries", "minibert with Numba", "minibert on NumPy alone"
ONNXRUNTIME = "onnxruntime, tokenizers"
PACKAGES = {
    LIBRARIES: ("numpy", "safetensors"),
    NUMBA: ("numpy", "safetensors", "numba"),
    NUMPY: ("numpy", "safetensors"),
    ONNXRUNTIME: ("numpy", "onnxruntime", "tokenizers"),
}
TORCH = ("torch", "transformers", "sentence-transformers")  # only its size is measured
END = """
import time
there, used = time.monotonic(), time.thread_time()
with open("/proc/self/status") as status:  # a process inherits ru_maxrss from its parent
    peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
print(there, used - globals().get("has_numpy", used), peak)
"""
ENCODE = """
import sys, time, numpy
has_numpy = time.thread_time()
import minibert
model = minibert.load(sys.argv[1] or None, backend=sys.argv[2], precision=sys.argv[3], mmap=len(sys.argv) > 4)
model.encode("I hate cancer")
"""
TOKENIZE = """
model.tokenizer.encode_batch(["I hate cancer"] * 2000)  # enough for the compiled tokenizer
"""
RUN_GRAPH = """
import sys, time, numpy
has_numpy = time.thread_time()
import onnxruntime, tokenizers
tokenizer = tokenizers.BertWordPieceTokenizer(sys.argv[1])
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
if len(sys.argv) > 3:  # lean: what makes the start shorter
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.disable_prepacking", "1")
session = onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
ids = numpy.array([tokenizer.encode("I hate cancer").ids])
inputs = {"input_ids": ids, "attention_mask": numpy.ones_like(ids), "token_type_ids": numpy.zeros_like(ids)}
vectors = session.run(None, inputs)[0].mean(axis=1)
vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
"""


class Way(NamedTuple):
    """A program to start, and the environment that it needs."""

    environment: str
    program: str
    arguments: tuple[str | Path, ...] = ()


class Cost(NamedTuple):
    """What one process cost, from its start."""

    vector_ms: float  # wall time up to the vector
    end_ms: float  # up to the end of the process
    cpu_ms: float  # of all its threads, up to the end
    beyond_numpy_ms: float  # processor time of the main thread, from `import numpy` up to the vector
    peak_mb: float


# The last of these has what the command line sets; see minibert/__main__.py.
FLOOR = {
    "python -c pass": Way(LIBRARIES, "pass"),
    "import numpy": Way(LIBRARIES, "import numpy"),
    "import numpy, OPENBLAS_THREAD_TIMEOUT=4": Way(LIBRARIES, "import os; os.environ['OPENBLAS_THREAD_TIMEOUT'] = '4'; import numpy"),
}


def make_environments(parent: Path) -> dict[str, Path]:
    """The environments, as far as they are not there yet."""
    for name, packages in PACKAGES.items():
        if not (parent / name).exists():
            with tempfile.TemporaryDirectory() as work:
                wheel = None if name == ONNXRUNTIME else build_wheel(Path(work), with_libraries=name == LIBRARIES)
                build_environment(parent / name, packages, wheel)
    return {name: parent / name for name in PACKAGES}


def run(way: Way, environments: dict[str, Path], cache: Path) -> Cost:
    """Start a process, and wait for its end."""
    command = [python_of(environments[way.environment]), "-c", way.program + END, *way.arguments]
    variables = clean_environment() | {"XDG_CACHE_HOME": str(cache)}
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=cache, env=variables, text=True)
    assert process.stdout
    with process.stdout as output:
        printed = output.read().split()
    _, status, usage = os.wait4(process.pid, 0)
    end = time.monotonic()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"this program failed in {command[0]}:\n{way.program}")
    there, beyond_numpy, peak = float(printed[0]), float(printed[1]), int(printed[2]) * 1024 / 1e6
    return Cost(1e3 * (there - start), 1e3 * (end - start), 1e3 * (usage.ru_utime + usage.ru_stime), 1e3 * beyond_numpy, peak)


def ways(name: str, folder: Path, work: Path) -> dict[str, Way]:
    """The programs that are measured with a model."""
    given = "" if name == BUNDLED else folder
    found = dict(FLOOR)
    for label, backend, environment in (("libraries", "library", LIBRARIES), ("Numba", "numba", NUMBA), ("NumPy", "numpy", NUMPY)):
        for precision in ("float32", "int8"):
            found[f"{label} {precision}"] = Way(environment, ENCODE, (given, backend, precision))
    found["libraries float32, mapped"] = Way(LIBRARIES, ENCODE, (given, "library", "float32", "mmap"))
    return found | graph_ways(folder, work)


def graph_ways(folder: Path, work: Path) -> dict[str, Way]:
    """The graphs that onnxruntime's optimizer has fused.

    It maps weights that lie beside their graph, and copies those inside it.
    """
    config = load_config(folder / "config.json")
    found = {}
    for precision, paths in make_graphs(folder, work, config.num_attention_heads, config.hidden_size).items():
        vocab, graph = folder / "vocab.txt", paths["fused"]
        found[f"onnxruntime {precision}"] = Way(ONNXRUNTIME, RUN_GRAPH, (vocab, graph))
        found[f"onnxruntime {precision}, lean"] = Way(ONNXRUNTIME, RUN_GRAPH, (vocab, graph, "lean"))
        found[f"onnxruntime {precision}, lean, mapped"] = Way(ONNXRUNTIME, RUN_GRAPH, (vocab, with_weights_beside(graph), "lean"))
    return found


def with_weights_beside(graph: Path) -> Path:
    """A copy of a graph whose weights are in a file of their own."""
    import onnx

    path = graph.with_name(f"{graph.stem}.mapped.onnx")
    onnx.save(onnx.load(graph), path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=1024)
    return path


def measure(programs: dict[str, Way], environments: dict[str, Path], cache: Path, rounds: int) -> dict[str, dict[str, Any]]:
    """Costs of each program, in turns.

    A first round compiles, and reads the files into memory.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in programs}
    names = list(programs)
    for number in range(-1, rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:  # another one begins each round
            cost = run(programs[name], environments, cache)
            if number >= 0:
                costs[name].append(cost)
    times = {name: [each.vector_ms for each in theirs] for name, theirs in costs.items()}
    ratios = {name: ratio(times[name], times[best_rival(name, times)]) for name in times}
    return {name: summary(theirs) | {"to_onnxruntime": ratios[name]} for name, theirs in costs.items()}


def best_rival(name: str, times: dict[str, list[float]]) -> str:
    """The fastest of the ways in which onnxruntime starts, in the precision of a system."""
    precision = "int8" if "int8" in name else "float32"
    return min((each for each in times if each.startswith(f"onnxruntime {precision}")), key=lambda each: median(times[each]))


def summary(costs: list[Cost]) -> dict[str, float]:
    """The median and the least of each cost."""
    found = {}
    for field, values in zip(Cost._fields, zip(*costs, strict=True), strict=True):
        found |= {field: round(median(list(values)), 1), f"least_{field}": round(min(values), 1)}
    return found


def first_compilation(environments: dict[str, Path], runs: int) -> dict[str, float]:
    """Seconds up to the first vector with an empty cache.

    A second figure is what the compiled tokenizer adds in the first large batch.
    """
    seconds: dict[str, list[float]] = {"first_vector_s": [], "tokenizer_adds_s": []}
    arguments = ("", "numba", "float32")
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as parent:
            first, cached, both = (
                run(Way(NUMBA, program, arguments), environments, Path(parent)).vector_ms / 1e3
                for program in (ENCODE, ENCODE, ENCODE + TOKENIZE)
            )
        seconds["first_vector_s"].append(first)
        seconds["tokenizer_adds_s"].append(both - cached)
    return {name: round(median(many), 1) for name, many in seconds.items()}


def installed(environments: dict[str, Path]) -> list[dict[str, Any]]:
    """The size on disk of each way of making vectors. The wheels of minibert hold a model."""
    rows = [{"what": name, "mb": round(size_mb(folder), 1)} for name, folder in environments.items()]
    files = [Path(str(file.locate())) for name in with_requirements(TORCH) for file in importlib.metadata.files(name) or []]
    size = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
    return [*rows, {"what": ", ".join(TORCH), "mb": round(size, 1)}]


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


def main() -> None:
    parser = parser_of(__doc__, (BUNDLED, *SIZES))
    parser.add_argument("--environments", type=Path, help="where the environments are, or are made")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="processes of each kind")
    options = parsed(parser)
    rounds, compilations = (1, 1) if options.quick else (options.rounds, COMPILATIONS)
    warnings.filterwarnings("ignore")
    with nullcontext(options.environments) if options.environments else tempfile.TemporaryDirectory() as parent:
        environments = make_environments(Path(parent).absolute())
        results: dict[str, Any] = {"rounds": rounds, "installed": installed(environments), "begin": []}
        print(results["installed"], flush=True)
        for name in options.models:
            with tempfile.TemporaryDirectory() as work:
                folder = model_folder(name, Path(work))
                file_mb = round((folder / "model.safetensors").stat().st_size / 1e6, 1)
                measured = measure(ways(name, folder, Path(work)), environments, Path(work), rounds)
                results["begin"].append({"model": name, "file_mb": file_mb, "systems": measured})
                print(results["begin"][-1], flush=True)
        results["compilation"] = first_compilation(environments, compilations)
        print(results["compilation"], flush=True)
    save("start", results, options.folder)


if __name__ == "__main__":
    main()
