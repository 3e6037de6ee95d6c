"""Models in the cache of the Hugging Face hub, found by name.

transformers and sentence-transformers fill this cache. A model lies in `models--OWNER--REPO`.
`refs/main` names the revision that was downloaded last. `snapshots/REVISION` has its files, as
links to `blobs`. This module only reads: it writes nothing, takes no lock, and uses no network.

Source: huggingface_hub 1.x, constants.py and file_download.py.
"""

import os
import re
from os.path import basename, dirname, isdir, join

from ..files import HUB_PREFIX, StrPath
from ..files.access import read_text

REVISION = "[0-9A-Za-z][0-9A-Za-z._-]{0,99}"
PARTS = ("snapshots", "blobs", "refs")  # of a model's folder
MAX_REF_BYTES = 200


def cache_folder() -> str:
    """Return the folder of the cache, found as huggingface_hub finds it.

    That is HF_HUB_CACHE or its old name, else `hub` in HF_HOME, else a folder in the user's cache.
    An empty variable counts as none.
    """
    get = os.environ.get
    cache = get("XDG_CACHE_HOME") or join(os.path.expanduser("~"), ".cache")
    home = _expanded(get("HF_HOME") or join(cache, "huggingface"))
    return _expanded(get("HF_HUB_CACHE") or get("HUGGINGFACE_HUB_CACHE") or join(home, "hub"))


def _expanded(path: str) -> str:
    return os.path.expandvars(os.path.expanduser(path))


def cached(name: str) -> str | None:
    """Return the snapshot of a repository, OWNER/REPO or REPO; None if it is not in the cache.

    Raises like `snapshot`.
    """
    folder = join(cache_folder(), HUB_PREFIX + name.replace("/", "--"))
    return snapshot(folder) if isdir(join(folder, "snapshots")) else None


def snapshot(folder: StrPath) -> str:
    """Return the snapshot of a model's folder in a cache, or of `snapshots` in it.

    Any other folder is returned as it is. Raises FileNotFoundError if there is no such snapshot.
    """
    folder = os.fspath(folder)
    model = folder.rstrip(os.sep)
    if basename(model) in PARTS and basename(dirname(model)).startswith(HUB_PREFIX):
        model = dirname(model)
    snapshots = join(model, "snapshots")
    if not basename(model).startswith(HUB_PREFIX) or not isdir(snapshots):
        return folder
    revision = _revision(join(model, "refs", "main"))
    found = sorted(name for name in os.listdir(snapshots) if re.fullmatch(REVISION, name) and isdir(join(snapshots, name)))
    if revision in found or (revision is None and len(found) == 1):
        return join(snapshots, revision or found[0])
    from ..files.sources import hub_name  # only this error needs it

    expected = "one revision, because refs/main names none" if revision is None else f"{revision}, which refs/main names"
    what = f"give one of its folders: {', '.join(found[:5])}" if found else f"`minibert fetch {hub_name(model)}` gets the model"
    raise FileNotFoundError(f"{snapshots}: expected {expected}, found {len(found) or 'none'}; {what}")


def _revision(path: str) -> str | None:
    """Return the revision in refs/main; None if there is no such file or no such name in it."""
    try:
        text = read_text(path, MAX_REF_BYTES).strip()
    except (OSError, ValueError):
        return None
    return text if re.fullmatch(REVISION, text) else None
