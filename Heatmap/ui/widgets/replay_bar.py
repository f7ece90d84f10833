"""The bar of a replay: play or pause, speed, a time line to seek on, the time, and an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QDateTime, QEvent, Qt, QTimeZone, pyqtSignal, pyqtSlot
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSlider, QStyle, QToolButton, QWidget

from Heatmap.time_zone import offset_text
from Heatmap.ui.widgets.replay_player import SPEEDS, ReplayPlayer

if TYPE_CHECKING:
    from PyQt6.QtGui import QHideEvent, QKeyEvent, QShowEvent

    from Heatmap.ui.geometry.chart_time import TimeOffset
    from Heatmap.ui.translation import Translator

_STEP_S: Final = 60
_PAGE_S: Final = 30 * 60
_MARGINS_PX: Final = (8, 2, 8, 2)
_SECOND_MS: Final = 1000
_CLOCK_FORM: Final = "HH:mm:ss"  # 24 hours in every locale, as on the chart
_LEAST_LINE_PX: Final = 60  # in a narrow window, too, one can seek


class ReplayBar(QWidget):
    """Plays what is stored from one time to another. While it is hidden, nothing is replayed.

    Space plays and pauses; the arrow keys go a minute, Page Up and Down half an hour, Home and End to the ends.
    """

    timeChanged = pyqtSignal(object)  # int | None: show nothing later than this, ms since the epoch; None: everything

    def __init__(self, translator: Translator, chart_time: TimeOffset, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("heatmap_replay")
        self._translator = translator
        self._chart_time = chart_time
        self.player = ReplayPlayer(self)
        self._play = QToolButton(self)
        self._play.setObjectName("heatmap_replay_play")
        self._play.clicked.connect(self.player.toggle)
        self._speed = QComboBox(self)
        self._speed.setObjectName("heatmap_replay_speed")
        self._speed.addItems([f"{speed} ×" for speed in SPEEDS])
        self._speed.setCurrentIndex(SPEEDS.index(int(self.player.speed)))
        self._speed.currentIndexChanged.connect(self._take_speed)
        self._line = QSlider(Qt.Orientation.Horizontal, self)
        self._line.setObjectName("heatmap_replay_line")
        self._line.setMinimumWidth(_LEAST_LINE_PX)
        self._line.setSingleStep(_STEP_S)
        self._line.setPageStep(_PAGE_S)
        self._line.valueChanged.connect(self._take_line)
        self._time = QLabel(self)
        self._time.setObjectName("heatmap_replay_time")
        self._end = QToolButton(self)
        self._end.setObjectName("heatmap_replay_end")
        self._end.clicked.connect(self.hide)
        row = QHBoxLayout(self)
        row.setContentsMargins(*_MARGINS_PX)
        for widget in (self._play, self._speed):
            row.addWidget(widget)
        row.addWidget(self._line, 1)
        row.addWidget(self._time)
        row.addWidget(self._end)
        self.player.moved.connect(self._show_position)
        self.player.playingChanged.connect(self._show_playing)
        translator.languageChanged.connect(self._retranslate)
        self._retranslate()
        self.hide()

    def open(self, start_ms: int, end_ms: int) -> None:
        """Show the bar for ``[start_ms, end_ms]``, ms since the epoch, and begin at the end, where the map is now."""
        self._line.blockSignals(True)
        self._line.setRange(start_ms // _SECOND_MS, -(-end_ms // _SECOND_MS))
        self._line.blockSignals(False)
        self.player.position_ms = end_ms
        self.player.set_span(start_ms, end_ms)
        self._show_position(end_ms)
        self.show()
        self._play.setFocus()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Play and pause by Space, wherever the focus is in the bar; the line takes the arrows itself."""
        if event is not None and event.key() == Qt.Key.Key_Space:
            self.player.toggle()
        else:
            super().keyPressEvent(event)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Show the map of the bar's time, at which it was hidden with its window or its tab."""
        super().showEvent(event)
        if event is None or not event.spontaneous():
            self.timeChanged.emit(self.player.position_ms)

    def hideEvent(self, event: QHideEvent | None) -> None:
        """End the replay: the map shows everything again."""
        super().hideEvent(event)
        if event is None or not event.spontaneous():  # minimising the window is no end
            self.player.pause()
            self.timeChanged.emit(None)

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow the style's icons."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange:
            self._show_playing(self.player.is_playing)

    @pyqtSlot(int)
    def _take_speed(self, index: int) -> None:
        self.player.speed = SPEEDS[index]

    @pyqtSlot(int)
    def _take_line(self, second: int) -> None:
        if second != self.player.position_ms // _SECOND_MS:
            self.player.seek(second * _SECOND_MS)

    @pyqtSlot(object)
    def _show_position(self, position_ms: int) -> None:
        if self._line.value() != position_ms // _SECOND_MS:
            self._line.blockSignals(True)
            self._line.setValue(position_ms // _SECOND_MS)
            self._line.blockSignals(False)
        self._show_time()
        if self.isVisible():
            self.timeChanged.emit(position_ms)

    def _show_time(self) -> None:
        offset_ms = self._chart_time.offset_ms(self.player.position_ms)
        here = QDateTime.fromMSecsSinceEpoch(self.player.position_ms + offset_ms, QTimeZone.utc())
        form = self._translator.text("tooltip.moment", time=_CLOCK_FORM)
        self._time.setText(f"{self._translator.locale.toString(here, form)} {offset_text(offset_ms)}")

    @pyqtSlot(bool)
    def _show_playing(self, playing: bool) -> None:  # Qt's signature
        style, pixmap = self.style(), QStyle.StandardPixmap
        if style is not None:
            self._play.setIcon(style.standardIcon(pixmap.SP_MediaPause if playing else pixmap.SP_MediaPlay))
        text = self._translator.text("replay.pause" if playing else "replay.play")
        self._play.setToolTip(text)
        self._play.setAccessibleName(text)

    @pyqtSlot()
    def _retranslate(self) -> None:
        text = self._translator.text
        self._show_time()
        self._show_playing(self.player.is_playing)
        self._speed.setToolTip(text("replay.speed"))
        self._speed.setAccessibleName(text("replay.speed"))
        self._line.setToolTip(text("replay.line"))
        self._line.setAccessibleName(text("replay.line"))
        self._end.setText(text("replay.end"))
        self._end.setToolTip(text("replay.end_help"))
