"""The alerts of one service: its new liquidations → rules → sound, notice and the host's signal."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from PyQt6 import sip
from PyQt6.QtCore import QDateTime, QObject, pyqtSignal, pyqtSlot

from Heatmap.alert_rules import Alert, AlertRules, AlertSettings
from Heatmap.errors import StorageError
from Heatmap.events import Source
from Heatmap.ui.widgets.alert_model import AlertModel
from Heatmap.ui.widgets.alert_output import AlertOutput
from Heatmap.ui.widgets.alert_text import alert_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from PyQt6.QtCore import QSettings

    from Heatmap.clock import Clock
    from Heatmap.events import LiquidationEvent
    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.ui.translation import Translator

_LOG = logging.getLogger(__name__)

# Several charts of a program may show one service; an alert is reported once.
_centres: WeakKeyDictionary[HeatmapService, AlertCentre] = WeakKeyDictionary()


def join_centre(service: HeatmapService, store: QSettings | None, translator: Translator, clock: Clock) -> AlertCentre:
    """Return the service's centre, made at the first call; `AlertCentre.leave` ends it after the last."""
    centre = _centres.get(service)
    if centre is None:
        centre = AlertCentre(service, AlertModel(store), translator, AlertOutput(translator), clock=clock)
        _centres[service] = centre
    centre.users += 1
    return centre


class AlertCentre(QObject):
    """Watches the service's new liquidations while a rule is on, and never those of a replay.

    It is fed by `HeatmapService.subscribe_events`: each event once, stored before it is reported, nothing that was
    imported. ``clock`` is the machine's, for the quiet hours.
    """

    raised = pyqtSignal(str, object)  # the line, and its `Alert`; not within the quiet hours
    _found = pyqtSignal(object)  # Alert; from the thread of the subscription
    _ended = pyqtSignal(object)  # the subscription with this number has ended; from its thread
    _service_changed = pyqtSignal()  # from the service's threads

    def __init__(
        self,
        service: HeatmapService,
        model: AlertModel,
        translator: Translator,
        output: AlertOutput,
        *,
        clock: Clock,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.users = 0  # number of plugins that have joined
        self._service = service
        self.model = model
        self._translator = translator
        self.output = output
        self._clock = clock
        self._number = 0  # of the present subscription
        self._unsubscribe: Callable[[], None] | None = None
        self._stop_waiting: Callable[[], None] | None = None
        # The next two are guarded by the lock.
        self._lock = threading.Lock()
        self._rules: AlertRules | None = None
        self._is_closed = False
        self._found.connect(self._report)
        self._ended.connect(self._forget_subscription)
        self._service_changed.connect(self._try_again)
        model.changed.connect(self._apply)
        self._apply(model.value)

    @property
    def is_possible(self) -> bool:
        """False for a replay: it is history."""
        return self._service.source != Source.REPLAY

    def leave(self) -> None:
        """End after the last of those who have joined."""
        self.users -= 1
        if self.users == 0:
            _centres.pop(self._service, None)
            self.stop()
            if not sip.isdeleted(self):
                self.output.remove()

    def stop(self) -> None:
        """End the subscription; nothing is reported any more."""
        with self._lock:
            self._is_closed = True
        self._end_subscription()
        self._end_waiting()

    @pyqtSlot(object)
    def _apply(self, settings: AlertSettings) -> None:
        is_wanted = settings.is_active and self.is_possible
        with self._lock:
            if self._is_closed:
                return
            now_ms = self._service.exchange_clock.now_ms() if is_wanted else 0
            if not is_wanted:
                self._rules = None
            elif self._rules is None:
                self._rules = AlertRules(settings, now_ms)
            else:
                self._rules.set_settings(settings, now_ms)
        if is_wanted:
            if settings.sound:
                self.output.prepare()
            self._begin_subscription()
        else:
            self._end_subscription()
            self._end_waiting()

    def _begin_subscription(self) -> None:
        if self._unsubscribe is not None:
            return
        self._number += 1
        number = self._number
        try:
            self._unsubscribe = self._service.subscribe_events(
                self._take, prompt=True, on_end=lambda: self._report_end(number)
            )
        except StorageError as error:
            _LOG.warning("there are no alerts until the record can be read: %s", error)
            self._wait_for_service()
        else:
            self._end_waiting()

    def _end_subscription(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _wait_for_service(self) -> None:
        if self._stop_waiting is None:
            self._stop_waiting = self._service.subscribe(self._emit_service_changed)

    def _end_waiting(self) -> None:
        if self._stop_waiting is not None:
            self._stop_waiting()
            self._stop_waiting = None

    def _take(self, event: LiquidationEvent) -> None:
        """Apply the rules to an event; on the subscription's thread."""
        now_ms = self._service.exchange_clock.now_ms()
        with self._lock:
            if self._rules is None or self._is_closed:
                return
            for alert in self._rules.take(event, now_ms):
                self._found.emit(alert)

    def _report_end(self, number: int) -> None:
        with self._lock:
            if not self._is_closed:
                self._ended.emit(number)

    def _emit_service_changed(self) -> None:
        with self._lock:
            if not self._is_closed:
                self._service_changed.emit()

    @pyqtSlot(object)
    def _forget_subscription(self, number: int) -> None:
        """Subscribe again when the service, which was stopped, runs again."""
        if number == self._number and self._unsubscribe is not None:
            self._unsubscribe = None
            self._wait_for_service()
            self._try_again()

    @pyqtSlot()
    def _try_again(self) -> None:
        if self._service.is_running:
            self._apply(self.model.value)

    @pyqtSlot(object)
    def _report(self, alert: Alert) -> None:
        settings, now = self.model.value, QDateTime.fromMSecsSinceEpoch(self._clock.now_ms()).time()
        if self._is_closed or settings.is_quiet_at(60 * now.hour() + now.minute()):
            return
        line = alert_line(alert, self._translator, self._service.source)
        _LOG.info("alert: %s", line)
        self.output.report(line, sound=settings.sound, notification=settings.notification)
        self.raised.emit(line, alert)
