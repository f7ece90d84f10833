"""Functions of OpenGL that neither Qt nor moderngl offers, found through Qt's context on every platform alike."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, SupportsInt

from Heatmap.errors import GraphicsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PyQt6.QtGui import QOpenGLContext

# OpenGL's functions are stdcall on 32-bit Windows and ordinary ones everywhere else.
_prototype: Callable[..., Any] = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)


def gl_function(context: QOpenGLContext, name: str, result: Any, arguments: Sequence[Any]) -> Callable[..., Any]:
    """Return a function of OpenGL as ctypes calls it.

    Parameters
    ----------
    context
        To be current, here and whenever the function is called.
    name
        As in the specification.
    result, arguments
        Their types, of ctypes.

    Raises
    ------
    GraphicsError
        This OpenGL has no such function.
    """
    address: SupportsInt | None = context.getProcAddress(name.encode())
    if address is None or int(address) == 0:
        raise GraphicsError(f"OpenGL has no {name}")
    function: Callable[..., Any] = _prototype(result, *arguments)(int(address))
    return function
