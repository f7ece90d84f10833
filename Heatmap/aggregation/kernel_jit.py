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
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import numba
from numba import config, extending, njit, types
from numba.core import caching, cgutils, compiler, registry, serialize, typeinfer
from numba.np import arrayobj

from Heatmap.aggregation.kernel_cache import KernelCache, cache_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_Array = TypeVar("_Array")
_Function = TypeVar("_Function", bound=Callable[..., Any])

# Parts of Numba that no type checker knows.
_intrinsic: Final[Any] = extending.intrinsic
_make_array: Final[Any] = arrayobj.make_array
_null_value: Final[Any] = cgutils.get_null_value

IS_COMPILED: Final = not getattr(config, "DISABLE_JIT", 0)
"""False under ``NUMBA_DISABLE_JIT``: kernels are plain Python, one thread only."""

INT64_IN: Final = types.Array(types.int64, 1, "C", readonly=True)
FLOAT64_IN: Final = types.Array(types.float64, 1, "C", readonly=True)
FLOAT32_IN: Final = types.Array(types.float32, 1, "C", readonly=True)
UINT8_IN: Final = types.Array(types.uint8, 1, "C", readonly=True)
COLOURS_IN: Final = types.Array(types.uint32, 2, "C", readonly=True)
PLACES_IN: Final = types.Array(types.int64, 2, "C", readonly=True)

# What most kernels are called with: the arrays of an `EventBatch`, its filter, and what a cell's place follows from.
EVENTS: Final = (INT64_IN, FLOAT64_IN, FLOAT64_IN, UINT8_IN)
# The same of `EventColumns`.
COLUMNS: Final = (INT64_IN, FLOAT64_IN, FLOAT64_IN, types.Array(types.boolean, 1, "C", readonly=True))
FILTER: Final = (types.float64, types.int64, types.int64)
BINS: Final = (types.int64, types.int64, types.float64, types.float64, types.float64)

# A package without its sources has nothing that could change.
_SOURCES: Final = sorted(Path(__file__).parent.glob("kernel*.py"))
_DIGEST: Final = sha256(b"".join(source.read_bytes() for source in _SOURCES)).hexdigest()[:12]


def _platform() -> str:
    """Return a digest of what compiled code depends on besides its source."""
    codegen: Any = registry.cpu_target.target_context.codegen()
    parts = (sys.implementation.cache_tag, numba.__version__, codegen.magic_tuple())
    return sha256(repr(parts).encode()).hexdigest()[:12]


CACHE: Final = KernelCache(cache_folder(), f"{_DIGEST}-{_platform()}")
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
        return cast("_Function", dispatcher)

    return compile_or_load


def _unowned(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    parts = _make_array(array_type)(context, builder, value=array)
    parts.meminfo = _null_value(parts.meminfo.type)
    parts.parent = _null_value(parts.parent.type)
    return parts._getvalue()  # noqa: SLF001 - what Numba's own builders call


def _element(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = _make_array(signature.args[0])(context, builder, value=args[0])
    return builder.gep(array.data, [args[1]])


if TYPE_CHECKING or not IS_COMPILED:

    def borrowed(array: _Array) -> _Array:
        """Return the array itself: Python counts its references anyway."""
        return array

    def fetch_add(array: NDArray[np.int64], index: int, number: int) -> int:
        """Add to an entry and return what it was. Not one step in plain Python: `NumbaEngine` uses one thread then."""
        before = int(array[index])
        array[index] += number
        return before

    def load_shared(array: NDArray[np.int64], index: int) -> int:
        """Return an entry."""
        return int(array[index])

    def store_shared(array: NDArray[np.int64], index: int, number: int) -> None:
        """Set an entry."""
        array[index] = number

else:

    @_intrinsic
    def borrowed(_typing: Any, array: Any) -> Any:
        """Return the array without a share in its ownership: taking slices of it counts no references.

        Counting is an atomic operation, and a walk takes slices by the thousand. The caller holds the array.
        """

        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return _unowned(context, builder, signature.args[0], args[0])

        return array(array), build

    @_intrinsic
    def fetch_add(_typing: Any, array: Any, _index: Any, _number: Any) -> Any:
        """Add to an entry of an int64 array that threads share, and return what it was, as one step."""

        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.atomic_rmw("add", _element(context, builder, signature, args), args[2], "seq_cst")

        return types.int64(array, types.int64, types.int64), build

    @_intrinsic
    def load_shared(_typing: Any, array: Any, _index: Any) -> Any:
        """Return an entry of an int64 array that threads share; what was written before it was set is seen then."""

        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.load_atomic(_element(context, builder, signature, args), "seq_cst", 8)

        return types.int64(array, types.int64), build

    @_intrinsic
    def store_shared(_typing: Any, array: Any, _index: Any, _number: Any) -> Any:
        """Set an entry of an int64 array that threads share, after all that was written before."""

        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.store_atomic(args[2], _element(context, builder, signature, args), "seq_cst", 8)
            return context.get_dummy_value()

        return types.void(array, types.int64, types.int64), build
