"""The error for results that are not finite numbers. It names the file that causes them."""

from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import numpy as np

from .arrays import FLOATS, Float32, widen


def check_finite(result: Float32, weights_files: Sequence[str]) -> None:
    """Raise ValueError for NaN or infinity in a result. The files are those of the weights."""
    if not np.isfinite(result).all():
        refuse_weights(weights_files)


def refuse_weights(weights_files: Sequence[str]) -> NoReturn:
    """Raise the ValueError that names the tensors with NaN or infinity.

    The files are read only now, when a result shows that there may be such a tensor.
    """
    from .formats.shards import open_whole

    for path in weights_files:
        broken: dict[str, list[str]] = {}  # by shard
        with suppress(OSError, ValueError), open_whole(path) as tensors:  # the file may have changed, or be gone
            for name, each in sorted(tensors.items()):
                if each.dtype in FLOATS and not np.isfinite(widen(np.asarray(each))).all():
                    broken.setdefault(str(each.path), []).append(name)
        for shard, names in broken.items():
            raise ValueError(f"{shard}: expected finite numbers, found NaN or infinity in {', '.join(names)}; the file is damaged")
    file = weights_files[0] if weights_files else "weights"
    raise ValueError(f"{file}: the result is not finite though all weights are: float32 overflowed on the way")
