"""Write the measured tables into README.md and the model card, between their markers, from results/*.json.

python -m benchmarks.report            # tests/test_readme.py fails when one is not what this would write
"""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DOCUMENTS = (ROOT / "README.md", ROOT / "weights" / "minibert-L8-H128" / "README.md")
TEXT = ROOT / "weights" / "text.json"  # what weights/training/make_text.py wrote
RESULTS = Path(__file__).parent / "results"
QUERIES = {"title": "headings", "summary": "summaries", "sentence": "sentences cut out of their passages"}


def load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return content


def measured_on(content: dict[str, Any], *packages: str) -> str:
    machine = content["machine"]
    versions = ", ".join(f"{package} {machine['versions'][package]}" for package in packages)
    return f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, {versions}, {content['date']}"


def table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])


def parity() -> str:
    content = load("parity")
    results = content["results"]
    sts, tokens = results["sts"], results["tokenizer"]
    rows = [
        [
            row["model"],
            f"hidden states against transformers, every length 1 to {row['lengths']} and ragged batches",
            f"last layer and pooler {row['last']:.1e}; inner layers and attentions {row['inner']:.1e} (median {row['inner_median']:.1e})",
        ]
        for row in results["hidden_states"]
    ]
    rows.append(
        ["all-MiniLM-L6-v2", f"{2 * sts['pairs']:,} sentence vectors against sentence-transformers", f"{sts['greatest_difference']:.1e}"]
    )
    scores = f"{sts['minibert_spearman']:.4f}; sentence-transformers {sts['sentence_transformers_spearman']:.4f}"
    rows.append(["all-MiniLM-L6-v2", "STS benchmark, dev, Spearman x 100", scores])
    rows += [
        [
            "all-MiniLM-L6-v2",
            f"ids, offsets, types and word ids of {each['texts']:,} {kind} texts against tokenizers",
            f"{each['mismatches']} mismatches",
        ]
        for kind, each in tokens.items()
    ]
    note = "".join(
        f" {row['model']} exceeds 2e-5 in its inner layers for {row['inner_above_2e-5']} of {row['lengths'] + 3} inputs, where two float32 "
        f"roundings meet: from float64, minibert is up to {row['inner_to_float64']['minibert']:.1e} away and transformers up to "
        f"{row['inner_to_float64']['transformers']:.1e}."
        for row in results["hidden_states"]
        if row["inner_above_2e-5"]
    )
    packages = ("torch", "transformers", "sentence-transformers", "tokenizers")
    return (
        table(["model", "compared", "greatest difference"], rows)
        + "\n\nThe miniatures have random weights in which every term counts."
        + note
        + f" `benchmarks/parity.py`; {measured_on(content, *packages)}."
    )


def cost(row: dict[str, Any], system: str) -> str:
    """Milliseconds where texts come one by one, else tokens per second."""
    found = row["systems"][system]
    configuration = f" ({found['configuration']})" if found["configuration"] else ""
    return (f"{found['ms_per_text']:.3g} ms" if is_single(row) else f"{found['tokens_per_s']:,}") + configuration


def is_single(row: dict[str, Any]) -> bool:
    return row["texts"].startswith("one ")


def spread(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['greatest']:.2f})"


def case(row: dict[str, Any]) -> list[str]:
    return [row["model"], row["texts"] + (", 1 thread" if row["threads"] == 1 else "")]


def speed() -> str:
    content = load("speed")
    precisions, others = ("float32", "int8"), ("minibert numpy", "torch", "sentence-transformers")
    rows, rest, slower = [], [], []
    for row in content["results"]:
        for precision in precisions:
            ratio = row["systems"][f"onnxruntime {precision}"]["to_minibert"]
            rows.append([*case(row), precision, cost(row, f"minibert {precision}"), cost(row, f"onnxruntime {precision}"), spread(ratio)])
            if ratio["median"] < 1:
                slower.append(f"{', '.join(case(row))}, {precision}")
        if row["systems"].keys() >= set(others):
            rest.append([*case(row), cost(row, "minibert float32"), *(other(row, system) for system in others)])
    return (
        "Texts in, vectors out: tokens per second, and milliseconds for one text. onnxruntime is at its best: the graph as exported or "
        "with its own fusions, texts sorted by length, five batch sizes, for one text also one thread; `in order` is what fastembed does, "
        "batches of 32 as they come. int8 is its dynamic quantisation, per channel. The ratio says how many times as fast minibert is, "
        "and its spread is that of the runs. "
        + (f"Below 1, where onnxruntime is faster: {'; '.join(slower)}." if slower else "It is nowhere below 1.")
        + "\n\n"
        + table(["model", "texts", "precision", "minibert", "onnxruntime (its best)", "ratio (spread)"], rows)
        + "\n\nThe same texts elsewhere, in brackets how many times as fast minibert float32 is; torch in float32 or bfloat16:\n\n"
        + table(["model", "texts", "minibert float32", "minibert on NumPy alone", "torch (its best)", "sentence-transformers"], rest)
        + "\n\nMedians of 5 paired runs. `benchmarks/speed.py`; "
        + measured_on(content, "numpy", "numba", "onnxruntime", "tokenizers", "torch", "sentence-transformers")
        + "."
    )


