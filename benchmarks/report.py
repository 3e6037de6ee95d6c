"""Write the measured tables into README.md, between their markers, from results/*.json.

python benchmarks/report.py            # tests/test_readme.py fails when README.md is not what this would write
"""

import json
import re
from pathlib import Path
from typing import Any

README = Path(__file__).parent.parent / "README.md"
RESULTS = Path(__file__).parent / "results"


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


def speed() -> str:
    content = load("speed")
    rows = [
        [
            row["model"],
            row["texts"],
            f"{row['minibert_tokens_per_s']:,}",
            f"{row['onnxruntime_tokens_per_s']:,} ({row['onnxruntime_best']})",
            f"{row['ratio']:.2f} ({row['ratio_least']:.2f} to {row['ratio_greatest']:.2f})",
        ]
        for row in content["results"]
    ]
    return (
        "Texts in, sentence vectors out, tokens per second, NumPy alone. The rival is onnxruntime float32 at its best: `tokenizers`, "
        "sorted by length, the best of four batch sizes and two graphs. Below 1, onnxruntime is faster.\n\n"
        + table(["model", "texts", "minibert", "onnxruntime (best graph and batch)", "ratio (spread)"], rows)
        + f"\n\nMedians of 7 paired runs. `benchmarks/speed.py`; {measured_on(content, 'numpy', 'onnxruntime', 'tokenizers')}."
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
    rows = [
        [
            row["model"],
            f"{row['file_mb']} MB",
            f"{row['import_ms']} ms",
            f"{row['load_ms']} ms",
            f"{row['load_adds_mb']} MB",
            f"{row['first_vector_ms']} ms",
        ]
        for row in content["results"]
    ]
    header = ["model", "file", "`import minibert`, after NumPy", "load", "memory that load adds", "first vector"]
    return table(header, rows) + f"\n\nMedians of 9 fresh processes. `benchmarks/start.py`; {measured_on(content, 'numpy')}."


def render(readme: str) -> str:
    for name, write in (("start", start), ("parity", parity), ("tokenizer", tokenizer), ("speed", speed)):
        marker = re.escape(f"<!-- {name}: written by benchmarks/report.py -->")
        readme = re.sub(
            f"({marker}\n).*?(<!-- end -->)", lambda match, write=write: f"{match[1]}\n{write()}\n\n{match[2]}", readme, count=1, flags=re.S
        )
    return readme


if __name__ == "__main__":
    README.write_text(render(README.read_text(encoding="utf-8")), encoding="utf-8")
