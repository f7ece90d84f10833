"""The middle of the program's window: trouble bar, chart, and what lies under the chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QEvent, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QFontInfo
from PyQt6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from Heatmap.events import Source
from Heatmap.ui.widgets.source_badge import badge_size

if TYPE_CHECKING:
    from PyQt6.QtGui import QResizeEvent

    from Heatmap.app.chart_view import ChartView
    from Heatmap.app.trouble_bar import TroubleBar
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator

BADGE_KEYS = {Source.DEMO: "badge.simulated", Source.REPLAY: "badge.replay"}
MARGIN_PX = 8
MIN_FONT_PX = 12  # of the chart's letters
FONT_SHARE = 0.92  # of the window's letters
AXIS_LETTERS = 6  # width of the price axis in sizes of the letters
BADGE_STYLE = "color: #1b1300;background: #ffc107; font-weight: 600; border-radius: 4px; padding: 3px 12px; margin: 8px"


class ChartArea(QWidget):
    """Trouble bar, chart and further rows, from top to bottom; on the chart the badge of a market that is not real.

    While the heat is shown, the plugin marks the candles: the transparent page would cover this badge.
    """

    layoutChanged = pyqtSignal(int, int, int)  # width and height of the badge, size of the chart's letters, in pixels

    def __init__(
        self,
        view: ChartView,
        trouble: TroubleBar,
        settings: SettingsModel,
        translator: Translator,
        *,
        source: Source,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._translator = translator
        self._source = source
        self._layout = (0, 0, 0)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addWidget(trouble)
        chart = QGridLayout()
        chart.addWidget(view, 0, 0)
        self._badge = QLabel(self)
        self._badge.setObjectName("source_badge")
        self._badge.setWordWrap(True)
        self._badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._badge.setStyleSheet(BADGE_STYLE)
        self._badge.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        chart.addWidget(self._badge, 0, 0, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._column.addLayout(chart, 1)
        self._badge.raise_()
        settings.changed.connect(self._lay_out)
        translator.languageChanged.connect(self._lay_out)

    def add_bar(self, widget: QWidget) -> None:
        """Put a widget above the chart and the bars added before; it keeps its own height."""
        self._column.insertWidget(0, widget)

    def add_row(self, widget: QWidget) -> None:
        """Put a widget under the chart and the rows added before; it keeps its own height."""
        self._column.addWidget(widget)

    def source_text(self) -> str:
        """Return the words that mark a market as not real, several lines or one; "" for a real one."""
        key = BADGE_KEYS.get(self._source)
        return self._translator.text(key) if key else ""

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Wrap the badge anew."""
        super().resizeEvent(event)
        self._lay_out()

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow a font that is changed while the program runs."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._lay_out()

    def _lay_out(self) -> None:
        """Show the badge or not, in the width that there is, and report its size and that of the letters."""
        font_px = max(MIN_FONT_PX, round(FONT_SHARE * QFontInfo(self.font()).pixelSize()))
        text = self.source_text()
        room_px = self.width() - AXIS_LETTERS * font_px - 2 * MARGIN_PX
        size = badge_size(text, self.font(), room_px) if text else QSize(0, 0)
        self._badge.setText(text)
        self._badge.setFixedSize(size + QSize(2 * MARGIN_PX, 2 * MARGIN_PX))
        self._badge.setVisible(bool(text) and not self._settings.value.enabled)
        layout = (size.width(), size.height(), font_px)
        if layout != self._layout:
            self._layout = layout
            self.layoutChanged.emit(*layout)
