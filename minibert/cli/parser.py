"""The parser of the command line: the commands, and the arguments of the chosen one."""

import argparse
import io
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import minibert

from ..folders.bundled import BUNDLED
from .commands import COMMANDS, Command
from .streams import standard_output
from .terminal import one_line

DESCRIPTION = "Embed text with BERT, without torch. Only `fetch` uses the network."
MODEL = f"""
MODEL: a name that `minibert models` lists, OWNER/REPO in the cache of the Hugging Face hub, or a folder in the format
of transformers or sentence-transformers; without it, the bundled model, {BUNDLED}."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one safe line, and whose help may be written to a full disk.

    An error repeats arguments, which may hold any character.
    """

    declare: Callable[["Parser"], None] | None = None  # the arguments of a command, when it is chosen

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self.declare is not None:
            self.declare(self)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {one_line(message)}\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        if isinstance(file, io.TextIOWrapper):
            file.reconfigure(errors="backslashreplace")  # an example has Greek letters, and a locale may have ASCII only
        with standard_output():
            (file or sys.stderr).write(message)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the arguments of the program. The function `run` of the result runs the command."""
    parser = Parser(prog="minibert", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"minibert {minibert.__version__}")
    commands = parser.add_subparsers(title="commands", required=True)
    for name, command in COMMANDS.items():
        _add(commands, name, command)
    examples = "".join(command.examples for command in COMMANDS.values())
    parser.epilog = f"examples:{examples}".replace("\n\n", "\n") + MODEL
    return parser.parse_args(arguments)


def _add(commands: Any, name: str, command: Command) -> None:
    added = commands.add_parser(
        name,
        help=command.summary,
        description=command.summary,
        epilog=f"examples:{command.examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added.declare = lambda parser: command.declared()[name](parser)
