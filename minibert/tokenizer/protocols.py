"""What encodes many texts, and what makes it. These classes are for type checkers."""

from collections.abc import Callable
from typing import Protocol

from .compiled.batch import CompiledEncoder
from .encoding import PackedEncoding
from .readable import ReadableEncoder


class BatchEncoder(Protocol):
    """Encodes many texts. The readable encoder and the compiled encoder are of this kind."""

    def encode_batch(self, texts: list[str], max_length: int | None, split_special_tokens: bool, return_offsets: bool) -> PackedEncoding:
        """Encode texts that the caller has checked, each as `[CLS] text [SEP]`."""


class AcceleratedEncoder(BatchEncoder, Protocol):
    """What an accelerator makes."""

    def compiled(self) -> CompiledEncoder | None:
        """The compiled encoder, if it has been made or pays for any text."""


class Accelerator(Protocol):
    """Makes a faster encoder of batches. choose.py has the one that there is."""

    backend: str  # that was chosen: "auto", "library" or "numba"

    def encoder(self, readable: Callable[[], ReadableEncoder]) -> AcceleratedEncoder:
        """An encoder with the results of the readable one, which it may call."""
