"""Visibility of a widget, as far as Qt reports it.

Detected: a hidden widget (behind another tab or dock, a stacked page), a minimised window, a window that the system
reports as not exposed, a place scrolled out of sight or off all screens, opaque widgets of the same window on top.

Not detected: a window of another program on top, unless the system reports it through `QWindow.isExposed`. macOS and
Wayland compositors that suspend windows do; Windows and X11 do not. ``document.visibilityState`` of the page is Qt's
own answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QPoint, QRect, Qt

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget


def is_seen(widget: QWidget) -> bool:
    """Return False if the widget is certainly not visible."""
    window, screen = widget.window(), widget.screen()
    if not widget.isVisible() or window is None or window.isMinimized():
        return False
    if window.testAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen):  # for a picture, see `HeatmapPlugin.picture`
        return True
    handle = window.windowHandle()
    if handle is not None and not handle.isExposed():
        return False
    place = QRect(widget.mapToGlobal(QPoint(0, 0)), widget.size())
    if screen is not None and not screen.virtualGeometry().intersects(place):
        return False
    return not widget.visibleRegion().isEmpty()
