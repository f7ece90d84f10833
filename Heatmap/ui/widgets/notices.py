"""The notice of a plugin: what is wrong, or why its map is empty. It is kept up to date."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from PyQt6 import sip
from PyQt6.QtCore import QObject, pyqtSignal

from Heatmap.rendering.event_window import MapStatistics
from Heatmap.ui.geometry.bar_shift import BarShift
from Heatmap.ui.widgets.tab_notice import Notice, notice_of

if TYPE_CHECKING:
    from Heatmap.clock import Clock
    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.rendering.build_worker import BuildResult
    from Heatmap.reports import ServiceStatus
    from Heatmap.ui.build_signals import BuildSignals
    from Heatmap.ui.geometry.chart_time import ChartTime
    from Heatmap.ui.geometry.viewport import TimeAxis
    from Heatmap.ui.page.bridge import Bridge
    from Heatmap.ui.page.session import PageSession
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator


class Notices(QObject):
    """Puts together what page, builds, record and clock report, and chooses the most serious."""

    changed = pyqtSignal()  # `notice`
    _service_changed = pyqtSignal()  # emitted on the service's threads

    def __init__(
        self,
        service: HeatmapService,
        session: PageSession,
        bridge: Bridge,
        signals: BuildSignals,
        *,
        settings: SettingsModel,
        translator: Translator,
        clock: Clock,
        chart_time: ChartTime,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._service = service
        self._session = session
        self._settings = settings
        self._translator = translator
        self._clock = clock
        self._chart_time = chart_time
        self._bars = BarShift()
        self._statistics = MapStatistics()
        self._problem = ("", "")
        self._age: tuple[int | None, str] = (None, "")  # time of the map, None: now; and why it is an old one
        self.notice = Notice()
        self._is_stopped = False
        signals.built.connect(self._take_statistics)
        signals.problem.connect(self._take_problem)
        bridge.timeAxisChanged.connect(self._take_axis)
        session.attachedChanged.connect(self._forget_axis)
        session.obstacleChanged.connect(self.update)
        settings.changed.connect(self.update)
        translator.languageChanged.connect(self.update)
        self._service_changed.connect(self.update)
        self._unsubscribe = service.subscribe(self._notify)
        self.update()

    @property
    def problem(self) -> str:
        """What is wrong and what to do, in the user's language; "" if nothing is."""
        return "" if self.notice.kind == "info" else self.notice.text

    @property
    def stale(self) -> str:
        """Words that the map is one of an earlier time, in the user's language; "" if it is not."""
        as_of_ms, problem = self._age
        if as_of_ms is None:
            return ""
        time = self._translator.format_moment(as_of_ms, self._clock.now_ms())
        return self._translator.text("badge.as_of" if problem else "badge.as_of_waiting", time=time)

    def stop(self) -> None:
        """Follow the service no longer, and say that the heatmap is detached."""
        self._unsubscribe()
        self._is_stopped = True
        if not sip.isdeleted(self):
            self.update()

    def _notify(self) -> None:
        with suppress(RuntimeError):  # deleted meanwhile
            self._service_changed.emit()

    def update(self) -> None:
        """Choose again."""
        status = self._service.status()
        age = status.as_of_ms, status.server_problem
        detached = Notice(self._translator.text("notice.detached"))
        notice = detached if self._is_stopped else self._present_notice(status)
        if notice != self.notice or age != self._age:
            self.notice, self._age = notice, age
            self.changed.emit()

    def _present_notice(self, status: ServiceStatus) -> Notice:
        return notice_of(
            self._translator,
            now_ms=self._clock.now_ms(),
            has_graphics=self._session.has_graphics,
            problem=self._problem,
            missing=self._session.obstacle,
            crashes=self._session.crash_count,
            shift_ms=self._shift_ms(),
            events=self._statistics.events if self._settings.value.enabled else None,
            shown=self._statistics.shown,
            status=status,
        )

    def _shift_ms(self) -> tuple[int, int]:
        now_ms, newest_event_ms = self._now()
        shift_ms = self._bars.shift_ms(now_ms, newest_event_ms)
        return shift_ms, self._chart_time.offset_ms(now_ms) + shift_ms

    def _now(self) -> tuple[int, int | None]:
        return self._clock.now_ms(), self._service.known_exchange_time()[1]

    def _take_axis(self, axis: TimeAxis | None) -> None:
        self._bars.take(axis, *self._now())
        self.update()

    def _forget_axis(self, attached: bool) -> None:  # Qt's signature
        if not attached:
            self._take_axis(None)

    def _take_statistics(self, result: BuildResult) -> None:
        if result.statistics is not self._statistics:
            self._statistics = result.statistics
            self.update()

    def _take_problem(self, key: str, detail: str) -> None:
        self._problem = (key, detail)
        self.update()
