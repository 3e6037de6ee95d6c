"""The walls of the house."""

import ast
import inspect
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import minibert
from minibert.bert.weights import from_arrays
from minibert.ops import Encoder
from tests.support.backends import BACKENDS, prepare
from tests.support.models import make_config, make_weights

PACKAGE = Path(minibert.__file__).parent
# From the ground up: a module imports only from those before it. The folder of a package stands for all that is in it.
ORDER = [
    "files", "arrays", "habits", "texts", "packing", "runtime", "formats", "bert", "tokenizer", "ops", "encoder", "pooling", "finite",
    "folders", "importers", "hub", "arguments", "outputs", "levels", "scheduling", "vectors",
    "model_base", "model", "loading", "warmup", "cli", "__main__",
    "__pyinstaller",
]  # fmt: skip
# The only places for Numba
COMPILED = {
    "runtime/jit.py", "ops/compiled/tiers.py", "ops/compiled/simd.py", "ops/compiled/memory.py", "ops/compiled/tiles.py",
    "ops/compiled/team.py", "tokenizer/compiled/loops.py",
}  # fmt: skip
NETWORK = {"socket", "ssl", "http", "urllib", "ftplib", "smtplib", "asyncio", "requests"}
SOURCES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def imports(source: str) -> Iterator[str]:
    """Absolute names of the modules that a file imports."""
    path = PACKAGE / source
    package = ["minibert", *Path(source).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield from ([f"{name}.{alias.name}" for alias in node.names] if name == "minibert" else [name])


@pytest.mark.parametrize("source", [source for source in SOURCES if source != "__init__.py"])
def test_imports_point_downwards(source: str) -> None:
    own = ORDER.index(Path(source).parts[0].removesuffix(".py"))
    for name in imports(source):
        if name.startswith("minibert."):
            assert ORDER.index(name.split(".")[1]) <= own, f"{source} imports {name}"


@pytest.mark.parametrize("source", SOURCES)
def test_only_kernels_import_numba_and_nobody_the_network(source: str) -> None:
    roots = {name.split(".")[0] for name in imports(source)}
    assert source == "hub/fetch.py" or not roots & NETWORK
    assert source in COMPILED or not roots & {"numba", "llvmlite"}
    assert source == "folders/save.py" or "safetensors" not in roots  # the library writes; reading is our own
    assert roots <= {"minibert", "numpy", "numba", "llvmlite", "safetensors", *sys.stdlib_module_names}


@pytest.mark.parametrize("source", SOURCES)
def test_programs_that_are_frozen_hold_all_modules(source: str) -> None:
    """PyInstaller and its like follow import statements; a name that is put together at run time hides a module from them."""
    for node in ast.walk(ast.parse((PACKAGE / source).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__"):
            assert all(isinstance(argument, ast.Constant) for argument in node.args), f"{source}:{node.lineno}"


def test_import_loads_neither_numba_nor_the_network() -> None:
    code = "import numpy, sys; before = set(sys.modules); import minibert; print(*(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert "minibert.model" in loaded
    clients = NETWORK - {"http", "urllib"} | {"http.client", "urllib.request"}  # pathlib of Python 3.11 takes urllib.parse
    assert not loaded & (clients | {"numba", "llvmlite", "safetensors"})


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_encoder_keeps_the_contract(backend: str) -> None:
    config = make_config(1, 24, 3, vocab_size=20, max_position_embeddings=8)
    encoder = prepare(backend, from_arrays(make_weights(config), config))
    methods = {name: function for name, function in vars(Encoder).items() if inspect.isfunction(function) and name[0] != "_"}
    assert len(methods) == 5
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


def test_the_version_is_written_once_for_all() -> None:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == minibert.__version__


def test_every_package_is_in_the_wheel() -> None:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {".".join(["minibert", *Path(source).parent.parts]) for source in SOURCES}
    assert set(project["tool"]["setuptools"]["packages"]) == packages | {"minibert.box"}  # which has no code
