"""The files that a tokenizer is read from: in a folder, or bytes that were read from it."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from ..files import StrPath
from ..files.access import decoded, recognised
from ..files.fields import Fields, is_there, load_fields, load_text, parsed_fields


class ModelFiles:
    """The files of a folder, by name."""

    def __init__(self, folder: StrPath, kept: Mapping[str, bytes | None] | None = None) -> None:
        """`kept` has the content of each file, None for an absent one. Then no file is read."""
        self.folder = os.fspath(folder)
        self._kept = kept

    def path(self, name: str) -> str:
        """The path of a file, for errors."""
        return os.path.join(self.folder, name)

    def has(self, name: str) -> bool:
        return is_there(self.path(name)) if self._kept is None else self._kept.get(name) is not None

    def fields(self, name: str) -> Fields:
        """The object in a JSON file; an empty one if there is no such file."""
        if not self.has(name):
            return Fields(self.path(name), {})
        if self._kept is None:
            return load_fields(self.path(name))
        return parsed_fields(self.path(name), self.text(name, 0))

    def text(self, name: str, limit: int) -> str:
        """The text of a file with at most `limit` bytes."""
        if self._kept is None:
            return load_text(self.path(name), limit)
        return decoded(self.path(name), self._kept[name] or b"")

    def recognised(self, name: str, expected: str) -> AbstractContextManager[None]:
        """A context in which errors about a file of another kind name that kind."""
        return recognised(self.path(name), expected) if self._kept is None else nullcontext()
