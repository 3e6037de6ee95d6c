"""Tables of parity, quality, damaged files and training text; report.py writes the pages."""

import json
from pathlib import Path
from typing import Any

from .markdown import load, measured_on, paragraph, table

TRAINING_TEXT = Path(__file__).parent.parent / "weights" / "training" / "text.json"  # weights/training/make_text.py wrote it
QUERIES = {"title": "headings", "summary": "summaries", "sentence": "sentences cut out of their passages"}
# Kinds of input of tests/fuzz -> what was damaged
FUZZED = {
    "safetensors": "safetensors files",
    "torch": "torch checkpoints",
    "tensor_bundle": "TensorFlow checkpoints",
    "tensor_bundle_inside": "the index of TensorFlow checkpoints, behind its checksums",
    "spark_zip": "zips of Spark NLP",
    "spark_vocabulary": "vocabularies of Spark NLP",
    "folder": "model folders, given to `load`",
    "quantize": "folders and targets, given to `quantize`",
    "convert": "folders and targets, given to `convert`",
}


def parity() -> str:
    """Differences between minibert and the originals."""
    content = load("parity")
    results = content["results"]
    sts = results["sts"]
    rows = []
    for row in results["hidden_states"]:
        compared = f"hidden states with transformers: every length 1 to {row['lengths']}, ragged batches"
        inner = f"{row['inner']:.1e} (median {row['inner_median']:.1e})"
        rows.append([row["model"], compared, f"last layer and pooler {row['last']:.1e}; inner layers and attentions {inner}"])
    difference, scores = f"{sts['greatest_difference']:.1e}", f"{sts['minibert_spearman']:.4f}"
    original_scores = f"{sts['sentence_transformers_spearman']:.4f}"
    rows.append(["all-MiniLM-L6-v2", f"{2 * sts['pairs']:,} sentence vectors with sentence-transformers", difference])
    rows.append(["all-MiniLM-L6-v2", "STS benchmark, dev, Spearman x 100", f"{scores}; sentence-transformers {original_scores}"])
    for kind, each in results["tokenizer"].items():
        compared = f"ids, offsets, types and word ids of {each['texts']:,} {kind} texts with tokenizers"
        rows.append(["all-MiniLM-L6-v2", compared, f"{each['mismatches']} mismatches"])
    return "\n\n".join(
        [
            table(["model", "compared", "greatest difference"], rows),
            paragraph(
                "The two miniatures have random weights in which every term counts.",
                *map(_beyond_the_promise, results["hidden_states"]),
                "`benchmarks/parity.py`;",
                measured_on(content, "torch", "transformers", "sentence-transformers", "tokenizers"),
            ),
        ]
    )


def _beyond_the_promise(row: dict[str, Any]) -> str:
    """A sentence for a model with differences beyond 2e-5 in its inner layers, else nothing."""
    if not row["inner_above_2e-5"]:
        return ""
    distance = row["inner_to_float64"]
    return (
        f"{row['model']} exceeds 2e-5 in its inner layers for {row['inner_above_2e-5']} of {row['lengths'] + 3} inputs. Two float32 "
        f"roundings meet there: minibert is up to {distance['minibert']:.1e} from float64, and transformers up to "
        f"{distance['transformers']:.1e}."
    )


def quality_int8() -> str:
    """The cost of int8: scores, and cosines to float32."""
    content = load("quality_int8")
    results = content["results"]
    rows = []
    for model in results["models"]:
        for row in model["rows"]:
            score = f"{row['int8_spearman']:.2f} ({row['int8_spearman'] - row['float32_spearman']:+.2f})"
            in_batch = f"{row['alone_to_batch']:.1e}" if row["alone_to_batch"] else "0"
            name = f"{model['model']}, hidden size {model['hidden_size']}"
            rows.append([name, row["encoder"], score, f"{row['cosine_mean']:.4f}", f"{row['cosine_min']:.3f}", in_batch])
    widened = max(model.get("float32_to_narrow", 0) for model in results["models"])
    backends = max(model["numpy_cosine_distance"] for model in results["models"])
    header = ["model", "int8 of", "STS, Spearman x 100 (to float32)", "cosine to float32, mean", "least", "alone or in a batch of 32"]
    return "\n\n".join(
        [
            table(header, rows),
            paragraph(
                f"The {results['pairs']:,} pairs of the STS benchmark, dev. A widened model computes the same function at twice the width,",
                f"in float32 to {widened:.0e}. Two copies of each input share a weight, in halves or in uneven random parts.",
                "The last column is the greatest difference between a text's unit vectors. onnxruntime has one scale for all activations",
                "of a batch, and minibert has one for each token. Rounding to int8 magnifies the last bits: minibert's two backends are up",
                f"to {backends:.1e} apart (cosine distance). `benchmarks/quality_int8.py`;",
                measured_on(content, "onnxruntime", "torch"),
            ),
        ]
    )


