"""The bar above the chart that says what does not work at the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QLabel

from Heatmap.message_catalogue import catalogue

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.ui.translation import Translator

STYLE = "QLabel { color: #ffd9d6; background: #5c1a18; border-bottom: 1px solid #d9534f; padding: 6px 12px; }"
STORAGE_WATCH_MS = 1000


class TroubleBar(QLabel):
    """Sentences about storage, chart page and candles; hidden while there are none.

    It lies above the chart: over the chart the transparent page would cover it. ``reload_key`` is the key that loads
    the chart again. Storage is asked about once a second until `stop`.
    """

    def __init__(
        self, service: HeatmapService, translator: Translator, *, reload_key: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("trouble")
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setStyleSheet(STYLE)
        self._service = service
        self._translator = translator
        self._reload_key = reload_key
        self._candles = ("", "")  # reason word and English sentence, see `CandleFeed.problemChanged`
        self._older_candles = ("", "")
        self._page = ""  # key of a text
        self._storage = ("", "")  # English sentences: what cannot be stored, and what was replaced
        translator.languageChanged.connect(self._show_sentences)
        self._storage_watch = QTimer(self)
        self._storage_watch.setInterval(STORAGE_WATCH_MS)
        self._storage_watch.timeout.connect(self._watch_storage)
        self._storage_watch.start()
        self._show_sentences()

    def stop(self) -> None:
        """Stop asking about the storage."""
        self._storage_watch.stop()

    def set_candle_problem(self, reason: str, detail: str) -> None:
        """Set why no candles arrive: a reason word and an English sentence; both "" when they do."""
        self._candles = (reason, detail)
        self._show_sentences()

    def set_older_candle_problem(self, reason: str, detail: str) -> None:
        """Set why no older candles arrive, like `set_candle_problem`."""
        self._older_candles = (reason, detail)
        self._show_sentences()

    def set_page_problem(self, key: str) -> None:
        """Set the key of the text about the chart's page, "" if it is all right."""
        self._page = key
        self._show_sentences()

    def chart_absence(self, *, has_bars: bool) -> str | None:
        """Return why no chart is visible, as one English sentence; None if one is."""
        if self._page:
            return catalogue("en")[self._page].format(shortcut=self._reload_key)
        return None if has_bars else self._candles[1] or "No candles have come yet."

    def _watch_storage(self) -> None:
        status = self._service.status()
        storage = (status.storage_problem, status.storage_notice)
        if storage != self._storage:
            self._storage = storage
            self._show_sentences()

    def _show_sentences(self) -> None:
        translator, sentences = self._translator, []
        problem, notice = self._storage
        if problem:
            sentences.append(translator.text("status.database_problem_help", problem=problem))
        if notice:
            sentences.append(notice)
        if self._page:
            sentences.append(translator.text(self._page, shortcut=self._reload_key))
        for text_key, (reason, detail) in (
            ("error.candles", self._candles),
            ("error.older_candles", self._older_candles),
        ):
            if reason:
                key = f"connection.reason.{reason}"
                words = translator.text(key) if translator.has(key) else detail
                sentences.append(translator.text(text_key, reason=words))
        text = "\n\n".join(sentences)
        self.setText(text)
        self.setVisible(bool(text))
