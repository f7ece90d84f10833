"""Whether anybody can see a widget, as far as Qt can know it.

Known are: a hidden widget (a tab or a dock behind another, a stacked page), a minimised window, a window that the
system reports as not exposed, a place scrolled out of sight or off all screens, and opaque widgets of the same window
on top.

Not known is a window of another program on top. Qt tells of it only where the system does: macOS (occlusion) and
Wayland compositors that suspend windows do, through `QWindow.isExposed`. Windows does not. X11's VisibilityNotify is
not passed on by Qt, and beneath a compositing window manager it always says "unobscured". The page does not know more:
its ``document.visibilityState`` is what Qt tells it, hidden or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QPoint, QRect

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget


def is_seen(widget: QWidget) -> bool:
    """Return False if certainly nobody sees the widget."""
    window, screen = widget.window(), widget.screen()
    if not widget.isVisible() or window is None or window.isMinimized():
        return False
    handle = window.windowHandle()
    if handle is not None and not handle.isExposed():
        return False
    place = QRect(widget.mapToGlobal(QPoint(0, 0)), widget.size())
    if screen is not None and not screen.virtualGeometry().intersects(place):
        return False
    return not widget.visibleRegion().isEmpty()
