"""Access to Qt's OpenGL context: functions that moderngl does not offer, and the release of a painter's objects."""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, SupportsInt, TypeVar, cast

import moderngl
from PyQt6 import sip
from PyQt6.QtGui import QOffscreenSurface, QOpenGLContext

from Heatmap.errors import GraphicsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PyQt6.QtWidgets import QWidget

# OpenGL's functions are stdcall on 32-bit Windows and ordinary ones everywhere else.
_prototype: Callable[..., Any] = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)


def size_px(widget: QWidget) -> tuple[int, int]:
    """Return width and height of a widget's frame buffer in device pixels.

    Qt rounds halves up, as the page does; Python's `round` makes them even.
    """
    ratio = widget.devicePixelRatioF()
    return math.floor(widget.width() * ratio + 0.5), math.floor(widget.height() * ratio + 0.5)


def gl_function(context: QOpenGLContext, name: str, result: Any, arguments: Sequence[Any]) -> Callable[..., Any]:
    """Return a function of OpenGL as a ctypes function; its context must be current, here and at every call.

    If this OpenGL has no such function, `GraphicsError` is raised.
    """
    address = QtLoader(context).load_opengl_function(name)
    if address == 0:
        raise GraphicsError(f"OpenGL has no {name}")
    function: Callable[..., Any] = _prototype(result, *arguments)(address)
    return function


class QtLoader:
    """moderngl's loader protocol on Qt's context; works with GLX, EGL, WGL and Cocoa alike."""

    def __init__(self, context: QOpenGLContext) -> None:
        self._context: QOpenGLContext | None = context

    def forget(self) -> None:
        """Release Qt's context: moderngl keeps this object for ever."""
        self._context = None

    def load_opengl_function(self, name: str) -> int:
        """Return the address of an OpenGL function, 0 if there is none."""
        if self._context is None:
            return 0
        address: SupportsInt | None = self._context.getProcAddress(name.encode())
        return int(address) if address is not None else 0

    load = load_opengl_function  # moderngl's older name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing was made current."""

    def release(self) -> None:
        """Do nothing: the context belongs to Qt."""


_contexts: dict[tuple[int, ...], moderngl.Context] = {}


def moderngl_context(context: QOpenGLContext) -> moderngl.Context:
    """Return moderngl's context for Qt's, which must be current.

    One serves all of Qt's contexts with the same driver: moderngl never frees one, and keeps only functions in it.
    `moderngl.Error` or `ValueError` if OpenGL is too old.
    """
    loader = QtLoader(context)
    driver = tuple(loader.load_opengl_function(name) for name in ("glGetString", "glDrawArrays", "glCreateShader"))
    if driver not in _contexts:
        _contexts[driver] = moderngl.create_context(require=330, context=cast("dict[str, Any]", loader))
        loader.forget()
    return _contexts[driver]


class Releasable(Protocol):
    """Owner of OpenGL objects."""

    def release(self) -> None:
        """Release them; their context is current."""


_Owner = TypeVar("_Owner", bound=Releasable)


class GlResources(Generic[_Owner]):
    """Owner of a painter's OpenGL objects, which releases them at the latest when their context ends.

    All of Qt's contexts share their objects, so these would outlive the context that made them.
    """

    def __init__(self, context: QOpenGLContext, painter: _Owner) -> None:
        self._context, self.painter = context, painter
        # The widget's own surface may be gone when its context ends.
        self._surface = QOffscreenSurface()
        self._surface.setFormat(context.format())
        self._surface.create()
        self.released = False
        # A widget's context ends in the widget's destructor, after Python's part, its attributes included: PyQt keeps
        # this object alive by the lambda only, not by a method.
        context.aboutToBeDestroyed.connect(lambda: self.release())  # noqa: PLW0108

    def release(self) -> None:
        """Release all. Harmless when called twice."""
        if self.released or sip.isdeleted(self._context) or sip.isdeleted(self._surface):
            return
        if not self._context.makeCurrent(self._surface):
            return
        self.released = True
        self.painter.release()
        self._context.doneCurrent()
