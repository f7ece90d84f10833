"""A foreign host: any PyQt6 window with a chart page of its own, which the plugin has never seen.

The page's colours leave red to the heat: whatever is more red than blue on the screen is heat, without a second picture
to compare with. What is expected is asked from the page's own chart, not from the plugin.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PyQt6 import sip
from PyQt6.QtCore import QCoreApplication, QEvent, QPoint, QUrl
from PyQt6.QtGui import QImage
from PyQt6.QtWebEngineCore import QWebEnginePage
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QMainWindow
from support.plugin_parts import PluginParts

from Heatmap.app.chart_view import CHART_PAGE
from Heatmap.events import LiquidationEvent, Side, Source
from Heatmap.heatmap_service import HeatmapService
from Heatmap.plugin import HeatmapPlugin
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.widgets.legend import Legend

PATIENCE_MS = round(15_000 * float(os.environ.get("HEATMAP_PATIENCE", "1")))
# Another version of the chart library can be tried by naming its file.
LIBRARY = Path(os.environ.get("HEATMAP_CHART_LIBRARY", CHART_PAGE / "vendor" / "lightweight-charts.js"))
# Older ones that hosts still use: brought by `bash .ci/setup --dev`, named and hashed in the lock file there.
OLDER_LIBRARIES = Path(__file__).resolve().parents[3] / ".build" / "chart_versions" / "node_modules"

MINUTE_MS = 60_000
NOW_MS = 1_760_000_040_000 // MINUTE_MS * MINUTE_MS
BARS = 200
FIRST_BAR_MS = NOW_MS - BARS * MINUTE_MS
# The candles are at 104 to 106 there, so nothing hides the heat.
EVENT_BAR, EVENT_PRICE = 120, 97.0
EVENT_MS = FIRST_BAR_MS + EVENT_BAR * MINUTE_MS + MINUTE_MS // 2

PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8">{head}
<style>html, body {{ margin: 0; height: 100%; overflow: hidden; }} #chart {{ position: absolute; inset: 0; }}
{css}</style></head>
<body>{body}<script src="qrc:///qtwebchannel/qwebchannel.js"></script>
<script src="{library}"></script><script src="host.js"></script></body></html>
"""

# The page of a host: `makeChart` is called at once or when the host pleases.
SCRIPT = """'use strict';
const DATA = %(data)s;
let chart, series;
function makeChart(options = {}, seriesOptions = {}, pane = 0) {
  chart = LightweightCharts.createChart(document.getElementById('chart'), {
    autoSize: true,
    grid: {vertLines: {color: 'rgba(128, 128, 128, 0.1)'}, horzLines: {color: 'rgba(128, 128, 128, 0.1)'}},
    timeScale: {timeVisible: true},
    ...options,
    layout: {background: {type: 'solid', color: '#101418'}, textColor: '#909090', attributionLogo: false,
             ...(options.layout || {})},
  });
  const look = {upColor: '#3060ff', downColor: '#20a0ff', borderVisible: false, wickUpColor: '#3060ff',
                wickDownColor: '#20a0ff', autoscaleInfoProvider: () => ({priceRange: {minValue: 92, maxValue: 108}}),
                ...seriesOptions};
  series = chart.addSeries ? chart.addSeries(LightweightCharts.CandlestickSeries, look, pane)
                           : chart.addCandlestickSeries(look);
  series.setData(DATA);
}
// Both names, so that the pages serve version 4 of the library, too.
function addLine(options = {}, pane = 0) {
  const look = {color: '#3060ff', ...options};
  return chart.addSeries ? chart.addSeries(LightweightCharts.LineSeries, look, pane) : chart.addLineSeries(look);
}
// Where the chart itself puts a bar and a price, in CSS pixels of the page; the element may be zoomed or scaled.
function place(logical, price, pane = 0) {
  const element = chart.chartElement(), box = element.getBoundingClientRect();
  const top = chart.panes && chart.panes()[pane].getHTMLElement()
    ? chart.panes()[pane].getHTMLElement().getBoundingClientRect().top : box.top;
  const x = chart.priceScale('left').width() + chart.timeScale().logicalToCoordinate(logical);
  return [box.left + x * box.width / element.offsetWidth,
          top + series.priceToCoordinate(price) * box.height / element.offsetHeight];
}
%(start)s
"""


