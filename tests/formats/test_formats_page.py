"""FORMATS.md agrees with the tables of the code."""

from tests.make.formats_page import PAGE, page


def test_the_page_agrees_with_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.make.formats_page --write"
