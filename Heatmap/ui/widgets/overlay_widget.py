"""Base of the widgets above the chart page: a transparent page is composed over every ordinary widget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPen
from PyQt6.QtOpenGLWidgets import QOpenGLWidget

from Heatmap.ui.widgets.palette_image import DARK_CHART, LIGHT_CHART

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

FONT_PX: Final = 11
_CORNER_PX: Final = 5


def ink(*, dark: bool) -> QColor:
    """Return the colour of text on a dark or light chart."""
    return QColor(0xD1, 0xD4, 0xDC) if dark else QColor(0x26, 0x2B, 0x36)


class OverlayWidget(QOpenGLWidget):
    """A small widget above a transparent web view; mouse events pass through.

    While its background is transparent, Qt WebEngine gives the page ``WA_AlwaysStackOnTop``. Only a widget with a
    texture of its own and the same attribute is composed after it. Draw opaque colours: Qt blends the texture by its
    alpha although its colours are premultiplied, so that translucent parts come out darker.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_AlwaysStackOnTop)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def draw(self, painter: QPainter) -> None:
        """Draw in logical pixels on a transparent background."""
        # Abstract; Qt's metaclass excludes that of `abc`.
        raise NotImplementedError

    def picture(self) -> QImage:
        """Return what is drawn, in device pixels, premultiplied."""
        scale = self.devicePixelRatioF()
        image = QImage(self.size() * scale, QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(scale)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        painter.setFont(self.font())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.draw(painter)
        painter.end()
        return image

    def paintGL(self) -> None:
        """Copy the picture to the texture; Qt's raster engine draws smoother lines and letters than OpenGL."""
        painter = QPainter(self)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
        painter.drawImage(0, 0, self.picture())
        painter.end()

    def draw_panel(self, painter: QPainter, border: QColor, *, dark: bool) -> None:
        """Fill the widget with the chart's colour and a rounded border."""
        painter.setPen(QPen(border, 1))
        painter.setBrush(DARK_CHART if dark else LIGHT_CHART)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), _CORNER_PX, _CORNER_PX)
