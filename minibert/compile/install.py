"""Writing libraries into a folder: what is there and current stays, and the rest is built.

A library has the mode 0644, and folders that are made here have 0755. The run time refuses a
library that others may write to.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ..files.access import NEW_FLAGS, create, errors_name
from ..folders.new import exit_on_signals
from ..runtime.library import MAX_BYTES, tier_here, user_folder, what_is_wrong
from ..runtime.trusted import check_ours, read, real
from .build import build, check_tools
from .targets import TARGETS, tiers_of


def install(names: list[str] | None, folder: Path | None, is_forced: bool) -> Iterator[str]:
    """Write libraries, and give a line about each.

    Args:
        names: tiers, architectures or `all`. None for the tier of this processor.
        folder: where to write. None for the folder of this user, where libraries of older sources
            are replaced.
        is_forced: build all again, and replace what is there.

    Raises ImportError without Numba or ziglang. Raises ValueError for a processor without a tier.
    Raises FileExistsError for a file that must not be replaced.
    """
    check_tools()
    tiers = _chosen(names)
    replaces = is_forced or folder is None
    place = Path(user_folder()) if folder is None else folder
    paths = {tier: place / f"{tier}.so" for tier in tiers}
    current = [tier for tier in tiers if not is_forced and _is_current(paths[tier], tier)]
    missing = [tier for tier in tiers if tier not in current]
    _check_free([paths[tier] for tier in missing if not replaces])
    for tier in current:
        yield f"{paths[tier]}: is there, and fits these sources"
    if missing:
        _make(place)
    if folder is None:
        check_ours(real(place))  # else the run time would pass over what is written there
    with exit_on_signals():
        for library in build(missing):
            path = paths[library.tier]
            _write(path, library.content, replaces)
            yield f"{path}: {len(library.content):,} bytes, {library.seconds:.0f} s"


def _chosen(names: list[str] | None) -> list[str]:
    """The tiers that the caller wants, each once."""
    if names is not None:
        return list(dict.fromkeys(tier for name in names for tier in tiers_of(name)))
    if tier := tier_here():
        return [tier]
    raise ValueError("there is no library for this processor and system; there are some for Linux on x86-64 with AVX2, and on aarch64")


def _is_current(path: Path, tier: str) -> bool:
    """Whether the run time would take this file for a library of this tier and these sources."""
    try:
        return not what_is_wrong(read(path, MAX_BYTES + 1), tier, TARGETS[tier].architecture)
    except OSError:
        return False


def _check_free(paths: list[Path]) -> None:
    if taken := [str(path) for path in paths if os.path.lexists(path)]:
        raise FileExistsError(f"{', '.join(taken)}: expected no file, or a library of these sources; --force replaces what is there")


def _make(folder: Path) -> None:
    """Make a folder and those around it, where only their owner may write."""
    for each in reversed((folder, *folder.parents)):
        if not os.path.lexists(each):
            each.mkdir(0o755, exist_ok=True)


def _write(path: Path, content: bytes, replaces: bool) -> None:
    """Write a library beside its name, and rename it. A reader finds the whole library or none."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with errors_name(path), create(part, 0o644) as file:
            file.write(content)
        if not replaces:  # take the name, unless a file has taken it meanwhile
            os.close(os.open(path, NEW_FLAGS, 0o644))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
