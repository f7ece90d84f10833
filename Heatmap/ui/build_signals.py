"""The build thread's results as Qt signals, which Qt delivers on the receiver's thread."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, pyqtSignal, pyqtSlot

if TYPE_CHECKING:
    from Heatmap.aggregation.painted_cell import CellFigures
    from Heatmap.rendering.area_sums import AreaFigures
    from Heatmap.rendering.build_worker import AreaQuestion, BuildResult, Inspection


class BuildSignals(QObject):
    """A `BuildListener` that emits a signal for each report.

    Of the results that come while the receiver's thread is busy only the latest is kept: each has an image.
    """

    built = pyqtSignal(object)  # BuildResult
    _resultWaits = pyqtSignal()  # noqa: N815 - Qt's spelling
    inspected = pyqtSignal(object, object)  # CellFigures | None, Inspection
    measured = pyqtSignal(object, object)  # AreaFigures | None, AreaQuestion
    problem = pyqtSignal(str, str)  # key of a text, details; both "" when it works again

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._latest: BuildResult | None = None  # not yet delivered
        self._resultWaits.connect(self._deliver)

    def on_built(self, result: BuildResult) -> None:
        with self._lock:
            earlier = self._latest
            if earlier is not None:
                # The receiver compares with the image before both.
                result = replace(result, changed=earlier.changed if result.image is earlier.image else None)
            self._latest = result
        if earlier is None:
            self._resultWaits.emit()

    @pyqtSlot()
    def _deliver(self) -> None:
        with self._lock:
            result, self._latest = self._latest, None
        if result is not None:
            self.built.emit(result)

    def on_inspected(self, figures: CellFigures | None, inspection: Inspection) -> None:
        self.inspected.emit(figures, inspection)

    def on_measured(self, figures: AreaFigures | None, question: AreaQuestion) -> None:
        self.measured.emit(figures, question)

    def on_problem(self, key: str, detail: str) -> None:
        self.problem.emit(key, detail)
