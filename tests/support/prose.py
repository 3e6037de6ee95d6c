"""Find prose that is not plain English: long sentences, and words that the glossary replaces.

    python -m tests.support.prose [--hints] [FILES]    prints file:line, the reason and the text

Prose is docstrings, comments, error texts, help texts and the paragraphs of Markdown files. Names
are checked for words only. Tables, code, doctests, lists of names and references do not count.
`--hints` adds words that are often, but not always, a sign of a sentence that is hard to read.
Only the standard library is needed.
"""

import ast
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MAX_WORDS = 25
# Pattern -> what to write instead. They hold for prose and, with underscores as blanks, for names.
REPLACED = {
    r"twins?": "compiled tokenizer, compiled version",
    r"referents?": "the original",
    r"stretch(es)?": "chunk",
    r"(?<!counted )(?<!removed )by hand": "fallback",
    r"(model )?in the box": "the bundled model",
    r"of which": "two sentences",
    r"(for|to|with|by) who": "the noun itself",
    r"who(ever)? (wants|needs|has|reads|asks|gives|looks|likes|cannot|does)": "to ..., if ...",
    r"nobody": "no caller, no module, ...",
    r"somebody": "the noun itself",
    r"lets? (\w+ )?in": "accepts, admits",
    r"spends? (its|their) \w+": "the technical verb",
}
# Words that no name may contain as a part
REPLACED_IN_NAMES = {
    r"rooms?": "workspace, capacity, scratch",
    r"bring": "fetch",
    r"translate": "convert",
    r"judge": "verify",
    r"box": "bundled",
    r"frames?": "special tokens",
}
HINTS = {
    r"(knows?|wants?|asks?|lends?|takes? part|sees?|thinks?|minds?|trusts?|believes?)": "code is not a person",
    r"(whose|whom|wherein|thereof|therefore|hence|thus|nor)": "a shorter sentence",
    r"(what|such|that) is (not|no)": "name the thing",
    r"^(by|of|to|from|with|for|in|on|at|within|without) [^,:]* (is|are|has|have|does|do|must|can|may)": "begin with the subject",
    r"but for|all but|other than": "except",
}
ABBREVIATION = re.compile(r"\b(e\.g|i\.e|cf|vs|etc|al|approx|no|p|pp|sec|fig)\.$", re.IGNORECASE)
CODE = re.compile(r"``.*?``|`[^`]*`")
# What a comment may be other than prose
DIRECTIVE = re.compile(r"#(!|\s*(fmt|type|noqa|pragma|ruff|mypy|doctest)\b)")
LIST_ITEM = re.compile(r"^\s*([*+-]|\d+[.)])\s")


class Offence(NamedTuple):
    path: str
    line: int
    reason: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}: {self.text}"


class Paragraph(NamedTuple):
    line: int
    text: str


# Paragraphs of a file


def is_layout(line: str) -> bool:
    """Whether a line is part of a table, of code or of a heading."""
    text = line.strip()
    return (
        bool(re.search(r"\S {2,}\S", re.sub(r"[.!?:]  +", ". ", text)))
        or text.startswith(("|", ">>>", "...", "#", "<", "--", "==", "$"))
        or " -> " in text
    )


def paragraphs(lines: list[tuple[int, str]]) -> Iterator[Paragraph]:
    """Join lines until a blank line, a list item or layout.

    Indented lines after a blank line are code.
    """
    start = 0
    collected: list[str] = []
    indent, is_doctest, is_code = 0, False, False
    for number, line in [*lines, (0, "")]:
        text, depth = line.strip(), len(line) - len(line.lstrip())
        is_doctest = bool(text) and (is_doctest or text.startswith(">>>"))
        if text and not collected:
            is_code = depth >= 4 and not LIST_ITEM.match(line)
        if not text or is_doctest or is_code or is_layout(line) or LIST_ITEM.match(line) or depth > indent + 3:
            if collected:
                yield Paragraph(start, " ".join(collected))
            collected = []
        if not text or is_doctest or is_code or is_layout(line):
            continue
        if not collected:
            start, indent = number, depth
            text = LIST_ITEM.sub("", line, count=1).strip()
        collected.append(text)


def docstring_lines(node: ast.Constant) -> list[tuple[int, str]]:
    lines = str(node.value).split("\n")
    return [(node.lineno, lines[0].strip()), *((node.lineno + i, line[node.col_offset :]) for i, line in enumerate(lines[1:], 1))]


def docstrings(tree: ast.Module) -> Iterator[Paragraph]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                yield from paragraphs(docstring_lines(first.value))


