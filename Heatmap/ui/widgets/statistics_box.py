"""The box with the map's figures: what the window contains, size of the cells, time to build."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFormLayout, QGroupBox, QLabel, QVBoxLayout, QWidget

from Heatmap.rendering.event_window import MapStatistics

if TYPE_CHECKING:
    from Heatmap.ui.translation import Translator

_KEYS: Final = ("events", "long_usd", "short_usd", "largest_usd", "hidden_usd", "cells", "bins", "build")
_BIN_DECIMALS: Final = 2


class StatisticsBox(QGroupBox):
    """Shows a `MapStatistics` line by line; a line without a figure is hidden."""

    def __init__(self, translator: Translator, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("heatmap_statistics")
        self._translator = translator
        self._statistics = MapStatistics()
        self._empty = QLabel(self)
        self._bound = QLabel(self)
        self._bound.setWordWrap(True)
        self._form = QFormLayout()
        self._rows: dict[str, tuple[QLabel, QLabel]] = {}
        for key in _KEYS:
            name, figure = QLabel(self), QLabel(self)
            figure.setObjectName(f"heatmap_statistics_{key}")
            figure.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            figure.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._rows[key] = (name, figure)
            self._form.addRow(name, figure)
        layout = QVBoxLayout(self)
        layout.addWidget(self._empty)
        layout.addLayout(self._form)
        layout.addWidget(self._bound)
        self.retranslate()

    def set_statistics(self, statistics: MapStatistics) -> None:
        if statistics != self._statistics:
            self._statistics = statistics
            self._show()

    def retranslate(self) -> None:
        self.setTitle(self._translator.text("group.statistics"))
        self._empty.setText(self._translator.text("statistics.none"))
        self._bound.setText(self._translator.text("badge.lower_bound"))
        for key, (name, _) in self._rows.items():
            name.setText(self._translator.text(f"statistics.{key}"))
        self._show()

    def _show(self) -> None:
        texts = _figures(self._statistics, self._translator)
        for row, (key, (_, figure)) in enumerate(self._rows.items()):
            figure.setText(texts.get(key, ""))
            self._form.setRowVisible(row, key in texts)
        self._empty.setVisible(not texts)
        self._bound.setVisible(bool(texts))


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
        price = translator.format_number(spec.price_bin, 0 if spec.price_bin == int(spec.price_bin) else _BIN_DECIMALS)
        time = translator.format_duration(spec.time_bin_ms / 1000)
        found["bins"] = translator.text("statistics.bins_value", price=price, time=time)
    if statistics.build_ms is not None:
        build = translator.format_milliseconds(statistics.build_ms)
        found["build"] = translator.text("statistics.build_value", build=build, engine=statistics.engine)
    return found
