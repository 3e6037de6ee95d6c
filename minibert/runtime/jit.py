"""How functions are compiled: with Numba, without the GIL. Nothing is compiled at import; `cache.py` says where it is kept."""

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, TypeVar, cast

from .cache import Cache
from .threads import forks_wait, hold_over_forks

Function = TypeVar("Function", bound=Callable[..., Any])


@cache
def can_compile() -> bool:
    """Whether Numba imports and may compile (NUMBA_DISABLE_JIT), for a machine whose integers begin with their lowest byte."""
    try:
        with forks_wait():  # a module that is half imported in the parent would never be whole in the child
            numba: Any = import_module("numba")
    except Exception:  # not there, or made for another NumPy
        return False
    return sys.byteorder == "little" and not numba.config.DISABLE_JIT


def jit(function: Function) -> Function:
    """The function compiled on its first call. No fast-math: the same bits everywhere; no reference counts: nothing is allocated."""
    return _compiled(function)


def inlined(function: Function) -> Function:
    """The same for a helper that is never really called: a call would copy every field of every array it is given."""
    return _compiled(function, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def pasted(function: Function) -> Function:
    """The same for a helper with one or two callers: its source is pasted there, so it is not compiled once more at each level."""
    return _compiled(function, inline="always")


def _compiled(function: Function, **options: Any) -> Function:
    numba: Any = import_module("numba")
    if numba.config.DISABLE_JIT:
        return function
    _hold_compiler()
    options = {"nogil": True, "_nrt": False, "error_model": "numpy", **options}  # x / 0 is infinite and found later, and nothing raises
    compiled: Any = numba.njit(**options)(function)
    setattr(compiled, "_cache", Cache(function))  # noqa: B010  # Numba has no public name for it
    return cast(Function, compiled)


@cache
def _hold_compiler() -> None:
    """A fork waits until no other thread compiles: the child would wait for Numba's locks for ever."""
    hold_over_forks(import_module("numba.core.compiler_lock").global_compiler_lock)
    hold_over_forks(import_module("llvmlite.binding.ffi").lib._lock)


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose machine code it writes itself: given types, it returns a signature and a generator (numba.extending)."""
    made: Callable[..., Any] = import_module("numba.extending").intrinsic(function)
    return made
