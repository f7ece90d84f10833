"""Where alerts are reported: sound and notice, each at most so often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QObject

from Heatmap.ui.timer import new_timer
from Heatmap.ui.widgets.alert_notice import AlertNotice
from Heatmap.ui.widgets.alert_sound import AlertSound

if TYPE_CHECKING:
    from Heatmap.ui.translation import Translator

# Alerts of many symbols at once make one sound and one notice.
SOUND_GAP_MS: Final = 1000
NOTICE_GAP_MS: Final = 2000
# Loading Qt Multimedia takes up to 160 ms: not while a window with alerts is opened, nor when the first one comes.
PREPARE_MS: Final = 2000


class AlertOutput(QObject):
    """Reports lines by sound and notice. What comes within the gap makes no sound of its own, and one notice later."""

    def __init__(
        self,
        translator: Translator,
        parent: QObject | None = None,
        *,
        sound: AlertSound | None = None,
        notice: AlertNotice | None = None,
    ) -> None:
        super().__init__(parent)
        self._translator = translator
        self._sound = sound if sound is not None else AlertSound(self)
        self._notice = notice if notice is not None else AlertNotice(self)
        self._sound_gap = new_timer(self, SOUND_GAP_MS, lambda: None)
        self._notice_gap = new_timer(self, NOTICE_GAP_MS, self._show_waiting)
        self._prepare_timer = new_timer(self, PREPARE_MS, self._sound.prepare)
        self._waiting: list[str] = []

    def prepare(self) -> None:
        """Load what a sound needs, a moment later."""
        self._prepare_timer.start()

    def report(self, line: str, *, sound: bool, notification: bool) -> None:
        """Report one alert."""
        if sound and not self._sound_gap.isActive():
            self._sound.play()
            self._sound_gap.start()
        if notification:
            self._waiting.append(line)
            if not self._notice_gap.isActive():
                self._show_waiting()

    def remove(self) -> None:
        """Remove what is on the screen."""
        self._notice_gap.stop()
        self._prepare_timer.stop()
        self._waiting.clear()
        self._notice.remove()

    def _show_waiting(self) -> None:
        if not self._waiting:
            return
        line = self._waiting[-1]
        if len(self._waiting) > 1:
            line = f"{line} {self._translator.text('alerts.others', count=len(self._waiting) - 1)}"
        self._waiting.clear()
        self._notice.show(self._translator.text("alerts.notice"), line)
        self._notice_gap.start()
