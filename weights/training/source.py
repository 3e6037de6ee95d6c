"""What a source of the training text is."""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Reader = Callable[[Path], Iterator[str]]
PassageReader = Callable[[Path, random.Random], list[tuple[str, str]]]  # a query or nothing, and its passage
END = ""  # closes a document


@dataclass(frozen=True)
class Source:
    """A package: what to fetch, how to read it, and how much of it to keep."""

    package: str
    registry: str  # debian, pypi, npm; "installed" needs no download
    version: str  # empty: the client gives the newest of its release, and the version is reported
    licence: str
    kind: str
    reader: Reader | PassageReader
    files: tuple[str, ...]  # patterns of the members to unpack
    lines: int  # at most
    passages: int = 0  # at most
    whole: bool = True  # keep only lines that look like whole sentences
    skipped: re.Pattern[str] | None = None  # members not to unpack
