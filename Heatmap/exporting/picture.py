"""The map as a picture, by `Heatmap.aggregation` alone: no window, no Qt, no graphics card.

The colours are those of the screen with its default settings on a dark chart; candles are not in it, for the record
holds none. The picture says what it shows: symbol, source, span, number and sum, and that sums are lower bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap import __version__
from Heatmap.aggregation.engine_choice import new_engine
from Heatmap.aggregation.image_builder import ImageBuilder
from Heatmap.aggregation.options import RenderOptions
from Heatmap.aggregation.resolution import auto_spec
from Heatmap.events import Source
from Heatmap.exporting.axis import price_marks, time_marks
from Heatmap.exporting.pixel_font import GLYPH_HEIGHT, text_mask
from Heatmap.exporting.png import encode_png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.event_columns import EventColumns
    from Heatmap.events import Coverage

    Canvas = NDArray[np.uint8]

_BACKGROUND: Final = (19, 23, 34)
_INK: Final = (178, 181, 190)
_LINE: Final = (42, 46, 57)
_HATCH: Final = (33, 38, 50)
_HATCH_PX: Final = 10
_LEFT_PX: Final = 12
_TOP_PX: Final = 30
_RIGHT_PX: Final = 92
_BOTTOM_PX: Final = 28
_PX_PER_TIME_MARK: Final = 130
_PX_PER_PRICE_MARK: Final = 60
# Prices of the map reach a little beyond the outermost events.
_PRICE_MARGIN: Final = 0.03
# The least range that is drawn, as a share of the price: a lone event must not become a band from top to bottom.
_LEAST_RANGE: Final = 0.002
# Without a known tick size, bins are as fine as the picture; this is far below any pixel.
_FINEST_TICK_SHARE: Final = 1e-6
_SPOT_PX: Final = (3.4, 1.8)
_TRAIL_HALF_LIFE_MS: Final = 20 * 60_000
_UNREAL: Final = {Source.DEMO: "SIMULATED", Source.REPLAY: "REPLAY, TIMES SHIFTED"}


@dataclass(frozen=True, slots=True)
class MapRequest:
    """What a picture shows.

    Attributes
    ----------
    symbol, source
        The series.
    start_ms, end_ms
        ``[start_ms, end_ms)``, ms since the epoch, UTC.
    tick_size
        Smallest price step, or None if it is not known.
    coverage
        When a live connection delivered; all other times are hatched, for nothing is known of them but the events.
    width_px, height_px
        Size of the map itself; axes and title come on top.
    """

    symbol: str
    source: str
    start_ms: int
    end_ms: int
    tick_size: float | None = None
    coverage: tuple[Coverage, ...] = ()
    width_px: int = 1500
    height_px: int = 720


def draw_map(columns: EventColumns, request: MapRequest) -> bytes:
    """Return the picture as the bytes of a PNG file.

    Parameters
    ----------
    columns
        The events of the span, at least one.
    request
        See `MapRequest`.

    Raises
    ------
    GridError
        There is no event, or the span is empty.
    """
    low, high = _price_range(columns)
    spec = auto_spec(
        visible_start_ms=request.start_ms,
        visible_end_ms=request.end_ms,
        price_low=low,
        price_high=high,
        width_px=request.width_px,
        height_px=request.height_px,
        tick_size=request.tick_size or high * _FINEST_TICK_SHARE,
    )
    across_px, along_px = _SPOT_PX
    options = RenderOptions(
        trail_half_life_ms=_TRAIL_HALF_LIFE_MS,
        sigma_cols=across_px * spec.cols / request.width_px,
        sigma_rows=along_px * spec.rows / request.height_px,
    )
    # NumPy draws one picture long before Numba has compiled its kernels.
    image = ImageBuilder(new_engine()).build(
        columns, spec, options, now_ms=request.end_ms, window_start_ms=request.start_ms
    )
    canvas = np.empty((_TOP_PX + request.height_px + _BOTTOM_PX, _LEFT_PX + request.width_px + _RIGHT_PX, 3), np.uint8)
    canvas[:] = _BACKGROUND
    pane = canvas[_TOP_PX : _TOP_PX + request.height_px, _LEFT_PX : _LEFT_PX + request.width_px]
    _hatch_unknown(pane, request.coverage, (spec.t0_ms, spec.end_ms))
    _draw_axes(canvas, request, (spec.price0, spec.price1), (spec.t0_ms, spec.end_ms))
    _blend(pane, image.rgba)
    title = _title(columns, request)
    _write(canvas, title, _LEFT_PX, (_TOP_PX - GLYPH_HEIGHT * 2) // 2, scale=2)
    texts = {"Title": title, "Software": f"Heatmap {__version__}", "Description": _description(request)}
    return encode_png(canvas, texts)


def _price_range(columns: EventColumns) -> tuple[float, float]:
    if not len(columns):
        return 0.0, 0.0
    low, high = float(columns.price.min()), float(columns.price.max())
    margin = max((high - low) * _PRICE_MARGIN, high * _LEAST_RANGE / 2)
    return max(low - margin, 0.0), high + margin


def _hatch_unknown(pane: Canvas, coverage: tuple[Coverage, ...], times_ms: tuple[int, int]) -> None:
    height_px, width_px, _ = pane.shape
    start_ms, end_ms = times_ms
    px_per_ms = width_px / (end_ms - start_ms)
    unknown = np.ones(width_px, np.bool_)
    for stretch in coverage:
        first_px, last_px = ((at - start_ms) * px_per_ms for at in (stretch.start_ms, stretch.end_ms))
        unknown[max(round(first_px), 0) : max(round(last_px), 0)] = False
    stripes = (np.arange(height_px)[:, np.newaxis] + np.arange(width_px)) % _HATCH_PX == 0
    pane[stripes & unknown] = _HATCH


def _blend(pane: Canvas, rgba: NDArray[np.uint8]) -> None:
    """Lay a premultiplied image over a pane; each pixel of the pane shows the nearest cell."""
    height_px, width_px, _ = pane.shape
    rows = np.arange(height_px) * rgba.shape[0] // height_px
    cols = np.arange(width_px) * rgba.shape[1] // width_px
    cells = rgba[rows[:, np.newaxis], cols]
    through = 255 - cells[:, :, 3:].astype(np.uint16)
    pane[:] = cells[:, :, :3] + ((pane * through + 127) // 255).astype(np.uint8)


def _draw_axes(canvas: Canvas, request: MapRequest, prices: tuple[float, float], times_ms: tuple[int, int]) -> None:
    bottom, right = _TOP_PX + request.height_px, _LEFT_PX + request.width_px
    canvas[bottom, _LEFT_PX : right + 1] = _LINE
    canvas[_TOP_PX : bottom + 1, right] = _LINE
    for mark in time_marks(*times_ms, request.width_px // _PX_PER_TIME_MARK):
        x = _LEFT_PX + round(mark.share * (request.width_px - 1))
        canvas[_TOP_PX:bottom, x] = _LINE
        width = text_mask(mark.label).shape[1]
        _write(canvas, mark.label, min(max(x - width // 2, 0), right - width), bottom + 10)
    for mark in price_marks(*prices, request.height_px // _PX_PER_PRICE_MARK):
        y = bottom - 1 - round(mark.share * (request.height_px - 1))
        canvas[y, _LEFT_PX:right] = _LINE
        _write(canvas, mark.label, right + 8, y - GLYPH_HEIGHT // 2)


def _write(canvas: Canvas, text: str, x: int, y: int, *, scale: int = 1) -> None:
    """Draw a line of text with its upper left corner at ``(x, y)``; what does not fit is cut off."""
    mask = text_mask(text, scale)
    top = max(y, 0)
    target = canvas[top : y + mask.shape[0], x : x + mask.shape[1]]
    mask = mask[top - y : top - y + target.shape[0], : target.shape[1]]
    target[mask] = _INK


def _title(columns: EventColumns, request: MapRequest) -> str:
    inside = columns.between(request.start_ms, request.end_ms)
    total_usd = float(inside.notional.sum())
    parts = [
        f"{request.symbol} ({request.source})",
        *([_UNREAL[Source(request.source)]] if request.source in _UNREAL else []),
        f"{_utc(request.start_ms)} - {_utc(request.end_ms)} UTC",
        f"{len(inside):,} liquidations, at least {total_usd:,.0f} USD",
    ]
    return "  ".join(parts)


def _description(request: MapRequest) -> str:
    return (
        f"Realised liquidations of {request.symbol} from {request.source}, {_utc(request.start_ms)} to "
        f"{_utc(request.end_ms)} UTC. The exchange reports at most one liquidation a second and symbol: sums are lower "
        "bounds. Hatched: no coverage is on record, what is empty there is unknown."
    )


def _utc(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M}"
