"""Documentation as sections under their headings. A heading can be the query of its section."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from xml.etree import ElementTree

SKIPPED = {"script", "style", "nav", "pre", "table", "button", "title"}
BLOCKS = {"p", "li", "ul", "ol", "dd", "dt", "dl", "div", "section", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "details", "main"}
SENTENCE_END = re.compile(r"(?<=[.!?])[\"”')]*\s+(?=[\"“(]?[A-Z])")
SUMMARY = re.compile(r"^\S.{0,80}? (?:—|–|-) (\w.{15,})$")


@dataclass
class Section:
    """Text under one heading. `summary` is what its author writes about it elsewhere."""

    source: str
    title: str = ""
    summary: str = ""
    blocks: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """A page as (is it a heading, text) blocks, without code, tables and navigation."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.blocks, self._text, self._skipped, self._term = [], [], 0, ""
        self.feed(source)
        self.flush("p")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skipped += tag in SKIPPED
        if tag in BLOCKS:
            self.flush("p")

    def handle_endtag(self, tag: str) -> None:
        self._skipped = max(0, self._skipped - (tag in SKIPPED))
        if tag in BLOCKS:
            self.flush(tag)

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._text.append(data)

    def flush(self, tag: str) -> None:
        """End a block. The term of a definition becomes part of the block with its definition."""
        text, self._text = plain("".join(self._text)), []
        if not text:
            return
        if tag == "dt":
            self._term = text + ": "
            return
        self.blocks.append((tag[0] == "h", self._term + text))
        self._term = ""


def plain(text: str) -> str:
    """The text on one line, without the signs beside headings."""
    return re.sub(r"\s+", " ", re.sub("[¶§ⓘ]", " ", text)).strip()


def html_sections(source: str, text: str) -> Iterator[Section]:
    """Sections of HTML. The line "name - what it does" summarises the next description."""
    section, summary = Section(source), ""
    for is_heading, block in [*Page(text).blocks, (True, "")]:
        if not is_heading:
            section.blocks.append(block)
            continue
        found = SUMMARY.match(section.blocks[0]) if len(section.blocks) == 1 else None
        if found:
            summary = found[1]
        elif section.blocks:
            if section.title.lower() in ("description", "overview"):
                section.summary, summary = summary, ""
            yield section
        section = Section(source, re.sub(r"^(?:[A-Z][.])?[\d.]+[.]? ", "", block))


def page_sections(source: str, xml: str) -> Iterator[Section]:
    """GNOME's help (Mallard): pages with a description, a title, paragraphs and sections."""
    root = ElementTree.fromstring(xml)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    for element in root.iter():
        if element.tag in ("page", "section"):
            inner = {id(each) for part in element.iter("section") if part is not element for each in part.iter("p")}
            blocks = [plain("".join(each.itertext())) for each in element.iter("p") if id(each) not in inner]
            title, summary = (
                plain("".join(found.itertext()) if (found := element.find(name)) is not None else "") for name in ("title", "info/desc")
            )
            yield Section(source, title, summary, blocks)


DOCBOOK = {"title": "h2", "para": "p", "term": "dt", "programlisting": "pre", "screen": "pre", "bookinfo": "nav", "informaltable": "table"}
ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|nbsp|mdash|ndash);)([A-Za-z][\w.-]*);")


def docbook_sections(source: str, text: str) -> Iterator[Section]:
    """KDE's manuals. Their tags have counterparts in HTML, and entities are names of programs."""
    for tag, instead in DOCBOOK.items():
        text = re.sub(rf"<(/?){tag}\b", rf"<\1{instead}", text)
    yield from html_sections(source, ENTITY.sub(lambda entity: entity[1].capitalize(), text))


def pod_sections(source: str, text: str) -> Iterator[Section]:
    """Perl's manual pages (https://perldoc.perl.org/perlpod). Indented paragraphs are code."""
    found = []
    for block in re.split(r"\n\s*\n", text):
        command, _, words = block.partition(" ")
        if not block[:1].isspace() and (block[:1] != "=" or command in ("=head1", "=head2", "=head3")):
            tag, words = ("h2", words) if block[:1] == "=" else ("p", block)
            words = re.sub(r"\b[A-Z]<+\s*([^<>|]*?)(?:\s*|\|[^<>]*)>+", r"\1", words)
            found.append(f"<{tag}>{html.escape(words)}</{tag}>")
    yield from html_sections(source, "".join(found))


READERS = {
    ".html": html_sections,
    ".htm": html_sections,
    ".xhtml": html_sections,
    ".page": page_sections,
    ".docbook": docbook_sections,
    ".pod": pod_sections,
}
