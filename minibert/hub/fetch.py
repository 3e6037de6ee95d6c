"""`minibert fetch`: a published model becomes a model folder of the user.

The files of a repository are downloaded (download.py) and converted (importers/convert.py). The new
folder takes its name when it is complete. Files that are already downloaded are kept until then, so
a second call goes on where the first one stopped.

HF_ENDPOINT names a mirror with the hub's layout, as for huggingface_hub. `--from` names a mirror,
or a folder with the same files. Proxies are those of the environment (`https_proxy`). `addresses`
lists the files that a user carries to a machine without a network.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..files.partial import locked
from ..folders.layout import TOKENIZER_FILES, TRANSFORMER_FILES, WEIGHTS_FILES
from ..importers.convert import convert
from .catalog import HUB, Model, find, folder_name, home
from .download import download, is_address
from .http import Unreachable, address_of
from .names import advice, is_repository


def fetch(name: str, source: str | None = None) -> Path:
    """Fetch a model and return its folder, which `minibert.load(name)` finds.

    A model that is already there stays as it is.

    Args:
        name: a name or an alias of the catalogue, or any OWNER/REPO of the hub with a BERT in it.
        source: the address of a mirror, or a folder with the same files; None for the hub, or the
            mirror that HF_ENDPOINT names.

    Raises:
        ValueError: no model has this name; a file is damaged, or is not what a BERT needs.
        FileNotFoundError: the model is not published there.
        OSError: the network or the disk failed. Another call goes on from there.
    """
    if source == "":
        raise ValueError("--from: expected an address or a folder, found an empty text; is a variable of the shell not set?")
    model, repository = model_and_repository(name)
    if model is not None and repository is None:
        return model.path  # it is bundled
    target = home() / "models" / folder_name(name) if model is None else model.path
    downloads = home() / "downloads" / target.name
    if not target.exists():
        _make(target.parent)
        _make(downloads)
        with locked(downloads / "lock"):
            if not target.exists():  # another process may have fetched it meanwhile
                try:
                    _fetch_to(target, str(repository), endpoint() if source is None else source, model, downloads)
                except Unreachable as error:
                    raise OSError(
                        f"{error}; HF_ENDPOINT or --from names a mirror, and `minibert fetch --list {name}` lists the files to carry here"
                    ) from None
    return target


def model_and_repository(name: str) -> tuple[Model | None, str | None]:
    """Return the model of a name and its repository.

    The model is None outside of the catalogue. The repository is None for the bundled model.
    Raises ValueError for a name that is neither in the catalogue nor OWNER/REPO.
    """
    model = find(name)
    if model is None and not is_repository(name):
        raise ValueError(f"{name:.200}: expected a name that `minibert models` lists, or OWNER/REPO, found neither; {advice(name)}")
    return model, name if model is None else model.repository


def endpoint() -> str:
    """Return the address of the hub, or of the mirror in HF_ENDPOINT.

    Raises ValueError if that is no address.
    """
    address = os.environ.get("HF_ENDPOINT") or HUB
    if not is_address(address):
        raise ValueError(f"HF_ENDPOINT: expected an address, https://..., found {address!r:.200}")
    return address.rstrip("/")


def addresses(name: str) -> Iterator[tuple[str, str, str]]:
    """List the files that `fetch` looks for.

    Each has three parts: when it is needed, its name in the folder, and its address.
    The network is not used. The bundled model has no such files. Raises ValueError for an unknown
    name.
    """
    model, repository = model_and_repository(name)
    if repository is None:
        return
    needed = ("config.json",) if model is None else ("config.json", "vocab.txt")
    tokenizer = ("tokenizer.json", "vocab.txt") if model is None else ()
    sentence = ("modules.json", "1_Pooling/config.json", TRANSFORMER_FILES[0], "config_sentence_transformers.json")
    others = (*TOKENIZER_FILES, *sentence, "README.md", "LICENSE")
    rest = [file for file in others if file not in (*needed, *tokenizer)]
    for when, files in (("needed", needed), ("one of these", tokenizer), ("first of these", WEIGHTS_FILES), ("if it exists", rest)):
        yield from ((when, file, address_of(endpoint(), repository, file)) for file in files)


def _fetch_to(target: Path, repository: str, source: str, model: Model | None, downloads: Path) -> None:
    """Download a repository into a folder of its own for each source, and convert it to `target`.

    The downloads are removed when they are converted, and when they turn out to be wrong.
    """
    folder = downloads / hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    if folder.is_symlink():
        raise ValueError(f"{folder}: expected a folder, found a link; remove it")
    _make(folder)
    try:
        received = download(repository, source, folder, model)
        fetched = {file: vars(each) for file, each in received.items()}
        convert(folder, target, None if model is None else model.hidden_act, fetched)
    except (ValueError, FileNotFoundError) as error:
        shutil.rmtree(folder)
        kind = FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError
        place = f"{source.rstrip('/')}/{repository}" if is_address(source) else source
        raise kind(str(error).replace(str(folder), place)) from None  # the folder is gone, so the error names the source
    shutil.rmtree(folder)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"{folder}: cannot be made ({error.strerror}); set MINIBERT_HOME to a folder that you may write to") from None
