"""A small model for the tests of this folder, and helpers to change its files."""

import json
from pathlib import Path
from typing import Any

import pytest

from minibert.folders.save import save_int8
from minibert.importers.convert import convert
from tests.support.models import make_config

CONFIG = make_config(2, 24, 3, max_position_embeddings=64)
TEXTS = ["I hate cancer", "Antibiotics aren't painkiller", ""]
SMALL = make_config(1, 8, 2, max_position_embeddings=8)
COMMANDS = pytest.mark.parametrize("command", [save_int8, convert], ids=["quantize", "convert"])


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def tree(folder: Path) -> dict[str, bytes]:
    """Return the content of all files in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


def write_modules(folder: Path, transformer: str = "", pooling: str = "1_Pooling") -> None:
    """Write modules.json, and a pooling of [CLS] if the folder has none."""
    paths = {"Transformer": transformer, "Pooling": pooling}
    content = [{"type": f"sentence_transformers.models.{name}", "path": path} for name, path in paths.items()]
    (folder / "modules.json").write_text(json.dumps(content))
    if not (folder / pooling).exists():
        (folder / pooling).mkdir(parents=True)
        write_json(folder / pooling / "config.json", {"pooling_mode": "cls"})
