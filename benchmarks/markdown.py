"""Results as Markdown: what all tables of the pages share."""

import json
import textwrap
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
WIDTH = 100  # columns of the pages


def load(name: str) -> dict[str, Any]:
    """The results of one benchmark."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def measured_on(content: dict[str, Any], *packages: str) -> str:
    """The machine, the versions and the date of a measurement."""
    return f"{machine_and_versions(content['machine'], *packages)}, {content['date']}."


def machine_and_versions(machine: dict[str, Any], *packages: str) -> str:
    """The processor and the versions of a measurement."""
    versions = "".join(f", {package} {machine['versions'][package]}" for package in packages)
    return f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}{versions}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table. Its columns are aligned if the lines then fit into WIDTH."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    if sum(widths) + 3 * len(widths) + 1 > WIDTH:
        widths = [0] * len(header)
    lines = [header, ["-" * max(3, width) for width in widths], *rows]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def paragraph(*sentences: str) -> str:
    """Sentences as one paragraph, wrapped at WIDTH. An empty one is left out."""
    return textwrap.fill(" ".join(filter(None, sentences)), WIDTH, break_long_words=False, break_on_hyphens=False)