def literal(node: ast.expr) -> str | None:
    """A text, or a formatted text with one word for each of its values."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
    return None


def messages(tree: ast.Module) -> Iterator[Paragraph]:
    """Texts of exceptions that are raised, and help texts."""
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found += node.exc.args
        elif isinstance(node, ast.Call):
            found += [keyword.value for keyword in node.keywords if keyword.arg in ("help", "description", "epilog")]
    for node in found:
        if text := literal(node):
            yield from paragraphs([(node.lineno + i, line) for i, line in enumerate(text.split("\n"))])


def comments(path: Path) -> Iterator[Paragraph]:
    """Comments; those on lines of their own are joined."""
    block: list[tuple[int, str]] = []
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type != tokenize.COMMENT or DIRECTIVE.match(token.string):
                continue
            own_line = not token.line[: token.start[1]].strip()
            if not own_line or not block or token.start[0] != block[-1][0] + 1:
                yield from paragraphs(block)
                block = []
            block.append((token.start[0], re.sub(r"^#+ ?", "", token.string)))
            if not own_line:
                yield from paragraphs(block)
                block = []
    yield from paragraphs(block)


def markdown(path: Path) -> Iterator[Paragraph]:
    lines, fenced = [], False
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        is_fence = line.lstrip().startswith("```")
        fenced ^= is_fence
        lines.append((number, "" if fenced or is_fence else re.sub(r"\]\([^)]*\)", "]", line)))
    return paragraphs(lines)


# What is wrong with them


def sentences(text: str) -> Iterator[str]:
    """Split after a full stop, a question mark or an exclamation mark that a blank follows."""
    sentence = ""
    for part in re.split(r"(?<=[.!?])(?=[)\"'*]*\s)", CODE.sub("`code`", text)):
        sentence += part
        if not ABBREVIATION.search(part):
            yield sentence.lstrip(" )\"'*")
            sentence = ""
    if sentence:
        yield sentence


def is_list_of_names(sentence: str) -> bool:
    items = [len(item.split()) for item in re.split(r"[,;]", sentence)]
    return len(items) >= 5 and sorted(items)[len(items) // 2] <= 2


def num_words(sentence: str) -> int:
    return sum(any(map(str.isalpha, word)) for word in sentence.split())


def check_words(text: str, words: dict[str, str]) -> Iterator[tuple[str, str]]:
    for pattern, instead in words.items():
        for match in re.finditer(rf"(?<![\w-])(?:{pattern})(?![\w-])", text, re.IGNORECASE):
            yield f"'{match.group()}' (rather: {instead})", text


def check_paragraph(paragraph: Paragraph, hints: bool) -> Iterator[tuple[str, str]]:
    for sentence in sentences(paragraph.text):
        number = num_words(sentence)
        if number > MAX_WORDS and not is_list_of_names(sentence) and "://" not in sentence:
            yield f"{number} words", sentence
        yield from check_words(sentence, REPLACED | (HINTS if hints else {}))


def names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name that the file defines, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            if node.annotation is None or ast.unparse(node.annotation) != "FrameType":  # that of a call
                yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname


def check_names(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    for line, name in names(tree):
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("_", " ").strip()
        for reason, _ in check_words(words, REPLACED | REPLACED_IN_NAMES):
            yield line, reason, name


def check(path: Path, shown: str, hints: bool = False) -> list[Offence]:
    """All offences of a file, by line."""
    found: set[Offence] = set()
    if path.suffix == ".md":
        texts = list(markdown(path))
    else:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = [*docstrings(tree), *messages(tree), *comments(path)]
        found |= {Offence(shown, *offence) for offence in check_names(tree)}
    for paragraph in texts:
        found |= {Offence(shown, paragraph.line, *offence) for offence in check_paragraph(paragraph, hints)}
    return sorted(found, key=lambda offence: (offence.line, offence.reason))


def sources(root: Path) -> list[Path]:
    """All Python and Markdown files of the repository."""
    folders = ("minibert", "tests", "benchmarks", "weights")
    found = [path for folder in folders for kind in ("*.py", "*.md") for path in (root / folder).rglob(kind)]
    return sorted([*found, *root.glob("*.md"), *root.glob(".github/**/*.md")])


def main(arguments: list[str]) -> int:
    hints = "--hints" in arguments
    paths = [Path(argument) for argument in arguments if argument != "--hints"] or sources(Path())
    files = [file for path in paths for file in (sources_of(path) if path.is_dir() else [path])]
    offences = [offence for file in files for offence in check(file, str(file), hints)]
    sys.stdout.writelines(f"{offence}\n" for offence in offences)
    return bool(offences)


def sources_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".md"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
