"""Which engine a process uses: the fastest that needs no compiling in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from Heatmap.aggregation.numpy_engine import NumpyEngine

if TYPE_CHECKING:
    from Heatmap.aggregation.engine import Engine

_kernels_are_loaded = False


def set_kernels_loaded() -> None:
    """Let `new_engine` use the kernels from now on; called once they are loaded in this process."""
    global _kernels_are_loaded  # noqa: PLW0603 - loaded kernels are a fact of the process, not of an object
    _kernels_are_loaded = True


def kernels_are_loaded() -> bool:
    """Return True once kernels can be used in this process without compiling."""
    return _kernels_are_loaded


def fast_engine() -> Engine:
    """Return a fresh Numba engine; the first one loads the kernels, or compiles them, unless they are loaded."""
    from Heatmap.aggregation.numba_engine import NumbaEngine  # noqa: PLC0415 - loads Numba

    return NumbaEngine()


def new_engine() -> Engine:
    """Return a fresh engine: the fastest that needs no compiling in this process."""
    return fast_engine() if _kernels_are_loaded else NumpyEngine()
