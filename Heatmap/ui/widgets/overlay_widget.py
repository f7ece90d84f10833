"""Base of the widgets above the chart page: a transparent page is composed over every ordinary widget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QEvent, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QFontInfo, QImage, QPainter, QPen
from PyQt6.QtOpenGLWidgets import QOpenGLWidget
from PyQt6.QtWidgets import QApplication

from Heatmap.ui.widgets.palette_image import DARK_CHART, LIGHT_CHART

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

_FONT_PX: Final = 11  # least size of letters on the chart
_FONT_SHARE: Final = 0.85  # of the application's letters
_CORNER_PX: Final = 5


def letters(font: QFont | None = None) -> QFont:
    """Return the font of letters on the chart: a little smaller than the application's, or than ``font``."""
    small = QFont(font) if font is not None else QApplication.font()
    small.setPixelSize(max(_FONT_PX, round(_FONT_SHARE * QFontInfo(small).pixelSize())))
    return small


def grown_px(length_px: int, font: QFont) -> int:
    """Return a length that grows with `letters`, from its value at their least size."""
    return round(length_px * font.pixelSize() / _FONT_PX)


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

    @property
    def drawn_font(self) -> QFont:
        """The font that `draw` begins with."""
        return self.font()

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
        painter.setFont(self.drawn_font)
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


class LetteredWidget(OverlayWidget):
    """An overlay of lines of text, whose `letters` follow the font of its window or of the application."""

    def __init__(self, line_px: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._least_line_px = line_px
        self._measure_letters()

    @property
    def drawn_font(self) -> QFont:
        return self._letters

    def fit(self) -> None:
        """Take the size that text and font need."""
        raise NotImplementedError

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow a font that is changed while the program runs."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._measure_letters()
            self.fit()

    def _measure_letters(self) -> None:
        self._letters = letters(self.font())
        self._line_px = grown_px(self._least_line_px, self._letters)
