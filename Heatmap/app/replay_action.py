"""The action that opens and closes the replay of what the chart has loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from Heatmap.ui.widgets.text_action import TextAction

if TYPE_CHECKING:
    from PyQt6.QtCore import QObject

    from Heatmap.app.chart_bridge import ChartBridge
    from Heatmap.ui.translation import Translator
    from Heatmap.ui.widgets.replay_bar import ReplayBar


class ReplayAction(TextAction):
    """Checked while the bar is open. The bar's time ends the candles, too."""

    def __init__(self, bar: ReplayBar, bridge: ChartBridge, translator: Translator, parent: QObject) -> None:
        super().__init__("replay.title", translator, shortcuts=("R",), parent=parent)
        self.setObjectName("replay")
        self.setCheckable(True)
        self._bar = bar
        self._bridge = bridge
        self.triggered.connect(self._toggle)
        bar.timeChanged.connect(self._take_time)

    def open_bar(self) -> None:
        """Open the bar for the time of all candles that are loaded; nothing without candles."""
        span_ms = self._bridge.span_ms
        if span_ms is not None:
            self._bar.open(*span_ms)

    def _toggle(self, wanted: bool) -> None:  # Qt's signature
        self.setChecked(False)  # the bar says whether it has opened
        if wanted:
            self.open_bar()
        else:
            self._bar.hide()

    def _take_time(self, time_ms: int | None) -> None:
        self._bridge.end_at(time_ms)
        self.setChecked(time_ms is not None)
