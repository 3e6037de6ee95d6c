"""The page of what is read and what is refused says what the tables of the code say."""

from tests.make.formats_page import PAGE, page


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.make.formats_page --write"