class StoppedClock:
    """The wall clock stands still, so that a test sees the same window whenever it runs."""

    def now_ms(self) -> int:
        return NOW_MS

    def monotonic_s(self) -> float:
        return time.monotonic()


def bars(*, offset_s: int = 0, first_shift_s: int = 0, gap_after: int | None = None) -> list[dict[str, float]]:
    """Return candles on a sine around 100; after bar `gap_after` the times jump by an hour, the prices do not."""
    candles = []
    for number in range(BARS):
        gap_s = 3600 if gap_after is not None and number > gap_after else 0
        begin, end = 100 + 6 * np.sin(number / 15), 100 + 6 * np.sin((number + 1) / 15)
        time_s = FIRST_BAR_MS // 1000 + 60 * number + offset_s + first_shift_s + gap_s
        candle = {"time": time_s, "open": begin, "close": end}
        candles.append(candle | {"high": max(begin, end) + 0.3, "low": min(begin, end) - 0.3})
    return candles


def liquidation(ts_ms: int = EVENT_MS, price: float = EVENT_PRICE, usd: float = 5e6) -> LiquidationEvent:
    return LiquidationEvent(ts_ms, "BTCUSDT", Side.SELL, price, usd / price, usd, Source.BINANCE)


class HostPage(QWebEnginePage):
    """Keeps what the page writes to its console."""

    def __init__(self, parent) -> None:
        super().__init__(parent)
        self.console: list[str] = []

    def javaScriptConsoleMessage(self, level, message, line, source) -> None:  # noqa: N802  # Qt's name
        if level != QWebEnginePage.JavaScriptConsoleMessageLevel.InfoMessageLevel:
            self.console.append(f"{message} ({source}:{line})")


@dataclass(frozen=True)
class Spot:
    """Heat on the screen: its centre in device pixels of the view, and its strength (0: none)."""

    x_px: float
    y_px: float
    strength: float


SPOT_ALONE = {"trail": "off", "smooth": True, "palette": "fire", "language": "en"} | dict.fromkeys(
    ("gaps", "coverage_lane", "candle_sums", "profile", "bubbles"), False
)


