"""Controller of the tooltip: follows the mouse over the page, asks the build thread, places the tooltip.

Mouse events are only observed; the page gets them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from PyQt6.QtCore import QEvent, QObject, QPointF, QRect, Qt, pyqtSignal
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtWidgets import QApplication

from Heatmap.rendering.build_worker import Inspection
from Heatmap.ui.geometry.hit_test import hit_point_at, is_near, tooltip_corner
from Heatmap.ui.page.page_widget import PageFollower
from Heatmap.ui.timer import new_timer
from Heatmap.ui.widgets.tooltip import Lines, Tooltip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PyQt6.QtWidgets import QWidget

    from Heatmap.aggregation.painted_cell import CellFigures, HitPoint
    from Heatmap.rendering.build_worker import BuildWorker
    from Heatmap.ui.build_signals import BuildSignals
    from Heatmap.ui.geometry.chart_time import TimeOffset
    from Heatmap.ui.geometry.viewport import Viewport
    from Heatmap.ui.presenter import HeatmapPresenter
    from Heatmap.ui.translation import Translator

# The mouse must rest so long before the tooltip appears; from then on it follows the mouse over the spot.
REST_MS: Final = 150
# Begin of a move of the view, or end of the mouse's stay.
_ENDS: Final = (
    QEvent.Type.MouseButtonPress,
    QEvent.Type.MouseButtonDblClick,
    QEvent.Type.Wheel,
    QEvent.Type.Leave,
    QEvent.Type.Hide,
)


class HasLines(Protocol):
    """Something in front of the candles that a tooltip explains."""

    def lines_at(self, at_px: tuple[float, float]) -> Lines | None:
        """Return what it says about a point of the pane, CSS pixels; None if it is not there."""


class TooltipController(QObject):
    """Shows what the cell under the mouse contains, or which event a bubble is.

    The tooltip becomes a child of the view, above the page.
    """

    levelClicked = pyqtSignal(float)  # the price in the middle of a cell with heat that was clicked

    def __init__(
        self,
        view: QWidget,
        presenter: HeatmapPresenter,
        worker: BuildWorker,
        signals: BuildSignals,
        *,
        translator: Translator,
        chart_time: TimeOffset,
        in_front: Sequence[HasLines] = (),
    ) -> None:
        super().__init__(view)
        self._view = view
        self._presenter = presenter
        self._worker = worker
        self._signals = signals
        self._in_front = in_front
        self._tooltip = Tooltip(translator, chart_time=chart_time, parent=view)
        self._tooltip.hide()
        self._mouse: QPointF | None = None
        self._last_point: HitPoint | Lines | None = None
        self._shown_lines: Lines | None = None  # of something in front of the candles
        self._shown: CellFigures | None = None
        self._shown_at: HitPoint | None = None  # for this point of the map
        self._asked: Inspection | None = None
        self._clicked: Inspection | None = None
        self._pressed: QPointF | None = None  # where the left button was pressed
        self._rest_timer = new_timer(self, REST_MS, self._ask)
        self._page = PageFollower(view, self)
        self._page.changed.connect(self.end)
        presenter.viewportChanged.connect(self._view_changed)
        presenter.imageChanged.connect(self._view_changed)
        signals.inspected.connect(self._take)

    def remove(self) -> None:
        self.end()
        self._presenter.viewportChanged.disconnect(self._view_changed)
        self._presenter.imageChanged.disconnect(self._view_changed)
        self._signals.inspected.disconnect(self._take)
        self._page.stop()
        self._tooltip.deleteLater()
        self.deleteLater()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Observe the mouse; consume nothing."""
        if event is None or watched is not self._page.widget:
            return False
        if isinstance(event, QMouseEvent) and event.button() == Qt.MouseButton.LeftButton:
            self._take_button(event)
        if event.type() in _ENDS:
            self.end()
        elif event.type() == QEvent.Type.MouseMove and isinstance(event, QMouseEvent):
            if event.buttons() != Qt.MouseButton.NoButton:  # the user drags the view, or something on it
                self.end()
            else:
                self._mouse = event.position()
                self._look()
        return False

    def end(self) -> None:
        """Hide the tooltip until the mouse moves again."""
        self._mouse = None
        self._hide()

    def _view_changed(self) -> None:
        if self._mouse is not None:
            self._look()

    def _look(self) -> None:
        """Move the tooltip while the mouse is on its spot; else hide it, and wait until the mouse rests."""
        lines = self._lines(self._mouse)
        if lines is not None and self._shown_lines is not None:
            self._show_lines(lines)  # from one to the next without a wait
            return
        point = lines or self._hit_point(self._mouse)
        # Reports and images also come while the chart stands still; they must not restart the wait.
        moved, self._last_point = point != self._last_point, point
        if point is not None and lines is None and self._is_near_shown():
            self._arrange()
            self._ask()
            return
        if moved or self._shown is not None or self._shown_lines is not None:
            self._hide()
        if point is not None and not self._rest_timer.isActive():
            self._rest_timer.start()

    def _is_near_shown(self) -> bool:
        """Return True if the tooltip is shown, for a point that is now near the mouse."""
        viewport, axis, served = self._presenter.viewport, self._presenter.time_axis, self._presenter.served
        point, mouse = self._shown_at, self._mouse
        if point is None or mouse is None or viewport is None or axis is None or served is None:
            return False
        at_px = self._pane_px(viewport, mouse)
        return is_near(viewport, axis, point, at_px, spot_size=served.settings.spot_size)

    def _take_button(self, event: QMouseEvent) -> None:
        """Ask what was clicked; a press that becomes a drag is none."""
        if event.type() == QEvent.Type.MouseButtonPress:
            self._pressed = event.position()
        elif event.type() == QEvent.Type.MouseButtonRelease and self._pressed is not None:
            moved, self._pressed = event.position() - self._pressed, None
            if moved.manhattanLength() < QApplication.startDragDistance():
                self._clicked = self._inspect(self._hit_point(event.position()))

    def _lines(self, mouse: QPointF | None) -> Lines | None:
        """Return what lies in front of the candles under the mouse, the foremost first; None if there is nothing."""
        viewport = self._presenter.viewport
        if mouse is None or viewport is None:
            return None
        at_px = self._pane_px(viewport, mouse)
        return next((lines for part in self._in_front if (lines := part.lines_at(at_px)) is not None), None)

    def _show_lines(self, lines: Lines) -> None:
        self._shown_lines = lines
        self._presenter.set_hatched(hatched=lines.is_coverage)
        self._tooltip.set_lines(lines.title, lines.rows, dark=self._presenter.is_dark)
        self._arrange()

    def _ask(self) -> None:
        lines = self._lines(self._mouse)
        if lines is not None:
            self._show_lines(lines)
            return
        if self._clicked is None:  # a new question would drop the one about the click
            self._asked = self._inspect(self._hit_point(self._mouse)) or self._asked

    def _inspect(self, point: HitPoint | None) -> Inspection | None:
        """Ask for the figures of the cell that paints a point; they come to `_take`."""
        image, served = self._presenter.image, self._presenter.served
        if point is None or image is None or served is None:
            return None
        inspection = Inspection(request=served, image=image, point=point)
        self._worker.inspect(inspection)
        return inspection

    def _take(self, figures: CellFigures | None, inspection: Inspection) -> None:
        """Show the answer, unless mouse or view have moved since the question; or report the click."""
        if inspection is self._clicked:
            self._clicked = None
            if figures is not None:
                self.levelClicked.emit(figures.cell.price0 + figures.cell.price_bin / 2)
            return
        if inspection is not self._asked:
            return
        self._asked = None
        if figures is None:
            self._hide()
            return
        self._shown, self._shown_at = figures, inspection.point
        self._tooltip.set_figures(figures, dark=inspection.request.dark)
        self._arrange()

    def _hide(self) -> None:
        self._rest_timer.stop()
        if self._shown_lines is not None:
            self._presenter.set_hatched(hatched=False)
        self._shown = self._shown_at = self._asked = self._shown_lines = None
        self._tooltip.hide()

    def _hit_point(self, mouse: QPointF | None) -> HitPoint | None:
        """Return the point of the map under the mouse, None where there cannot be heat."""
        viewport, axis = self._presenter.viewport, self._presenter.time_axis
        if mouse is None or viewport is None or axis is None or not self._presenter.is_visible:
            return None
        return hit_point_at(viewport, axis, self._pane_px(viewport, mouse))

    def _pane_px(self, viewport: Viewport, mouse: QPointF) -> tuple[float, float]:
        """Return the middle of the pixel under the mouse, CSS pixels of the pane."""
        scale = viewport.ratio / self._view.devicePixelRatioF()  # page zoom
        return (mouse.x() + 0.5) / scale - viewport.left_px, (mouse.y() + 0.5) / scale - viewport.top_px

    def _arrange(self) -> None:
        """Show the tooltip beside the mouse, inside the pane."""
        viewport = self._presenter.viewport
        if viewport is None or self._mouse is None:
            return
        scale = viewport.ratio / self._view.devicePixelRatioF()
        box = (viewport.left_px, viewport.top_px, viewport.width_px, viewport.height_px)
        pane = QRect(*(round(edge * scale) for edge in box)) & self._view.rect()
        corner = tooltip_corner(
            (round(self._mouse.x()), round(self._mouse.y())),
            (self._tooltip.width(), self._tooltip.height()),
            (pane.x(), pane.y(), pane.width(), pane.height()),
        )
        if corner is None:
            self._tooltip.hide()
            return
        self._tooltip.move(*corner)
        if self._tooltip.isHidden():
            self._tooltip.show()
            self._tooltip.raise_()
