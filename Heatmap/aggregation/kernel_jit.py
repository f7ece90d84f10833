"""How a kernel is declared: cached on disk, without the GIL, entry points with one explicit signature each.

What is cached is complete, and a call can never compile. Inputs are typed read-only, which takes writable arrays too.
Kernels call kernels of other files: so all of them are cached under a digest of all these files.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
from numba import config, njit, types
from numba.core import caching, compiler, registry, serialize, typeinfer

from Heatmap.aggregation.kernel_cache import KernelCache, cache_folder

_Function = TypeVar("_Function", bound=Callable[..., Any])

IS_COMPILED: Final = not getattr(config, "DISABLE_JIT", 0)
"""False under ``NUMBA_DISABLE_JIT``: kernels are plain Python, one thread only."""

ENTRIES: Final[list[Any]] = []
"""All kernels that Python calls, as far as their modules are loaded."""


def compiled_here() -> int:
    """Return how many kernels this process had to compile because the on-disk cache did not have them."""
    return sum(sum(kernel.stats.cache_misses.values()) for kernel in ENTRIES)


INT64_IN: Final = types.Array(types.int64, 1, "C", readonly=True)
FLOAT64_IN: Final = types.Array(types.float64, 1, "C", readonly=True)
FLOAT32_IN: Final = types.Array(types.float32, 1, "C", readonly=True)
UINT8_IN: Final = types.Array(types.uint8, 1, "C", readonly=True)
COLOURS_IN: Final = types.Array(types.uint32, 2, "C", readonly=True)

CONSTANTS: Final = ("grid.py", "normalization.py")
"""Files whose constants the kernels import."""

_Tuple: Final[Any] = types.Tuple


def group(*parts: Any) -> Any:
    """Return the type of a plain tuple: how arrays and numbers that belong together are passed."""
    return _Tuple(parts)


_FOLDER: Final = Path(__file__).parent
_SOURCES: Final = [
    *sorted(_FOLDER.glob("kernel*.py")),
    *(_FOLDER / name for name in CONSTANTS if (_FOLDER / name).exists()),
]
_DIGEST: Final = sha256(b"".join(source.read_bytes() for source in _SOURCES)).hexdigest()[:12]


def _platform() -> str:
    """Return a digest of what compiled code depends on besides its source."""
    codegen: Any = registry.cpu_target.target_context.codegen()
    parts = (sys.implementation.cache_tag, numba.__version__, codegen.magic_tuple())
    return sha256(repr(parts).encode()).hexdigest()[:12]


def _version() -> str:
    """Return the name of the kernels' version; without sources, as in a frozen program, of the one that is there."""
    platform = _platform()
    shipped = sorted(cache_folder().glob(f"heatmap-kernels-*-{platform}"))
    return shipped[-1].name.removeprefix("heatmap-kernels-") if shipped and not _SOURCES else f"{_DIGEST}-{platform}"


CACHE: Final = KernelCache(cache_folder(), _version())
"""Where the compiled kernels of this process come from and go to."""

_dumps: Final[Any] = serialize.dumps
_CompileResult: Final[Any] = compiler.CompileResult
_Base: Final[Any] = caching._Cache  # noqa: SLF001 - the one way to give a dispatcher another cache


class _EntryCache(_Base):  # type: ignore[misc]  # a base without types
    """What Numba asks for the compiled code of one entry; see `numba.core.caching.Cache`."""

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

    def enable(self) -> None: ...

    def disable(self) -> None: ...

    def flush(self) -> None: ...


def kernel(function: _Function) -> _Function:
    """Compile a function that only other kernels call; to the type checker it stays what it is written as."""
    return cast("_Function", njit(nogil=True)(function))


def fast_kernel(function: _Function) -> _Function:
    """Compile one whose numbers are all finite, so that ``max`` and ``min`` are single instructions."""
    return cast("_Function", njit(nogil=True, fastmath={"nnan", "ninf", "nsz"})(function))


def entry(*arguments: Any, returns: Any = types.void) -> Callable[[_Function], _Function]:
    """Compile, or load from the cache, a kernel that Python calls with these types."""

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
