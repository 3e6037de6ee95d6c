"""Run a command at a terminal."""

import os
import pty
import subprocess
import sys
from pathlib import Path


def at_a_terminal(*arguments: str | Path, **environment: str) -> str:
    """What a command writes to a terminal.

    There are no colors, unless the environment has another NO_COLOR.
    """
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "minibert", *map(str, arguments)]
    variables = os.environ | {"TERM": "xterm", "NO_COLOR": "1"} | environment
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=child, env=variables) as process:
        os.close(child)
        output = b""
        while True:
            try:
                if not (part := os.read(parent, 4096)):
                    break
            except OSError:  # how Linux says that the other side has closed
                break
            output += part
    os.close(parent)
    assert process.returncode == 0
    return output.decode().replace("\r\n", "\n")
