"""Damage files at random, and look at what is said about them."""

import random
import tempfile
from pathlib import Path


def mutate(source: random.Random, data: bytes) -> bytes:
    """A few bytes changed, or some cut out, copied or put in."""
    mutated = bytearray(data)
    for _ in range(source.choice((1, 1, 2, 4))):
        place, size = source.randrange(len(mutated) + 1), source.choice((1, 1, 2, 4, 8, 30))
        kind = source.randrange(8)
        if kind == 0:
            mutated[place : place + size] = b""
        elif kind == 1:
            mutated[place:place] = mutated[place : place + size]
        elif kind == 2:
            mutated[place:place] = source.randbytes(size)
        elif kind == 3 and place < len(mutated):
            mutated[place] ^= 1 << source.randrange(8)
        else:
            mutated[place : place + 1] = bytes([source.choice((0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)))])
    return bytes(mutated)


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory, if there is one: mutants are many small files."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


def check_refusal(path: Path, error: Exception) -> bool:
    assert str(path) in str(error), error
    return False
