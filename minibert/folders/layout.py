"""The names and places of the files in a model folder, and the modules that modules.json lists.

Every version of sentence-transformers is read. Until version 1.x, the encoder lay in a folder of
its own (`0_Transformer`, before that `0_BERT`), and modules had weights in torch's format. Today
the encoder lies beside modules.json, each other module has a folder, and weights are safetensors.

Source: sentence-transformers, `SentenceTransformer.save` of 0.2 to 6.2.
"""

from os.path import join
from posixpath import normpath
from typing import TYPE_CHECKING

from ..files import StrPath
from ..files.access import check_inside, inside
from ..files.fields import Fields, is_there, load_list
from ..runtime.tuples import FieldTuple
from ..tokenizer.compiled import TABLES_FILE

if TYPE_CHECKING:
    from pathlib import Path

# Names of the file with the settings of Transformer. sentence-transformers reads the first that is
# there.
TRANSFORMER_FILES = tuple(
    f"sentence_{name}_config.json" for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
# Beside config.json and the weights, a model folder has these files, and those of the modules in
# modules.json.
TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
GENERAL_FILES = ("modules.json", "config_sentence_transformers.json", "provenance.json",
                 "README.md", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE")  # fmt: skip
# In the order of transformers, which reads the first that is there
WEIGHTS_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
MODULE_WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")  # of a module with weights, such as Dense
FILES = {"config.json", TABLES_FILE, *WEIGHTS_FILES, *TOKENIZER_FILES, *TRANSFORMER_FILES, *GENERAL_FILES}
MAX_PATH_LENGTH = 255  # of a module's path
MAX_MODULES = 20
MAX_NAME_LENGTH = 100  # of a class
WITHOUT_FILES = ("Normalize", "Dropout")  # modules that may have no folder
# The encoder's class in version 0.2 -> its class since 0.3, which 6.2 still reads
OLD_TYPES = {"sentence_transformers.models.BERT": "sentence_transformers.models.Transformer"}


class ListedModule(FieldTuple):
    """An entry of modules.json."""

    type: str  # dotted path of a class of sentence-transformers
    path: str  # of its folder, within that of modules.json

    @property
    def name(self) -> str:
        return self.type.rpartition(".")[2]

    @property
    def new_path(self) -> str:
        """Its folder in the layout of today; "" for the encoder, and for a module without files."""
        return "" if self.name == "Transformer" or self.path == "." else self.path


def read_modules(folder: StrPath) -> list[ListedModule]:
    """Return what modules.json lists; an empty list if there is no such file.

    Raises ValueError for a path that leaves the folder, and for a type that is no class.
    """
    path = join(folder, "modules.json")
    if not is_there(path):
        return []
    check_inside(folder, path)
    modules: list[ListedModule] = []
    taken = {"."}  # no file is read for two modules
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
    """Return the path of the encoder within the folder of modules.json."""
    return next((module.path for module in modules if module.name == "Transformer"), ".")


def module_weights(folder: "Path", module: ListedModule) -> "Path | None":
    """Return the file with a module's own weights, such as those of a Dense; None if it has none.

    sentence-transformers reads the first of these names that is there, and so does this function.
    """
    names = MODULE_WEIGHTS_FILES if module.name not in ("Transformer", "Pooling", *WITHOUT_FILES) else ()
    path = next((path for name in names if is_there(path := folder / module.path / name)), None)
    if path is not None:
        check_inside(folder, path)
    return path


def module_path(module: Fields, folder: StrPath) -> str:
    """Return the path of a module. Raises ValueError if it leaves the folder on any system."""
    path = module.need("path", str)
    parts = [part for part in path.split("/") if part not in ("", ".")]
    is_plain = len(path) <= MAX_PATH_LENGTH and path.isprintable() and not {"\\", ":"} & set(path)
    if not is_plain or path.startswith("/") or ".." in parts or not inside(folder, join(folder, path)):
        raise module.refuse("path", "a relative path that stays in the folder")
    # A folder cannot have the name of a file. A file that is being downloaded has a hidden name.
    if any(part in FILES or part.startswith(".") for part in parts):
        raise module.refuse("path", "names of folders that are neither hidden nor names of files of a model")
    return "/".join(parts) or "."


def known_files(folder: StrPath) -> list[str]:
    """Return the paths of all known files beside config.json and the weights.

    Raises like `read_modules`.
    """
    modules = read_modules(folder)
    inner = transformer_path(modules)
    configs = [normpath(f"{module.path}/config.json") for module in modules if module.name != "Transformer"]
    return [*GENERAL_FILES, *(normpath(f"{inner}/{name}") for name in (*TOKENIZER_FILES, *TRANSFORMER_FILES)), *configs]
