"""The strips in front of the candles: profile by price, sums by bar, coverage lane, with their figures as text."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from PyQt6.QtCore import QObject, QRectF, QSize, Qt, pyqtSignal, pyqtSlot
from PyQt6.QtGui import QColor, QFontMetricsF, QImage, QPainter

from Heatmap.aggregation.palettes import find_palette
from Heatmap.rendering.bar_coverage import BarState
from Heatmap.rendering.view_sums import SideSums
from Heatmap.ui.geometry.strips import (
    NO_BOXES,
    Bands,
    BarPlaces,
    Boxes,
    Hit,
    bands_of,
    bar_boxes,
    bar_places,
    hit,
    lane_boxes,
    profile_boxes,
)
from Heatmap.ui.gl.front_part import FrontShapes, Sprite
from Heatmap.ui.widgets.overlay_widget import grown_px, ink, letters
from Heatmap.ui.widgets.palette_image import DARK_CHART, LIGHT_CHART
from Heatmap.ui.widgets.tooltip import Lines, price_decimals, span_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.rendering.view_sums import ViewSums
    from Heatmap.ui.geometry.chart_time import TimeOffset
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport
    from Heatmap.ui.presenter import HeatmapPresenter
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator

# The candles behind the profile stay clear; the bars lie where there are few.
_PROFILE_ALPHA: Final = 120
_BAR_ALPHA: Final = 175
_LANE_ALPHA: Final = 230
# Level of the palette: of each side where it tells the sides apart, else of longs and shorts.
_SIDE_LEVEL: Final = 185
_SUM_LEVELS: Final = (215, 110)
# By `BarState`, RGB; told apart by lightness too, on dark charts and on light ones.
_STATE_COLORS: Final = {
    BarState.RECORDED: (110, 122, 140),
    BarState.PARTLY: (245, 185, 40),
    BarState.NOT_RECORDED: (225, 85, 45),
    BarState.NOT_RUNNING: (150, 60, 40),
    BarState.SOME_SOURCES: (160, 150, 95),
}
_STATE_KEYS: Final = {
    BarState.RECORDED: "strips.recorded",
    BarState.PARTLY: "strips.partly",
    BarState.NOT_RECORDED: "strips.not_recorded",
    BarState.NOT_RUNNING: "strips.not_running",
    BarState.SOME_SOURCES: "strips.some_sources",
}
_STATE_TABLE: Final = np.array([(0, 0, 0, 0), *((*color, _LANE_ALPHA) for color in _STATE_COLORS.values())], np.uint8)
_SIDE_KEYS: Final = {"long": ("strips.long", "strips.no_long"), "short": ("strips.short", "strips.no_short")}
_LANE_KEYS: Final = {
    BarState.PARTLY: "strips.lane_partly",
    BarState.NOT_RECORDED: "strips.lane_not_recorded",
    BarState.NOT_RUNNING: "strips.lane_not_running",
    BarState.SOME_SOURCES: "strips.lane_some_sources",
}
_TEXT_PX: Final = 16
_MARGIN_PX: Final = 4
_GROUND_ALPHA: Final = 190
_SWATCH_PX: Final = 8
_GAP_PX: Final = 5
_KEPT_IMAGES: Final = 16
# Clear of a line of text in the pane's upper corner, and of the chart library's logo, which its licence requires.
_UPPER_PX: Final = 30
_LOGO_PX: Final = 44


TextPlace = Literal["sums", "upper", "lower", "lane"]
TextPart = tuple[tuple[int, ...] | None, str]  # colour of a swatch before the words, RGB
Text = tuple[TextPart, ...]


class Strips(QObject):
    """The strips as a `FrontPart`; `changed` is emitted when they must be drawn anew.

    They are summed by the build thread (`ViewSums`) and placed on each frame's own viewport.
    """

    changed = pyqtSignal()

    def __init__(
        self,
        presenter: HeatmapPresenter,
        settings: SettingsModel,
        translator: Translator,
        *,
        chart_time: TimeOffset,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._presenter = presenter
        self._settings = settings
        self._translator = translator
        self._chart_time = chart_time
        self._places: tuple[ViewSums, TimeAxis, BarPlaces] | None = None
        self._images: dict[tuple[Text, float, bool, int], QImage] = {}  # by text, scale, ground, font; the oldest first
        self._written: dict[TextPlace, QImage] = {}
        self._written_for: tuple[object, ...] = ()
        presenter.sumsChanged.connect(self.changed)
        for words_changed in (presenter.groundChanged, settings.changed, translator.languageChanged):
            words_changed.connect(self._rewrite)

    def bands(self, viewport: Viewport) -> Bands:
        """Return the rooms of the strips that the settings show."""
        return bands_in(viewport, self._settings.value)

    def shapes(self, viewport: Viewport, axis: TimeAxis) -> FrontShapes | None:
        """See `FrontPart`."""
        sums, settings = self._presenter.sums, self._settings.value
        if sums is None:
            return None
        bands, places = self.bands(viewport), self.places_on(sums, axis)
        lane = lane_boxes(places, viewport, bands) if settings.coverage_lane else NO_BOXES
        boxes, colors = [lane.edges_px], [_STATE_TABLE[lane.kinds]]
        sides = side_colors(settings.palette, dark=self._presenter.is_dark)
        if settings.candle_sums:
            bars = bar_boxes(sums.bars, places, viewport, bands)
            boxes.append(bars.edges_px)
            colors.append(_translucent(sides, _BAR_ALPHA)[bars.kinds])
        if settings.profile:
            profile = profile_boxes(sums, viewport, bands)
            boxes.append(profile.edges_px)
            colors.append(_translucent(sides, _PROFILE_ALPHA)[profile.kinds])
        return FrontShapes(np.concatenate(boxes), np.concatenate(colors), self._sprites(sums, viewport, bands, lane))

    def lines_at(self, at_px: tuple[float, float]) -> Lines | None:
        """Return what the strips say about a point of the pane, CSS pixels; None if there is nothing of them."""
        sums, viewport, axis = self._presenter.sums, self._presenter.viewport, self._presenter.time_axis
        if sums is None or viewport is None or axis is None:
            return None
        found = hit(sums, self.places_on(sums, axis), viewport, self.bands(viewport), at_px)
        if found is None:
            return None
        if found.kind == "profile":
            low, high = ((sums.first_row + row) * sums.price_step for row in found[1:])
            decimals = price_decimals(sums.price_step)
            words = self._translator
            title = f"{words.format_number(low, decimals)} – {words.format_number(high, decimals)}"
            return Lines(title, self._sums_rows(sums, SideSums(*sums.rows_usd[found.first])))
        return self._bar_lines(sums, found)

    def _bar_lines(self, sums: ViewSums, found: Hit) -> Lines:
        bars, words = sums.bars, self._translator
        begin, end = int(bars.starts_ms[found.first]), int(bars.ends_ms[found.last - 1])
        title = span_text(begin, end, words, self._chart_time.offset_ms(begin))
        states = set(bars.states[found.first : found.last].tolist()) - {BarState.OUTSIDE}
        # Of several bars, what is true of all; some recorded and some not are partly recorded.
        state = BarState.PARTLY if len(states) > 1 else BarState(states.pop() if states else BarState.OUTSIDE)
        coverage = ((words.text("strips.coverage"), words.text(_STATE_KEYS[state])),) if state in _STATE_KEYS else ()
        if found.kind == "lane":
            return Lines(title, coverage, is_coverage=True)
        usd = bars.usd[found.first : found.last].sum(axis=0)
        return Lines(title, self._sums_rows(sums, SideSums(*usd)) + (coverage if state != BarState.RECORDED else ()))

    def _sums_rows(self, sums: ViewSums, of: SideSums) -> tuple[tuple[str, str], ...]:
        words = self._translator
        rows = []
        if sums.sides != "short":
            rows.append((words.text("tooltip.long"), words.format_usd(float(of.long_usd))))
        if sums.sides != "long":
            rows.append((words.text("tooltip.short"), words.format_usd(float(of.short_usd))))
        if len(rows) > 1:
            rows.append((words.text("tooltip.total"), words.format_usd(float(of.total_usd))))
        if sums.min_notional_usd:
            least = words.format_usd(sums.min_notional_usd)
            rows.append((words.text("settings.min_notional_usd.label"), least))
        return tuple(rows)

    def texts(self, viewport: Viewport, lane: Boxes) -> dict[TextPlace, Text]:
        """Return the texts on a pane: sums of the view, of the window above and below, and the states in the lane."""
        sums, settings = self._presenter.sums, self._settings.value
        if sums is None:
            return {}
        found: dict[TextPlace, Text] = {}
        if _has_sums(settings):
            # Nothing is not known to be nothing while some of the view is not on record.
            if sums.total.total_usd > 0 or sums.is_complete:
                found["sums"] = self._sums_text(sums)
            is_inverted = viewport.price_top < viewport.price_bottom
            for of, key, is_upper in (
                (sums.above, "strips.above", not is_inverted),
                (sums.below, "strips.below", is_inverted),
            ):
                if of.total_usd > 0:
                    text = self._translator.text(key, usd=self._translator.format_usd(of.total_usd))
                    found["upper" if is_upper else "lower"] = ((None, f"{text} {'↑' if is_upper else '↓'}"),)
        if settings.coverage_lane:
            states = sorted(set(lane.kinds.tolist()))
            # Complete is what everyone expects.
            found["lane"] = tuple(
                (_STATE_COLORS[state], self._translator.text(_LANE_KEYS[state]))
                for state in map(BarState, states)
                if state is not BarState.RECORDED
            )
        return {place: text for place, text in found.items() if text}

    def _sums_text(self, sums: ViewSums) -> Text:
        words = self._translator
        sides = side_colors(self._settings.value.palette, dark=self._presenter.is_dark)[:, :3].tolist()
        parts: list[TextPart] = [(None, words.text("strips.in_view"))]
        for (side, (key, hidden_key)), color, usd in zip(_SIDE_KEYS.items(), sides, sums.total, strict=True):
            if sums.sides in ("both", side):
                parts.append((tuple(color), words.text(key, usd=words.format_usd(usd))))
            else:
                parts.append((None, words.text(hidden_key)))
        if sums.min_notional_usd:
            parts.append((None, words.text("strips.minimum", usd=words.format_usd(sums.min_notional_usd))))
        return tuple(parts)

    def _sprites(self, sums: ViewSums, viewport: Viewport, bands: Bands, lane: Boxes) -> tuple[Sprite, ...]:
        font = letters()
        key = (
            sums,
            font.pixelSize(),
            viewport.ratio,
            viewport.price_top < viewport.price_bottom,
            frozenset(lane.kinds.tolist()),
        )
        if key != self._written_for:
            texts = self.texts(viewport, lane)
            self._written = {place: self._image(text, viewport.ratio) for place, text in texts.items()}
            self._written_for = key
        right_px = bands.width_px - _MARGIN_PX
        line_px = grown_px(_TEXT_PX, font) + _MARGIN_PX
        tops_px = {
            "sums": bands.bars_top_px - line_px,
            "lower": bands.bars_top_px - 2 * line_px,
            "upper": _UPPER_PX,
            "lane": bands.lane_top_px - line_px,
        }
        sprites = []
        for place, image in self._written.items():
            left_px = _LOGO_PX if place == "lane" else right_px - image.width() / viewport.ratio
            sprites.append(Sprite(image, left_px, tops_px[place]))
        return tuple(sprites)

    def _image(self, text: Text, ratio: float) -> QImage:
        """Return a text as a picture; the last ones are kept, for each is uploaded once."""
        key = (text, ratio, self._presenter.is_dark, letters().pixelSize())
        image = self._images.pop(key, None) or text_image(text, ratio, dark=self._presenter.is_dark)
        self._images[key] = image
        if len(self._images) > _KEPT_IMAGES:
            del self._images[next(iter(self._images))]
        return image

    @pyqtSlot()
    def _rewrite(self) -> None:
        self._written_for = ()
        self.changed.emit()

    def places_on(self, sums: ViewSums, axis: TimeAxis) -> BarPlaces:
        """Return where the bars of some sums are on an axis; computed once for each pair."""
        if self._places is None or self._places[0] is not sums or self._places[1] is not axis:
            self._places = (sums, axis, bar_places(sums.bars, axis))
        return self._places[2]


def bands_in(viewport: Viewport, settings: HeatmapSettings) -> Bands:
    """Return the rooms of the strips that the settings show."""
    return bands_of(viewport, profile=settings.profile, bars=settings.candle_sums, lane=settings.coverage_lane)


def room_below_px(viewport: Viewport, settings: HeatmapSettings, *, right: bool) -> float:
    """Return the height that the strips fill along the lower edge, ``right`` with the texts there; CSS pixels."""
    bands = bands_in(viewport, settings)
    texts_px = 2.0 * (grown_px(_TEXT_PX, letters()) + _MARGIN_PX) if right and _has_sums(settings) else 0.0
    return bands.bottom_px - bands.bars_top_px + texts_px


def _has_sums(settings: HeatmapSettings) -> bool:
    return settings.profile or settings.candle_sums


@cache
def side_colors(palette: str, *, dark: bool) -> NDArray[np.uint8]:
    """Return the colours of longs and shorts, uint8 (2, 4), opaque RGBA; `GridError` without the palette."""
    found = find_palette(palette)
    tables = found.for_background(dark)
    levels = (_SIDE_LEVEL, _SIDE_LEVEL) if found.is_bivariate else _SUM_LEVELS
    colors = np.stack([tables[share, level] for share, level in zip((-1, 0), levels, strict=True)]).astype(np.float64)
    colors *= 255.0 / colors[:, 3:]
    return np.rint(colors).astype(np.uint8)


def text_image(text: Text, ratio: float, *, dark: bool) -> QImage:
    """Return a line of text on a translucent ground in the chart's colour, in device pixels."""
    font = letters()
    text_px = grown_px(_TEXT_PX, font)
    metrics = QFontMetricsF(font)
    widths_px = [
        metrics.horizontalAdvance(words) + (_SWATCH_PX + _GAP_PX) * (color is not None) for color, words in text
    ]
    width_px = sum(widths_px) + 2 * _GAP_PX * (len(text) - 1) + 2 * _MARGIN_PX
    size = QSize(max(round(width_px * ratio), 1), max(round(text_px * ratio), 1))
    image = QImage(size, QImage.Format.Format_RGBA8888_Premultiplied)
    image.setDevicePixelRatio(ratio)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setFont(font)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    ground = QColor(DARK_CHART if dark else LIGHT_CHART)
    ground.setAlpha(_GROUND_ALPHA)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ground)
    painter.drawRoundedRect(QRectF(0, 0, width_px, text_px), 3, 3)
    painter.setPen(ink(dark=dark))
    left_px = float(_MARGIN_PX)
    for (color, words), wide_px in zip(text, widths_px, strict=True):
        room = QRectF(left_px, 0, wide_px, text_px)
        if color is not None:
            painter.fillRect(QRectF(left_px, (text_px - _SWATCH_PX) / 2, _SWATCH_PX, _SWATCH_PX), QColor(*color))
            room.setLeft(left_px + _SWATCH_PX + _GAP_PX)
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, words)
        left_px += wide_px + 2 * _GAP_PX
    painter.end()
    return image


def _translucent(colors: NDArray[np.uint8], alpha: int) -> NDArray[np.uint8]:
    translucent = colors.copy()
    translucent[:, 3] = alpha
    return translucent
