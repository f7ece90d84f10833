"""The state of recording in one line, and a signal when it changes."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, pyqtSignal

from Heatmap.connection_message import clock_fault, connection_text
from Heatmap.events import Source
from Heatmap.message_catalogue import catalogue

if TYPE_CHECKING:
    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.reports import ServiceStatus
    from Heatmap.ui.translation import Translator


def status_text(status: ServiceStatus, translator: Translator, source: Source) -> tuple[str, str]:
    """Return the state in one line, and sentences that explain it, in the translator's language."""
    text = translator.text
    as_of = ""
    if status.as_of_ms is not None:
        as_of = f" · {text('status.as_of', time=translator.format_clock(status.as_of_ms))}"
    if problem := status.storage_problem:
        return text("status.database_problem") + as_of, text("status.database_problem_help", problem=problem)
    said = connection_text(catalogue(translator.language), status, source, clock_text=translator.format_clock)
    headline, sentences = said.headline + as_of, list(said.sentences)
    if status.server_problem:
        sentences.append(status.server_problem)
    if fault := clock_fault(status):
        key, difference = fault
        headline += f" · {text(f'{key}_brief', difference=difference)}"
    return headline, "\n".join(sentences)


class StatusLine(QObject):
    """The line of `status_text` for a service, until `stop`."""

    changed = pyqtSignal(str)
    _service_changed = pyqtSignal()  # emitted on the service's threads

    def __init__(self, service: HeatmapService, translator: Translator, *, parent: QObject) -> None:
        super().__init__(parent)
        self._service = service
        self._translator = translator
        self.text = self._now()
        self._service_changed.connect(self._refresh)
        translator.languageChanged.connect(self._refresh)
        self._unsubscribe = service.subscribe(self._notify)

    def stop(self) -> None:
        self._unsubscribe()

    def _notify(self) -> None:
        with suppress(RuntimeError):  # deleted meanwhile
            self._service_changed.emit()

    def _now(self) -> str:
        return status_text(self._service.status(), self._translator, Source(self._service.source))[0]

    def _refresh(self) -> None:
        text = self._now()
        if text != self.text:
            self.text = text
            self.changed.emit(text)
