"""The folder that a name or a path stands for.

The catalogue of named models is imported when a name is looked up. A path, or the bundled model,
needs none of it.
"""

import errno
import os
import re
from os.path import expanduser

from ..files import StrPath
from ..files.fields import shown_name
from ..folders.bundled import bundled_folder
from ..folders.hub_cache import cached, snapshot

REPOSITORY = r"(?a)[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}"  # the hub allows 96 characters
PLAIN_NAME = r"(?a)[A-Za-z0-9][\w.-]{0,95}"  # the few old repositories without an owner
ADDRESS = r"(?:https?://[^/]+/|hf://)(?:models/)?([^/]+/[^/?#@]+)"  # of a repository, or of something in it


def resolve(path: StrPath | None) -> str:
    """Return the folder of a model: a path, a name, a repository, or None for the bundled model.

    A fetched model comes before one in the hub's cache. Some names stand for another form of GELU
    than their repository; these are not taken from that cache. Raises FileNotFoundError that says
    how to get the model.
    """
    if path is None:
        return bundled_folder()
    folder = os.fspath(path)
    return snapshot(folder) if exists(folder) else _named_folder(folder)


def _named_folder(name: str) -> str:
    from .catalog import find, folder_name, home  # only a name needs the catalogue

    model = find(name)
    if model is None and not is_repository(name):
        if re.fullmatch(PLAIN_NAME, name) and (found := cached(name)) is not None:
            return found
        raise FileNotFoundError(f"{shown_name(name[:200])}: no such folder, and no model of that name; {advice(name)}")
    fetched = model.path if model else home() / "models" / folder_name(name)
    if fetched.exists():
        return str(fetched)
    found = cached(name if model is None else str(model.repository))
    if found is not None and (model is None or model.hidden_act is None):
        return found
    also = f", or `minibert convert {found} NEW --hidden-act {model.hidden_act}` from the hub's cache" if model and found else ""
    raise FileNotFoundError(
        f"{name}: no such folder, and no such model has been fetched or is in the hub's cache; `minibert fetch {name}` gets one{also}"
    )


def is_repository(name: str) -> bool:
    """Return whether a name is OWNER/REPO in the spelling that the hub allows."""
    return re.fullmatch(REPOSITORY, name) is not None


def advice(name: str) -> str:
    """Return what to write instead of a name that stands for no model."""
    if (address := re.match(ADDRESS, name)) and is_repository(address[1]):
        return f"give the repository without its address, {address[1]}"
    meant = name.strip().rstrip("/")
    if meant != name and meant and (is_repository(meant) or exists(meant)):
        return f"give the name without the {'/' if name.startswith(meant + '/') else 'blanks'} around it, {meant}"
    if name.startswith("~") and exists(expanduser(name)):
        return f"`~` is not replaced here; give {expanduser(name)}"
    models = "`minibert models` lists the names of models"
    if re.fullmatch(PLAIN_NAME, name):
        return f"{models}, and a repository of the hub is OWNER/REPO, such as sentence-transformers/{name}"
    return models


def exists(path: str) -> bool:
    """Return whether a path exists; False for a name that is too long for the file system.

    Raises OSError if the system cannot tell.
    """
    try:
        os.stat(path)
    except ValueError:  # a null character in it
        return False
    except OSError as error:
        # Windows: no device, no name of a file, a link that leads nowhere
        is_absent = error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
        if is_absent or getattr(error, "winerror", None) in (21, 123, 1921):
            return False
        raise
    return True
