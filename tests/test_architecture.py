"""Rules that the source code keeps: what imports what, how large things are, plain English."""

import ast
import importlib
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import minibert
from minibert.bert.checkpoint import from_arrays
from minibert.ops import Encoder
from tests.support import prose
from tests.support.backends import BACKENDS, prepare
from tests.support.collection import MISSING, OPTIONAL, needed
from tests.support.models import make_config, make_weights
from tests.support.sources import FOLDERS, ROOT, circles, functions, imported_modules, imports, module_name, sources, tree

# From the inside out: a module imports only from those before it, and from its own package.
ORDER = [
    "files", "arrays", "runtime", "habits", "texts", "packing", "formats", "bert", "tokenizer", "ops", "encoder", "pooling", "finite",
    "folders", "importers", "hub", "arguments", "outputs", "levels", "scheduling", "vectors",
    "model_base", "model", "loading", "warmup", "compile", "cli", "__main__",
    "__pyinstaller",
]  # fmt: skip
# The only modules that import Numba or llvmlite
NUMBA = {
    "minibert/runtime/jit.py", "minibert/runtime/unpack.py", "minibert/ops/compiled/tier_type.py", "minibert/ops/compiled/jit_loops.py",
    "minibert/ops/compiled/simd.py", "minibert/ops/compiled/memory.py", "minibert/ops/compiled/stored.py",
    "minibert/ops/compiled/steps.py", "minibert/ops/compiled/tiles.py",
    "minibert/ops/compiled/counters.py", "minibert/tokenizer/compiled/eight_bytes.py", "minibert/compile/emit.py",
    "minibert/compile/worker.py",
}  # fmt: skip
NETWORK = {"socket", "ssl", "http", "urllib", "ftplib", "smtplib", "asyncio", "requests"}
BUILD_BACKEND = "minibert/compile/hook/minibert_wheel.py"  # pip runs it with setuptools; nothing else imports it
ALLOWED = {"minibert", "numpy", "numba", "llvmlite", "safetensors", *sys.stdlib_module_names}

MAX_FILE_LINES = 300
LONG_FILES = {
    "minibert/tokenizer/tables_google.py": "a generated table",
    "minibert/tokenizer/tables_hf.py": "a generated table",
    "weights/training/grammar.py": "a grammar and its words: data",
}
MAX_FUNCTION_LINES = 40  # the docstring and inner functions do not count
LONG_FUNCTIONS: dict[str, str] = {
    "tests/tokenizer/test_tokenizer_originals.py test_added_tokens": "lists of tokens",
}
MAX_POSITIONAL = 8
# Function -> why it has more positional parameters, with the measurement
WIDE_FUNCTIONS: dict[str, str] = {}

PACKAGE = sources("minibert")
ALL = sources(*FOLDERS)


def graph(files: list[str]) -> dict[str, set[str]]:
    modules = frozenset(map(module_name, files))
    return {module_name(source): imported_modules(source, modules) for source in files}


# What may import what


# They import a name when it is used. The statements that others follow stand there for types.
LATE = ("minibert/__init__.py", "minibert/tokenizer/__init__.py")


@pytest.mark.parametrize("source", [source for source in PACKAGE if source not in LATE])
def test_imports_point_inwards(source: str) -> None:
    own = ORDER.index(Path(source).parts[1].removesuffix(".py"))
    for name in imports(source):
        if name.startswith("minibert."):
            assert ORDER.index(name.split(".")[1]) <= own, f"{source} imports {name}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions and for types alone count too."""
    assert circles(graph(ALL)) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"e"}}) == [["b", "c"], ["e"]]


def test_no_test_module_imports_another() -> None:
    """What several of them use stands in tests/support/."""
    for module, imported in graph(ALL).items():
        tests = [name for name in imported if name.rpartition(".")[2].startswith("test_")]
        assert not tests, f"{module} imports {tests}"


@pytest.mark.parametrize("source", PACKAGE)
def test_only_named_modules_import_numba_the_network_or_safetensors(source: str) -> None:
    roots = {name.split(".")[0] for name in imports(source)}
    assert source == "minibert/hub/http.py" or not roots & NETWORK
    assert source in NUMBA or not roots & {"numba", "llvmlite"}
    assert source == "minibert/folders/new.py" or "safetensors" not in roots  # it writes; reading is our own code
    assert roots <= (ALLOWED | {"setuptools"} if source == BUILD_BACKEND else ALLOWED)


# They import a name when it is used. The statements that others follow stand there for types.
LATE = ("minibert/__init__.py", "minibert/tokenizer/__init__.py")


@pytest.mark.parametrize("source", [source for source in PACKAGE if source not in LATE])
def test_names_of_imported_modules_are_constants(source: str) -> None:
    """A computed name would hide a module from PyInstaller and similar programs.

    They follow import statements.
    """
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__"):
            assert all(isinstance(argument, ast.Constant) for argument in node.args), f"{source}:{node.lineno}"


