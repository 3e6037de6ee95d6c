"""The small tables of README.md: quality, speed, size and start. Each says where minibert loses."""

from typing import Any

from .markdown import load, measured_on, paragraph, table
from .speed_tables import cost

# Texts of speed.json -> their column
SUMMARY_TEXTS = {"about 20 tokens": "20", "about 130 tokens": "130", "one of 10 tokens": "10 alone"}
# What is installed -> the system of start.json that was started with it; None where none was
STARTED = {
    "minibert": "minibert float32",
    "minibert without Numba": "minibert numpy",
    "onnxruntime, tokenizers": "onnxruntime float32",
    "torch, transformers, sentence-transformers": None,
}


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
    rows = []
    for row in results["installed"]:
        system = STARTED[row["what"]]
        found = [each["systems"][system] for each in results["begin"]] if system else []
        cells = [f"{each['total_ms']:,.0f} ms, {each['peak_mb']:,.0f} MB" for each in found]
        rows.append([row["what"], f"{row['mb']:,.0f} MB", *(cells or ["not measured"] * len(results["begin"]))])
    first = results["compilation"]["first_vector_s"]
    return "\n\n".join(
        [
            table(["installed", "size", *(each["model"] for each in results["begin"])], rows),
            paragraph(
                *_worse(results),
                f"The first call ever compiles the kernels, which takes {first:.0f} s;",
                "`minibert warmup` does it beforehand.",
                measured_on(content, "numba", "onnxruntime"),
            ),
        ]
    )


def _worse(results: dict[str, Any]) -> list[str]:
    """A sentence that names what costs more with Numba than with onnxruntime."""
    sizes = {row["what"]: row["mb"] for row in results["installed"]}
    worse = ["size"] if sizes["minibert"] > sizes["onnxruntime, tokenizers"] else []
    for key, name in (("total_ms", "start"), ("peak_mb", "memory")):
        costs = [[each["systems"][system][key] for system in ("minibert float32", "onnxruntime float32")] for each in results["begin"]]
        models = [each["model"] for each, (ours, theirs) in zip(results["begin"], costs, strict=True) if ours > theirs]
        worse += [f"{name} ({' and '.join(models)})"] if models else []
    return [f"With Numba, minibert costs more than onnxruntime in {', '.join(worse)}."] if worse else []
