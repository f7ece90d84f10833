"""Which engine a process uses: NumPy until the kernels are loaded, and how they are loaded.

Compiling holds the GIL for up to a tenth of a second at a time. So a process that may have a window never compiles: it
has a child do it, see `KernelWarmup`. Any other process loads the kernels when it first needs them, and compiles what
is missing in the cache.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation.compile_guard import compiling_refused, compiling_reported
from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.grid import GridSpec
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.aggregation.options import RenderOptions
from Heatmap.aggregation.paint_plan import Decay, paint_plan
from Heatmap.errors import KernelCacheError
from Heatmap.event_columns import EventColumns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from Heatmap.aggregation.engine import Engine

_logger = logging.getLogger(__name__)

_TOOLKITS: Final = ("PyQt6.QtGui", "PySide6.QtGui", "PyQt5.QtGui", "PySide2.QtGui", "tkinter", "wx", "gi")


class _Kernels:
    """What is known about the kernels of this process."""

    def __init__(self) -> None:
        self.are_loaded = False
        self.cannot_be_loaded = False
        self.lock = threading.Lock()

    def are_decided(self) -> bool:
        return self.are_loaded or self.cannot_be_loaded


_kernels: Final = _Kernels()


def jit_disabled(environment: Mapping[str, str] = os.environ) -> bool:
    """Return True if ``NUMBA_DISABLE_JIT`` turns the kernels into plain Python, right but far slower than NumPy."""
    return environment.get("NUMBA_DISABLE_JIT", "0") not in {"", "0"}


def kernels_are_loaded() -> bool:
    """Return True once kernels can be used in this process without compiling."""
    return _kernels.are_loaded


def fast_engine() -> Engine:
    """Return a fresh Numba engine; the first one loads the kernels, or compiles them if there is no window.

    Raises
    ------
    KernelCacheError
        There may be a window, and the cache lacks a kernel.
    """
    if _may_have_window() and not _kernels.are_loaded and not jit_disabled():
        with compiling_refused():
            load_kernels()
    from Heatmap.aggregation.numba_engine import NumbaEngine  # noqa: PLC0415 - loads Numba

    return NumbaEngine()


def new_engine() -> Engine:
    """Return a fresh engine: the fastest that is loaded in this process."""
    return fast_engine() if _kernels.are_loaded else NumpyEngine()


def script_engine() -> Engine:
    """Return a fresh engine, for who did not choose one: loads the kernels first, unless there may be a window."""
    if not (_kernels.are_decided() or jit_disabled() or _may_have_window()):
        with _kernels.lock:
            # Another thread may have loaded them meanwhile.
            if not _kernels.are_decided():
                _load_for_script()
    return new_engine()


def load_kernels() -> int:
    """Load the kernels into this process, compile what is missing, run each once, and let new engines use them.

    Returns
    -------
    How many kernels were not in the cache and have been compiled here.

    Raises
    ------
    KernelCacheError
        What was compiled cannot be saved.
    """
    from Heatmap.aggregation.kernel_jit import compiled_here  # noqa: PLC0415 - loads Numba
    from Heatmap.aggregation.numba_engine import NumbaEngine  # noqa: PLC0415 - loads Numba
    from Heatmap.aggregation.resampler import Resampler  # noqa: PLC0415 - loads Numba

    Resampler()
    engine = NumbaEngine()
    columns = EventColumns(np.array([500, 1500]), np.array([1.5, 2.5]), np.ones(2), np.array([True, False]))
    spec = GridSpec(t0_ms=0, time_bin_ms=1000, cols=4, price0=0.0, price_bin=1.0, rows=4)
    options = RenderOptions(sigma_cols=0, sigma_rows=0, trail_half_life_ms=1000)
    batch = EventBatch.select(columns, first=0, sides="both", min_notional=0.0, by_side=True)
    cells = engine.bin(batch, spec)
    reference = engine.percentile(cells.totals(), options.clip_percentile)
    edges = np.linspace(reference / 255, reference, 255, dtype=np.float32)
    engine.sums(batch, spec.time_bin_ms, spec.price_bin)
    engine.occupied(cells.grid(0))
    engine.paint(cells, paint_plan(batch, spec, options, edges, Decay(0, 1.0)), np.empty((4, 4), np.uint32))
    _kernels.are_loaded = True
    return compiled_here()


def _load_for_script() -> None:
    try:
        from Heatmap.aggregation.kernel_jit import CACHE  # noqa: PLC0415 - loads Numba

        with compiling_reported(CACHE.folder):
            load_kernels()
    except (KernelCacheError, ImportError) as error:
        _kernels.cannot_be_loaded = True
        reason = error.short if isinstance(error, KernelCacheError) else f"Numba cannot be loaded ({error})"
        _logger.warning("%s; NumPy is used", reason)


def _may_have_window() -> bool:
    return any(toolkit in sys.modules for toolkit in _TOOLKITS)
