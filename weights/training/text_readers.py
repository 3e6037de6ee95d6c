"""Readers of the training text, one for each format.

A reader takes the folder of a package's unpacked files and yields paragraphs in reading order. The
empty string closes a document, and a passage never crosses it. `make_text.py` cleans the
paragraphs, cuts them into sentences and counts them.
"""

import gzip
import html
import itertools
import json
import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from weights.training.source import END, Reader

GRAMMAR_LINES = 150_000
PARAGRAPH = re.compile(r'<(?:p\b[^>]*|div class="para")>(.*?)</(?:p|div)>', re.DOTALL | re.IGNORECASE)
MARKUP = re.compile(r"</?(?:[biucp]|br|rt|big|small|span|color|italic|bold|font|h\d|format|header|ref|good|bad|info|neutral)\b[^>]*>")
LARGEST_PAGE = 600_000  # bytes; larger pages are generated lists


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace")


def _tree(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _unindented_entries(folder: Path) -> Iterator[tuple[str, str]]:
    """Headword and body of each entry of a dictd database. The bodies are indented."""
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
    """Glosses and examples.

    If a gloss comes again under a synonym, it has that word before it.
    """
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
    """Definitions and quotations of the old Webster, without etymologies and sources."""
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
    """FOLDOC, the Jargon File, the Devil's Dictionary: the paragraphs of each entry."""
    for head, body in _unindented_entries(folder):
        if head.startswith("00-database") or "00-database" in body[:100]:
            continue
        for block in re.split(r"\n\s*\n", body):
            flat = re.sub(r"<[^>]*>|\((?:19|20)\d\d-\d\d-\d\d\)|\[[^\]]*\]", " ", " ".join(block.split()))
            yield re.sub(r"\{\s*([^{}]*?)\s*\}", r"\1", flat)
        yield END


def fortunes(folder: Path) -> Iterator[str]:
    """Sayings, without the names of their authors."""
    for path in _tree(folder):
        for cookie in re.split(r"\n%\n", _text(path)):
            yield " ".join(re.sub(r"\n\s*--.*", "", cookie, flags=re.DOTALL).split())
            yield END


def pages(folder: Path) -> Iterator[str]:
    """The `<p>` (or "para") of HTML pages.

    Sphinx and DocBook put prose there, but not code, lists of links or tables.
    """
    for path in _tree(folder):
        if path.stat().st_size > LARGEST_PAGE:
            continue
        text = gzip.decompress(path.read_bytes()).decode("utf-8", errors="replace") if path.suffix == ".gz" else _text(path)
        for paragraph in PARAGRAPH.findall(text):
            yield " ".join(html.unescape(re.sub(r"<[^>]+>", "", paragraph)).replace("¶", "").split())
        yield END


def _messages(data: bytes) -> Iterator[str]:
    """The originals in a gettext catalogue.

    They are all the English of a game, since its translators need it.
    """
    order = "<" if data[:4] == b"\xde\x12\x04\x95" else ">"
    count, table = struct.unpack(order + "2I", data[8:16])
    for index in range(count):
        length, start = struct.unpack_from(order + "2I", data, table + 8 * index)
        for form in data[start : start + length].split(b"\0"):
            yield form.decode("utf-8", errors="replace").rpartition("\4")[2]


def catalogues(folder: Path) -> Iterator[str]:
    """Texts of games, from their message catalogues."""
    for path in _tree(folder):
        for message in _messages(path.read_bytes()):
            shown = MARKUP.sub(" ", message)
            yield from (" ".join(block.split()) for block in re.split(r"\n\s*\n|\\n\\n", shown))
            yield END


def quoted(pattern: str) -> Reader:
    """Texts between quotes in the scripts of games. `pattern` has one group, the text."""

    def read(folder: Path) -> Iterator[str]:
        for path in _tree(folder):
            for text in re.findall(pattern, _text(path), flags=re.DOTALL):
                yield " ".join(MARKUP.sub(" ", re.sub(r"\\[nt]", " ", text)).replace('\\"', '"').replace('""', '"').split())
            yield END

    return read


def crawl(folder: Path) -> Iterator[str]:
    """Descriptions and speech: entries between lines of `%%%%`. Their first line is a key."""
    for path in _tree(folder):
        for entry in re.split(r"\n?%%%%\n", _text(path)):
            body = entry.strip().partition("\n")[2]
            yield from (" ".join(block.split()) for block in re.split(r"\n\s*\n", body))
            yield END


def plain(folder: Path) -> Iterator[str]:
    """Plain text: paragraphs between empty lines, or one on each line."""
    for path in _tree(folder):
        yield from (" ".join(block.split()) for block in re.split(r"\n\s*\n|(?<=[.!?:])\n", _text(path)))
        yield END


def calendar(folder: Path) -> Iterator[str]:
    """Anniversaries: a date, a tab, the event."""
    for path in _tree(folder):
        for line in _text(path).splitlines():
            date, tab, event = line.partition("\t")
            if tab and re.match(r"\d\d/\d\d|\w{3} ", date):
                yield re.sub(r",?\s*\b\d{3,4}\b\s*$", "", event.strip())


def history(folder: Path) -> Iterator[str]:
    """Events of a day: a year, a dash, the event."""
    for path in _tree(folder):
        for line in _text(path).splitlines():
            yield line.partition(" - ")[2].strip()


def factbook(folder: Path) -> Iterator[str]:
    """The texts of the World Factbook about each country."""

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
    """Conversations between people. Each is a document."""
    for path in _tree(folder):
        for conversation in json.loads(_text(path)).values():
            for turns in conversation["messages"]:
                yield from (" ".join(message["text"].split()) for message in turns)
            yield END


def chatterbot(folder: Path) -> Iterator[str]:
    """Questions and answers: `- - question`, then `  - answer`.

    An answer may run over several lines.
    """
    for path in _tree(folder):
        joined = re.sub(r"\n {4,}(?!-)", " ", _text(path))
        for line in joined.splitlines():
            found = re.match(r"\s*-\s+(?:-\s+)?(.+)", line)
            if found:
                yield found[1].strip(" '\"")


def aiml(folder: Path) -> Iterator[str]:
    """Answers of a talking program.

    A brace stands for a slot, so that the filter removes answers with slots.
    """
    for path in _tree(folder):
        for template in re.findall(r"<template>(.*?)</template>", _text(path), flags=re.DOTALL):
            spoken = re.sub(r"<think>.*?</think>", " ", template, flags=re.DOTALL)
            spoken = re.sub(r"</?(?:br|p|li|random)\b[^>]*>", "\n\n", spoken)
            spoken = html.unescape(re.sub(r"<[^>]+>", "{", spoken))
            yield from (" ".join(block.split()) for block in spoken.split("\n\n"))


def annotations(folder: Path) -> Iterator[str]:
    """Names of pictographs, which are short captions: "woman getting haircut"."""
    for path in _tree(folder):
        for entry in json.loads(_text(path))["annotations"]["annotations"].values():
            yield from entry.get("tts", [])


def _expand(template: str, rules: dict[str, str], depth: int = 0) -> list[str]:
    """Some sentences of a template: `[optional]`, `(one|other)`, `<rule>`, `{list}`.

    A list stays as it is, so that the filter removes the sentence.
    """
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
    """The summary of each Debian package, from the lists that apt has on this machine."""
    listing = subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True, text=True, errors="replace").stdout
    for summary in re.findall(r"^Description(?:-en)?: (.*)", listing, flags=re.MULTILINE):
        if not re.search(
            r"[()]|\b(?:development|documentation|docs|headers|debug|source code|librar(?:y|ies)|bindings|package|files)\b", summary
        ):
            yield summary


def grammar(_: Path) -> Iterator[str]:
    """Sentences built by our own grammar: captions, headlines and questions."""
    from weights.training.grammar import sentences  # the only source that needs no package

    yield from sentences(GRAMMAR_LINES, seed=1)
