"""The small tables of README.md: quality, speed, size and start. Each says where minibert loses."""

from typing import Any

from .markdown import load, measured_on, paragraph, table
from .speed_tables import cost

# Texts of speed.json -> their column
SUMMARY_TEXTS = {"about 20 tokens": "20", "about 130 tokens": "130", "one of 10 tokens": "10 alone"}
# What is installed -> the processes of start.json that were started with it
STARTED = {
    "minibert with libraries": "libraries",
    "minibert on NumPy alone": "NumPy",
    "minibert with Numba": "Numba",
    "onnxruntime, tokenizers": "onnxruntime",
}
PRECISIONS = ("float32", "int8")


def quality() -> str:
    """Scores of the bundled model, its teacher and static word vectors."""
    content = load("quality")
    systems = {row["system"]: row for row in content["results"]["systems"] if "average" not in row["system"]}
    rows = [
        [name, f"{row['mb']:.0f} MB", f"{row['sts']:.1f}", f"{row['recall']['all']:.3f}", f"{row['texts_per_s']:,}"]
        for name, row in systems.items()
    ]
    task = content["results"]["task"]
    bundled, teacher = systems["minibert-L8-H128, float32"], systems["all-MiniLM-L6-v2, float32"]
    static = next(row for name, row in systems.items() if "wordllama" in name)
    return "\n\n".join(
        [
            table(["vectors of", "weights", "STS dev", "recall@10", "texts/s"], rows),
            paragraph(
                f"STS: similarity of sentences, Spearman x 100, {content['results']['pairs']:,} pairs of the STS benchmark.",
                f"Recall: {task['queries']:,} queries, each for one of"
                f" {task['passages']:,} passages; the share that has it among the first 10.",
                f"The bundled model loses {teacher['sts'] - bundled['sts']:.1f} points of STS and"
                f" {100 * (1 - bundled['recall']['all'] / teacher['recall']['all']):.0f} % of the recall of its teacher.",
                f"It is {bundled['texts_per_s'] / teacher['texts_per_s']:.1f} times as fast.",
                f"The static word vectors of wordllama score {bundled['sts'] - static['sts']:.1f} points of STS lower,",
                f"and are {static['texts_per_s'] / bundled['texts_per_s']:.1f} times as fast as the bundled model.",
                measured_on(content),
            ),
        ]
    )


def speed() -> str:
    """The speed of minibert, onnxruntime and torch, in two threads."""
    content = load("speed")
    shown = [row for row in content["results"] if row["threads"] == 2 and row["texts"] in SUMMARY_TEXTS]
    systems = ("minibert float32", "minibert int8", "minibert numpy", "onnxruntime float32", "onnxruntime int8", "torch")
    rows = [[row["model"], SUMMARY_TEXTS[row["texts"]], *(cost(row, system) for system in systems)] for row in shown]
    header = ["model", "tokens", "minibert", "minibert int8", "NumPy only", "onnxruntime", "onnxruntime int8", "torch"]
    return "\n\n".join([table(header, rows), paragraph(*_slower(shown), measured_on(content, "onnxruntime", "torch"))])


def _slower(rows: list[dict[str, Any]]) -> list[str]:
    """Sentences about the rows of the table in which another system is faster."""
    pairs = {
        "torch (float32 or bfloat16) is faster than compiled float32": ("minibert float32", "torch"),
        "onnxruntime is faster than compiled float32": ("minibert float32", "onnxruntime float32"),
        "onnxruntime's int8 is faster than ours": ("minibert int8", "onnxruntime int8"),
        "On NumPy alone, onnxruntime is faster than minibert": ("minibert numpy", "onnxruntime float32"),
    }
    sentences = []
    for sentence, (ours, theirs) in pairs.items():
        cases = [row for row in rows if row["systems"][ours]["tokens_per_s"] < row["systems"][theirs]["tokens_per_s"]]
        if len(cases) > 2:
            sentences.append(f"{sentence} in {len(cases)} of {len(rows)} rows.")
        elif cases:
            sentences.append(f"{sentence} for {' and '.join(row['model'] + ' with ' + row['texts'] for row in cases)}.")
    return sentences


def start() -> str:
    """Size of an installation; time and memory of a fresh process up to its first vector."""
    content = load("start")
    results = content["results"]
    begin = results["begin"][0]
    best = {
        (what, precision): _best(begin["systems"], f"{system} {precision}") for what, system in STARTED.items() for precision in PRECISIONS
    }
    rows = [
        [row["what"], f"{row['mb']:,.0f} MB", *(_time_and_memory(best[row["what"], precision]) for precision in PRECISIONS)]
        for row in results["installed"]
        if row["what"] in STARTED
    ]
    return "\n\n".join(
        [
            table(["installed", "size", *PRECISIONS], rows),
            paragraph(
                f"`import numpy` alone takes {begin['systems']['import numpy']['vector_ms']:.0f} ms.",
                *_worse(best),
                f"Numba compiles the kernels once, which takes {results['compilation']['first_vector_s']:.0f} s.",
                measured_on(content, "numba", "onnxruntime"),
            ),
        ]
    )


def _best(systems: dict[str, Any], name: str) -> dict[str, Any]:
    """The costs of a system. onnxruntime has several ways to start; the fastest counts."""
    is_rival = name.startswith("onnxruntime")
    ways = [each for label, each in systems.items() if label == name or (is_rival and label.startswith(name))]
    return min(ways, key=lambda way: float(way["vector_ms"]))


def _time_and_memory(costs: dict[str, Any]) -> str:
    return f"{costs['vector_ms']:,.0f} ms, {costs['peak_mb']:,.0f} MB"


def _worse(best: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
    """A sentence that names what costs more with libraries than with onnxruntime."""
    ours, theirs = "minibert with libraries", "onnxruntime, tokenizers"
    worse = [
        f"{name} ({precision})"
        for precision in PRECISIONS
        for key, name in (("vector_ms", "start"), ("peak_mb", "memory"))
        if best[ours, precision][key] > best[theirs, precision][key]
    ]
    return [f"With libraries, minibert costs more than the best of onnxruntime in {', '.join(worse)}."] if worse else []
