"""Decorators of the kernels: compiled without the GIL, entry points with one signature each and cached on disk.

A call never compiles. Inputs are typed read-only, which accepts writable arrays, too. Kernels call each other across
files, so the version of the cache is a digest of all of them. They copy arrays by loops: ``a[:] = b`` takes 2 to 3 s to
compile, for Numba formats both shapes in the text of an error.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
from numba import config, njit, types
from numba.core import compiler, registry, serialize, typeinfer

from Heatmap.aggregation.kernel_cache import KernelCache, cache_folder

_Function = TypeVar("_Function", bound=Callable[..., Any])

IS_COMPILED: Final = not getattr(config, "DISABLE_JIT", 0)
"""False under ``NUMBA_DISABLE_JIT``: kernels are plain Python, for one thread only."""

ENTRIES: Final[list[Any]] = []
"""The entry points of the modules loaded so far."""


def compiled_here() -> int:
    """Return how many entry points this process has compiled because the cache lacked them."""
    return sum(sum(kernel.stats.cache_misses.values()) for kernel in ENTRIES)


INT64_IN: Final = types.Array(types.int64, 1, "C", readonly=True)
FLOAT64_IN: Final = types.Array(types.float64, 1, "C", readonly=True)
INT32_IN: Final = types.Array(types.int32, 1, "C", readonly=True)
FLOAT32_IN: Final = types.Array(types.float32, 1, "C", readonly=True)
UINT8_IN: Final = types.Array(types.uint8, 1, "C", readonly=True)
COLOURS_IN: Final = types.Array(types.uint32, 2, "C", readonly=True)


def group(*parts: Any) -> Any:
    """Return the type of a plain tuple."""
    return types.Tuple(parts)  # type: ignore[no-untyped-call]  # Numba ships no types


# The kernels import constants from the last two.
_NAMES: Final = ("kernel*.py", "grid.py", "normalization.py")
_SOURCES: Final = [path for name in _NAMES for path in sorted(Path(__file__).parent.glob(name))]
_DIGEST: Final = sha256(b"".join(source.read_bytes() for source in _SOURCES)).hexdigest()[:12]


def _platform() -> str:
    codegen: Any = registry.cpu_target.target_context.codegen()
    parts = (sys.implementation.cache_tag, numba.__version__, codegen.magic_tuple())
    return sha256(repr(parts).encode()).hexdigest()[:12]


def _version() -> str:
    """Return the version of the kernels; in a frozen program, which has no sources, that of the filled cache."""
    platform = _platform()
    shipped = sorted(cache_folder().glob(f"heatmap-kernels-*-{platform}"))
    return shipped[-1].name.removeprefix("heatmap-kernels-") if shipped and not _SOURCES else f"{_DIGEST}-{platform}"


CACHE: Final = KernelCache(cache_folder(), _version())
"""The cache of this process."""

_dumps: Final[Any] = serialize.dumps
_CompileResult: Final[Any] = compiler.CompileResult


class _EntryCache:
    """Cache of one entry point, with the methods of `numba.core.caching.Cache` that its dispatcher calls."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def cache_path(self) -> str:
        return str(CACHE.folder)

    def load_overload(self, _signature: Any, target_context: Any) -> Any:
        target_context.refresh()
        payload = CACHE.load(self._name)
        if payload is None:
            return None
        return _CompileResult._rebuild(target_context, *pickle.loads(payload))  # noqa: S301, SLF001 - our own file

    def save_overload(self, _signature: Any, result: Any) -> None:
        CACHE.save(self._name, _dumps(result._reduce()))  # noqa: SLF001 - as Numba's own cache does


# Python calls only entry points.
_inner: Final[Any] = partial(njit, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def kernel(function: _Function) -> _Function:
    """Compile a function that only other kernels call."""
    return cast("_Function", _inner()(function))


def fast_kernel(function: _Function) -> _Function:
    """Compile a kernel whose numbers are all finite: ``max`` and ``min`` are single instructions."""
    return cast("_Function", _inner(fastmath={"nnan", "ninf", "nsz"})(function))


def entry(*arguments: Any, returns: Any = types.void) -> Callable[[_Function], _Function]:
    """Compile a kernel that Python calls with these types, or load it from the cache."""

    def compile_or_load(function: _Function) -> _Function:
        if not IS_COMPILED:
            return function
        dispatcher: Any = njit(nogil=True)(function)
        dispatcher._cache = _EntryCache(f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}")  # noqa: SLF001
        # As `njit` does with signatures.
        with typeinfer.register_dispatcher(dispatcher):
            dispatcher.compile(returns(*arguments))
        dispatcher.disable_compile()
        ENTRIES.append(dispatcher)
        return cast("_Function", dispatcher)

    return compile_or_load
