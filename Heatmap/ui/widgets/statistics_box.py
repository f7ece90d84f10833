"""The box with the map's figures: what is in the window, how finely it is drawn, how long that took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFormLayout, QGroupBox, QLabel, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable

    from Heatmap.ui.widgets.translation import Translator

_BIN_DECIMALS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MapStatistics:
    """The figures of one built map; a None is not shown.

    Attributes
    ----------
    events
        Events within the window.
    long_usd, short_usd
        Notional of liquidated long and short positions within the window, US dollars; lower bounds.
    largest_usd
        The largest single event of the window, US dollars.
    rows, cols
        Cells of the image.
    price_bin_usd
        Height of a cell in quote currency.
    time_bin_ms
        Width of a cell in milliseconds.
    build_ms
        Time to build the image, milliseconds.
    engine
        What built it, e.g. ``"numba"``.
    """

    events: int | None = None
    long_usd: float | None = None
    short_usd: float | None = None
    largest_usd: float | None = None
    rows: int | None = None
    cols: int | None = None
    price_bin_usd: float | None = None
    time_bin_ms: int | None = None
    build_ms: float | None = None
    engine: str = ""


class StatisticsBox(QGroupBox):
    """Shows a `MapStatistics` line by line; a line without a figure is hidden.

    Parameters
    ----------
    translator
        Texts and number formats.
    parent
        Qt parent.
    """

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
        for key in _WRITERS:
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
        """Show these figures."""
        if statistics != self._statistics:
            self._statistics = statistics
            self._show()

    def retranslate(self) -> None:
        """Set all texts in the translator's language."""
        self.setTitle(self._translator.text("group.statistics"))
        self._empty.setText(self._translator.text("statistics.none"))
        self._bound.setText(self._translator.text("badge.lower_bound"))
        for key, (name, _) in self._rows.items():
            name.setText(self._translator.text(f"statistics.{key}"))
        self._show()

    def _show(self) -> None:
        shown = False
        for row, (key, (_, figure)) in enumerate(self._rows.items()):
            text = _WRITERS[key](self._translator, self._statistics)
            figure.setText(text)
            self._form.setRowVisible(row, bool(text))
            shown = shown or bool(text)
        self._empty.setVisible(not shown)
        self._bound.setVisible(shown)


def _count(value: int | None, translator: Translator) -> str:
    return "" if value is None else translator.format_number(value)


def _usd(value: float | None, translator: Translator) -> str:
    return "" if value is None else translator.format_usd(value)


def _events(translator: Translator, statistics: MapStatistics) -> str:
    return _count(statistics.events, translator)


def _long_usd(translator: Translator, statistics: MapStatistics) -> str:
    return _usd(statistics.long_usd, translator)


def _short_usd(translator: Translator, statistics: MapStatistics) -> str:
    return _usd(statistics.short_usd, translator)


def _largest_usd(translator: Translator, statistics: MapStatistics) -> str:
    return _usd(statistics.largest_usd, translator)


def _cells(translator: Translator, statistics: MapStatistics) -> str:
    if statistics.rows is None or statistics.cols is None:
        return ""
    rows, cols = translator.format_number(statistics.rows), translator.format_number(statistics.cols)
    return translator.text("statistics.cells_value", rows=rows, cols=cols)


def _bins(translator: Translator, statistics: MapStatistics) -> str:
    if statistics.price_bin_usd is None or statistics.time_bin_ms is None:
        return ""
    decimals = 0 if statistics.price_bin_usd == int(statistics.price_bin_usd) else _BIN_DECIMALS
    price = translator.format_number(statistics.price_bin_usd, decimals)
    time = translator.format_duration(statistics.time_bin_ms / 1000)
    return translator.text("statistics.bins_value", price=price, time=time)


def _build(translator: Translator, statistics: MapStatistics) -> str:
    if statistics.build_ms is None:
        return ""
    build = translator.format_milliseconds(statistics.build_ms)
    return translator.text("statistics.build_value", build=build, engine=statistics.engine)


_WRITERS: Final[dict[str, Callable[[Translator, MapStatistics], str]]] = {
    "events": _events,
    "long_usd": _long_usd,
    "short_usd": _short_usd,
    "largest_usd": _largest_usd,
    "cells": _cells,
    "bins": _bins,
    "build": _build,
}
