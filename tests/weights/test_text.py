"""How documentation becomes training text: words under their headings, and passages."""

import random
from pathlib import Path

import pytest

from weights.training import manuals
from weights.training.sections import READERS

FORMATS = {
    ".html": """<html><head><title>Site</title></head><body><nav><p>Home</p></nav><h1>1.2. Opening a file¶</h1><p>It is <b>read</b>
        first.</p><pre>open()</pre><dl><dt>-x</dt><dd>Exact.</dd></dl><h2>Closing it</h2><p>Nothing is lost.</p></body></html>""",
    ".docbook": """<book><bookinfo><title>The Handbook</title></bookinfo><sect1><title>Opening a file</title><para>It is <b>read</b>
        first.</para><screen>open()</screen><variablelist><varlistentry><term>-x</term><listitem><para>Exact.</para></listitem>
        </varlistentry></variablelist></sect1><sect1><title>Closing it</title><para>Nothing is lost.</para></sect1></book>""",
    ".pod": "=encoding utf8\n\n=head1 Opening a file\n\nIt is B<read>\nfirst.\n\n    open()\n\n=over\n\n-x: Exact.\n\n"
    "=head2 Closing L<it|perlfunc/it>\n\nNothing is C<< lost >>.\n\n=cut\n",
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_sections_of_a_format(suffix: str) -> None:
    found = [(section.title, section.blocks) for section in READERS[suffix]("a", FORMATS[suffix])]
    assert found == [("Opening a file", ["It is read first.", "-x: Exact."]), ("Closing it", ["Nothing is lost."])]


def test_a_manual_page_has_a_summary() -> None:
    page = "=head1 NAME\n\nperlop - Perl operators and their precedence\n\n=head1 DESCRIPTION\n\nIn Perl they differ.\n"
    assert [section.summary for section in READERS[".pod"]("a", page)] == ["Perl operators and their precedence"]


def test_a_page_of_help_has_a_summary_and_sections() -> None:
    page = (
        '<page xmlns="http://projectmallard.org/1.0/"><info><desc>Take a picture.</desc></info><title>Camera</title>'
        "<p>Press the button.</p><section><title>Later</title><p>Wait.</p></section></page>"
    )
    found = [(section.title, section.summary, section.blocks) for section in READERS[".page"]("a", page)]
    assert found == [("Camera", "Take a picture.", ["Press the button."]), ("Later", "", ["Wait."])]


def test_entities_of_a_handbook_are_names() -> None:
    (section,) = READERS[".docbook"]("a", "<sect1><title>&kate; &amp; you</title><para>With &kate; all is well.</para></sect1>")
    assert (section.title, section.blocks) == ("Kate & you", ["With Kate all is well."])


def test_a_heading_that_occurs_once_is_the_query_of_its_passage(tmp_path: Path) -> None:
    words = "The {} of a program is what it is run for, and that is why it is told of at length in this book and in that of the others. "
    sections = [
        ("How it works", "use", 20),
        ("Where it is", "place", 2),
        ("See also that", "rest", 2),
        ("See also that", "end", 2),
        ("Code", "line", 2),
    ]
    body = "".join(f"<h2>{title}</h2><p>{words.format(word) * times}</p><p>x = f(y)</p>" for title, word, times in sections)
    (tmp_path / "a.html").write_text(body + f"<p>{words.format('line') * 2}</p>")
    found = manuals.passages(tmp_path, random.Random(0))
    assert [query for query, _ in found if query] == ["How it works", "Where it is"]
    assert all(manuals.SHORTEST <= len(passage) <= manuals.LONGEST for _, passage in found)
    assert " ".join(passage for _, passage in found) == " ".join((words.format(word) * times).strip() for _, word, times in sections)


@pytest.mark.parametrize(
    ("name", "is_read"),
    [
        ("./usr/share/help/C/gedit/index.page", True),
        ("./usr/share/help/de/gedit/index.page", False),
        ("./usr/share/doc/HTML/pt_BR/kate/index.docbook", False),
        ("./usr/share/doc/gnucash-docs/gnucash-guide-it/basics.html", False),
        ("./usr/share/doc/brz/html/en/release-notes/brz-3.0.html", False),
        ("./usr/share/doc/racket/reference/strings.html", True),
    ],
)
def test_only_english_prose_is_unpacked(name: str, is_read: bool) -> None:
    from weights.training.make_text import _wanted

    source = next(source for source in manuals.SOURCES if source.files)
    assert _wanted(name, source) == is_read
