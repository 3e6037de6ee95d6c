"""Where the files of a model folder lie: their names, and the modules of a folder that sentence-transformers wrote, of any version.

Until version 1.x of sentence-transformers, the encoder lay in a folder of its own (`0_Transformer`, before that `0_BERT`), and modules had
weights as torch writes them. Today the encoder lies beside modules.json, each other module in a folder of its own, and weights are
safetensors.

Source: sentence-transformers, `SentenceTransformer.save` of 0.2 to 6.2.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..files.access import check_inside, inside
from ..files.fields import Fields, is_there, load_list

# The names that sentence-transformers has given to the settings of Transformer; it reads the first that is there.
TRANSFORMER_FILES = tuple(
    f"sentence_{name}_config.json" for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
# Beside config.json and the weights, a model folder has files of these names, and those that modules.json speaks of.
TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
GENERAL_FILES = ("modules.json", "config_sentence_transformers.json", "provenance.json",
                 "README.md", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE")  # fmt: skip
# In the order in which transformers looks for them
WEIGHTS_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
MODULE_WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")  # of a Dense and its like
FILES = {"config.json", *WEIGHTS_FILES, *TOKENIZER_FILES, *TRANSFORMER_FILES, *GENERAL_FILES}
MAX_PATH_LENGTH = 255  # of a module's path
MAX_MODULES = 20
MAX_NAME_LENGTH = 100  # of a class
WITHOUT_FILES = ("Normalize", "Dropout")  # modules that need no folder of their own
# What 0.2 called the encoder; 6.2 knows it by the name of 0.3
OLD_TYPES = {"sentence_transformers.models.BERT": "sentence_transformers.models.Transformer"}


@dataclass(frozen=True)
class ListedModule:
    """An entry of modules.json."""

    type: str  # dotted path of a class of sentence-transformers
    path: str  # of its folder, within that of modules.json

    @property
    def name(self) -> str:
        return self.type.rpartition(".")[2]

    @property
    def new_path(self) -> str:
        """In the layout of today, where the encoder lies beside modules.json. One without files needs no folder."""
        return "" if self.name == "Transformer" or self.path == "." else self.path


def read_modules(folder: Path) -> list[ListedModule]:
    """What modules.json lists; nothing where there is none. Raises ValueError for paths that leave the folder, and names of no class."""
    path = folder / "modules.json"
    if not is_there(path):
        return []
    check_inside(folder, path)
    modules: list[ListedModule] = []
    taken = {"."}  # so that no file is read for two modules
    for index, entry in enumerate(load_list(path)):
        stored = entry.need("type", str)
        module = ListedModule(OLD_TYPES.get(stored, stored), module_path(entry, folder))
        if not module.name.isidentifier() or not module.name.isascii() or len(module.name) > MAX_NAME_LENGTH:
            raise entry.refuse("type", "the dotted path of a class")
        if index == MAX_MODULES:
            raise ValueError(f"{path}: expected at most {MAX_MODULES} modules, found more")
        if module.path in taken and module.name not in ("Transformer", *WITHOUT_FILES):
            raise entry.refuse("path", "a folder of its own")
        taken.add(module.path)
        modules.append(module)
    return modules


def transformer_path(modules: list[ListedModule]) -> str:
    """Where the encoder lies, within the folder of modules.json."""
    return next((module.path for module in modules if module.name == "Transformer"), ".")


def module_weights(folder: Path, module: ListedModule) -> Path | None:
    """The file with a module's own weights, as a Dense has them. sentence-transformers reads the first that is there."""
    names = MODULE_WEIGHTS_FILES if module.name not in ("Transformer", "Pooling", *WITHOUT_FILES) else ()
    path = next((path for name in names if is_there(path := folder / module.path / name)), None)
    if path is not None:
        check_inside(folder, path)
    return path


def module_path(module: Fields, folder: Path) -> str:
    """The path of a module, as long as it leads nowhere else than into the folder, on any system."""
    path = module.need("path", str)
    parts = PurePosixPath(path).parts
    is_plain = len(path) <= MAX_PATH_LENGTH and path.isprintable() and not {"\\", ":"} & set(path)
    if not is_plain or path.startswith("/") or ".." in parts or not inside(folder, folder / path):
        raise module.refuse("path", "a relative path that stays in the folder")
    # A folder and a file cannot both have a name; and a file on its way has a hidden one
    if any(part in FILES or part.startswith(".") for part in parts):
        raise module.refuse("path", "names of folders that are neither hidden nor names of files of a model")
    return str(PurePosixPath(path))


def known_files(folder: Path) -> list[str]:
    """Names, within the folder, of all that a model folder may have beside config.json and weights. Raises as `read_modules`."""
    modules = read_modules(folder)
    inner = PurePosixPath(transformer_path(modules))
    configs = [str(PurePosixPath(module.path) / "config.json") for module in modules if module.name != "Transformer"]
    return [*GENERAL_FILES, *(str(inner / name) for name in (*TOKENIZER_FILES, *TRANSFORMER_FILES)), *configs]
