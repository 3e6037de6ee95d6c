"""Every page is true: its examples run, and its tables, links, paths and counts are right."""

import doctest
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import minibert
from benchmarks import report
from minibert.ops.backends import NAMES
from minibert.runtime.library import TIERS

ROOT = Path(__file__).parent.parent
FRONT, READING_DOOR = ROOT / "README.md", ROOT / "minibert" / "README.md"
RELEASE, EVERYTHING = ROOT / ".github" / "RELEASE.md", ROOT / ".ci" / "run"
FOLDERS = ("minibert", "minibert/tokenizer", "benchmarks", "tests", "weights", "weights/minibert-L8-H128", ".github")
PAGES = [FRONT, *sorted(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))]
WIDTH = 100  # columns of prose
MAX_FRONT_LINES = 200
CODE = re.compile(r"^```.*?^```$", re.M | re.S)
GENERATED = re.compile(r"^<!-- [\w ]+: written by .*?^<!-- end -->$", re.M | re.S)
# What looks like a path and is none: patterns, and files of the originals
NO_PATHS = {"benchmarks/results/NAME.json", "tokenization.py", "modeling_bert.py"}
# tests/make/formats_page.py writes it and decides its width. Its paths are those of model folders.
FORMATS, CARD = ROOT / "minibert" / "FORMATS.md", ROOT / "weights" / "minibert-L8-H128" / "README.md"
WRITTEN = [page for page in PAGES if page not in (FORMATS, CARD)]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


every_page = pytest.mark.parametrize("page", PAGES, ids=name)
every_written_page = pytest.mark.parametrize("page", WRITTEN, ids=name)
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


