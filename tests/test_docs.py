"""Everything that the README shows is run."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

from tests.cli.test_cli import at_a_terminal

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def model_in_place(tmp_path: Path, minilm_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the README's command leaves it."""
    (tmp_path / "all-MiniLM-L6-v2").symlink_to(minilm_folder)
    monkeypatch.chdir(tmp_path)


def test_python_examples() -> None:
    source = "\n".join(re.findall(r"```python\n(.*?)```", README, re.S))
    example = doctest.DocTestParser().get_doctest(source, {}, "README.md", "README.md", 0)
    assert len(example.examples) > 10
    results = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(example)
    assert results.failed == 0


def test_console_examples() -> None:
    blocks = re.findall(r"```console\n(.*?)```", README, re.S)
    commands = [command for block in blocks for command in re.findall(r"^\$ minibert (.*)\n((?:(?!\$).*\n)*)", block, re.M)]
    assert len(commands) >= 2
    for arguments, expected in commands:
        assert at_a_terminal(*shlex.split(arguments)) == expected, arguments


def test_files_in_the_reading_order_exist() -> None:
    named = re.findall(r"`(minibert/[\w/]+\.py)`", README)
    assert len(named) >= 8
    for name in named:
        assert (ROOT / name).exists(), name


def test_tables_are_those_of_the_measured_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from benchmarks import report

    tables = 0
    for path in report.DOCUMENTS:
        document = path.read_text(encoding="utf-8")
        assert report.render(document) == document
        tables += document.count("written by benchmarks/report.py")
    assert tables == 9


def test_links_inside_the_readme() -> None:
    headings = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", README, re.M)}
    for anchor in re.findall(r"\]\(#([^)]*)\)", README):
        assert anchor in headings
