"""Bubbles: the largest events of the view as circles in front of the candles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from PyQt6.QtCore import QObject, pyqtSlot
from PyQt6.QtGui import QGuiApplication

from Heatmap.ui.geometry.bubble_layout import (
    LabelRoom,
    centres_px,
    circle_at,
    fits_inside,
    radii_px,
    reference_usd,
    without_overlap,
)
from Heatmap.ui.gl.front_part import FrontShapes, Sprite
from Heatmap.ui.widgets.bubble_picture import BubbleLook, BubblePictures
from Heatmap.ui.widgets.tooltip import Lines, decimals_of, moment_text, price_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.rendering.largest_events import LargestEvents
    from Heatmap.ui.geometry.chart_time import TimeOffset
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport
    from Heatmap.ui.gl.front_layer import FrontLayer
    from Heatmap.ui.presenter import HeatmapPresenter
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator

_LABEL_DIGITS: Final = 5  # of a price beside its bubble
_CARD_DIGITS: Final = 7  # in the tooltip


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """The bubbles of one frame."""

    events: LargestEvents
    viewport: Viewport
    axis: TimeAxis
    centres: NDArray[np.float64]  # of all these events, also of those without a bubble
    radii: NDArray[np.float64]
    shown: list[int]  # those with a bubble, the largest first
    shapes: FrontShapes


class BubblePart(QObject):
    """A `FrontPart`: draws the events that the presenter's latest image was made with."""

    def __init__(
        self,
        front: FrontLayer,
        presenter: HeatmapPresenter,
        settings: SettingsModel,
        translator: Translator,
        *,
        chart_time: TimeOffset,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._front = front
        self._presenter = presenter
        self._settings = settings
        self._translator = translator
        self._chart_time = chart_time
        self._events: LargestEvents | None = None
        self._texts: list[tuple[str, str]] = []  # dollars and price of each event
        self._radii = np.empty(0)
        self._look: BubbleLook | None = None
        self._pictures: BubblePictures | None = None
        self._layout: _Layout | None = None  # of the page's last picture
        self._is_stale = False
        self._is_drawn = False  # in the page's last picture
        presenter.largestChanged.connect(self._take)
        settings.changed.connect(self._refresh)
        translator.languageChanged.connect(self._refresh)
        front.add(self)

    def shapes(self, viewport: Viewport, axis: TimeAxis) -> FrontShapes | None:
        """See `FrontPart`."""
        self._is_drawn = self._is_on
        if not self._is_on or self._events is None or self._look is None:
            return None
        # A moving crosshair brings many frames of the same.
        seen, layout = replace(viewport, frame=0, stamps=()), self._layout
        if self._is_stale or layout is None or layout.axis is not axis or layout.viewport != seen:
            layout = self._layout = self._arrange(self._events, self._look, seen, axis)
            self._is_stale = False
        return layout.shapes

    def lines_at(self, at_px: tuple[float, float]) -> Lines | None:
        """Return time, price and dollars of the bubble at a point of the pane (x, y in CSS pixels), None beside them.

        The bubbles are those of the page's last picture, which is what the user sees.
        """
        layout = self._layout
        if layout is None or not self._is_on:
            return None
        number = circle_at(layout.centres, layout.radii, at_px, layout.shown)
        if number is None:
            return None
        event, words = layout.events.event(number), self._translator
        least, most = (decimals_of(event.price, digits) for digits in (_LABEL_DIGITS, _CARD_DIGITS))
        # An average price has many decimals, most prices have few.
        exact = round(event.price, most)
        needed = next(count for count in range(least, most + 1) if round(exact, count) == exact)
        price = words.format_number(event.price, needed)
        served = self._presenter.served
        sources = served.settings.sources if served is not None else ()
        return Lines(
            moment_text(event.ts_ms, words, self._chart_time.offset_ms(event.ts_ms)),
            (
                (price_name(sources, words), price),
                (words.text("tooltip.long" if event.is_long else "tooltip.short"), words.format_usd(event.notional)),
            ),
        )

    @pyqtSlot(object)
    def _take(self, events: LargestEvents | None) -> None:
        served = self._presenter.served
        look = None
        if served is not None:
            look = BubbleLook(served.settings.palette, served.dark, QGuiApplication.font().toString())
        if look != self._look or not _same(events, self._events):
            self._look, self._events = look, events
            self._refresh()

    def _refresh(self) -> None:
        events, words = self._events, self._translator
        self._is_stale, self._texts = True, []
        if events is not None and len(events):
            self._radii = radii_px(events.notional, reference_usd(float(events.notional[0])))
            self._texts = [
                (words.format_usd(usd), words.format_number(price, decimals_of(price, _LABEL_DIGITS)))
                for usd, price in zip(events.notional.tolist(), events.price.tolist(), strict=True)
            ]
        # A picture without a change of the page is composed for nothing.
        if self._is_on or self._is_drawn:
            self._front.update()

    @property
    def _is_on(self) -> bool:
        return self._settings.value.bubbles and bool(self._events)

    def _arrange(self, events: LargestEvents, look: BubbleLook, viewport: Viewport, axis: TimeAxis) -> _Layout:
        pictures = self._pictures
        if pictures is None or pictures.look != look or pictures.ratio != viewport.ratio:
            pictures = self._pictures = BubblePictures(look, viewport.ratio)
        centres, radii = centres_px(events, viewport, axis), self._radii
        pane_px = (viewport.width_px, viewport.height_px)
        in_sight = np.flatnonzero(
            ((centres + radii[:, np.newaxis] > 0.0) & (centres - radii[:, np.newaxis] < pane_px)).all(axis=1)
        )
        shown = in_sight[without_overlap(centres[in_sight], radii[in_sight])].tolist()
        room = LabelRoom(centres[shown], radii[shown], pane_px)
        places, sizes, sprites = centres[shown].tolist(), radii[shown].tolist(), []
        for at, number in enumerate(shown):
            (x, y), radius = places[at], sizes[at]
            inside, beside = self._lines(pictures, number, radius)
            circle = pictures.bubble(radius, inside, is_long=bool(events.is_long[number]))
            half_px = (circle.width() / 2.0 / viewport.ratio, circle.height() / 2.0 / viewport.ratio)
            sprites.append(Sprite(circle, x - half_px[0], y - half_px[1]))
            for text in beside:
                box = room.place(at, pictures.label_size_px(text))
                if box is not None:
                    sprites.append(Sprite(pictures.label(text), box.left, box.top))
                    break
        return _Layout(events, viewport, axis, centres, radii, shown, FrontShapes(sprites=tuple(sprites)))

    def _lines(
        self, pictures: BubblePictures, number: int, radius_px: float
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the lines of text inside a bubble, and texts of which the first that fits is written beside it."""
        usd, price = self._texts[number]
        if fits_inside(pictures.text_size_px(usd, price), radius_px):
            return (usd, price), ()
        if fits_inside(pictures.text_size_px(usd), radius_px):
            return (usd,), (price,)
        return (), (f"{usd} · {price}", usd)


def _same(first: LargestEvents | None, second: LargestEvents | None) -> bool:
    if first is None or second is None:
        return first is second
    pairs = ((getattr(first, name), getattr(second, name)) for name in ("ts_ms", "price", "notional", "is_long"))
    return all(np.array_equal(one, other) for one, other in pairs)
