"""The row in the status bar: connection, recording, last event; on demand rows stored, build time, frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QEvent, QSize, Qt, pyqtSlot
from PyQt6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PyQt6.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QWidget

from Heatmap.connection_message import duration
from Heatmap.events import Source
from Heatmap.reports import ConnectionState, ServiceStatus
from Heatmap.ui.widgets.field_editors import wrapping_tooltip
from Heatmap.ui.widgets.status_text import status_text
from Heatmap.ui.widgets.tab_notice import AWAITING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator

_DOT_PX: Final = 10
_GAP_PX: Final = 14
_MIN_TEXT_PX: Final = 48
_WHOLE_FROM: Final = 10  # rates from here on need no decimal
_PROBLEM_COLOUR: Final = QColor(0xE0, 0x4F, 0x4F)
_STATE_COLOURS: Final = {
    ConnectionState.STOPPED: QColor(0x8A, 0x91, 0x9E),
    ConnectionState.CONNECTING: QColor(0xE0, 0xA8, 0x2E),
    ConnectionState.LIVE: QColor(0x2F, 0xB3, 0x6D),
    ConnectionState.QUIET: QColor(0x7F, 0xC9, 0x9F),
    ConnectionState.SILENT: QColor(0xE0, 0x7B, 0x2E),
    ConnectionState.DOWN: _PROBLEM_COLOUR,
    ConnectionState.READING: QColor(0x4A, 0x90, 0xD9),
}


class StatusPanel(QWidget):
    """Shows the state of recording; tooltips contain what is too long for the row.

    The figures of the program itself follow the setting ``figures``, which the button at the end changes.
    """

    def __init__(
        self,
        settings: SettingsModel,
        translator: Translator,
        parent: QWidget | None = None,
        *,
        source: str = Source.BINANCE,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self.setObjectName("heatmap_status")
        self._source = Source(source)
        self._translator = translator
        self._status = ServiceStatus()
        self._now_ms = 0
        self._build: tuple[float, str, int] | None = None
        self._fps: float | None = None
        self._lags = False
        self._dot = _Dot(self)
        self._others: dict[str, ServiceStatus] = {}  # by source
        self._dots: dict[str, _Dot] = {}
        self._connection = _ElidedText("connection", self)
        self._recording = _ElidedText("recording", self)
        self._last_event = _ElidedText("last_event", self)
        self._insert_rate = _ElidedText("insert_rate", self)
        self._build_time = _ElidedText("build", self)
        self._frames = _ElidedText("fps", self)
        self._figures = (self._insert_rate, self._build_time, self._frames)
        self._more = QToolButton(self)
        self._more.setObjectName("heatmap_status_more")
        self._more.setAutoRaise(True)
        self._more.setCheckable(True)
        self._more.setText("⋯")
        self._more.clicked.connect(lambda checked: settings.update(figures=checked))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 0, 6, 0)
        layout.setSpacing(_GAP_PX)
        connection = QHBoxLayout()
        connection.setSpacing(6)
        connection.addWidget(self._dot)
        self._more_dots = QHBoxLayout()
        connection.addLayout(self._more_dots)
        for text in (self._connection, self._recording, self._last_event):
            connection.addWidget(text)
        connection.addStretch(1)
        layout.addLayout(connection, 1)
        self._texts = (self._connection, self._recording, self._last_event, *self._figures)
        for text in self._figures:
            layout.addWidget(text)
        layout.addWidget(self._more)
        settings.changed.connect(self._show_figures)
        self._show_figures()
        translator.languageChanged.connect(self.retranslate)
        self.retranslate()

    def set_service_status(self, status: ServiceStatus, now_ms: int) -> None:
        """Show the collector's report; ``now_ms`` since the epoch is for the age of the last event."""
        self._status = status
        self._now_ms = now_ms
        self._show_connection()
        self._show_recording()
        self._show_last_event()
        self._show_insert_rate()

    def set_others(self, others: Mapping[str, ServiceStatus]) -> None:
        """Show the recorders of other sources, each by a dot whose tooltip is its state; none are removed again."""
        self._others = dict(others)
        for source in self._others:
            if source not in self._dots:
                self._dots[source] = _Dot(self)
                self._more_dots.addWidget(self._dots[source])
        self._show_connection()

    def set_build(self, build: tuple[float, str, int] | None) -> None:
        """Show how long the newest image took to build in ms, by which engine and from how many events."""
        self._build = build
        self._show_build()

    def set_fps(self, fps: float | None) -> None:
        """Show the frames painted per second; None while nothing moves."""
        self._fps = fps
        self._show_frames()

    def set_lagging(self, *, lags: bool) -> None:
        """Show whether the heat follows messages only and may lag while the chart moves."""
        self._lags = lags
        self._show_frames()

    @pyqtSlot()
    def retranslate(self) -> None:
        for text in self._texts:
            text.forget_width()
        self._more.setToolTip(wrapping_tooltip(self._translator.text("settings.figures.help")))
        self._more.setAccessibleName(self._translator.text("settings.figures.label"))
        self.set_service_status(self._status, self._now_ms)
        self._show_build()
        self._show_frames()

    def figures_line(self) -> str:
        """Return the figures as one line of ``key=value`` for the log, the same in every language."""
        status = self._status
        age_s = None if status.last_event_ms is None else (self._now_ms - status.last_event_ms) / 1000
        build_ms, engine, events = "-", "-", "-"
        if self._build is not None:
            build_ms, engine, events = f"{self._build[0]:.2f}", self._build[1], str(self._build[2])
        return (
            f"state={status.state.value} reason={status.reason or '-'} last_event_age_s={_figure(age_s)}"
            f" received={status.received} stored={status.stored} duplicates={status.duplicates}"
            f" undecodable={status.undecodable} reconnects={status.reconnects} queued={status.queued}"
            f" insert_rate_per_s={status.insert_rate_per_s:.1f}"
            f" latency_ms={_figure(status.latency_ms)} clock_offset_ms={_figure(status.clock_offset_ms)}"
            f" build_ms={build_ms} engine={engine} events={events}"
            f" fps={_figure(self._fps)} sync={'message' if self._lags else 'frame'}"
        )

    def _show_connection(self) -> None:
        headline, sentences = status_text(self._status, self._translator, self._source)
        self._dot.set_colour(_colour_of(self._status))
        if self._others:
            headline = self._of_source(self._source, headline)
            self._dot.set_text(f"{headline}\n{sentences}")
        self._connection.set_text(headline, sentences)
        for source, status in self._others.items():
            other_headline, other_sentences = status_text(status, self._translator, Source(source))
            self._dots[source].set_colour(_colour_of(status))
            self._dots[source].set_text(f"{self._of_source(source, other_headline)}\n{other_sentences}")

    def _of_source(self, source: str, headline: str) -> str:
        return f"{self._translator.text(f'settings.source.choice.{source}')}: {headline}"

    @pyqtSlot()
    def _show_figures(self) -> None:
        shown = self._settings.value.figures
        self._more.setChecked(shown)
        for figure in self._figures:
            figure.setVisible(shown)

    def _show_recording(self) -> None:
        """Show for how long this or another program has been recording; nothing while it does not."""
        status, text = self._status, self._translator.text
        since_ms = status.recording_since_ms if status.interrupted_since_ms is None else None
        self._recording.setVisible(since_ms is not None)
        if since_ms is not None:
            length = duration(max(self._now_ms - since_ms, 0))
            self._recording.set_text(
                "· " + text("status.recording", duration=length),
                text("status.recording_help", time=self._translator.format_moment(since_ms, self._now_ms)),
            )

    def _show_last_event(self) -> None:
        status, text = self._status, self._translator.text
        names = ("received", "stored", "duplicates", "undecodable", "reconnects")
        counts = {name: self._translator.format_number(getattr(status, name)) for name in names}
        help_text = text("status.last_event_help", **counts)
        if status.last_event_ms is not None:
            age = self._translator.format_age(self._now_ms - status.last_event_ms)
            self._last_event.set_text("· " + text("status.last_event", age=age), help_text)
        elif status.state in AWAITING:
            self._last_event.set_text("· " + text("status.waiting"), text("status.waiting_help") + "\n" + help_text)
        else:
            self._last_event.set_text("", help_text)

    def _show_insert_rate(self) -> None:
        text, rate = self._translator.text, self._status.insert_rate_per_s
        shown = self._translator.format_number(rate, 0 if rate >= _WHOLE_FROM or rate == 0 else 1)
        queued = self._translator.format_number(self._status.queued)
        self._insert_rate.set_text(
            text("status.insert_rate", rate=shown), text("status.insert_rate_help", queued=queued)
        )

    def _show_build(self) -> None:
        text = self._translator.text
        if self._build is None:
            self._build_time.set_text(text("status.build_none"), text("status.build_none_help"))
            return
        build_ms, engine, events = self._build
        self._build_time.set_text(
            text("status.build", build=self._translator.format_milliseconds(build_ms), engine=engine),
            text("status.build_help", events=self._translator.format_number(events), engine=engine),
        )

    def _show_frames(self) -> None:
        text = self._translator.text
        help_text, shown = text("status.fps_help"), text("status.fps_none")
        if self._fps is not None:
            shown = text("status.fps", fps=self._translator.format_number(self._fps))
        if self._lags:
            shown = text("status.lagging", fps=shown)
            help_text += "\n" + text("status.lagging_help")
        self._frames.set_text(shown, help_text)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _colour_of(status: ServiceStatus) -> QColor:
    return _PROBLEM_COLOUR if status.storage_problem or status.server_problem else _STATE_COLOURS[status.state]