def quality() -> str:
    """Quality and speed of the bundled model, its teacher and word vectors."""
    content = load("quality")
    results = content["results"]
    rows = [[str(row["system"]), *_sizes(row), *_scores(row)] for row in results["systems"]]
    header = ["vectors of", "weights", "parameters", "texts/s", "tokens/s", "STS dev", "recall@10", "of long passages"]
    reads = {row["system"].partition(",")[0]: row["reads"] for row in results["systems"] if row["reads"]}
    return "\n\n".join(
        [
            table(header, rows),
            paragraph(
                f"STS: similarity of sentences, Spearman x 100, {results['pairs']:,} pairs of the STS benchmark.",
                f"Speed: the sentences of STS, {results['threads']} threads,",
                "medians of 5, tokens counted as BERT's.",
                *_task(results["task"]),
                *(f"{name} reads {number} tokens of a text." for name, number in reads.items()),
                "Averages read all of it. `benchmarks/quality.py`;",
                measured_on(content, "numpy", "numba"),
            ),
        ]
    )


def _sizes(row: dict[str, Any]) -> list[str]:
    return [f"{row['mb']:.1f} MB", f"{row['parameters'] / 1e6:.1f} M", f"{row['texts_per_s']:,}", f"{row['tokens_per_s']:,}"]


def _scores(row: dict[str, Any]) -> list[str]:
    return [f"{row['sts']:.2f}", f"{row['recall']['all']:.3f}", f"{row['recall']['long']:.3f}"]


def _task(task: dict[str, Any]) -> list[str]:
    """Sentences about the retrieval task."""
    counts = {kind: sum(number for name, number in task["queries_of"].items() if name.endswith(f", {kind}")) for kind in QUERIES}
    kinds = ", ".join(f"{counts[kind]:,} {plural}" for kind, plural in QUERIES.items())
    least, most = task["tokens"]["least"], task["tokens"]["most"]
    return [
        f"Recall: {task['queries']:,} queries ({kinds}) for {task['passages']:,} passages of {least} to {most} tokens, from",
        f"{', '.join(task['passages_of'])}. A passage is long above 200 tokens; {task['passages_long']:,} are, and",
        f"{task['queries_long']:,} queries look for one of them. A query is left out if the passage has more than half of its rare words.",
    ]


def tokenizer() -> str:
    """The two tokenizers beside `tokenizers` and nanotoken."""
    content = load("tokenizer")
    shown, rows = ("minibert", "minibert, plain Python", "tokenizers", "nanotoken"), []
    for row in content["results"]["rows"]:
        speeds = row["mb_per_s"]
        cells = [f"{speeds[name]['first']:.3g} / {speeds[name]['repeated']:.3g}" for name in shown]
        rows.append([row["texts"], *cells, f"{speeds['minibert']['repeated'] / speeds['tokenizers']['repeated']:.0f}"])
    header = ["texts", "minibert, compiled", "minibert, plain Python", "`tokenizers`", "nanotoken (Rust)", "compiled / `tokenizers`, again"]
    return "\n\n".join(
        [
            table(header, rows),
            paragraph(
                "Medians of 5. For each call at a time, the compiled tokenizer remembers 16 MB of chunks and 4 MB of words.",
                "`benchmarks/tokenizer.py`;",
                measured_on(content, "numpy", "numba", "tokenizers", "nanotoken"),
            ),
            tokenizer_parity(),
        ]
    )


def tokenizer_parity() -> str:
    """The mismatches with both originals, in one paragraph."""
    content = load("tokenizer_parity")
    results = content["results"]
    many = [
        f"{each['texts']:,} texts ({each['kind']}): {each['mismatches_hf']} with `tokenizers`, {each['mismatches_google']} with Google."
        for each in results["many"]
    ]
    points, strings = results["code_points"], results["random_strings"]
    differing = sum(each["mismatches"] for each in points.values())
    return paragraph(
        "Mismatches:",
        *many,
        f"Every code point in {len(points)} settings: {differing}. {strings['strings']:,} random strings raised nothing, and the compiled",
        f"tokenizer differed from the readable one in {strings['batches_that_differ']} batches. `benchmarks/tokenizer_parity.py`;",
        measured_on(content, "tokenizers"),
    )


def fuzz() -> str:
    """What became of damaged files."""
    rows = [
        [FUZZED[name], f"{row['inputs']:,}", f"{row['read']:,}", f"{row['refused']:,}", f"{row['broken']:,}"]
        for name, row in load("fuzz").items()
    ]
    return table(["damaged", "inputs", "read", "refused by name", "broke the program"], rows)


def text() -> str:
    """The training text of the bundled model. Packages of one kind and licence share a row."""
    rows: dict[tuple[str, ...], list[Any]] = {}
    for source in json.loads(TRAINING_TEXT.read_text(encoding="utf-8")):
        rows.setdefault(tuple(source[name] for name in ("kind", "licence", "registry")), []).append(source)
    cells = []
    for key, sources in rows.items():
        sums = [sum(each[name] for each in sources) for name in ("lines", "passages", "asked")]
        cells.append([" ".join(f"`{each['source']}`" for each in sources), *reversed(key), *(f"{number:,}" for number in sums)])
    return table(["packages", "from", "licence", "kind", "sentences", "passages", "with a heading"], cells)
