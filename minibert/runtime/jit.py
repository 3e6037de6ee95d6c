"""Compiling functions with Numba.

A compiled function runs without the GIL. Nothing is compiled at import. `cache` keeps compiled code
for later processes.
"""

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, TypeVar, cast

from .threads import forks_wait, hold_over_forks

Function = TypeVar("Function", bound=Callable[..., Any])


@cache
def can_compile() -> bool:
    """Whether Numba can be imported and may compile (NUMBA_DISABLE_JIT).

    False on a big-endian machine, whose integers the compiled code does not support.
    """
    try:
        with forks_wait():  # a fork during an import leaves the module half imported in the child
            numba: Any = import_module("numba")
    except Exception:  # it is not installed, or was made for another NumPy
        return False
    return sys.byteorder == "little" and not numba.config.DISABLE_JIT


def jit(function: Function) -> Function:
    """The function, compiled on its first call.

    Fast-math is off, so results have the same bits everywhere. Reference counts are off, so a
    function must not allocate.
    """
    return _compiled(function)


def inlined(function: Function) -> Function:
    """Like `jit`, for a helper that LLVM inlines.

    A call would copy every field of every array argument.
    """
    return _compiled(function, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def pasted(function: Function) -> Function:
    """Like `jit`, for a helper with one or two callers: Numba copies its source into each of them.

    Otherwise the helper would be compiled once more at each level of calls.
    """
    return _compiled(function, inline="always")


def _compiled(function: Function, **options: Any) -> Function:
    from .cache import Cache  # here, because what it imports is needed by compiled code only

    numba: Any = import_module("numba")
    if numba.config.DISABLE_JIT:
        return function
    _hold_compiler()
    options = {"nogil": True, "_nrt": False, "error_model": "numpy", **options}  # "numpy": x / 0 is infinite and raises nothing
    compiled: Any = numba.njit(**options)(function)
    setattr(compiled, "_cache", Cache(function))  # noqa: B010  # Numba has no public name for this
    return cast(Function, compiled)


@cache
def _hold_compiler() -> None:
    """Make a fork wait until no other thread compiles.

    Otherwise the child would wait for Numba's locks for ever.
    """
    hold_over_forks(import_module("numba.core.compiler_lock").global_compiler_lock)
    hold_over_forks(import_module("llvmlite.binding.ffi").lib._lock)


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that writes its own machine code (numba.extending).

    Given types, it returns a signature and a code generator.
    """
    made: Callable[..., Any] = import_module("numba.extending").intrinsic(function)
    return made


class JitLoop:
    """A loop that Numba compiles when it is first called. See records.py."""

    __slots__ = ("_constants", "_function")

    def __init__(self, function: Any, *constants: Any) -> None:
        """The constants are arguments before the record. The type of each holds its value."""
        self._function, self._constants = function, constants

    def __call__(self, record: Any) -> int:
        """Run the loop. Returns its number."""
        result: int = self._function(*self._constants, record.address)
        return result

    def is_compiled(self) -> bool:
        """Whether a call would run at once."""
        types = [constant._numba_type_ for constant in self._constants]
        return any(signature[:-1] == tuple(types) for signature in self._function.signatures)
