"""The tokenizer's README names all files, and its numbers are the measured ones."""

import json
import re
from pathlib import Path

import minibert.tokenizer

FOLDER = Path(minibert.tokenizer.__file__).parent
README = (FOLDER / "README.md").read_text(encoding="utf-8")
RESULTS = FOLDER.parents[1] / "benchmarks" / "results"


def test_every_file_is_in_the_reading_order() -> None:
    for path in FOLDER.glob("*.py"):
        assert path.name.startswith("tables_") or f"({path.name})" in README, path.name
    for path in (FOLDER / "compiled").glob("[!_]*.py"):
        assert f"`{path.stem}`" in README, path.name


def test_numbers_are_those_of_the_results() -> None:
    results = json.loads((RESULTS / "tokenizer.json").read_text())["results"]
    speeds = {row["texts"]: row["mb_per_s"] for row in results["rows"]}
    rows = re.findall(r"^\| (.*?) \| ([\d.]+ / [\d.]+) \| ([\d.]+ / [\d.]+) \| ([\d.]+ / [\d.]+) \|$", README, re.M)
    assert len(rows) == 3
    for name, *cells in rows:
        for cell, tool in zip(cells, ("minibert", "minibert, plain Python", "tokenizers"), strict=True):
            assert cell == " / ".join(f"{speeds[name][tool][each]:.3g}" for each in ("first", "repeated")), name
    parity = json.loads((RESULTS / "tokenizer_parity.json").read_text())["results"]
    adversarial, real = parity["many"]
    assert f"in {adversarial['texts']:,} adversarial texts, in {real['texts']:,} real texts of {parity['languages']} languages" in " ".join(
        README.split()
    )
    mismatches = [each[name] for each in parity["many"] for name in ("mismatches_hf", "mismatches_google")]
    assert {*mismatches, *(each["mismatches"] for each in parity["code_points"].values())} == {0}
