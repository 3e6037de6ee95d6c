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

    @property
    def name(self) -> str:
        return self.type.rpartition(".")[2]

    @property
    def new_path(self) -> str:
        """In the layout of today, where the encoder lies beside modules.json."""
        return "" if self.name == "Transformer" else self.path


def read_modules(folder: Path) -> list[Module]:
    """What modules.json lists; nothing where there is none. Raises ValueError for paths that leave the folder, and names of no class."""
    path = folder / "modules.json"
    if not is_there(path):
        return []
    check_inside(folder, path)
    modules: list[Module] = []
    taken = {"."}  # so that no file is read for two modules
    for index, entry in enumerate(load_list(path)):
        stored = entry.need("type", str)
        module = Module(OLD_TYPES.get(stored, stored), module_path(entry, folder))
        if not module.name.isidentifier() or not module.name.isascii() or len(module.name) > MAX_NAME_LENGTH:
            raise entry.refuse("type", "the dotted path of a class")
        if index == MAX_MODULES:
            raise ValueError(f"{path}: expected at most {MAX_MODULES} modules, found more")
        if module.path in taken and module.name != "Transformer":
            raise entry.refuse("path", "a folder of its own")
        taken.add(module.path)
        modules.append(module)
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
