"""Run commands of minibert with standard streams that are closed, full or left by their reader.

    python -m tests.support.closed_streams CASES.json    # prints the exit statuses

CASES.json has [[arguments, {stream: "closed" | "left" | path}], ...]. Each case runs in a process
of its own. It is forked after the imports, since those take longest. It ends as the program does.
"""

import json
import os
import sys

from minibert.__main__ import end
from minibert.cli.main import main

STREAMS = ("stdin", "stdout", "stderr")


def redirect(name: str, target: str) -> None:
    number = STREAMS.index(name)
    if target == "closed":
        os.close(number)
        setattr(sys, name, None)  # as the interpreter starts without it
        return
    if target == "left":
        reader, descriptor = os.pipe()
        os.close(reader)
    else:
        descriptor = os.open(target, os.O_RDONLY if name == "stdin" else os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(descriptor, number)
    os.close(descriptor)


def run(arguments: list[str], targets: dict[str, str]) -> int:
    """Exit status of a command."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for name in STREAMS:
        redirect(name, targets[name])
    end(main(arguments))


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    statuses = []
    for case in cases:
        sys.stdout.flush()
        statuses.append(run(*case))
    sys.stdout.write(json.dumps(statuses))
