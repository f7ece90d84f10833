"""The build thread's results as Qt signals, which Qt delivers on the receiver's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, pyqtSignal

if TYPE_CHECKING:
    from Heatmap.aggregation.painted_cell import CellFigures
    from Heatmap.rendering.area_sums import AreaFigures
    from Heatmap.rendering.build_worker import AreaQuestion, BuildResult, Inspection


class BuildSignals(QObject):
    """A `BuildListener` that emits a signal for each report."""

    built = pyqtSignal(object)  # BuildResult
    inspected = pyqtSignal(object, object)  # CellFigures | None, Inspection
    measured = pyqtSignal(object, object)  # AreaFigures | None, AreaQuestion
    problem = pyqtSignal(str, str)  # key of a text, details; both "" when it works again

    def on_built(self, result: BuildResult) -> None:
        self.built.emit(result)

    def on_inspected(self, figures: CellFigures | None, inspection: Inspection) -> None:
        self.inspected.emit(figures, inspection)

    def on_measured(self, figures: AreaFigures | None, question: AreaQuestion) -> None:
        self.measured.emit(figures, question)

    def on_problem(self, key: str, detail: str) -> None:
        self.problem.emit(key, detail)
