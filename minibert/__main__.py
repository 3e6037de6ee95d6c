"""The program: `minibert` at the command line, and `python -m minibert`.

It sets the process up before NumPy is imported, and ends it without delay. Both are wrong inside
another program. So one that calls the command line calls `cli.main.main`.
"""

import atexit
import os
import sys
from typing import NoReturn

# OpenBLAS starts threads at its import. Each looks for work for 2^26 clock cycles before it sleeps.
# 2^4 is the least. `import numpy` then takes 122 ms of processor time instead of 200 (Sapphire
# Rapids, two cores, medians of 11).
WAITING = {"OPENBLAS_THREAD_TIMEOUT": "4"}


def run() -> NoReturn:
    """Run the command that the arguments name, and end the process."""
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
    from .cli.main import main  # imports NumPy

    end(main())


def end(status: int) -> NoReturn:
    """End the process when everything is written, without freeing its memory piece by piece.

    An `embed` then ends after 2 ms instead of 33, and with Numba after 6 ms instead of 200
    (Sapphire Rapids, medians of 11).
    """
    if sys.getprofile() or sys.gettrace():  # a profiler or a debugger has work to do at the end
        sys.exit(status)
    atexit._run_exitfuncs()  # they remove temporary files
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except (OSError, ValueError):
        sys.exit(status)  # the interpreter tries once more, and tells what is lost
    os._exit(status)


if __name__ == "__main__":
    run()
