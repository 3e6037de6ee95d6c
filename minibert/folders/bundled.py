"""The bundled model: the one that is part of the package, and the folder that holds its files."""

import os
from functools import cache
from os.path import dirname, exists, join
from typing import TYPE_CHECKING

from ..files.access import BLOCK_BYTES

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

BUNDLED = "minibert-L8-H128"  # its name
FOLDER = "bundled"  # its folder in an installed package


def bundled_folder() -> str:
    """Return the folder of the bundled model.

    An installed package has it in a folder of its own, a checkout has it in `weights/`. Out of an
    archive (zipapp), the files are copied to a temporary folder.
    Raises FileNotFoundError if it is in none of these places.
    """
    package = dirname(dirname(__file__))
    places = join(package, FOLDER), join(dirname(package), "weights", BUNDLED)
    found = next((place for place in places if exists(join(place, "config.json"))), None) or unpacked_bundled(os.getpid())
    if found is None:
        expected = f"{BUNDLED}: expected in {' or '.join(places)}, found in neither"
        raise FileNotFoundError(f"{expected}; install the package again, with its data files, or load a folder of your own")
    return found


@cache
def unpacked_bundled(process: int) -> str | None:
    """Copy the bundled model out of the archive that Python imports from; None if there is none.

    The copy lasts as long as the process. A child of a fork makes a copy of its own, because its
    parent may end first.
    """
    import shutil  # most programs run from no archive
    import tempfile
    from importlib.resources import files
    from multiprocessing.util import Finalize  # unlike atexit, it also runs in workers, and only in its own process
    from pathlib import Path

    source = files(__package__.partition(".")[0]) / FOLDER
    if not (source / "config.json").is_file():
        return None
    target = tempfile.mkdtemp(prefix="minibert-")
    Finalize(None, shutil.rmtree, args=(target, True), exitpriority=0)
    _unpack(source, Path(target))
    return target


def _unpack(source: "Traversable", target: "Path") -> None:
    target.mkdir(exist_ok=True)
    for entry in source.iterdir():
        if entry.is_dir():
            _unpack(entry, target / entry.name)
        else:
            with entry.open("rb") as file, (target / entry.name).open("wb") as copy:
                while block := file.read(BLOCK_BYTES):
                    copy.write(block)
