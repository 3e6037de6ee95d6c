"""Which modules a process imports before its first vector, beyond those of `import numpy`.

Each module takes a tenth of a millisecond at least. A module that a first vector does not need is
imported where it is used. If a test fails because a module must be there, add it to the list.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minibert.folders.bundled import bundled_folder
from minibert.runtime import library
from minibert.tokenizer.compiled import TABLES_FILE
from tests.support.backends import needs_numba

BOTH = (
    "arguments", "arrays", "bert", "bert.checkpoint", "bert.config", "bert.tensors", "bert.weights", "encoder", "files",
    "files.access", "files.fields", "finite", "folders", "folders.bundled", "folders.layout", "folders.read",
    "folders.sentence_modules", "folders.settings", "formats", "formats.safetensors", "formats.spans", "habits", "loading", "model",
    "model_base", "ops", "ops.backends", "ops.parameters", "ops.sums", "packing", "pooling", "runtime", "runtime.cached", "runtime.library",
    "runtime.team", "runtime.threads", "runtime.trusted", "runtime.tuples", "scheduling", "texts", "tokenizer", "tokenizer.choose",
    "tokenizer.compiled", "tokenizer.compiled.layout", "tokenizer.encoding", "tokenizer.late", "tokenizer.tokenizer",
    "tokenizer.truncation", "vectors",
)  # fmt: skip
LIBRARY = (
    "ops.compiled", "ops.compiled.encoder", "ops.compiled.layout", "ops.compiled.library_loops", "ops.compiled.pack_weights",
    "ops.compiled.packed", "ops.compiled.short_texts", "ops.compiled.storage", "ops.compiled.tiers", "runtime.records",
    "tokenizer.compiled.batch", "tokenizer.compiled.checks", "tokenizer.compiled.known_tables", "tokenizer.table_file",
)  # fmt: skip
NUMPY = (
    "ops.numpy_encoder", "ops.numpy_int8", "ops.numpy_ops", "tokenizer.added", "tokenizer.compiled.tables", "tokenizer.loading",
    "tokenizer.model_files", "tokenizer.named_tokens", "tokenizer.one_text", "tokenizer.pipeline", "tokenizer.readable",
    "tokenizer.settings", "tokenizer.tables_hf", "tokenizer.unicode", "tokenizer.wordpiece",
)  # fmt: skip
# Numba also imports what its cache is made of, so here is what it must not import.
NOT_NUMBA = ("bert.quantize", "files.sources", "formats.shards", "hub.names", "levels", "outputs", "ops.numpy_ops")
# Of the standard library. Some builds of Python or NumPy have a part of them from the start.
STANDARD = {"_json", "json", "json.decoder", "json.encoder", "json.scanner", "zlib"}
STANDARD_NUMPY = STANDARD | {"_bisect", "array", "bisect", "copy", "dataclasses"}

CODE = """
import sys
import numpy
before = {*sys.modules}
import minibert
print(*sorted({*sys.modules} - before))
if len(sys.argv) > 1:
    import minibert.folders.bundled
    minibert.folders.bundled.bundled_folder = lambda: sys.argv[2]
    minibert.load(backend=sys.argv[1]).encode("I hate cancer")
    print(*sorted({*sys.modules} - before))
"""


def imported(*arguments: str | Path, **variables: str) -> set[str]:
    """What a new process imports. It reads no `.pth` files, which may import something too."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | variables
    command = [sys.executable, "-S", "-c", CODE, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.splitlines()[-1].split())


def check(found: set[str], expected: tuple[str, ...], standard: set[str]) -> None:
    own = {name.removeprefix("minibert.") for name in found if name.startswith("minibert.")}
    late = "it is not needed here: import it in the function that needs it, or add it to the list in this file"
    assert not (own - {*expected}), late
    assert not ({*expected} - own), "it is not imported any more: take it off the list in this file"
    others = {name for name in found if name.partition(".")[0] != "minibert"}
    assert not (others - standard), late


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model as a wheel has it, with the tables of its tokenizer."""
    from minibert.tokenizer.table_writer import tables_of

    folder = Path(shutil.copytree(bundled_folder(), tmp_path_factory.mktemp("start") / "model"))
    (folder / TABLES_FILE).write_bytes(tables_of(folder, False) or b"")
    return folder


def test_minibert_alone_imports_nothing() -> None:
    assert imported() == {"minibert"}


@needs_numba
def test_the_first_vector_of_a_library(folder: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    if (tier := library.tier_here()) is None:
        pytest.skip("no library runs here")
    from tests.support.libraries import built_library

    place = tmp_path / "minibert" / f"libraries-{library.source_hash()}"
    place.mkdir(parents=True, mode=0o755)
    shutil.copy(built_library(tier, tmp_path_factory), place)
    (tmp_path / "minibert").chmod(0o755)
    found = imported("library", folder, XDG_CACHE_HOME=str(tmp_path), NUMBA_CACHE_DIR="")
    check(found, BOTH + LIBRARY, STANDARD)


def test_the_first_vector_of_numpy(folder: Path) -> None:
    check(imported("numpy", folder), BOTH + NUMPY, STANDARD_NUMPY)


@needs_numba
def test_the_first_vector_of_numba(folder: Path) -> None:
    found = imported("numba", folder)
    assert {f"minibert.{name}" for name in BOTH} <= found
    assert not {f"minibert.{name}" for name in NOT_NUMBA} & found


def test_modules_of_the_package_are_attributes_of_it() -> None:
    """Those are imported when they are used. Any other name is an AttributeError."""
    code = "import minibert; print(minibert.tokenizer.COMPATS, minibert.runtime.__name__, hasattr(minibert, 'nothing'))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "('hf', 'google') minibert.runtime False\n"
