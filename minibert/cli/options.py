"""The options that several commands share, and the model that they name."""

import argparse
from pathlib import Path

from ..folders.bundled import BUNDLED
from ..loading import PRECISIONS, load
from ..model import MiniBert
from ..ops.backends import NAMES
from ..pooling import POOLINGS


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


def add_backend(parser: argparse.ArgumentParser, otherwise: str = "") -> None:
    """Declare `--backend` and `--precision`.

    `otherwise` says when another backend than "auto" is the default.
    """
    backend = f"what computes the vectors; auto is the first that can run here (default: auto{otherwise})"
    parser.add_argument("--backend", choices=NAMES, help=backend)
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


def load_model(options: argparse.Namespace, default: str = "auto") -> MiniBert:
    """Load the model that the options name. `default` is the backend if they name none."""
    threads = getattr(options, "threads", None)
    return load(options.model, backend=options.backend or default, precision=options.precision, num_threads=threads)
