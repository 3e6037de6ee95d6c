"""The files of a repository, from an address or from a folder with the same files.

A BERT is a handful of files in a repository of the Hugging Face hub,
`OWNER/REPO/resolve/main/FILE`. All of them are taken from one revision. The small files come first.
So a repository without a BERT is refused before its weights are downloaded, and config.json tells
how large the weights can be.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from shlex import quote

from ..bert.config import BertConfig, load_config
from ..bert.tensors import expected_shapes
from ..files import HUB_PREFIX
from ..files.access import copy_inside, digest, head_of
from ..files.sources import missing, no_folder
from ..folders.hub_cache import snapshot
from ..folders.layout import MODULE_WEIGHTS_FILES, WEIGHTS_FILES, known_files, read_modules, transformer_path
from ..folders.settings import load_folder
from ..formats.shards import INDEX, files_of
from .catalog import VOCABULARY, Model, folder_name
from .http import Missing, Received, address_of, get

SMALL = 64 << 20  # limit for a file that is not weights, in bytes


def is_address(source: str) -> bool:
    """Return whether a source is an address, and not a folder."""
    return source.startswith(("http://", "https://"))


@dataclass
class Download:
    """A repository on its way from a source into a folder.

    Attributes:
        place: the folder with its files, where the source is a folder.
        received: the files that have come, by name.
    """

    repository: str
    source: str
    folder: Path
    place: Path | None
    received: dict[str, Received] = field(default_factory=dict)

    def fetch_file(self, file: str, limit: int) -> bool:
        """Fetch one file of at most `limit` bytes; False if the source does not have it."""
        revision = self.received["config.json"].revision if self.received else None
        try:
            if self.place is None:
                address = address_of(self.source, self.repository, file, revision or "main")
                self.received[file] = get(address, file, self.folder, limit)
            else:
                self.received[file] = copy(self.place, file, self.folder, limit)
        except Missing:
            return False
        return True

    def fetch_weights(self) -> None:
        """Fetch the weights: one file, or an index and its shards. Raises FileNotFoundError.

        The shards together may be as large as one file.
        """
        limit = max_weight_bytes(load_config(self.folder / "config.json"))
        found = next((file for file in WEIGHTS_FILES if self.fetch_file(file, SMALL if file.endswith(INDEX) else limit)), None)
        where = f"{self.source}: {self.repository}"
        if found is None:
            expected = " or ".join(WEIGHTS_FILES)
            nothing = f"{where}: expected {expected}, found none of them"
            raise FileNotFoundError(nothing if self.place is None else missing(self.place, expected))
        for shard in files_of(self.folder / found)[1:]:
            if not self.fetch_file(shard.name, limit):
                raise FileNotFoundError(f"{where}: {shard.name}: {found} names it, but it is not there")
            limit -= shard.stat().st_size

    def fetch_module_weights(self) -> None:
        """Fetch the weights of the modules after the pooling. Raises FileNotFoundError."""
        for module in load_folder(self.folder).modules:
            path = PurePosixPath(Path(module.folder).relative_to(self.folder))
            if module.shapes and not any(self.fetch_file(str(path / file), module.max_bytes) for file in MODULE_WEIGHTS_FILES):
                expected = " or ".join(MODULE_WEIGHTS_FILES)
                raise FileNotFoundError(f"{self.source}: {self.repository}/{path}: expected {expected}, found neither")


def download(repository: str, source: str, folder: Path, model: Model | None) -> dict[str, Received]:
    """Fetch all files of a repository that belong to a model folder.

    Raises FileNotFoundError if the repository has no BERT. Raises ValueError for a BERT that cannot
    be run, or that is not `model`.
    """
    place = None if is_address(source) else _place(Path(source), repository)
    files = Download(repository, source, folder, place)
    if not files.fetch_file("config.json", SMALL):
        public = f"{source}: no config.json of {repository}; is that the name of a BERT that everybody may read?"
        raise FileNotFoundError(public if place is None else missing(place, "config.json"))
    _check_shape(folder, repository, model)
    files.fetch_file("modules.json", SMALL)
    for file in sorted({*known_files(folder)} - {"modules.json"}):
        files.fetch_file(file, SMALL)
    load_folder(folder)
    received = files.received
    if model is not None and received.get("vocab.txt", received["config.json"]).sha256 != VOCABULARY:
        raise ValueError(f"{repository}: vocab.txt: expected the one of all miniatures, SHA-256 {VOCABULARY}, found another or none")
    files.fetch_weights()
    files.fetch_module_weights()
    return received


def _check_shape(folder: Path, repository: str, model: Model | None) -> None:
    config = load_config(folder / "config.json")
    found = config.num_hidden_layers, config.hidden_size
    if model is not None and found != (model.num_layers, model.hidden_size):
        raise ValueError(
            f"{repository}: expected {model.num_layers} layers of {model.hidden_size} for {model.name}, found {found[0]} of {found[1]}"
        )


def _place(folder: Path, repository: str) -> Path:
    """Return where a folder has the files of a repository: in a folder of its name, or directly."""
    if folder.is_file():
        raise ValueError(no_folder(folder, head_of(folder)))
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected the address of a mirror (https://...) or a folder, found neither")
    names = repository, folder_name(repository), HUB_PREFIX + folder_name(repository)
    place = Path(snapshot(next((folder / name for name in names if (folder / name).is_dir()), folder)))
    _check_layout(place)
    return place


def _check_layout(place: Path) -> None:
    """Raise ValueError for an old layout, where the encoder lies in a folder of its own."""
    if transformer_path(read_modules(place)) != ".":
        advice = f"`minibert convert {quote(str(place))} NEW` makes a model folder of it"
        raise ValueError(f"{place}: expected the encoder beside modules.json, found it in a folder of its own; {advice}")


def max_weight_bytes(config: BertConfig) -> int:
    """Return the largest size that a file of weights may have.

    That is four bytes for each number of the encoder and of the heads of its training, and SMALL
    bytes for smaller heads and names. The size is computed from one and two layers: the
    configuration may claim more layers than a loop could count.
    """
    one, two = (sum(math.prod(shape) for _, shape in expected_shapes(config._replace(num_hidden_layers=number))) for number in (1, 2))
    heads = config.vocab_size * (config.hidden_size + 2) + 2 * config.hidden_size * (config.hidden_size + 4)
    return 4 * (one + (config.num_hidden_layers - 1) * (two - one) + heads) + SMALL


def copy(folder: Path, file: str, target_folder: Path, limit: int) -> Received:
    """Copy one file. Raises Missing, and ValueError like `copy_inside`."""
    if not copy_inside(folder, file, target_folder, limit):
        raise Missing
    target = target_folder / file
    return Received(str(folder / file), target.stat().st_size, digest(target), False, None)
