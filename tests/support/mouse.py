"""A user's hand over a page."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt6.QtGui import QMouseEvent, QWheelEvent
from PyQt6.QtQuickWidgets import QQuickWidget
from PyQt6.QtWidgets import QApplication

NOTHING = Qt.MouseButton.NoButton


class Mouse:
    """A user's hand over the view's inner widget."""

    def __init__(self, view) -> None:
        self._view = view
        self.buttons = NOTHING
        self.modifiers = Qt.KeyboardModifier.NoModifier

    @property
    def page(self):
        return self._view.findChildren(QQuickWidget, "", Qt.FindChildOption.FindDirectChildrenOnly)[-1]

    def move(self, x: float, y: float) -> None:
        self.at = QPointF(x, y)
        self._send(QEvent.Type.MouseMove, NOTHING)

    def press(self) -> None:
        self.buttons = Qt.MouseButton.LeftButton
        self._send(QEvent.Type.MouseButtonPress, Qt.MouseButton.LeftButton)

    def release(self) -> None:
        self.buttons = NOTHING
        self._send(QEvent.Type.MouseButtonRelease, Qt.MouseButton.LeftButton)

    def wheel(self, notches: float) -> None:
        turned, phase = QPoint(0, round(120 * notches)), Qt.ScrollPhase.NoScrollPhase
        where = self.at, QPointF(self.page.mapToGlobal(self.at.toPoint()))
        event = QWheelEvent(*where, QPoint(), turned, self.buttons, self.modifiers, phase, False)
        QApplication.sendEvent(self.page, event)

    def leave(self) -> None:
        QApplication.sendEvent(self.page, QEvent(QEvent.Type.Leave))

    def _send(self, kind, button) -> None:
        everywhere = QPointF(self.page.mapToGlobal(self.at.toPoint()))
        event = QMouseEvent(kind, self.at, everywhere, button, self.buttons, self.modifiers)
        QApplication.sendEvent(self.page, event)
