"""Scrolling of a host's chart to a moment and a price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, pyqtSlot

if TYPE_CHECKING:
    from Heatmap.ui.geometry.viewport import TimeAxis
    from Heatmap.ui.page.bridge import Bridge
    from Heatmap.ui.page.session import PageSession


class ChartScroll(QObject):
    """Scrolls the chart of a page while it is attached; see ``chart_scroll.js`` for what the library can do."""

    def __init__(self, session: PageSession, bridge: Bridge, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._bridge = bridge
        self._axis: TimeAxis | None = None
        session.timeAxisChanged.connect(self._take_axis)

    def show_place(self, time_ms: int, price: float) -> bool:
        """Bring a moment (ms since the epoch, UTC) to the middle; False if no chart is attached or it has no bars."""
        if self._axis is None or not self._session.is_attached:
            return False
        # A bar is drawn around its index; half a bar before it its time begins.
        self._bridge.ask_to_scroll(self._axis.logical(time_ms), price)
        return True

    @pyqtSlot(object)
    def _take_axis(self, axis: TimeAxis | None) -> None:
        self._axis = axis
