"""The inner widget of a web view, which Qt replaces after its web process has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6 import sip
from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtQuickWidgets import QQuickWidget

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

# Events of a web view after which its inner widget may be another one.
CHILD_EVENTS: Final = (QEvent.Type.ChildAdded, QEvent.Type.ChildPolished)


def page_widget(view: QWidget) -> QQuickWidget | None:
    """Return the widget that shows the page and gets the mouse, None before there is one."""
    found = view.findChildren(QQuickWidget, "", Qt.FindChildOption.FindDirectChildrenOnly)
    return found[-1] if found else None


class PageFollower(QObject):
    """Passes the events of a view's inner widget to the event filter of ``receiver``, its parent, until `stop`."""

    changed = pyqtSignal()  # `widget`

    def __init__(self, view: QWidget, receiver: QObject) -> None:
        super().__init__(receiver)
        self._view = view
        self._receiver = receiver
        self.widget: QQuickWidget | None = None
        view.installEventFilter(self)
        self._find()

    def stop(self) -> None:
        self._view.removeEventFilter(self)
        self._leave()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Look for another inner widget; consume nothing."""
        if watched is self._view and event is not None and event.type() in CHILD_EVENTS:
            self._find()
        return False

    def _find(self) -> None:
        widget = page_widget(self._view)
        if widget is not self.widget:
            self._leave()
            self.widget = widget
            if widget is not None:
                widget.installEventFilter(self._receiver)
            self.changed.emit()

    def _leave(self) -> None:
        if self.widget is not None and not sip.isdeleted(self.widget):
            self.widget.removeEventFilter(self._receiver)
        self.widget = None
