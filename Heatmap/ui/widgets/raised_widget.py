"""A host's own widget, shown above the transparent page that would be composed over it."""

from __future__ import annotations

from typing import Final

from PyQt6 import sip
from PyQt6.QtCore import QEvent, QObject, QPoint
from PyQt6.QtGui import QImage, QPainter, QRegion
from PyQt6.QtWidgets import QWidget

from Heatmap.ui.widgets.overlay_widget import OverlayWidget

_PLACE_EVENTS: Final = (
    QEvent.Type.Move,
    QEvent.Type.Resize,
    QEvent.Type.Show,
    QEvent.Type.Hide,
    QEvent.Type.ZOrderChange,
    QEvent.Type.ParentChange,
)


class RaisedWidget(OverlayWidget):
    """Shows the picture of a widget exactly over it. The widget itself keeps mouse and keyboard.

    A child of the same parent; `remove` ends it. What has a texture of its own (`QOpenGLWidget`, another web view)
    within the widget is not in the picture.
    """

    def __init__(self, shown: QWidget) -> None:
        super().__init__(shown.parentWidget())
        self._shown = shown
        self._is_drawing = False
        for watched in (shown, *shown.findChildren(QWidget)):
            watched.installEventFilter(self)
        self._follow()

    def draw(self, painter: QPainter) -> None:
        if sip.isdeleted(self._shown):  # this one is deleted a little later
            return
        self._is_drawing = True  # which paints the widget, too
        self._shown.render(painter, QPoint(0, 0), QRegion(), QWidget.RenderFlag.DrawChildren)
        self._is_drawing = False

    def paintGL(self) -> None:
        """Copy the picture with straight alpha, as Qt blends it."""
        straight = self.picture().convertToFormat(QImage.Format.Format_ARGB32)
        straight.reinterpretAsFormat(QImage.Format.Format_ARGB32_Premultiplied)
        painter = QPainter(self)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
        painter.drawImage(0, 0, straight)
        painter.end()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the widget, and draw it again when it or a part of it is painted."""
        if event is None or self._is_drawing or sip.isdeleted(self._shown):
            return False
        if event.type() == QEvent.Type.Paint:
            self.update()
        elif event.type() == QEvent.Type.ChildPolished and isinstance(watched, QWidget):
            for child in watched.findChildren(QWidget):
                child.removeEventFilter(self)
                child.installEventFilter(self)
        elif watched is self._shown and event.type() in _PLACE_EVENTS:
            self._follow()
        return False

    def _follow(self) -> None:
        if self.parentWidget() is not self._shown.parentWidget():
            self.setParent(self._shown.parentWidget())
        self.setGeometry(self._shown.geometry())
        self.raise_()
        self.setVisible(not self._shown.isHidden() and not self._shown.isWindow())

    def remove(self) -> None:
        if not sip.isdeleted(self._shown):
            for watched in (self._shown, *self._shown.findChildren(QWidget)):
                watched.removeEventFilter(self)
        self.hide()
        self.deleteLater()
