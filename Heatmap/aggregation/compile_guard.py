"""Kernels are loaded here, or not at all: refuses to compile one in a program that has a window."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from Heatmap.errors import KernelCacheError

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    from numba.core import event  # noqa: PLC0415 - not before the warm-up decides so

    base: Any = event.Listener  # Numba ships no types

    class Refusal(base):  # type: ignore[misc]  # a base without types
        # Numba tells of a compilation right before it begins, and lets the error of a listener out.
        def on_start(self, event: Any) -> None:
            function = event.data["dispatcher"].py_func
            if function.__module__.startswith(_PACKAGE):
                raise KernelCacheError(f"expected {function.__module__}.{function.__qualname__} in the cache, was not")

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Refusal()):
        yield