@pytest.fixture
def model_in_place(tmp_path: Path, minilm_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put all-MiniLM-L6-v2 where the command of the guide exports it."""
    (tmp_path / "all-MiniLM-L6-v2").symlink_to(minilm_folder)
    monkeypatch.chdir(tmp_path)


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text(page), re.M | re.S)


def prose(page: Path) -> list[str]:
    """The lines of a page without code and tables."""
    front_matter = re.compile(r"\A---\n.*?^---$", re.M | re.S)
    plain = CODE.sub("", front_matter.sub("", text(page)))
    return [line for line in plain.split("\n") if not line.startswith("|")]


def headings(page: Path) -> set[str]:
    """The anchors that a code host makes of the headings of a page."""
    found = re.findall(r"^#+ (.*)$", CODE.sub("", text(page)), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in found}


@every_page
@pytest.mark.usefixtures("model_in_place")
def test_python_examples_run(page: Path) -> None:
    """The examples of a page share their names. Examples with prompts print what the page says."""
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        example = doctest.DocTestParser().get_doctest(block, names, name(page), str(page), 0)
        if not example.examples:
            exec(compile(block, name(page), "exec"), names)
            continue
        results = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(example, clear_globs=False)
        assert results.failed == 0
        names = example.globs


def test_the_pages_have_examples() -> None:
    assert sum(block.count(">>> ") for page in PAGES for block in blocks(page, "python")) > 25


@every_page
@pytest.mark.usefixtures("model_in_place")
def test_console_examples_print_what_the_page_says(page: Path) -> None:
    """Other commands than minibert's are not run: they install packages or take hours."""
    pytest.importorskip("pty", reason="Windows has no pseudo-terminal")
    from tests.support.terminal import at_a_terminal

    for block in blocks(page, "console"):
        for arguments, expected in re.findall(r"^\$ minibert (.*)\n((?:(?!\$).*\n)*)", block, re.M):
            assert at_a_terminal(*shlex.split(arguments)) == expected, arguments


def test_the_front_page_begins_with_two_commands() -> None:
    """`.ci/run` and the workflow run them: the first installs and embeds, the second tests."""
    commands = blocks(FRONT, "bash")
    assert len(commands) == 2
    assert "pip install . && minibert embed" in commands[0]
    assert "[test]" in commands[1]
    assert "pytest" in commands[1]


@needs_bash
def test_commands_of_a_release_are_run_by_ci() -> None:
    """They take minutes, so they are only parsed here."""
    commands = "".join(blocks(RELEASE, "bash"))
    assert all(part in commands for part in ("MINIBERT_COMPILE=x86_64", "MINIBERT_COMPILE=aarch64", "auditwheel", "readelf", "sha256sum"))
    subprocess.run(["bash", "-n"], input=commands, text=True, check=True)
    assert re.search(r'bash -euo pipefail -c "\$\(commands \.github/RELEASE\.md\)"', text(EVERYTHING))


@needs_bash
def test_ci_finds_the_commands_of_a_page() -> None:
    (function,) = re.findall(r"^commands\(\) \{.*?^\}$", text(EVERYTHING), re.M | re.S)
    for page, numbers in ((FRONT, "0"), (FRONT, "1"), (RELEASE, "")):
        program = f"{function}\ncommands {page} {numbers}"
        found = subprocess.run(["bash", "-euc", program], capture_output=True, text=True, check=True).stdout
        expected = blocks(page, "bash")
        assert found.strip() == "".join([expected[int(numbers)]] if numbers else expected).strip()


def test_the_front_page_is_short() -> None:
    assert len(text(FRONT).splitlines()) <= MAX_FRONT_LINES


@pytest.mark.parametrize("page", report.DOCUMENTS, ids=name)
def test_tables_are_those_of_the_measured_results(page: Path) -> None:
    assert report.names(text(page)), "no table is marked"
    assert report.render(text(page)) == text(page), "run python -m benchmarks.report"


@every_page
def test_marked_tables_are_written_by_the_report(page: Path) -> None:
    marked = re.findall(r"^<!-- ([\w ]+): written by benchmarks/report\.py -->$", text(page), re.M)
    assert marked == report.names(text(page)), "a marker has no end, or a table no name"
    assert not marked or page in report.DOCUMENTS


def test_every_table_stands_in_a_page() -> None:
    assert {name for page in report.DOCUMENTS for name in report.names(text(page))} == set(report.TABLES)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", text(page))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{target}: there is no such file"
        assert found.is_relative_to(ROOT), f"{target}: leads out of the repository"
        assert not anchor or anchor in headings(found), f"{target}: there is no such heading"


def paths(page: Path) -> Iterator[str]:
    """What a page writes in backticks and means as a path in this repository."""
    top = tuple(f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and path.name != ".git")
    for code in re.findall(r"`([^`\n]+)`", GENERATED.sub("", CODE.sub("", text(page)))):
        is_path = re.fullmatch(r"[\w./-]+", code) and (code.startswith(top) or code.endswith(".py") or re.fullmatch(r"\w+/", code))
        if is_path and code not in NO_PATHS:
            yield code


@every_written_page
def test_paths_in_backticks_exist(page: Path) -> None:
    """A path begins at the page or at the root. A name without a folder may be any module's."""
    for path in paths(page):
        places = [page.parent / path, ROOT / path]
        if "/" not in path:
            places += [*(ROOT / "minibert").rglob(path), *page.parent.rglob(path)]
        assert any(place.exists() for place in places), path


@every_written_page
def test_prose_is_no_wider_than_100_columns(page: Path) -> None:
    assert [line for line in prose(page) if len(line) > WIDTH] == []


@every_written_page
def test_code_in_backticks_stays_on_one_line(page: Path) -> None:
    """So that it can be copied, and found by a search."""
    assert [line for line in prose(page) if line.count("`") % 2] == []


def test_the_reading_door_names_every_package() -> None:
    packages = {path.parent.relative_to(READING_DOOR.parent).as_posix() for path in READING_DOOR.parent.rglob("__init__.py")}
    mapped = set(re.findall(r"`([\w/]+)/`", text(READING_DOOR)))
    assert packages - {"."} <= mapped


def test_the_reading_paths_count_lines_honestly() -> None:
    """A count may be a third off, or 40 lines, before the page must change."""
    rows = re.findall(r"^\| (\d+) \| (`.*?`) \|", text(READING_DOOR), re.M)
    assert len(rows) >= 12
    for said, cell in rows:
        files = re.findall(r"`([^`]+)`", cell)
        lines = sum(len(text(READING_DOOR.parent / file).splitlines()) for file in files)
        assert abs(int(said) - lines) <= max(40, lines // 3), f"{cell}: {lines} lines, not {said}"


def test_the_guide_names_every_backend_and_every_tier() -> None:
    guide = text(READING_DOOR.parent / "GUIDE.md")
    for backend in NAMES:
        assert f'| `"{backend}"`' in guide, backend
    for tier in (tier for tiers in TIERS.values() for tier in tiers):
        assert f"`{tier}`" in guide, tier


def test_the_changelog_begins_with_this_version() -> None:
    first = re.search(r"^## (\S+)$", text(ROOT / ".github" / "CHANGELOG.md"), re.M)
    assert first is not None
    assert first[1] == minibert.__version__
