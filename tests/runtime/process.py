"""Code that runs in its own process, in which a model is loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TIMEOUT = 600  # of a process, for a machine under load; a hang lasts for ever
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
PRELUDE = """
import _thread, faulthandler, gc, os, signal, sys, threading, time, warnings
import numpy as np
import minibert

warnings.simplefilter("error")
warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")  # Python 3.12: the process has threads
model = minibert.load(sys.argv[1], backend=sys.argv[2], num_threads=4)
many, long = [f"some words about planes {number}" for number in range(300)], "word " * 60
LIMIT = 1e-5 if model.backend == "numpy" else 0

def differs(found, expected):
    return max(float(np.abs(a - b).max()) for a, b in zip(found, expected)) > LIMIT

def compute():
    return model.encode(many), model.encode(long), model([[1, 2, 3]]).last_hidden_state

def ends_well(child):
    for _ in range(600):
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status == 0
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False
"""


def start(code: str, folder: Path, backend: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in its own process. The code may use `model`, `compute` and `differs`."""
    command = [sys.executable, "-c", PRELUDE + code, str(folder), backend]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=os.environ | environment)


def check(code: str, folder: Path, backend: str, expected: str = "right\n", **environment: str) -> None:
    """Check what code prints. On stderr it may only announce that it compiles."""
    result = start(code, folder, backend, **environment)
    said = [line for line in result.stderr.splitlines() if not line.startswith("minibert: compiling")]
    assert (result.stdout, said, result.returncode) == (expected, [], 0)
