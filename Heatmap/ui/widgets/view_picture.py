"""Picture of a web view with its heat, composed without the screen: the window may be covered or not be on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QPoint
from PyQt6.QtGui import QImage, QPainter

from Heatmap.ui.gl.gl_context import size_px
from Heatmap.ui.gl.underlay import Underlay
from Heatmap.ui.page.page_widget import page_widget
from Heatmap.ui.widgets.overlay_widget import OverlayWidget

if TYPE_CHECKING:
    from PyQt6.QtWebEngineWidgets import QWebEngineView


def view_picture(view: QWebEngineView) -> QImage:
    """Return heat, page, legend and badge as opaque RGB in device pixels, with the view's pixel ratio.

    A null image if the view is hidden: Chromium paints no page then.
    """
    if not view.isVisible():
        return QImage()
    picture = QImage(*size_px(view), QImage.Format.Format_RGB32)
    picture.fill(view.palette().window().color())
    painter = QPainter(picture)
    if (shown := view.page()) is not None:
        painter.fillRect(picture.rect(), shown.backgroundColor())
    widget = page_widget(view)
    # The page first: with its picture the layer beneath gets the place that belongs to it.
    page = widget.grabFramebuffer() if widget is not None else QImage()
    for layer in view.findChildren(Underlay):
        painter.drawImage(0, 0, _unscaled(layer.grabFramebuffer()))
    painter.drawImage(0, 0, _unscaled(page))
    for above in view.findChildren(OverlayWidget):
        if above.isVisibleTo(view):
            corner = above.mapTo(view, QPoint(0, 0)) * view.devicePixelRatioF()
            painter.drawImage(corner, _unscaled(above.picture()))
    painter.end()
    picture.setDevicePixelRatio(view.devicePixelRatioF())
    return picture


def _unscaled(image: QImage) -> QImage:
    """Return an image that is drawn pixel by pixel, whatever ratio its widget has."""
    image.setDevicePixelRatio(1.0)
    return image
