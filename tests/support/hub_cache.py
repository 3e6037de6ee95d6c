"""A model folder in the cache of huggingface_hub: models--OWNER--REPO, blobs, refs, snapshots."""

import os
import shutil
from pathlib import Path

REVISION = "0123456789abcdef0123456789abcdef01234567"


def write_hub_cache(cache: Path, name: str, source: Path, revision: str = REVISION, ref: str | None = REVISION) -> Path:
    """Put the files of `source` into a cache; returns the snapshot."""
    folder = cache / f"models--{name.replace('/', '--')}"
    for part in ("refs", "blobs"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    if ref is not None:
        (folder / "refs" / "main").write_text(ref)
    snapshot = folder / "snapshots" / revision
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        blob, link = folder / "blobs" / f"{len(list((folder / 'blobs').iterdir())):040x}", snapshot / path.relative_to(source)
        shutil.copy(path, blob)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot
