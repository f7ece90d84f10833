"""All open settings tabs of a plugin: their figures and their notice."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from PyQt6 import sip
from PyQt6.QtCore import QObject

from Heatmap.events import Source
from Heatmap.rendering.event_window import MapStatistics
from Heatmap.source_choice import VENUES
from Heatmap.ui.widgets.heatmap_tab import HeatmapTab

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.rendering.build_worker import BuildResult
    from Heatmap.ui.build_signals import BuildSignals
    from Heatmap.ui.geometry.chart_time import ChartTime
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator
    from Heatmap.ui.widgets.notices import Notices


class SettingsTabs(QObject):
    """Makes settings tabs and keeps their notice and figures up to date until they are destroyed."""

    def __init__(
        self,
        service: HeatmapService,
        notices: Notices,
        signals: BuildSignals,
        settings: SettingsModel,
        translator: Translator,
        *,
        chart_time: ChartTime,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._left_out = () if chart_time.is_utc else ("time_zone",)
        self._service = service
        self._notices = notices
        self._settings = settings
        self._translator = translator
        self._tabs: WeakSet[HeatmapTab] = WeakSet()
        self._statistics = MapStatistics()
        signals.built.connect(self._take_statistics)
        notices.changed.connect(self._show_notice)

    def new_tab(self, parent: QWidget | None) -> HeatmapTab:
        own = Source(self._service.source)
        # Other programs may record or import other exchanges into the same database. COIN-M is marked on the map.
        sources = (*VENUES, Source.COIN_M) if own in VENUES else (own,)
        tab = HeatmapTab(self._settings, self._translator, parent, sources=sources, left_out=self._left_out)
        tab.set_statistics(self._statistics)
        self._tabs.add(tab)
        self._notices.update()
        self._show_notice()
        return tab

    def _take_statistics(self, result: BuildResult) -> None:
        if result.statistics is not self._statistics:
            self._statistics = result.statistics
            for tab in self._living_tabs():
                tab.set_statistics(result.statistics)

    def _show_notice(self) -> None:
        notice = self._notices.notice
        for tab in self._living_tabs():
            tab.set_notice(notice.text, notice.kind)

    def _living_tabs(self) -> list[HeatmapTab]:
        return [tab for tab in self._tabs if not sip.isdeleted(tab)]
