"""Write the measured tables into the pages, between their markers, from results/*.json.

python -m benchmarks.report            # tests/test_docs.py fails if a page has another table
"""

import re
from collections.abc import Callable
from pathlib import Path

from . import speed_tables, summaries, tables

ROOT = Path(__file__).parent.parent
DOCUMENTS = (ROOT / "README.md", ROOT / "benchmarks" / "README.md", ROOT / "weights" / "minibert-L8-H128" / "README.md")
# Name in the marker -> what writes the table
TABLES: dict[str, Callable[[], str]] = {
    "parity": tables.parity,
    "quality": tables.quality,
    "quality_int8": tables.quality_int8,
    "speed": speed_tables.speed,
    "roofline": speed_tables.roofline,
    "tokenizer": tables.tokenizer,
    "start": speed_tables.start,
    "loops": speed_tables.loops,
    "convert": speed_tables.convert,
    "fuzz": tables.fuzz,
    "text": tables.text,
    "quality summary": summaries.quality,
    "speed summary": summaries.speed,
    "start summary": summaries.start,
}
MARKED = re.compile(r"(<!-- ([\w ]+): written by benchmarks/report\.py -->\n).*?(<!-- end -->)", re.S)


def names(document: str) -> list[str]:
    """The names of the tables of a page."""
    return [match[2] for match in MARKED.finditer(document)]


def render(document: str) -> str:
    """A page with the tables that the results say."""
    return MARKED.sub(lambda match: f"{match[1]}\n{TABLES[match[2]]()}\n\n{match[3]}", document)


if __name__ == "__main__":
    for path in DOCUMENTS:
        path.write_text(render(path.read_text(encoding="utf-8")), encoding="utf-8")