class Host(PluginParts):
    """A foreign program: window, view and page are its own; the plugin comes when the test attaches it."""

    def __init__(self, qtbot, folder: Path, *, events=None, size=(900, 500), library: Path = LIBRARY) -> None:
        self.qtbot = qtbot
        self.library = library
        self.folder = folder
        self.db_path = folder / "host.sqlite3"
        bulk_insert(self.db_path, [liquidation()] if events is None else events)
        self.service = HeatmapService(self.db_path, ("BTCUSDT",), collect=False, source="binance")
        self.service.start()
        self.window = QMainWindow()
        self.window.resize(*size)
        self.view = self.new_view()
        self.window.setCentralWidget(self.view)
        self.window.show()
        self.plugin: HeatmapPlugin | None = None
        self.plugins: list[HeatmapPlugin] = []

    @property
    def now_ms(self) -> int:
        """The time at which the plugin's clock stands still."""
        return NOW_MS

    def new_view(self) -> QWebEngineView:
        view = QWebEngineView(self.window)
        view.setPage(HostPage(view))
        return view

    def write_page(
        self, *, start="makeChart();", data=None, css="", head="", body='<div id="chart"></div>', name="host"
    ) -> QUrl:
        """Write a page to the folder and return its address."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "host.js").write_text(SCRIPT % {"data": json.dumps(bars() if data is None else data), "start": start})
        page = PAGE.format(head=head, css=css, body=body, library=QUrl.fromLocalFile(str(self.library)).toString())
        (folder / "index.html").write_text(page)
        return QUrl.fromLocalFile(str(folder / "index.html"))

    def load(self, **page) -> None:
        """Load a page and wait until Qt says so."""
        address = self.write_page(**page)
        with self.qtbot.waitSignal(self.view.loadFinished, timeout=PATIENCE_MS) as loaded:
            self.view.load(address)
        assert loaded.args == [True]

    def attach(self, view=None, *, look: dict | None = None, **options) -> HeatmapPlugin:
        """Attach a plugin with a spot that is symmetrical, smooth, and without trail, hatching, strips and bubbles."""
        settings = SettingsModel(None, overrides=SPOT_ALONE | (look or {}))
        options = {"settings": settings, "clock": StoppedClock()} | options
        self.plugin = HeatmapPlugin.attach(view or self.view, service=self.service, **options)
        self.plugins.append(self.plugin)
        return self.plugin

    def show(self, *, plugin: dict | None = None, **page) -> None:
        """Load a page, attach, and wait for the heat."""
        self.load(**page)
        self.attach(**(plugin or {}))
        self.wait_for_heat()

    # -- looking -----------------------------------------------------------------------------------------------------

    def wait(self, condition) -> None:
        self.qtbot.waitUntil(condition, timeout=PATIENCE_MS)

    def run(self, script: str, view=None) -> None:
        (view or self.view).page().runJavaScript(script)

    def evaluate(self, expression: str, view=None):
        """Return the value of a JavaScript expression of the page."""
        answers: list[object] = []
        (view or self.view).page().runJavaScript(f"JSON.stringify({expression})", answers.append)
        self.wait(lambda: bool(answers))
        return json.loads(answers[0]) if answers[0] else None

    def picture(self, widget=None) -> np.ndarray:
        """Return the view as the screen shows it: uint8 (height, width, 3), device pixels. It may lag some frames."""
        widget = widget or self.view
        whole = widget.screen().grabWindow(widget.window().winId()).toImage()
        whole = whole.convertToFormat(QImage.Format.Format_RGB888)
        rows = np.frombuffer(whole.constBits().asstring(whole.sizeInBytes()), np.uint8)
        pixels = rows.reshape(whole.height(), whole.bytesPerLine())[:, : 3 * whole.width()]
        pixels = pixels.reshape(whole.height(), whole.width(), 3)
        return pixels[_box(widget, widget.window())].copy()

    def shows(self, row: int, column: int, color: tuple[int, int, int]) -> bool:
        """Return True if this is the colour around a place, less grid lines, candles and hatching."""
        around = self.picture()[max(row - 4, 0) : row + 5, max(column - 30, 0) : column + 31]
        return bool((around == color).all(axis=2).mean() > 0.3)

    def still_picture(self, widget=None) -> np.ndarray:
        """Return the picture of the chart once it has stopped changing."""
        last: list[np.ndarray] = []

        def rests() -> bool:
            last.append(self.picture(widget))
            # Candles are blue; a page that has not yet drawn them is at rest, too.
            candles = np.count_nonzero(last[-1][:, :, 2] > 240)
            return candles > 200 and len(last) > 5 and all(np.array_equal(last[-1], old) for old in last[-6:-1])

        self.wait(rests)
        return last[-1]

    def spot(self, view=None) -> Spot:
        """Find the heat on the screen by its redness; the legend shows the same colours and is left out."""
        view = view or self.view
        # This is asked again and again while the program under it should run: few and narrow arrays.
        picture = self.picture(view)
        weight = picture[:, :, 0].astype(np.int16) - picture[:, :, 2]
        weight[weight < 24] = 0
        for legend in view.findChildren(Legend):
            if legend.isVisible():
                weight[_box(legend, view)] = 0
        columns, lines = weight.sum(axis=0, dtype=np.int64), weight.sum(axis=1, dtype=np.int64)
        strength = float(columns.sum())
        if strength == 0.0:
            return Spot(0.0, 0.0, 0.0)
        x_px, y_px = (float((sums * np.arange(len(sums))).sum() / strength + 0.5) for sums in (columns, lines))
        return Spot(x_px, y_px, strength)

    def has_heat(self, view=None) -> bool:
        return self.spot(view).strength > 1000

    def wait_for_heat(self, view=None) -> None:
        self.wait(lambda: self.has_heat(view))

    def wait_for_no_heat(self, view=None) -> None:
        self.wait(lambda: self.spot(view).strength == 0.0)

    def miss(self, logical: float = EVENT_BAR, price: float = EVENT_PRICE, pane: int = 0) -> tuple[float, float]:
        """Return how far the heat lies from where the page's chart has that bar and price: pixels right and down."""
        # The chart tells the places of whole bars only.
        bar, part = divmod(logical, 1)
        (x, y), (next_x, _) = self.evaluate(f"[0, 1].map((more) => place({bar} + more, {price}, {pane}))")
        if x is None:  # older libraries know no place before they have drawn
            return float("inf"), float("inf")
        x += (next_x - x) * part
        ratio, spot = self.view.zoomFactor() * self.view.devicePixelRatioF(), self.spot()
        if spot.strength == 0.0:
            return float("inf"), float("inf")
        # The chart names the pixel that a line is drawn on; its middle is half a pixel further.
        return spot.x_px - (x * ratio + 0.5), spot.y_px - (y * ratio + 0.5)

    def cell_miss(self) -> tuple[float, float]:
        """Return how far the heat lies from where the page's chart has the middle of the event's own cell."""
        image = self.plugin.image
        if image is None:
            return float("inf"), float("inf")
        spec = image.spec
        time_ms = ((EVENT_MS - spec.t0_ms) // spec.time_bin_ms + 0.5) * spec.time_bin_ms + spec.t0_ms
        price = ((EVENT_PRICE - spec.price0) // spec.price_bin + 0.5) * spec.price_bin + spec.price0
        return self.miss((time_ms - FIRST_BAR_MS) / MINUTE_MS - 0.5, price)

    def wait_for_place(self, **where) -> tuple[float, float]:
        """Wait until the heat lies where the chart says, and return by how much it misses."""
        misses: list[tuple[float, float]] = [(float("inf"), float("inf"))]

        def fits() -> bool:
            misses.append(self.miss(**where))
            # An event is shown in the middle of its cell: rows are 2.3 px high, columns at least 5 s wide.
            scale = self.view.devicePixelRatioF()
            return abs(misses[-1][0]) < 2.0 * scale and abs(misses[-1][1]) < 1.5 * scale

        try:
            self.wait(fits)
        except self.qtbot.TimeoutError:
            pytest.fail(f"the heat misses its place by {misses[-1]} px")
        return misses[-1]

    # -- end ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        for plugin in self.plugins:
            plugin.detach()
        self.service.stop()
        if not sip.isdeleted(self.window):
            self.window.close()
            sip.delete(self.window)
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def _box(widget, ancestor) -> tuple[slice, slice]:
    """Return rows and columns of a widget in a picture of its ancestor, in device pixels."""
    scale, corner = widget.devicePixelRatioF(), widget.mapTo(ancestor, QPoint(0, 0))
    left, top = round(corner.x() * scale), round(corner.y() * scale)
    right, bottom = round((corner.x() + widget.width()) * scale), round((corner.y() + widget.height()) * scale)
    return slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0))


