"""Figures of the map: what the window contains, size of the cells, time to build."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from Heatmap.hidden_sum import HiddenSum
from Heatmap.rendering.event_window import MapStatistics
from Heatmap.ui.widgets.tooltip import price_decimals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.hidden_sum import NotEnough
    from Heatmap.ui.translation import Translator

SUMS: Final = ("long_usd", "short_usd", "largest_usd", "events", "hidden_usd")
DETAILS: Final = ("cells", "bins", "build")


class FigureList(QWidget):
    """Some figures of a `MapStatistics` line by line, by their keys; a line without a figure is hidden."""

    def __init__(self, keys: Sequence[str], translator: Translator, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._translator = translator
        self._statistics = MapStatistics()
        self._empty = QLabel(self)
        self._form = QFormLayout()
        self._form.setVerticalSpacing(2)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self._rows: dict[str, tuple[QLabel, QLabel]] = {}
        for key in keys:
            name, figure = QLabel(self), QLabel(self)
            figure.setObjectName(f"heatmap_statistics_{key}")
            figure.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            figure.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            name.setBuddy(figure)
            self._rows[key] = (name, figure)
            self._form.addRow(name, figure)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._empty)
        layout.addLayout(self._form)
        self.retranslate()

    def set_statistics(self, statistics: MapStatistics) -> None:
        if statistics != self._statistics:
            self._statistics = statistics
            self._show()

    def retranslate(self) -> None:
        self._empty.setText(self._translator.text("statistics.none"))
        for key, (name, _) in self._rows.items():
            name.setText(self._translator.text(f"statistics.{key}"))
        self._show()

    def _show(self) -> None:
        texts = _figures(self._statistics, self._translator)
        for row, (key, (_, figure)) in enumerate(self._rows.items()):
            figure.setText(texts.get(key, ""))
            self._form.setRowVisible(row, key in texts)
        self._empty.setVisible(not any(key in texts for key in self._rows))


def _bin_decimals(price_bin: float) -> int:
    """Return the decimals in which a price step is exact, as dollars: none or at least two."""
    decimals = price_decimals(price_bin)
    return max(decimals, 2) if decimals else 0


def _figures(statistics: MapStatistics, translator: Translator) -> dict[str, str]:
    """Return the texts of the known figures by key."""
    found = {}
    if statistics.events is not None:
        found["events"] = translator.format_number(statistics.events)
        if statistics.shown is not None and statistics.shown < statistics.events:
            shown = translator.format_number(statistics.shown)
            found["events"] = translator.text("statistics.events_value", shown=shown, events=found["events"])
            found["hidden_usd"] = translator.format_usd(statistics.hidden_usd or 0.0)
    for key in ("long_usd", "short_usd", "largest_usd"):
        usd: float | None = getattr(statistics, key)
        if usd is not None:
            found[key] = translator.format_usd(usd)
    spec = statistics.spec
    if spec is not None:
        rows, cols = translator.format_number(spec.rows), translator.format_number(spec.cols)
        found["cells"] = translator.text("statistics.cells_value", rows=rows, cols=cols)
        price = translator.format_number(spec.price_bin, _bin_decimals(spec.price_bin))
        time = translator.format_duration(spec.time_bin_ms / 1000)
        found["bins"] = translator.text("statistics.bins_value", price=price, time=time)
    if statistics.build_ms is not None:
        build = translator.format_milliseconds(statistics.build_ms)
        found["build"] = translator.text("statistics.build_value", build=build, engine=statistics.engine)
    return found


def hidden_text(hidden: HiddenSum | NotEnough | None, translator: Translator) -> str:
    """Return what Binance left out, or why that is not known, as a sentence; "" for None."""
    if hidden is None:
        return ""
    if isinstance(hidden, HiddenSum):
        amounts = {name: translator.format_usd(getattr(hidden, f"{name}_usd")) for name in ("reported", "low", "high")}
        return translator.text("statistics.hidden_sum", **amounts)
    if hidden.is_beyond:
        return translator.text("statistics.hidden_beyond")
    return translator.text("statistics.hidden_hours", hours=hidden.hours, needed=hidden.needed)
