"""The command that compiles the loops into shared libraries."""

import argparse
from pathlib import Path

from ..compile.targets import ARCHITECTURES, TARGETS
from .streams import show


def declare_compile(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `compile`."""
    parser.set_defaults(run=run_compile)
    kinds = f"{', '.join(TARGETS)}; {' or '.join(ARCHITECTURES)} for all of an architecture; or all"
    tier = f"kinds of processor to compile for: {kinds} (default: the kind of this processor)"
    names = (*TARGETS, *ARCHITECTURES, "all")
    parser.add_argument("-t", "--tier", dest="tiers", nargs="+", action="extend", choices=names, metavar="TIER", help=tier)
    folder = "folder to write to (default: a folder of this user's cache, where minibert looks for them)"
    parser.add_argument("-o", "--output", dest="folder", type=Path, metavar="FOLDER", help=folder)
    force = "compile again, and replace the files that are in the folder"
    parser.add_argument("--force", action="store_true", help=force)


def run_compile(options: argparse.Namespace) -> None:
    """Compile what is missing or old, and say what was written."""
    from ..compile.install import install

    for line in install(options.tiers, options.folder, options.force):
        show([line])


COMMANDS = {"compile": declare_compile}
