"""The modules of a folder that sentence-transformers wrote, of any version: where they lie, and the same in the layout of today.

Until version 1.x, the encoder lay in a folder of its own (`0_Transformer`, before that `0_BERT`), and modules had weights as torch writes
them. Today the encoder lies beside modules.json, each other module in a folder of its own, and weights are safetensors.

Source: sentence-transformers, `SentenceTransformer.save` of 0.2 to 6.2.
"""

from dataclasses import dataclass
from pathlib import Path

from .fields import is_there, load_list
from .files import check_inside
from .folder import WEIGHTS_FILES, module_path

MAX_MODULES = 20
MAX_NAME_LENGTH = 100  # of a class
# What 0.2 called the encoder; 6.2 knows it by the name of 0.3
OLD_TYPES = {"sentence_transformers.models.BERT": "sentence_transformers.models.Transformer"}


@dataclass(frozen=True)
class Module:
    """An entry of modules.json."""

    type: str  # dotted path of a class of sentence-transformers
    path: str  # of its folder, within that of modules.json
    new_path: str  # in the layout of today: the encoder beside modules.json, each other module in a folder of its own

    @property
    def name(self) -> str:
        return class_name(self.type)


def class_name(type: str) -> str:
    return type.rpartition(".")[2]


def read_modules(folder: Path) -> list[Module]:
    """What modules.json lists; nothing where there is none. Raises ValueError for paths that leave the folder, and names of no class."""
    path = folder / "modules.json"
    if not is_there(path):
        return []
    check_inside(folder, path)
    modules: list[Module] = []
    taken = {"."}
    for index, entry in enumerate(load_list(path)):
        type = OLD_TYPES.get(stored := entry.need("type", str), stored)
        name, place = class_name(type), module_path(entry, folder)
        if not name.isidentifier() or not name.isascii() or len(name) > MAX_NAME_LENGTH:
            raise entry.refuse("type", "the dotted path of a class")
        if index == MAX_MODULES:
            raise ValueError(f"{path}: expected at most {MAX_MODULES} modules, found more")
        new = "" if name == "Transformer" else place if place not in taken else f"{index}_{name}"
        if new in taken:
            raise entry.refuse("path", "a folder of its own")
        taken |= {new} if new else set()
        modules.append(Module(type, place, new))
    return modules


def transformer_path(modules: list[Module]) -> str:
    """Where the encoder lies, within the folder of modules.json."""
    return next((module.path for module in modules if module.name == "Transformer"), ".")


def module_weights(folder: Path, module: Module) -> Path | None:
    """The file with a module's own weights, as a Dense has them. sentence-transformers reads the first that is there."""
    names = WEIGHTS_FILES if module.name not in ("Transformer", "Pooling", "Normalize") else ()
    path = next((path for name in names if is_there(path := folder / module.path / name)), None)
    if path is not None:
        check_inside(folder, path)
    return path
