"""A card above the chart page: a transparent page is composed over every ordinary widget, but not over this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QImage, QPainter
from PyQt6.QtOpenGLWidgets import QOpenGLWidget

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget


class Card(QOpenGLWidget):
    """A small widget that is seen above a transparent web view; lets all mouse events through.

    While its background is transparent, Qt WebEngine gives the page ``WA_AlwaysStackOnTop``. Only a widget with a
    texture of its own and the same attribute comes later in the order of composing. What it draws is best opaque: Qt
    blends the texture by its alpha although its colours are premultiplied, so that translucent parts come out darker.

    Parameters
    ----------
    parent
        The view above which it floats.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_AlwaysStackOnTop)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def draw(self, painter: QPainter) -> None:
        """Draw the card in logical pixels, on nothing."""
        # Abstract; Qt's metaclass leaves no room for that of `abc`.
        raise NotImplementedError

    def picture(self) -> QImage:
        """Return the card as it is to be seen, in device pixels, premultiplied."""
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
        """Put the picture on the texture; Qt's raster engine draws it, whose lines and letters are smooth."""
        painter = QPainter(self)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
        painter.drawImage(0, 0, self.picture())
        painter.end()
