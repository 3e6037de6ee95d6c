"""The options of the command line: how commands are declared, and what several of them share."""

import argparse
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import minibert

from ..folders.bundled import BUNDLED
from ..loading import PRECISIONS, load
from ..model import MiniBert
from ..ops.backends import NAMES
from ..pooling import POOLINGS
from .streams import standard_output
from .terminal import one_line

Run = Callable[[argparse.Namespace], None]
DESCRIPTION = "Embed text with BERT, without torch. Only `fetch` uses the network."
MODEL = f"""
MODEL: a name that `minibert models` lists, OWNER/REPO in the cache of the Hugging Face hub, or a folder in the format
of transformers or sentence-transformers; without it, the bundled model, {BUNDLED}."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one safe line, and whose help may be written to a full disk.

    An error repeats arguments, which may hold any character.
    """

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {one_line(message)}\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        if isinstance(file, io.TextIOWrapper):
            file.reconfigure(errors="backslashreplace")  # an example has Greek letters, and a locale may have ASCII only
        with standard_output():
            (file or sys.stderr).write(message)


class Commands:
    """The commands of the program.

    Each has examples, which its help and the program's help show.
    """

    def __init__(self) -> None:
        self.parser = Parser(prog="minibert", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.parser.add_argument("--version", action="version", version=f"minibert {minibert.__version__}")
        self.parser.epilog = "examples:"
        self._commands = self.parser.add_subparsers(title="commands", required=True)

    def add(self, name: str, run: Run, help: str, examples: str) -> argparse.ArgumentParser:
        """Declare a command. `examples` is a text that begins and ends with a line end."""
        added = self._commands.add_parser(
            name, help=help, description=help, epilog=f"examples:{examples}", formatter_class=argparse.RawDescriptionHelpFormatter
        )
        added.set_defaults(run=run)
        self.parser.epilog = f"{self.parser.epilog}{examples}".replace("\n\n", "\n")
        return added

    def parse(self, arguments: list[str] | None) -> argparse.Namespace:
        self.parser.epilog = f"{self.parser.epilog}{MODEL}"
        return self.parser.parse_args(arguments)


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-m", "--model", metavar="MODEL", help=f"name or folder of a model (default: the bundled model, {BUNDLED})")


def add_output(parser: argparse.ArgumentParser, *suffixes: str) -> None:
    """Declare `--output`. `suffixes` are the kinds of files that the command writes."""
    kinds = " or ".join(suffixes)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help=f"write to FILE, {kinds}, instead of standard output")
    parser.add_argument("--force", action="store_true", help="with --output: replace FILE if it exists")
    parser.set_defaults(suffixes=suffixes)


def add_texts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="texts; without TEXT and --file, one a line from standard input")
    parser.add_argument("-f", "--file", type=Path, help="read texts from a UTF-8 file, one a line; - for standard input")
    limit = "cut texts to N tokens (default: the longest text that the model reads, see `info`; `tokenize` does not cut)"
    parser.add_argument("--max-length", type=int, metavar="N", help=limit)


def add_backend(parser: argparse.ArgumentParser) -> None:
    backend = "what computes the vectors (default: the first that can run here)"
    parser.add_argument("--backend", choices=NAMES, default="auto", help=backend)
    precision = "int8 is faster, with almost the same vectors (default: the precision of the folder's weights)"
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help=precision)


def add_encoding(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `MiniBert.encode`."""
    pooling = "how the vectors of tokens become one vector (default: as the folder says, else mean)"
    parser.add_argument("--pooling", choices=POOLINGS, help=pooling)
    parser.add_argument("--prompt-name", metavar="NAME", help="put the folder's prompt of this name before each text")
    truncation = "what to do about texts that are cut (default: warn)"
    parser.add_argument("--truncation", choices=("warn", "error", "silent"), default="warn", help=truncation)
    parser.add_argument("--threads", type=int, metavar="N", help="number of threads (default: the CPUs that this process may use)")


def load_model(options: argparse.Namespace) -> MiniBert:
    """Load the model that the options name."""
    threads = getattr(options, "threads", None)
    return load(options.model, backend=options.backend, precision=options.precision, num_threads=threads)