class _Dot(QWidget):
    """A coloured dot; the text beside it, or its own tooltip, has the same meaning."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("heatmap_status_dot")
        self.setFixedSize(_DOT_PX, _DOT_PX)
        self._colour = QColor()

    def set_colour(self, colour: QColor) -> None:
        if colour != self._colour:
            self._colour = colour
            self.update()

    def set_text(self, text: str) -> None:
        if text != self.accessibleName():
            self.setAccessibleName(text)
            self.setToolTip(wrapping_tooltip(text))

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._colour)
        painter.drawEllipse(self.rect())
        painter.end()


class _ElidedText(QWidget):
    """One line of text that ends in "…" where there is too little room.

    Its preferred width only grows while the language stays, so that the row does not move with the digits.
    """

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName(f"heatmap_status_{name}")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.text = self._help = ""
        self._widest_px = 0

    def set_text(self, text: str, help_text: str) -> None:
        if help_text != self._help:
            self._help = help_text
            self.setToolTip(wrapping_tooltip(help_text))
        if text == self.text:
            return
        self.text = text
        self.setAccessibleName(text)
        width_px = QFontMetrics(self.font()).horizontalAdvance(text) + 1
        if width_px > self._widest_px:
            self._widest_px = width_px
            self.updateGeometry()
        self.update()

    def forget_width(self) -> None:
        self.text, self._widest_px = "", 0

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        if event is not None and event.type() is QEvent.Type.FontChange:
            self._widest_px = QFontMetrics(self.font()).horizontalAdvance(self.text) + 1
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        return QSize(self._widest_px, self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(min(_MIN_TEXT_PX, self._widest_px), self.fontMetrics().height())

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        text = self.fontMetrics().elidedText(self.text, Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        painter.end()
