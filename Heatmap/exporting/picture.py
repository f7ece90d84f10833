"""The map as a PNG, by `Heatmap.aggregation` and Pillow: no window, no Qt, no graphics card.

The colours are those of the screen with its default settings on a dark chart. Candles, which the record has not, come
with the request; they are hollow, so that they hide no heat. The title states symbol, source, span, number and sum, and
that sums are lower bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from Heatmap import __version__
from Heatmap.aggregation.engine_choice import new_engine
from Heatmap.aggregation.image_builder import ImageBuilder
from Heatmap.aggregation.options import RenderOptions
from Heatmap.aggregation.resolution import auto_spec, round_step
from Heatmap.clock import utc_text
from Heatmap.count_text import counted
from Heatmap.events import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.candle import Candle
    from Heatmap.event_columns import EventColumns
    from Heatmap.events import Coverage

    _Box = tuple[int, int, int, int]

_BACKGROUND: Final = (19, 23, 34)
_INK: Final = (178, 181, 190)
_LINE: Final = (42, 46, 57)
_HATCH: Final = (33, 38, 50)
_UP: Final = (38, 166, 154)
_DOWN: Final = (239, 83, 80)
_BODY_SHARE: Final = 0.7  # of a candle's time
_HATCH_PX: Final = 10
_LEFT_PX: Final = 12
_TOP_PX: Final = 30
_RIGHT_PX: Final = 92
_BOTTOM_PX: Final = 28
_PX_PER_TIME_MARK: Final = 130
_PX_PER_PRICE_MARK: Final = 60
# Beyond the outermost events, as a share of their price range.
_PRICE_MARGIN: Final = 0.03
# Least range that is drawn, as a share of the price: a lone event must not become a band from top to bottom.
_LEAST_RANGE: Final = 0.002
# Tick size where it is not known, as a share of the price; far below any pixel.
_FINEST_TICK_SHARE: Final = 1e-6
_SPOT_PX: Final = (3.4, 1.8)
_TITLE_FONT_PX: Final = 17
_LABEL_FONT_PX: Final = 13
_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
DAY_MS: Final = 24 * _HOUR_MS
_TIME_STEPS_MS: Final = (
    _MINUTE_MS, 5 * _MINUTE_MS, 15 * _MINUTE_MS, 30 * _MINUTE_MS, _HOUR_MS, 2 * _HOUR_MS, 4 * _HOUR_MS, 8 * _HOUR_MS,
    DAY_MS, 7 * DAY_MS, 28 * DAY_MS, 91 * DAY_MS, 364 * DAY_MS,
)  # fmt: skip
_UNREAL: Final = {
    Source.DEMO: "SIMULATED",
    Source.REPLAY: "REPLAY, TIMES SHIFTED, SILENCES CUT",
    Source.COIN_M: "IMPORTED COIN-M CONTRACTS",
}


@dataclass(frozen=True, slots=True)
class MapRequest:
    """What a picture shows: the liquidations of a series in ``[start_ms, end_ms)``, ms since the epoch, UTC."""

    symbol: str
    source: str
    start_ms: int
    end_ms: int
    tick_size: float | None = None  # smallest price step, if it is known
    coverage: tuple[Coverage, ...] = ()  # when a live connection delivered; all other times are hatched
    candles: tuple[Candle, ...] = ()  # drawn in front of the heat, ascending
    width_px: int = 1500  # of the map, without axes and title
    height_px: int = 720


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark on an axis: ``share`` (0 to 1) of the way from its low end, and its label."""

    share: float
    label: str


