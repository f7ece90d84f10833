"""The engine of a process: NumPy until the kernels are loaded, then Numba; and the loading of the kernels.

Compiling blocks the GIL for up to 0.1 s at a time. So a process that may have a window never compiles kernels: a child
process does, see `KernelWarmup`. Any other process loads them when it first needs them, and compiles the missing ones.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from Heatmap.aggregation.engine import totals
from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.grid import GridSpec
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.aggregation.options import RenderOptions
from Heatmap.aggregation.paint_plan import Decay, paint_plan
from Heatmap.errors import KernelCacheError
from Heatmap.event_columns import EventColumns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from Heatmap.aggregation.engine import Engine

_logger = logging.getLogger(__name__)

_TOOLKITS: Final = ("PyQt6.QtGui", "PySide6.QtGui", "PyQt5.QtGui", "PySide2.QtGui", "tkinter", "wx", "gi")
_PACKAGE: Final = f"{__name__.partition('.')[0]}."


class KernelState:
    """State of the kernels in this process."""

    are_loaded = False
    cannot_be_loaded = False
    lock = threading.Lock()


def jit_disabled() -> bool:
    """Return True if ``NUMBA_DISABLE_JIT`` makes the kernels plain Python, which is far slower than NumPy."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") not in {"", "0"}


def kernels_are_loaded() -> bool:
    """Return True once kernels can be used in this process without compiling."""
    return KernelState.are_loaded


def fast_engine() -> Engine:
    """Return a new Numba engine; the first call loads the kernels.

    Raises
    ------
    KernelCacheError
        The cache lacks a kernel, and this process may have a window.
    """
    if not (KernelState.are_loaded or jit_disabled()):
        load_kernels(may_compile=not _may_have_window())
    from Heatmap.aggregation.numba_engine import NumbaEngine  # noqa: PLC0415 - loads Numba

    return NumbaEngine()


def new_engine() -> Engine:
    """Return a new engine: Numba if the kernels are loaded, else NumPy."""
    return fast_engine() if KernelState.are_loaded else NumpyEngine()


def script_engine() -> Engine:
    """Return a new engine; a process without a window loads the kernels first, and goes on with NumPy if it cannot."""
    if not (jit_disabled() or _may_have_window()):
        with KernelState.lock:
            if not (KernelState.are_loaded or KernelState.cannot_be_loaded):
                _load_for_script()
    return new_engine()


def _load_for_script() -> None:
    try:
        load_kernels()
    except (KernelCacheError, ImportError) as error:
        KernelState.cannot_be_loaded = True
        reason = error.short if isinstance(error, KernelCacheError) else f"Numba cannot be loaded ({error})"
        _logger.warning("%s; NumPy is used", reason)


def _may_have_window() -> bool:
    return any(toolkit in sys.modules for toolkit in _TOOLKITS)


def load_kernels(*, may_compile: bool = True) -> int:
    """Load the kernels, compile the missing ones, and run each once. From then on new engines use them.

    Returns
    -------
    How many kernels were missing in the cache and have been compiled.

    Raises
    ------
    KernelCacheError
        A kernel is missing, and must not be compiled or cannot be saved.
    """
    with _compiling(may_compile):
        from Heatmap.aggregation.kernel_jit import compiled_here  # noqa: PLC0415 - loads Numba
        from Heatmap.aggregation.numba_engine import NumbaEngine  # noqa: PLC0415 - loads Numba
        from Heatmap.aggregation.resampler import Resampler  # noqa: PLC0415 - loads Numba

        Resampler()
        engine = NumbaEngine()
        columns = EventColumns(np.array([500, 1500]), np.array([1.5, 2.5]), np.ones(2), np.array([True, False]))
        spec = GridSpec(t0_ms=0, time_bin_ms=1000, cols=4, price0=0.0, price_bin=1.0, rows=4)
        options = RenderOptions(sigma_cols=0, sigma_rows=0, trail_half_life_ms=1000)
        batch = EventBatch.select(columns, sides="both", min_notional=0.0, by_side=True)
        cells = engine.bin(batch, spec)
        reference = engine.percentile(totals(cells.values), options.clip_percentile)
        edges = np.linspace(reference / 255, reference, 255, dtype=np.float32)
        engine.sums(batch, spec.time_bin_ms, spec.price_bin)
        engine.occupied(engine.grid(cells, 0))
        engine.paint(cells, paint_plan(batch, spec, options, edges, Decay(0, 1.0)), np.empty((4, 4), np.uint32))
    KernelState.are_loaded = True
    return compiled_here()


@contextmanager
def _compiling(is_allowed: bool) -> Iterator[None]:
    """Before the first kernel of this package is compiled, test the cache and log it; or refuse it by an error."""
    from numba.core import event  # noqa: PLC0415 - loads Numba

    base: Any = event.Listener  # Numba ships no types

    class Listener(base):  # type: ignore[misc]  # a base without types
        is_first = True

        # Numba calls it before it compiles, and does not catch errors.
        def on_start(self, event: Any) -> None:
            function = event.data["dispatcher"].py_func
            if not function.__module__.startswith(_PACKAGE):
                return
            if not is_allowed:
                raise KernelCacheError(f"expected {function.__module__}.{function.__qualname__} in the cache, was not")
            if self.is_first:
                from Heatmap.aggregation.kernel_jit import CACHE  # noqa: PLC0415 - loads Numba

                self.is_first = False
                CACHE.check_writable()
                # A script may have no logging set up: warnings are shown nevertheless.
                _logger.warning("compiling the kernels into %s: about a quarter of a minute, once", CACHE.folder)

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Listener()):
        yield
