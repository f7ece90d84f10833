"""Messages of a page over the bridge, and the arithmetic behind those that are taken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from fuzz.target import Target
from Heatmap.aggregation import GridSpec
from Heatmap.app.chart_bridge import ChartBridge
from Heatmap.app.visible_range import parse_visible_range
from Heatmap.candle import Candle
from Heatmap.errors import BridgeError, GridError
from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.rendering.view_grid import grid_for_view
from Heatmap.ui.geometry.background import background_rects, opaque_colors
from Heatmap.ui.geometry.heat_mesh import heat_mesh
from Heatmap.ui.geometry.viewport import TimeAxis, Viewport, visible_range
from Heatmap.ui.page.bars import BarRuns
from Heatmap.ui.page.bridge import Bridge, parse_surfaces, parse_viewport

if TYPE_CHECKING:
    from fuzz.mutation import Mutator

SPEC: Final = GridSpec(t0_ms=0, time_bin_ms=60_000, cols=60, price0=90.0, price_bin=0.5, rows=40)
VIEWS: Final = tuple(
    json.dumps(view).encode()
    for view in (
        {
            "pane": [0, 0, 900, 500], "from": 10, "to": 110, "x_from": -3.5, "x_to": 896.5, "price_top": 91_000.5,
            "price_bottom": 89_000, "mode": mode, "ratio": 1.5, "frame": 7, "page": [960, 540],
            "stamps": [[0, 0, 2, 4], [848, 498, 2, 1]],
        }
        for mode in range(4)
    )
)  # fmt: skip
BARS: Final = (
    b'{"segments": [[0, 1759971200, 60, 100], [100, 1759999200, 60, 50]], "keep": 0, "more": false}',
    b'{"segments": [[150, 1760009200, 60, 10]], "keep": 2, "more": false}',
    b'{"segments": [], "keep": 1, "more": true}',
)
SURFACES: Final = (
    b'{"ratio": 2, "surfaces": [[1, 2, 30, 40, 255, 0, 0, 255], [0.3, 0, 1, 1, 0, 0, 0, 51]]}',
    b'{"ratio": 1, "surfaces": []}',
)
RANGES: Final = (
    b'{"from": 0.5, "to": 90, "bars": 100, "version": 1}',
    b'{"from": -20, "to": 5, "bars": 100, "version": 1}',
)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass") if data.isascii() else data.decode("utf-8", "surrogateescape")


class _Page:
    """A bridge between calls, as a page has it: what was taken before stays."""

    def __init__(self) -> None:
        self._runs = BarRuns()
        self._axis: TimeAxis | None = None
        self._view: Viewport | None = None
        self._bridge: Bridge | None = None

    def viewport(self, data: bytes) -> None:
        view = parse_viewport(_text(data))
        self._view = view
        self._show(view, self._axis)

    def bars(self, data: bytes) -> None:
        taken = self._runs.take(_text(data))
        if taken is not None:
            (self._axis,) = taken
            if self._view is not None:
                self._show(self._view, self._axis)

    def surfaces(self, data: bytes) -> None:
        surfaces = parse_surfaces(_text(data))
        opaque_colors((0.0, 0.0, 1.0), surfaces)
        for left, top, right, bottom, _ in background_rects((1.0, 1.0, 1.0), surfaces, (900, 500)):
            assert 0 <= left <= right <= 900
            assert 0 <= top <= bottom <= 500

    def slots(self, data: bytes) -> None:
        """The slots themselves: nothing may be raised, for that ends the program."""
        if self._bridge is None:
            self._bridge = Bridge()
        text = _text(data)
        self._bridge.viewport_moved(text)
        self._bridge.bars_changed(text)
        self._bridge.surfaces_changed(text)

    @staticmethod
    def _show(view: Viewport, axis: TimeAxis | None) -> None:
        if axis is None or not axis.segments:
            return
        try:
            visible = visible_range(view, axis)
            grid = grid_for_view(
                visible, HeatmapSettings(), since_ms=1_759_971_200_000, now_ms=1_760_000_000_000, tick_size=0.1
            )
        except GridError:  # no grid serves such a view; the worker says so
            grid = None
        heat_mesh(view, axis, grid or SPEC)


class _Chart:
    """The program's own chart, whose page reports the visible range."""

    def __init__(self) -> None:
        self._bridge: ChartBridge | None = None

    def run(self, data: bytes) -> None:
        if self._bridge is None:
            self._bridge = ChartBridge()
            minute_ms, begin_ms = 60_000, 1_760_000_000_000 // 60_000 * 60_000
            times = range(begin_ms, begin_ms + 100 * minute_ms, minute_ms)
            candles = [Candle(time, 1.0, 2.0, 0.5, 1.5, 10.0, time + minute_ms - 1, closed=True) for time in times]
            self._bridge.set_history(candles, tick_size=0.1)
            self._bridge.page_ready()
            self._bridge.show_newest(50, 4)
        text = _text(data)
        self._bridge.view_changed(text)
        self._bridge.show_time(1_760_000_600_000)
        parse_visible_range(text)


def _maker(seeds: tuple[bytes, ...]):
    def make(mutator: Mutator) -> bytes:
        seed = mutator.random.choice(seeds)
        return mutator.json_text(seed) if mutator.random.random() < 0.9 else mutator.raw(seed)

    return make


_PAGE: Final = _Page()
TARGETS: Final = (
    Target("bridge view", 0.05, (BridgeError,), _maker(VIEWS), _PAGE.viewport),
    Target("bridge bars", 0.04, (BridgeError,), _maker(BARS), _PAGE.bars),
    Target("bridge surfaces", 0.03, (BridgeError,), _maker(SURFACES), _PAGE.surfaces),
    Target("bridge slots", 0.02, (), _maker((*VIEWS, *BARS, *SURFACES)), _PAGE.slots),
    Target("bridge range", 0.03, (BridgeError,), _maker(RANGES), _Chart().run),
)