def time_marks(start_ms: int, end_ms: int, most: int) -> list[Mark]:
    """Return at most ``most`` marks at round times (UTC) within ``[start_ms, end_ms)``; midnight shows its date."""
    span_ms = end_ms - start_ms
    step_ms = next(
        (step for step in _TIME_STEPS_MS if span_ms / step <= most), math.ceil(span_ms / most / DAY_MS) * DAY_MS
    )
    marks = []
    for time_ms in range(-(-start_ms // step_ms) * step_ms, end_ms, step_ms):
        form = "%H:%M" if time_ms % DAY_MS else "%Y-%m-%d" if step_ms > DAY_MS else "%m-%d"
        marks.append(Mark((time_ms - start_ms) / span_ms, utc_text(time_ms, form)))
    return marks[:most]


def price_marks(low: float, high: float, most: int) -> list[Mark]:
    """Return at most ``most`` marks at round prices within ``[low, high]``."""
    step = round_step((high - low) / most)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [
        Mark((index * step - low) / (high - low), f"{index * step:,.{digits}f}") for index in range(first, last + 1)
    ][:most]


def draw_map(columns: EventColumns, request: MapRequest) -> bytes:
    """Return the picture of the span's events as the bytes of a PNG file; a `GridError` if there is none."""
    low, high = _price_range(columns, request.candles)
    spec = auto_spec(
        visible_start_ms=request.start_ms,
        visible_end_ms=request.end_ms,
        price_low=low,
        price_high=high,
        width_px=request.width_px,
        height_px=request.height_px,
        tick_size=request.tick_size or high * _FINEST_TICK_SHARE,
    )
    options = RenderOptions(
        sigma_cols=_SPOT_PX[0] * spec.cols / request.width_px,
        sigma_rows=_SPOT_PX[1] * spec.rows / request.height_px,
    )
    # NumPy draws one picture long before Numba has compiled its kernels.
    image = ImageBuilder(new_engine()).build(
        columns, spec, options, now_ms=request.end_ms, window_start_ms=request.start_ms
    )
    map_box = (_LEFT_PX, _TOP_PX, _LEFT_PX + request.width_px, _TOP_PX + request.height_px)
    picture = Image.new("RGB", (map_box[2] + _RIGHT_PX, map_box[3] + _BOTTOM_PX), _BACKGROUND)
    picture.paste(_HATCH, map_box[:2], _hatch(request, spec.t0_ms, spec.end_ms))
    draw = ImageDraw.Draw(picture)
    _draw_axes(draw, map_box, (spec.price0, spec.price1), (spec.t0_ms, spec.end_ms))
    # Each pixel shows the nearest cell. "RGBa" is premultiplied.
    cells = Image.frombuffer("RGBa", image.rgba.shape[1::-1], np.ascontiguousarray(image.rgba)).convert("RGBA")
    cells = cells.resize((request.width_px, request.height_px), Image.Resampling.NEAREST)
    picture.paste(cells, map_box[:2], cells)
    _draw_candles(draw, map_box, spec, request.candles)
    title = _title(columns, request)
    draw.text((_LEFT_PX, _TOP_PX // 2), title, _INK, ImageFont.load_default(_TITLE_FONT_PX), anchor="lm")
    texts = PngInfo()
    texts.add_itxt("Title", title)
    texts.add_itxt("Software", f"Heatmap {__version__}")
    texts.add_itxt("Description", _description(request))
    file = BytesIO()
    picture.save(file, "PNG", pnginfo=texts)
    return file.getvalue()


def _price_range(columns: EventColumns, candles: Sequence[Candle]) -> tuple[float, float]:
    if not len(columns):
        return 0.0, 0.0
    low = min([float(columns.price.min()), *(candle.low for candle in candles)])
    high = max([float(columns.price.max()), *(candle.high for candle in candles)])
    margin = max((high - low) * _PRICE_MARGIN, high * _LEAST_RANGE / 2)
    return max(low - margin, 0.0), high + margin


def _hatch(request: MapRequest, start_ms: int, end_ms: int) -> Image.Image:
    """Return the mask of the map's hatched pixels: diagonal lines over all times without coverage."""
    px_per_ms = request.width_px / (end_ms - start_ms)
    unknown = np.ones(request.width_px, np.bool_)
    for interval in request.coverage:
        first_px, last_px = ((at_ms - start_ms) * px_per_ms for at_ms in (interval.start_ms, interval.end_ms))
        unknown[max(round(first_px), 0) : max(round(last_px), 0)] = False
    stripes = (np.arange(request.height_px)[:, np.newaxis] + np.arange(request.width_px)) % _HATCH_PX == 0
    return Image.fromarray(stripes & unknown)


def _draw_axes(
    draw: ImageDraw.ImageDraw, map_box: _Box, prices: tuple[float, float], times_ms: tuple[int, int]
) -> None:
    left, top, right, bottom = map_box
    font = ImageFont.load_default(_LABEL_FONT_PX)
    draw.line((left, bottom, right, bottom), _LINE)
    draw.line((right, top, right, bottom), _LINE)
    for mark in time_marks(*times_ms, (right - left) // _PX_PER_TIME_MARK):
        x = left + round(mark.share * (right - left - 1))
        draw.line((x, top, x, bottom), _LINE)
        half_px = draw.textlength(mark.label, font) / 2
        draw.text((min(max(x, half_px), right - half_px), bottom + _BOTTOM_PX / 2), mark.label, _INK, font, anchor="mm")
    for mark in price_marks(*prices, (bottom - top) // _PX_PER_PRICE_MARK):
        y = bottom - 1 - round(mark.share * (bottom - top - 1))
        draw.line((left, y, right - 1, y), _LINE)
        draw.text((right + 8, y), mark.label, _INK, font, anchor="lm")


def _draw_candles(draw: ImageDraw.ImageDraw, map_box: _Box, spec: GridSpec, candles: Sequence[Candle]) -> None:
    """Draw wicks and hollow bodies, clipped to the map."""
    left, top, right, bottom = map_box
    px_per_ms = (right - left) / (spec.end_ms - spec.t0_ms)
    px_per_price = (bottom - top) / (spec.price1 - spec.price0)

    def y_of(price: float) -> int:
        return min(max(round(bottom - (price - spec.price0) * px_per_price), top), bottom - 1)

    for candle in candles:
        color = _UP if candle.close >= candle.open else _DOWN
        middle = left + ((candle.open_ms + candle.close_ms) / 2 - spec.t0_ms) * px_per_ms
        half_px = max((candle.close_ms - candle.open_ms) * px_per_ms * _BODY_SHARE / 2, 1.0)
        begin, end = round(middle - half_px), round(middle + half_px)
        if begin < left or end >= right:
            continue
        upper, lower = y_of(max(candle.open, candle.close)), y_of(min(candle.open, candle.close))
        draw.line((round(middle), y_of(candle.high), round(middle), upper), color)
        draw.line((round(middle), lower, round(middle), y_of(candle.low)), color)
        draw.rectangle((begin, upper, end, lower), outline=color)


def _title(columns: EventColumns, request: MapRequest) -> str:
    inside = columns.between(request.start_ms, request.end_ms)
    parts = [
        f"{request.symbol} ({request.source})",
        *([_UNREAL[Source(request.source)]] if request.source in _UNREAL else []),
        f"{_minute(request.start_ms)} - {_minute(request.end_ms)} UTC",
        f"{counted(len(inside), 'liquidation')}, at least {float(inside.notional.sum()):,.0f} USD",
    ]
    return "  ".join(parts)


def _description(request: MapRequest) -> str:
    return (
        f"Realised liquidations of {request.symbol} from {request.source}, {_minute(request.start_ms)} to "
        f"{_minute(request.end_ms)} UTC. The exchange reports at most one liquidation a second and symbol: "
        "sums are lower bounds. Hatched: no coverage is on record, what is empty there is unknown."
    )


def _minute(time_ms: int) -> str:
    return utc_text(time_ms, "%Y-%m-%d %H:%M")
