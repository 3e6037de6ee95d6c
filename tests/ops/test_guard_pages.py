"""No compiled loop reads or writes outside the arrays that it is given.

Every array ends or begins at a page that traps, packed weights, tables and scratch memory included.
A trap kills the process, so each sweep has a process of its own.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.backends import COMPILED, needs_compiled

ROOT = Path(__file__).parents[2]
pytestmark = [needs_compiled, pytest.mark.skipif(sys.platform == "win32", reason="no mprotect here")]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.support.guard_sweeps", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200)


@pytest.mark.parametrize(("sweep", "compared"), [("encoder", 2170), ("weights", 8224), ("tokenizer", 10204), ("short", 864)])
def test_no_loop_touches_memory_outside_an_array(sweep: str, compared: int) -> None:
    """Shapes that no register divides, random vocabularies, texts of awkward lengths."""
    result = run(sweep, COMPILED)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout == f"{compared}\n"


def test_no_tables_of_a_hostile_file_lead_a_loop_outside_an_array() -> None:
    result = run("tables", COMPILED)
    assert result.returncode == 0, result.stderr[-2000:]
    assert int(result.stdout) > 100


@pytest.mark.parametrize("where", ["before", "behind"])
def test_a_guard_page_traps(where: str) -> None:
    """One number outside the array; those at both of its ends can be read."""
    result = run("trap", where)
    assert result.stdout == "0.0 0.0\n"
    assert result.returncode < 0, result.returncode
