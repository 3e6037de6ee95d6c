"""Models in the cache of the Hugging Face hub, found by name.

transformers and sentence-transformers fill this cache. A model lies in `models--OWNER--REPO`.
`refs/main` names the revision that was downloaded last. `snapshots/REVISION` has its files, as
links to `blobs`. This module only reads: it writes nothing, takes no lock, and uses no network.

Source: huggingface_hub 1.x, constants.py and file_download.py.
"""

import os
import re
from pathlib import Path

from ..files.access import read_text
from ..files.sources import HUB_PREFIX, hub_name

REVISION = "[0-9A-Za-z][0-9A-Za-z._-]{0,99}"
PARTS = ("snapshots", "blobs", "refs")  # of a model's folder
MAX_REF_BYTES = 200


def cache_folder() -> Path:
    """Return the folder of the cache, found as huggingface_hub finds it.

    That is HF_HUB_CACHE or its old name, else `hub` in HF_HOME, else a folder in the user's cache.
    An empty variable counts as none.
    """
    get = os.environ.get
    cache = get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    home = _expanded(get("HF_HOME") or os.path.join(cache, "huggingface"))
    return Path(_expanded(get("HF_HUB_CACHE") or get("HUGGINGFACE_HUB_CACHE") or os.path.join(home, "hub")))


def _expanded(path: str) -> str:
    return os.path.expandvars(os.path.expanduser(path))


def cached(name: str) -> Path | None:
    """Return the snapshot of a repository, OWNER/REPO or REPO; None if it is not in the cache.

    Raises like `snapshot`.
    """
    folder = cache_folder() / (HUB_PREFIX + name.replace("/", "--"))
    try:
        is_there = (folder / "snapshots").is_dir()
    except (OSError, ValueError):  # a name that no file system accepts, or a folder that this user may not read
        return None
    return snapshot(folder) if is_there else None


def snapshot(folder: Path) -> Path:
    """Return the snapshot of a model's folder in a cache, or of `snapshots` in it.

    Any other folder is returned as it is. Raises FileNotFoundError if there is no such snapshot.
    """
    if folder.name in PARTS and folder.parent.name.startswith(HUB_PREFIX):
        folder = folder.parent
    snapshots = folder / "snapshots"
    if not folder.name.startswith(HUB_PREFIX) or not snapshots.is_dir():
        return folder
    revision = _revision(folder / "refs" / "main")
    found = sorted(name for name in os.listdir(snapshots) if re.fullmatch(REVISION, name) and (snapshots / name).is_dir())
    if revision in found or (revision is None and len(found) == 1):
        return snapshots / (revision or found[0])
    expected = "one revision, because refs/main names none" if revision is None else f"{revision}, which refs/main names"
    what = f"give one of its folders: {', '.join(found[:5])}" if found else f"`minibert fetch {hub_name(folder)}` gets the model"
    raise FileNotFoundError(f"{snapshots}: expected {expected}, found {len(found) or 'none'}; {what}")


def _revision(path: Path) -> str | None:
    """Return the revision in refs/main; None if there is no such file or no such name in it."""
    try:
        text = read_text(path, MAX_REF_BYTES).strip()
    except (OSError, ValueError):
        return None
    return text if re.fullmatch(REVISION, text) else None