def other(row: dict[str, Any], system: str) -> str:
    return f"{cost(row, system)} [{row['systems'][system]['to_minibert']['median']:.3g}]"


def roofline() -> str:
    content = load("roofline")
    results = content["results"]
    rows = []
    for name in dict.fromkeys(name for row in results["models"] for name in row["ops"]):
        cells = []
        for row in results["models"]:
            op = row["ops"].get(name)
            share = f" ({100 * op['share_of_peak']:.0f} %)" if op and "share_of_peak" in op else ""
            cells.append(f"{op['us_per_token']:.3g}{share}" if op else "")
        rows.append([name.replace("_", " "), *cells])
    peaks = "; ".join(f"{name} {each['1']:,.0f} and {each['2']:,.0f}" for name, each in results["peaks_gops"].items())
    return (
        "Microseconds per token of the ops of one layer (of `embed`, for all), in one thread, and what share of that thread's measured "
        "peak their multiplications and additions are. Products include the quantisation of their input; "
        "attention of int8 models is a share of the peak of int16. The caches are warm, as they are in the middle of many texts.\n\n"
        + table(["op", *(f"{row['model']} {row['precision']}" for row in results["models"])], rows)
        + f"\n\nPeaks of one thread and two, 10⁹ multiplications and additions a second: {peaks}. Batches of {results['tokens']} tokens, "
        + f"medians of 7. `benchmarks/roofline.py`; {measured_on(content, 'numpy', 'numba')}."
    )


def quality_int8() -> str:
    content = load("quality_int8")
    results, rows = content["results"], []
    for model in results["models"]:
        rows += [
            [
                f"{model['model']}, hidden size {model['hidden_size']}",
                row["encoder"],
                f"{row['int8_spearman']:.2f} ({row['int8_spearman'] - row['float32_spearman']:+.2f})",
                f"{row['cosine_mean']:.4f}",
                f"{row['cosine_min']:.3f}",
                f"{row['alone_to_batch']:.1e}" if row["alone_to_batch"] else "0",
            ]
            for row in model["rows"]
        ]
    widened = max(model.get("float32_to_narrow", 0) for model in results["models"])
    backends = max(model["numpy_cosine_distance"] for model in results["models"])
    header = ["model", "int8 of", "STS, Spearman x 100 (to float32)", "cosine to float32, mean", "least", "alone or in a batch of 32"]
    return (
        table(header, rows)
        + f"\n\nThe {results['pairs']:,} pairs of the STS benchmark, dev. Widened: the same function at twice the width, in float32 to "
        f"{widened:.0e}; a matrix's weight is shared by two copies of each input, in halves or unevenly at random. The last column is the "
        "greatest difference between a text's unit vectors: onnxruntime's int8 has one scale for all of a batch's activations, minibert's "
        f"one for each token. Rounding to int8 magnifies the last bits: minibert's two backends are up to {backends:.1e} apart (cosine "
        f"distance). `benchmarks/quality_int8.py`; {measured_on(content, 'onnxruntime', 'torch')}."
    )


def quality() -> str:
    content = load("quality")
    results = content["results"]
    task = results["task"]
    rows = [
        [
            row["system"],
            f"{row['mb']:.1f} MB",
            f"{row['parameters'] / 1e6:.1f} M",
            f"{row['texts_per_s']:,}",
            f"{row['tokens_per_s']:,}",
            f"{row['sts']:.2f}",
            f"{row['recall']['all']:.3f}",
            f"{row['recall']['long']:.3f}",
        ]
        for row in results["systems"]
    ]
    header = ["vectors of", "weights", "parameters", "texts/s", "tokens/s", "STS dev", "recall@10", "of long passages"]
    reads = {row["system"].partition(",")[0]: row["reads"] for row in results["systems"] if row["reads"]}
    counts = {kind: sum(number for name, number in task["queries_of"].items() if name.endswith(f", {kind}")) for kind in QUERIES}
    kinds = ", ".join(f"{counts[kind]} {plural}" for kind, plural in QUERIES.items())
    lengths = ", ".join(f"{name} reads {number} tokens of a text" for name, number in reads.items())
    least, most = task["tokens"]["least"], task["tokens"]["most"]
    return (
        table(header, rows)
        + f"\n\nSTS: Spearman x 100, {results['pairs']:,} pairs; speed on their sentences, {results['threads']} threads, medians of 5, "
        f"tokens counted as BERT's. Recall: {task['queries']:,} queries ({kinds}) for {task['passages']:,} passages of {least} to {most} "
        f"tokens from {', '.join(task['passages_of'])}; {task['passages_long']:,} of them are long, above 200, and are what "
        f"{task['queries_long']:,} queries ask for. Queries of whose rare words more than half stand in the passage are left out. "
        f"{lengths}; averages read all of it. `benchmarks/quality.py`; {measured_on(content, 'numpy', 'numba')}."
    )


