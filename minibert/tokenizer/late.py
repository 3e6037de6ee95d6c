"""What a tokenizer makes when it is first needed: the readable encoder, and the token of each id.

Of two threads that make the same at once, either may win.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..runtime.threads import forks_wait

if TYPE_CHECKING:
    from .readable import ReadableEncoder
    from .settings import TokenizerSettings


class LateEncoder:
    """Gives the readable encoder. It is made of settings that are made just before."""

    __slots__ = ("_made", "_settings", "_tokens")

    def __init__(self, settings: "Callable[[], TokenizerSettings]") -> None:
        self._settings = settings
        self._made: ReadableEncoder | None = None
        self._tokens: dict[int, str] | None = None

    def __call__(self) -> "ReadableEncoder":
        """The encoder."""
        if self._made is None:
            with forks_wait():  # a fork during an import would leave the module half imported in the child
                from .readable import ReadableEncoder

                self._made = ReadableEncoder(self._settings())
        return self._made

    def token_of(self) -> dict[int, str]:
        """Id -> token, added tokens included."""
        if self._tokens is None:
            self._tokens = {id: token for token, id in self().rules.settings.ids.items()}
        return self._tokens
