"""The inner widget of a web view, which Qt replaces after its web process has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtQuickWidgets import QQuickWidget

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

# Events of a web view after which its inner widget may be another one.
CHILD_EVENTS: Final = (QEvent.Type.ChildAdded, QEvent.Type.ChildPolished)


def page_widget(view: QWidget) -> QQuickWidget | None:
    """Return the widget that shows the page and gets the mouse, None before there is one."""
    found = view.findChildren(QQuickWidget, "", Qt.FindChildOption.FindDirectChildrenOnly)
    return found[-1] if found else None