def tokenizer() -> str:
    content, parity = load("tokenizer"), load("tokenizer_parity")["results"]
    shown, rows = ("minibert", "minibert, plain Python", "tokenizers", "nanotoken"), []
    for row in content["results"]["rows"]:
        speeds = row["mb_per_s"]
        cells = [f"{speeds[name]['first']:.3g} / {speeds[name]['repeated']:.3g}" for name in shown]
        rows.append([row["texts"], *cells, f"{speeds['minibert']['repeated'] / speeds['tokenizers']['repeated']:.0f}"])
    header = ["texts", "minibert, compiled", "minibert, plain Python", "`tokenizers`", "nanotoken (Rust)", "compiled / `tokenizers`, again"]
    many = "; ".join(
        f"{each['texts']:,} texts ({each['kind']}), "
        f"{each['mismatches_hf']} against `tokenizers`, {each['mismatches_google']} against Google"
        for each in parity["many"]
    )
    points, strings = parity["code_points"], parity["random_strings"]
    differing = sum(each["mismatches"] for each in points.values())
    return (
        "List of str to ids, one thread each, MB/s of UTF-8: first pass / the same texts again.\n\n"
        + table(header, rows)
        + "\n\nMedians of 5. The twin's memory: 16 MB of stretches and 4 MB of words for each call at a time. `benchmarks/tokenizer.py`; "
        + f"{measured_on(content, 'numpy', 'numba', 'tokenizers', 'nanotoken')}."
        + f"\n\nMismatches (`benchmarks/tokenizer_parity.py`): {many}; every code point in {len(points)} settings, {differing}; "
        + f"{strings['strings']:,} random strings, nothing raised and {strings['batches_that_differ']} differences between the twins."
    )


def start() -> str:
    content = load("start")
    results = content["results"]
    keys = {"import_ms": "ms", "load_ms": "ms", "first_vector_ms": "ms", "total_ms": "ms", "peak_mb": "MB"}
    rows = [
        [f"{row['model']} ({row['file_mb']:.0f} MB)", system, *(f"{found[key]:,.0f} {unit}" for key, unit in keys.items())]
        for row in results["begin"]
        for system, found in row["systems"].items()
    ]
    installed = [[row["what"], f"{row['mb']:,.0f} MB", str(row["distributions"])] for row in results["installed"]]
    compilation = results["compilation"]
    return (
        table(["model", "system", "import", "load", "first vector", "all three", "greatest memory"], rows)
        + f"\n\nThe very first time, the kernels are compiled: {compilation['first_vector_s']:.0f} s up to the first vector, and "
        f"{compilation['tokenizer_adds_s']:.0f} s more with the first large call, for the tokenizer.\n\n"
        + table(["installed, with what it asks for", "size", "distributions"], installed)
        + "\n\nMedians of 5 fresh processes (3 for the compilation). `benchmarks/start.py`; "
        + measured_on(content, "numpy", "numba", "onnxruntime", "tokenizers")
        + "."
    )


def text() -> str:
    """What the model in the box was trained on; packages of one kind and licence are a row."""
    rows: dict[tuple[str, ...], list[Any]] = {}
    for source in json.loads(TEXT.read_text(encoding="utf-8")):
        rows.setdefault(tuple(source[name] for name in ("kind", "licence", "registry")), []).append(source)
    sums = {key: [sum(each[name] for each in sources) for name in ("lines", "passages", "asked")] for key, sources in rows.items()}
    return table(
        ["packages", "from", "licence", "kind", "sentences", "passages", "with a heading"],
        [
            [" ".join(f"`{each['source']}`" for each in sources), *reversed(key), *(f"{number:,}" for number in sums[key])]
            for key, sources in rows.items()
        ],
    )


def render(document: str) -> str:
    for write in (quality, quality_int8, start, parity, tokenizer, speed, roofline, text):
        name = write.__name__
        marker = re.escape(f"<!-- {name}: written by benchmarks/report.py -->")
        document = re.sub(
            f"({marker}\n).*?(<!-- end -->)",
            lambda match, write=write: f"{match[1]}\n{write()}\n\n{match[2]}",
            document,
            count=1,
            flags=re.S,
        )
    return document


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(render(document.read_text(encoding="utf-8")), encoding="utf-8")
