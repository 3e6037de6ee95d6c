"""The list of the backends: which one is used, which others can run here, and why some cannot."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..model import MiniBert
from ..ops.backends import BACKENDS, choose
from ..runtime.cache import where_kept
from ..runtime.jit import can_compile
from ..runtime.library import find


def backend_rows(model: MiniBert) -> list[dict[str, Any]]:
    """A row for each backend, in the order in which "auto" tries them."""
    return [
        {
            "name": backend.name,
            "is_used": backend.name == model.backend,
            "is_available": backend.is_available(),
            **DETAILS.get(backend.name, dict)(),
        }
        for backend in BACKENDS
    ]


def backend_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The rows for people."""
    for row in rows:
        state = "used" if row["is_used"] else "can run" if row["is_available"] else "cannot run"
        yield f"{'backend ' + row['name']:<24} {state}: {row.get('description', '')}"


def tokenizer_backend(model: MiniBert) -> str:
    """What encodes large calls: "library", "numba" or "numpy"."""
    chosen = model.tokenizer.backend
    return "numpy" if chosen == "auto" else chosen  # "auto" is for a machine where no compiled loop can run


def _library() -> dict[str, Any]:
    library, reason = find()
    if library is None:
        return {"path": None, "tier": None, "description": reason}
    return {"path": library.path, "tier": library.tier, "description": f"{library.path}, for {library.tier}"}


def _numba() -> dict[str, Any]:
    can_run = can_compile()
    version = getattr(sys.modules.get("numba"), "__version__", None)
    if can_run:
        description = f"Numba {version}, compiled code is {where_kept()}"
    elif version:
        description = f"Numba {version} may not compile here (NUMBA_DISABLE_JIT, or a big-endian machine)"
    else:
        description = _import_error()
    return {"version": version, "description": description}


def _import_error() -> str:
    try:
        choose("numba").load()
    except Exception as error:  # also one that is not ImportError: Numba may have been made for another NumPy
        return f"Numba does not import here ({error.__cause__ or error})"
    return "Numba does not import here"


def _numpy() -> dict[str, Any]:
    return {"version": np.__version__, "description": f"NumPy {np.__version__}"}


DETAILS = {"library": _library, "numba": _numba, "numpy": _numpy}
