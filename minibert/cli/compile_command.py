"""The command that compiles the loops into shared libraries."""

import argparse
from pathlib import Path

from ..compile.targets import ARCHITECTURES, TARGETS
from .options import Commands
from .streams import show

COMPILE = """
  minibert compile                                                      # for this processor, into a folder of this user's cache
  minibert compile --tier all --output libraries                        # for every processor, to be carried elsewhere
"""


def add(commands: Commands) -> None:
    """Declare the command."""
    summary = "Compile the loops into shared libraries, which need no Numba when they run."
    compiled = commands.add("compile", run_compile, summary, COMPILE)
    kinds = f"{', '.join(TARGETS)}; {' or '.join(ARCHITECTURES)} for all of an architecture; or all"
    tier = f"kinds of processor to compile for: {kinds} (default: the kind of this processor)"
    names = (*TARGETS, *ARCHITECTURES, "all")
    compiled.add_argument("-t", "--tier", dest="tiers", nargs="+", action="extend", choices=names, metavar="TIER", help=tier)
    folder = "folder to write to (default: a folder of this user's cache, where minibert looks for them)"
    compiled.add_argument("-o", "--output", dest="folder", type=Path, metavar="FOLDER", help=folder)
    force = "compile again, and replace the files that are in the folder"
    compiled.add_argument("--force", action="store_true", help=force)


def run_compile(options: argparse.Namespace) -> None:
    """Compile what is missing or old, and say what was written."""
    from ..compile.install import install

    for line in install(options.tiers, options.folder, options.force):
        show([line])
