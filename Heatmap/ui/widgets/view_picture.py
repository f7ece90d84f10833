"""Picture of a web view with its heat, composed without the screen: the window may be covered or not be on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QPoint, QRect, Qt
from PyQt6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter

from Heatmap.ui.gl.gl_context import size_px
from Heatmap.ui.gl.underlay import Underlay
from Heatmap.ui.page.page_widget import page_widget
from Heatmap.ui.widgets.overlay_widget import OverlayWidget

if TYPE_CHECKING:
    from PyQt6.QtWebEngineWidgets import QWebEngineView

CAPTION_GROUND: Final = QColor(0x0E, 0x11, 0x16)
CAPTION_INK: Final = QColor(0xC5, 0xCB, 0xD6)
CAPTION_MARGIN_PX: Final = 10
CAPTION_GAP_PX: Final = 6


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


def with_caption(picture: QImage, left: str, right: str, font: QFont) -> QImage:
    """Return a picture with a line of text below it, as wide as it is; where both texts do not fit, on two lines."""
    ratio = picture.devicePixelRatio()
    metrics = QFontMetrics(font)
    width = round(picture.width() / ratio)
    room = width - 2 * CAPTION_MARGIN_PX
    lines = [(left, right)]
    if metrics.horizontalAdvance(left) + CAPTION_MARGIN_PX + metrics.horizontalAdvance(right) > room:
        lines = [(left, ""), (right, "")]
    line_px = metrics.height() + CAPTION_GAP_PX
    height_px = picture.height() + round((len(lines) * line_px + CAPTION_GAP_PX) * ratio)
    whole = QImage(picture.width(), height_px, picture.format())
    whole.setDevicePixelRatio(ratio)
    whole.fill(CAPTION_GROUND)
    painter = QPainter(whole)
    painter.drawImage(0, 0, picture)
    painter.setFont(font)
    painter.setPen(CAPTION_INK)
    top = round(picture.height() / ratio) + CAPTION_GAP_PX
    for begin, end in lines:
        place = QRect(CAPTION_MARGIN_PX, top, room, metrics.height())
        begin_shown = metrics.elidedText(begin, Qt.TextElideMode.ElideRight, room)
        painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, begin_shown)
        painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, end)
        top += line_px
    painter.end()
    return whole


def _unscaled(image: QImage) -> QImage:
    """Return an image that is drawn pixel by pixel, whatever ratio its widget has."""
    image.setDevicePixelRatio(1.0)
    return image