def test_import_loads_neither_numba_nor_the_network() -> None:
    code = "import numpy, sys; before = set(sys.modules); import minibert; minibert.load; print(*(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert "minibert.model" in loaded
    # pathlib of Python 3.11 imports urllib.parse
    clients = NETWORK - {"http", "urllib"} | {"http.client", "urllib.request"}
    assert not loaded & (clients | {"numba", "llvmlite", "safetensors"})


def test_the_public_names_are_imported_when_they_are_used() -> None:
    """Until then NumPy's BLAS can still be set up. An unknown name is an error, as anywhere."""
    code = "import minibert, sys; print('numpy' in sys.modules, hasattr(minibert, 'lod'), minibert.load.__module__, 'numpy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False False minibert.loading True\n"


@pytest.mark.parametrize("source", LATE)
def test_late_names_and_those_for_type_checkers_agree(source: str) -> None:
    package = module_name(source)
    module = importlib.import_module(package)
    found = [name.rpartition(".") for name in imports(source) if name.startswith(f"{package}.")]
    assert {name: place for place, _, name in found} == {name: f"{package}.{place}" for name, place in module._MODULES.items()}
    assert {*module._MODULES} == {*module.__all__} < {*dir(module)}


def test_files_are_left_out_only_where_a_package_is_missing() -> None:
    """The rule of tests/support/collection.py, on files of both kinds."""
    for source in (
        "tests/test_model.py",
        "tests/ops/test_numpy_ops.py",
        "tests/tokenizer/test_tokenizer.py",
        "minibert/ops/compiled/encoder.py",
    ):
        assert not needed(source), source
    for source in ("tests/ops/test_attention.py", "minibert/ops/compiled/tiles.py", "minibert/tokenizer/compiled/trie.py"):
        assert "numba" in needed(source), source
    assert "tokenizers" in needed("tests/tokenizer/test_tokenizer_originals.py")
    assert set(OPTIONAL) >= MISSING


# How large things are


@pytest.mark.parametrize("source", ALL)
def test_files_are_short(source: str) -> None:
    length = len((ROOT / source).read_text(encoding="utf-8").splitlines())
    assert (length > MAX_FILE_LINES) == (source in LONG_FILES), f"{source} has {length} lines"


@pytest.mark.parametrize("source", ALL)
def test_functions_are_short(source: str) -> None:
    lengths = {f"{source} {function.name}": function.num_lines for function in functions(source)}
    long = {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES}
    assert long.keys() == {name for name in LONG_FUNCTIONS if name.split()[0] == source}, long


@pytest.mark.parametrize("source", ALL)
def test_functions_take_few_positional_arguments(source: str) -> None:
    """Arguments that can be given by name only do not count."""
    wide = {
        f"{source} {function.name}": function.num_positional for function in functions(source) if function.num_positional > MAX_POSITIONAL
    }
    assert wide.keys() == {name for name in WIDE_FUNCTIONS if name.split()[0] == source}, wide


# Plain English


@pytest.mark.parametrize("path", prose.sources(ROOT), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_prose_is_plain(path: Path) -> None:
    offences = prose.check(path, path.relative_to(ROOT).as_posix())
    assert not offences, "\n".join(["sentences to shorten, words to replace:", *map(str, offences)])


def test_long_sentences_and_replaced_words_are_found(tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    # The names are put together, or this file would contain them.
    path.write_text(f'"""{"word " * 26}end. A short one.\n\n    {"code " * 30}"""\n# The tw{"in"} of this loop\nmake_ro{"om"} = 1\n')
    assert [(offence.line, offence.reason.split()[0]) for offence in prose.check(path, "")] == [(1, "27"), (4, "'twin'"), (5, "'room'")]


# The public interface and the package


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_encoder_keeps_the_contract(backend: str) -> None:
    config = make_config(1, 24, 3, vocab_size=20, max_position_embeddings=8)
    encoder = prepare(backend, from_arrays(make_weights(config), config))
    methods = {name: function for name, function in vars(Encoder).items() if inspect.isfunction(function) and name[0] != "_"}
    assert len(methods) == 7
    for name, function in methods.items():
        expected = list(inspect.signature(function).parameters)[1:]  # without self
        assert list(inspect.signature(getattr(encoder, name)).parameters) == expected, name
    for name in Encoder.__annotations__:
        assert hasattr(encoder, name), name
    assert encoder.backend == backend


def test_public_names_are_there_and_documented() -> None:
    for name in minibert.__all__:
        assert inspect.getdoc(getattr(minibert, name)), name
    for name, method in inspect.getmembers(minibert.MiniBert, inspect.isfunction):
        assert name[0] == "_" or inspect.getdoc(method), name


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_both_places_of_the_version_agree() -> None:
    assert project()["project"]["version"] == minibert.__version__


def test_every_package_is_in_the_wheel() -> None:
    packages = {".".join(Path(source).parent.parts) for source in PACKAGE}
    assert set(project()["tool"]["setuptools"]["packages"]) == packages | {"minibert.bundled"}  # which has no code
