"""Which files pytest leaves out, because a package that they import is not installed.

Tests run in environments without Numba and without the original tokenizers. A file that imports
one of these at its top, itself or through a module of this repository, cannot be imported there.
The rule follows the import statements, so that no list of files has to be kept. Where all packages
are installed it leaves nothing out.
"""

import ast
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from tests.support.sources import FOLDERS, ROOT, imports, module_name, sources, tree

# Packages that an environment may lack. `bert` is Google's tokenizer, of bert-tensorflow.
OPTIONAL = ("numba", "llvmlite", "tokenizers", "bert")
# These decorators of minibert/runtime/jit.py import Numba.
COMPILING = {"jit", "inlined", "pasted", "intrinsic"}


def is_installed(package: str) -> bool:
    """Whether the package is there. A folder of this name without code does not count."""
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None


MISSING = frozenset(name for name in OPTIONAL if not is_installed(name))


@functools.cache
def source_of() -> dict[str, str]:
    """The file of each module of the repository."""
    return {module_name(source): source for source in sources(*FOLDERS)}


def top_level(source: str) -> Iterator[ast.AST]:
    """Nodes that run when the file is imported: not those inside functions or for types alone."""
    waiting: list[ast.AST] = [tree(source)]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for child in ast.iter_child_nodes(node) if not is_deferred(child)]


def is_deferred(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")


@functools.cache
def needed(source: str) -> frozenset[str]:
    """Optional packages without which this file cannot be imported."""
    found: set[str] = set()
    waiting, seen = [source], {source}
    while waiting:
        current = waiting.pop()
        found |= {"numba"} if compiles(current) else set()
        for name in imports(current, top_level(current)):
            found |= {name.split(".")[0]} & set(OPTIONAL)
            new = {source_of()[module] for module in with_parents(name) if module in source_of()} - seen
            seen |= new
            waiting += new
    return frozenset(found)


def compiles(source: str) -> bool:
    """Whether the file gives functions at its top to Numba."""
    functions = [node for node in tree(source).body if isinstance(node, ast.FunctionDef)]
    return any(ast.unparse(decorator).split(".")[-1] in COMPILING for node in functions for decorator in node.decorator_list)


def with_parents(name: str) -> Iterator[str]:
    """A module and the packages around it. Python imports those first."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    if not MISSING or collection_path.suffix != ".py" or not collection_path.is_relative_to(ROOT):
        return None
    return bool(MISSING & needed(collection_path.relative_to(ROOT).as_posix())) or None


def pytest_report_header() -> str | None:
    return f"not installed, so that files which import it are left out: {', '.join(sorted(MISSING))}" if MISSING else None