def heatmap_threads() -> list[str]:
    # Those that compute are the process's own: they wait for the next map, whoever asks for it.
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("heatmap")]
    return [name for name in names if not name.startswith("heatmap-kernel")]


@pytest.fixture
def host_bars():
    """Give the function that makes the page's candles."""
    return bars


@pytest.fixture
def chart_library():
    """Give the function that returns the script of a version of the chart library; a missing one fails the test."""

    def find(version: str) -> Path:
        if version == "5.2":
            return CHART_PAGE / "vendor" / "lightweight-charts.js"
        folder = OLDER_LIBRARIES / f"lightweight-charts-{version}"
        script = folder / "dist" / "lightweight-charts.standalone.production.js"
        if not script.is_file():
            pytest.fail(f"Lightweight Charts {version} is not here: run `bash .ci/setup --dev`, which fetches it")
        return script

    return find


@pytest.fixture
def host_liquidation():
    """Give the function that makes a liquidation at a bar's second and a price."""

    def make(*, bar: int, second: float, price: float, usd: float = 5e6) -> LiquidationEvent:
        return liquidation(FIRST_BAR_MS + bar * MINUTE_MS + round(second * 1000), price, usd)

    return make


@pytest.fixture
def open_host(qtbot, tmp_path, monkeypatch):
    """Give a context manager that runs a host program for the length of a ``with`` block.

    It ends inside the test: pytest-qt closes windows between a test's phases, before fixtures could.
    """
    # Which kernels paint is another test's matter; without them an attach starts no compiler.
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")

    @contextmanager
    def opened(**options):
        host = Host(qtbot, tmp_path, **options)
        try:
            yield host
        finally:
            host.close()
        assert heatmap_threads() == []

    return opened
