"""Base of objects that a page can call over its web channel."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject


class ChannelObject(QObject):
    """Object whose slots a page may call with anything, any number of times.

    The channel offers the slots that PyQt declares, and Qt's own `deleteLater`; signals cannot be emitted by the page.
    """

    def event(self, event: QEvent | None) -> bool:
        """Refuse to be deleted by `deleteLater`, which the page may call. The parent deletes it."""
        return (event is not None and event.type() == QEvent.Type.DeferredDelete) or super().event(event)
