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
from minibert.ops import Backend, reference

PACKAGE = Path(minibert.__file__).parent
# From the ground up: a module imports only from those before it. The folder of a package stands for all that is in it.
ORDER = [
    "fields", "config", "jit", "tokenizer", "formats", "weights", "packing", "ops", "encoder", "pooling", "folder", "threads", "inputs",
    "outputs", "model", "terminal", "cli", "__main__",
]  # fmt: skip
COMPILED = {"jit.py", "ops/simd.py", "ops/kernels.py", "tokenizer/compiled.py"}  # the only places for Numba
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
    assert not roots & NETWORK
    assert source in COMPILED or not roots & {"numba", "llvmlite"}
    assert roots <= {"minibert", "numpy", "numba", "llvmlite", *sys.stdlib_module_names}


def test_import_loads_neither_numba_nor_the_network() -> None:
    code = "import numpy, sys; before = set(sys.modules); import minibert; print(*(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert "minibert.model" in loaded
    clients = NETWORK - {"http", "urllib"} | {"http.client", "urllib.request"}  # pathlib of Python 3.11 takes urllib.parse
    assert not loaded & (clients | {"numba", "llvmlite", "safetensors"})


def test_the_reference_keeps_the_contract() -> None:
    contract = {name: function for name, function in vars(Backend).items() if inspect.isfunction(function) and name[0] != "_"}
    assert len(contract) == 8
    for name, function in contract.items():
        expected = list(inspect.signature(function).parameters.values())[1:]  # without self
        actual = list(inspect.signature(getattr(reference, name)).parameters.values())
        assert actual == expected, name


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
    assert set(project["tool"]["setuptools"]["packages"]) == packages
