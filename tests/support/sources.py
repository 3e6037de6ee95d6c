"""What the source files of the repository are, import and define, read from their syntax trees."""

import ast
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FOLDERS = ("minibert", "tests", "benchmarks", "weights")
Definition = ast.FunctionDef | ast.AsyncFunctionDef


class Function(NamedTuple):
    """A function, method or jitted loop."""

    source: str
    line: int
    name: str
    num_positional: int
    num_lines: int  # without its docstring and the functions inside it

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.name}"


def sources(*folders: str) -> list[str]:
    """Paths of all Python files in these folders, relative to the repository."""
    return sorted(path.relative_to(ROOT).as_posix() for folder in folders for path in (ROOT / folder).rglob("*.py"))


@functools.cache
def tree(source: str) -> ast.Module:
    return ast.parse((ROOT / source).read_text(encoding="utf-8"))


def module_name(source: str) -> str:
    return ".".join(Path(source).with_suffix("").parts).removesuffix(".__init__")


def imports(source: str, nodes: Iterable[ast.AST] | None = None) -> Iterator[str]:
    """Absolute names that a file imports, at its top, inside functions and for types alone.

    `from a import b` gives "a.b", so that a module `b` of the package `a` is found. With `nodes`,
    only the statements among these nodes count.
    """
    package = Path(source).parent.parts
    for node in ast.walk(tree(source)) if nodes is None else nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imported_modules(source: str, modules: frozenset[str]) -> set[str]:
    """Which of these modules a file imports. A name inside a module counts as that module."""
    names = set(imports(source))
    return {name if name in modules else name.rpartition(".")[0] for name in names} & modules


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or by way of others."""
    reached = {module: reachable(graph, module) for module in graph}
    on_circle = {module for module in graph if module in reached[module]}
    groups = {tuple(sorted(other for other in reached[module] if module in reached[other])) for module in on_circle}
    return [list(group) for group in sorted(groups)]


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def docstring_length(node: Definition) -> int:
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return last_line(first) - first.lineno + 1
    return 0


def last_line(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno


def functions(source: str) -> Iterator[Function]:
    """All functions of a file, those inside classes and functions included."""
    for node in ast.walk(tree(source)):
        if isinstance(node, Definition):
            positional = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
            num_positional = len(positional) - (positional[:1] in (["self"], ["cls"]))
            inner = [child for child in ast.walk(node) if isinstance(child, Definition) and child is not node]
            hidden = docstring_length(node) + sum(last_line(child) - child.lineno + 1 for child in inner if child in node.body)
            yield Function(source, node.lineno, node.name, num_positional, last_line(node) - node.lineno + 1 - hidden)
