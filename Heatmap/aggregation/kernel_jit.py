"""How a kernel is declared: cached on disk, without the GIL, entry points with one explicit signature each.

What is cached is complete, and a call can never compile. Inputs are typed read-only, which takes writable arrays too.
Numba keys compiled code by the source of the file that a kernel stands in: no kernel may call one of another file, and
constants come in as arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from numba import njit, types

_Function = TypeVar("_Function", bound=Callable[..., Any])

INT64_IN: Final = types.Array(types.int64, 1, "C", readonly=True)
FLOAT64_IN: Final = types.Array(types.float64, 1, "C", readonly=True)
FLOAT32_IN: Final = types.Array(types.float32, 1, "C", readonly=True)
UINT8_IN: Final = types.Array(types.uint8, 1, "C", readonly=True)
PLACES_IN: Final = types.Array(types.int64, 2, "C", readonly=True)

# What most kernels are called with: the arrays of an `EventBatch`, its filter, and what a cell's place follows from.
EVENTS: Final = (INT64_IN, FLOAT64_IN, FLOAT64_IN, UINT8_IN)
FILTER: Final = (types.float64, types.int64, types.int64)
BINS: Final = (types.int64, types.int64, types.float64, types.float64, types.float64)


def kernel(function: _Function) -> _Function:
    """Compile a function that only other kernels call; to the type checker it stays what it is written as."""
    return cast("_Function", njit(cache=True, nogil=True)(function))


def entry(*arguments: Any, returns: Any = types.void) -> Callable[[_Function], _Function]:
    """Compile, or load from the cache, a kernel that Python calls with these types."""

    def compile_or_load(function: _Function) -> _Function:
        return cast("_Function", njit(returns(*arguments), cache=True, nogil=True)(function))

    return compile_or_load
