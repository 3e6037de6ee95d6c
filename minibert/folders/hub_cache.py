"""Models in the cache of the Hugging Face hub, which transformers and sentence-transformers fill: found by name, only read.

A model lies in `models--OWNER--REPO`. `refs/main` names the revision that was downloaded last, and `snapshots/REVISION` has its files, as
links to `blobs`. Nothing is written there, no lock is taken, and no network is asked.

Source: huggingface_hub 1.x, constants.py and file_download.py.
"""

import os
import re
from pathlib import Path

from ..files.access import read_text
from ..files.sources import HUB_PREFIX, hub_name

REVISION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}", re.ASCII)
PARTS = ("snapshots", "blobs", "refs")  # of a model's folder
MAX_REF_BYTES = 200


def cache_folder() -> Path:
    """Where the cache is, as huggingface_hub finds it: HF_HUB_CACHE or its old name, else `hub` in HF_HOME, else in the user's cache.

    An empty variable counts as none.
    """
    get = os.environ.get
    cache = get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    home = _expanded(get("HF_HOME") or os.path.join(cache, "huggingface"))
    return Path(_expanded(get("HF_HUB_CACHE") or get("HUGGINGFACE_HUB_CACHE") or os.path.join(home, "hub")))


def _expanded(path: str) -> str:
    return os.path.expandvars(os.path.expanduser(path))


def cached(name: str) -> Path | None:
    """The snapshot of a repository, OWNER/REPO or REPO; None if the cache has none. Raises as `snapshot`."""
    folder = cache_folder() / (HUB_PREFIX + name.replace("/", "--"))
    try:
        is_there = (folder / "snapshots").is_dir()
    except (OSError, ValueError):  # a name or a place that no file system takes, or that this user may not look into
        return None
    return snapshot(folder) if is_there else None


def snapshot(folder: Path) -> Path:
    """The snapshot that is meant by a model's folder in a cache, or by `snapshots` in it; any other folder is itself.

    Raises FileNotFoundError if there is no such one.
    """
    if folder.name in PARTS and folder.parent.name.startswith(HUB_PREFIX):
        folder = folder.parent
    snapshots = folder / "snapshots"
    if not folder.name.startswith(HUB_PREFIX) or not snapshots.is_dir():
        return folder
    revision = _revision(folder / "refs" / "main")
    found = sorted(name for name in os.listdir(snapshots) if REVISION.fullmatch(name) and (snapshots / name).is_dir())
    if revision in found or (revision is None and len(found) == 1):
        return snapshots / (revision or found[0])
    expected = "one revision, as refs/main names none" if revision is None else f"{revision}, which refs/main names"
    what = f"give one of its folders: {', '.join(found[:5])}" if found else f"`minibert fetch {hub_name(folder)}` brings the model"
    raise FileNotFoundError(f"{snapshots}: expected {expected}, found {len(found) or 'none'}; {what}")


def _revision(path: Path) -> str | None:
    """What refs/main says; None if it is not there, or says nothing that can be the name of a snapshot."""
    try:
        text = read_text(path, MAX_REF_BYTES).strip()
    except (OSError, ValueError):
        return None
    return text if REVISION.fullmatch(text) else None
