"""What happens when a kernel is about to be compiled: refused in a program with a window, reported in a script."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from Heatmap.errors import KernelCacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_logger = logging.getLogger(__name__)

_PACKAGE: Final = f"{__name__.partition('.')[0]}."


@contextmanager
def compiling_refused() -> Iterator[None]:
    """Raise instead of compiling, as long as this lasts, if a kernel of this package is not in the cache.

    What the host compiles meanwhile with a Numba of its own is left alone. Loads Numba.

    Raises
    ------
    KernelCacheError
        A kernel would have been compiled.
    """

    def refuse(function: Any) -> None:
        raise KernelCacheError(f"expected {function.__module__}.{function.__qualname__} in the cache, was not")

    with _listening(refuse):
        yield


@contextmanager
def compiling_reported(folder: Path) -> Iterator[None]:
    """Log once, as long as this lasts, that kernels are compiled into a folder: a pause wants a reason. Loads Numba."""
    said: list[Any] = []

    def report(function: Any) -> None:
        if not said:
            # Nobody set up logging for a script, perhaps: a warning is seen nevertheless.
            _logger.warning("compiling the kernels into %s: about a quarter of a minute, once", folder)
        said.append(function)

    with _listening(report):
        yield


@contextmanager
def _listening(on_compile: Callable[[Any], None]) -> Iterator[None]:
    from numba.core import event  # noqa: PLC0415 - not before the warm-up decides so

    base: Any = event.Listener  # Numba ships no types

    class Listener(base):  # type: ignore[misc]  # a base without types
        # Numba tells of a compilation right before it begins, and lets the error of a listener out.
        def on_start(self, event: Any) -> None:
            function = event.data["dispatcher"].py_func
            if function.__module__.startswith(_PACKAGE):
                on_compile(function)

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Listener()):
        yield
