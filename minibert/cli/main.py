"""The command line: commands about texts and models, and commands that write folders.

At a terminal the output is a table for people. In a pipe or a file it is one JSON object a line.
"""

import argparse
import sys
import warnings
from contextlib import redirect_stderr

from .parser import parse
from .streams import Messages, drop, fill_closed, say

# Errors that the caller, the files or the machine can cause. Any other error is a fault of this
# program, and is shown with its traceback.
ERRORS = (ImportError, OSError, ValueError, OverflowError, MemoryError, RecursionError, Warning)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status.

    `--help`, `--version` and wrong usage raise SystemExit with the status.

    0: done, also when the reader of standard output left early, or when messages could not be
    written. 2: an error that the caller can correct; standard error has one line about it. 130:
    SIGINT. 143 and 129: SIGTERM and SIGHUP while a file is written, which is then removed. At any
    other time these two end the process at once. 1, with a traceback: a fault of this program.
    """
    fill_closed()
    with redirect_stderr(Messages(sys.stderr)):
        try:
            options = parse(arguments)
            with warnings.catch_warnings():
                warnings.showwarning = lambda message, *_: say(str(message))
                _check_output(options)
                options.run(options)
        except KeyboardInterrupt:
            if sys.stdout is not None:
                drop(sys.stdout)  # its reader may never take the rest
            say("interrupted")
            return 130
        except ERRORS as error:
            say(f"error: {str(error) or 'out of memory'}")
            return 2
        except RuntimeError as error:
            if "start new thread" not in str(error):
                raise
            say(f"error: {error}: this machine allows no more threads; take a smaller --threads")
            return 2
    return 0


def _check_output(options: argparse.Namespace) -> None:
    """Replace the name of the output by an `Output`, which is checked before any computation."""
    if not hasattr(options, "output"):
        return
    if options.output is None:
        if sys.stdout is None:
            raise ValueError("standard output is closed; name a file with --output")
        return
    from .output import find_output  # what these import is of no use to other commands
    from .sources import source

    has_rows_only = getattr(options, "tokens", False) or getattr(options, "compat", None) == "both"
    suffixes = (".jsonl",) if has_rows_only else options.suffixes
    options.output = find_output(options.output, suffixes, source(options), options.force)
