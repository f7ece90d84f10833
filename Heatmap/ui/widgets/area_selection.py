"""Shift and drag on the chart: a rectangle in front of the candles, and a card with the sums of what is in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QEvent, QObject, QPointF, QRect, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QMouseEvent
from PyQt6.QtWidgets import QApplication

from Heatmap.rendering.build_worker import AreaQuestion
from Heatmap.ui.geometry.area import area_between, box_px, price_step
from Heatmap.ui.geometry.hit_test import tooltip_corner
from Heatmap.ui.gl.front_part import FrontShapes
from Heatmap.ui.page.page_widget import PageFollower
from Heatmap.ui.widgets.overlay_widget import ink
from Heatmap.ui.widgets.tooltip import Tooltip, price_decimals, span_text

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

    from Heatmap.rendering.area_sums import Area, AreaFigures
    from Heatmap.rendering.build_worker import BuildWorker
    from Heatmap.ui.build_signals import BuildSignals
    from Heatmap.ui.geometry.chart_time import TimeOffset
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport
    from Heatmap.ui.gl.front_layer import FrontLayer
    from Heatmap.ui.presenter import HeatmapPresenter
    from Heatmap.ui.translation import Translator

_FILL_ALPHA: Final = 28
_LINE_ALPHA: Final = 220
_LINE_PX: Final = 1.0


class AreaSelection(QObject):
    """A `FrontPart`: the rectangle follows the chart; the sums follow the record and the filters of the map.

    Escape or a click removes it. The page gets no mouse event of the drag.
    """

    began = pyqtSignal()  # a drag

    def __init__(
        self,
        view: QWidget,
        front: FrontLayer,
        presenter: HeatmapPresenter,
        worker: BuildWorker,
        signals: BuildSignals,
        *,
        translator: Translator,
        chart_time: TimeOffset,
    ) -> None:
        super().__init__(view)
        self._view = view
        self._front = front
        self._presenter = presenter
        self._worker = worker
        self._signals = signals
        self._translator = translator
        self._chart_time = chart_time
        self.enabled = True
        self._card: Tooltip | None = None  # made at the first use
        self._first: QPointF | None = None  # where the drag began; None: there is none
        self._pressed: QPointF | None = None  # where the left button was pressed without Shift
        self._area: Area | None = None
        self._asked: AreaQuestion | None = None
        self.figures: AreaFigures | None = None  # of the area, None while it is not known
        self._decimals = 0
        self._page = PageFollower(view, self)
        self._page.changed.connect(self._end_drag)
        presenter.viewportChanged.connect(self._arrange)
        presenter.imageChanged.connect(self._image_changed)
        signals.measured.connect(self._take)
        translator.languageChanged.connect(self._write)
        front.add(self)

    def remove(self) -> None:
        self.clear()
        self._presenter.viewportChanged.disconnect(self._arrange)
        self._presenter.imageChanged.disconnect(self._image_changed)
        self._signals.measured.disconnect(self._take)
        self._page.stop()
        if self._card is not None:
            self._card.deleteLater()
        self.deleteLater()

    def set_enabled(self, enabled: bool) -> None:  # as Qt's setters
        """Take Shift and drag, or leave them to the page."""
        self.enabled = enabled
        if not enabled:
            self.clear()

    def clear(self) -> None:
        """Remove the rectangle and its card."""
        self._first = self._asked = self.figures = None
        self._hide_card()
        if self._area is not None:
            self._area = None
            self._front.update()

    def shapes(self, viewport: Viewport, axis: TimeAxis) -> FrontShapes | None:
        """See `FrontPart`."""
        box = box_px(viewport, axis, self._area) if self._area is not None else None
        if box is None:
            return None
        left, top, right, bottom = box
        color = ink(dark=self._presenter.is_dark)
        line = (color.red(), color.green(), color.blue(), _LINE_ALPHA)
        boxes = (
            box,
            (left, top, right, top + _LINE_PX),
            (left, bottom - _LINE_PX, right, bottom),
            (left, top, left + _LINE_PX, bottom),
            (right - _LINE_PX, top, right, bottom),
        )
        return FrontShapes(boxes, [(*line[:3], _FILL_ALPHA), line, line, line, line])

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Consume Shift and drag, and Escape while there is a rectangle; observe clicks."""
        if event is None or watched is not self._page.widget:
            return False
        if isinstance(event, QMouseEvent):
            return self._take_mouse(event)
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape and self._area is not None:
            if event.type() == QEvent.Type.KeyPress:
                self.clear()
            event.accept()  # else it may be a shortcut of the host
            return True
        if event.type() == QEvent.Type.Wheel:
            return self._first is not None
        if event.type() == QEvent.Type.Hide:
            self._end_drag()
        return False

    def _take_mouse(self, event: QMouseEvent) -> bool:
        """Return True if the event is part of the drag."""
        kind, is_left = event.type(), event.button() == Qt.MouseButton.LeftButton
        if kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick) and is_left:
            self._pressed = event.position()
            if event.modifiers() != Qt.KeyboardModifier.ShiftModifier or not self._is_on_map(event.position()):
                return False
            self.clear()
            self._first = event.position()
            self.began.emit()
            if self._page.widget is not None:
                self._page.widget.setFocus(Qt.FocusReason.MouseFocusReason)
            return True
        if kind == QEvent.Type.MouseMove and self._first is not None:
            if not event.buttons() & Qt.MouseButton.LeftButton:  # released where nobody saw it
                self._first = None
                return False
            if self._area is not None or not self._is_click(self._first, event.position()):
                self._draw(self._first, event.position())
            return True
        if kind == QEvent.Type.MouseButtonRelease and is_left:
            was_drag, self._first = self._first is not None, None
            pressed, self._pressed = self._pressed, None
            if pressed is not None and self._is_click(pressed, event.position()):
                self.clear()
            return was_drag
        return self._first is not None

    @staticmethod
    def _is_click(pressed: QPointF, released: QPointF) -> bool:
        return (released - pressed).manhattanLength() < QApplication.startDragDistance()

    def _is_on_map(self, mouse: QPointF) -> bool:
        viewport, presenter = self._presenter.viewport, self._presenter
        if not self.enabled or viewport is None or presenter.time_axis is None or presenter.served is None:
            return False
        x, y = self._pane_px(viewport, mouse)
        return 0.0 <= x < viewport.width_px and 0.0 <= y < viewport.height_px

    def _draw(self, first: QPointF, last: QPointF) -> None:
        viewport, axis = self._presenter.viewport, self._presenter.time_axis
        if viewport is None or axis is None:
            return
        area = area_between(viewport, axis, self._pane_px(viewport, first), self._pane_px(viewport, last))
        if area != self._area:
            self._area, self.figures = area, None
            self._decimals = price_decimals(price_step(viewport))
            self._front.update()
            self._ask(area)

    def _ask(self, area: Area) -> None:
        served = self._presenter.served
        if served is not None:
            self._asked = AreaQuestion(request=served, area=area)
            self._worker.measure(self._asked)

    def _image_changed(self) -> None:
        """Ask again, for events or filters may have changed; another symbol or source has other prices."""
        served, asked = self._presenter.served, self._asked
        if self._area is None or asked is None:
            return
        before = asked.request
        is_same = served is not None and (served.symbol, served.settings.source) == (
            before.symbol,
            before.settings.source,
        )
        if self._presenter.image is None or not is_same:
            self.clear()
        else:
            self._ask(self._area)

    def _take(self, figures: AreaFigures | None, question: AreaQuestion) -> None:
        """Show the answer, unless another area was drawn since, or the chart has left the area and its events."""
        if question.area != self._area or figures is None:
            return
        if self.figures is not None and figures.area.start_ms > self.figures.area.start_ms:
            return
        self.figures = figures
        self._write()

    def _write(self) -> None:
        """Write the card in the language of now."""
        found, asked = self.figures, self._asked
        if found is None or asked is None:
            return
        area, words, settings = found.area, self._translator, asked.request.settings
        offset_ms = self._chart_time.offset_ms(area.start_ms)
        rows = [(words.text("tooltip.price"), self._prices(area))]
        if settings.sides != "short":
            rows.append((words.text("tooltip.long"), words.format_usd(found.long_usd)))
        if settings.sides != "long":
            rows.append((words.text("tooltip.short"), words.format_usd(found.short_usd)))
        if settings.sides == "both":
            rows.append((words.text("tooltip.total"), words.format_usd(found.long_usd + found.short_usd)))
        rows.append((words.text("tooltip.count"), words.format_number(found.count)))
        if found.count > 1:
            rows.append((words.text("tooltip.largest"), words.format_usd(found.largest_usd)))
        if settings.sides != "both":
            hidden = "strips.no_long" if settings.sides == "short" else "strips.no_short"
            rows.append((words.text("settings.sides.label"), words.text(hidden)))
        if settings.min_notional_usd:
            least = words.format_usd(settings.min_notional_usd)
            rows.append((words.text("settings.min_notional_usd.label"), least))
        if not found.is_complete:
            rows.append((words.text("strips.coverage"), words.text("strips.partly")))
        title = span_text(area.start_ms, area.end_ms, words, offset_ms)
        if self._card is None:
            self._card = Tooltip(words, chart_time=self._chart_time, parent=self._view)
            self._card.setObjectName("heatmap_area")
            self._card.hide()
        self._card.set_lines(title, rows, dark=self._presenter.is_dark)
        self._arrange()

    def _prices(self, area: Area) -> str:
        words, is_open = self._translator, math.isinf(area.price_high)
        low, high = (
            "" if math.isinf(price) else words.format_number(price, self._decimals)
            for price in (area.price_low, area.price_high)
        )
        if not area.price_low:
            return words.text("area.all") if is_open else words.text("area.below", price=high)
        return words.text("area.above", price=low) if is_open else f"{low} – {high}"

    def _pane_px(self, viewport: Viewport, mouse: QPointF) -> tuple[float, float]:
        """Return the middle of the pixel under the mouse, CSS pixels of the pane."""
        scale = viewport.ratio / self._view.devicePixelRatioF()  # page zoom
        return (mouse.x() + 0.5) / scale - viewport.left_px, (mouse.y() + 0.5) / scale - viewport.top_px

    def _arrange(self) -> None:
        """Show the card beside the rectangle, inside the pane."""
        viewport, axis = self._presenter.viewport, self._presenter.time_axis
        box = None
        if viewport is not None and axis is not None and self._area is not None and self.figures is not None:
            box = box_px(viewport, axis, self._area)
        card, corner = self._card, None
        if viewport is not None and box is not None and card is not None:
            scale = viewport.ratio / self._view.devicePixelRatioF()
            edges = (viewport.left_px, viewport.top_px, viewport.width_px, viewport.height_px)
            pane = QRect(*(round(edge * scale) for edge in edges)) & self._view.rect()
            at = (round((viewport.left_px + box[2]) * scale), round((viewport.top_px + box[1]) * scale))
            corner = tooltip_corner(
                at,
                (card.width(), card.height()),
                (pane.x(), pane.y(), pane.width(), pane.height()),
            )
        if card is None or corner is None:
            self._hide_card()
            return
        card.move(*corner)
        if card.isHidden():
            card.show()
            card.raise_()

    def _hide_card(self) -> None:
        if self._card is not None:
            self._card.hide()

    def _end_drag(self) -> None:
        self._first = None
