"""No compiled loop reads or writes outside the arrays that it is given. Needs Numba.

Every array, packed weights, tables and scratch memory included, ends or begins at a page that traps. A trap kills the process, so
each sweep has one of its own.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.backends import needs_numba

SCRIPT = Path(__file__).parents[1] / "guard_sweeps.py"
pytestmark = [needs_numba, pytest.mark.skipif(sys.platform == "win32", reason="no mprotect here")]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=1200)


@pytest.mark.parametrize(("sweep", "compared"), [("encoder", 1736), ("tokenizer", 10204)])
def test_nothing_is_touched_outside_an_array(sweep: str, compared: int) -> None:
    """Shapes with edges, batches of one text and of several; random vocabularies, and texts of awkward lengths."""
    result = run(sweep)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout == f"{compared}\n"


@pytest.mark.parametrize("where", ["before", "behind"])
def test_a_guard_page_traps(where: str) -> None:
    """One number outside the array; those at both of its ends can be read."""
    result = run("trap", where)
    assert result.stdout == "0.0 0.0\n"
    assert result.returncode < 0, result.returncode
