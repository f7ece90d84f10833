"""Frames per second of a moving chart with the heatmap and without it, alternating in one run; and a soak.

    pytest tests/bench/test_frames_bench.py --benchmark-enable -s            the whole measurement, about a minute
    HEATMAP_SOAK_S=600 pytest tests/bench/test_frames_bench.py -k soak -s    ten minutes of soak

Without these, both run a few seconds and only show that they run: a machine that does other things proves nothing.
"""

from __future__ import annotations

import ctypes
import json
import os
import time

import numpy as np
import psutil
import pytest
from PyQt6 import sip
from PyQt6.QtCore import Qt, QUrl
from PyQt6.QtGui import QColor, QOpenGLContext
from PyQt6.QtOpenGLWidgets import QOpenGLWidget
from PyQt6.QtQuickWidgets import QQuickWidget
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QMainWindow
from support.plugin_parts import PluginParts, UploadCounter
from support.underlay import images_kept

from Heatmap.aggregation.engine_choice import new_engine
from Heatmap.app.chart_view import CHART_PAGE
from Heatmap.events import Coverage, LiquidationEvent, Side, Source
from Heatmap.heatmap_service import HeatmapService
from Heatmap.plugin import HeatmapPlugin
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.ui.geometry.frame_follower import SyncMode
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.timer import new_timer
from Heatmap.ui.widgets.legend import Legend
from Heatmap.ui.widgets.legend_range import RangeHandle

pytestmark = [pytest.mark.gl, pytest.mark.timeout(900)]

MINUTE_MS = 60_000
NOW_MS = 1_760_000_040_000 // MINUTE_MS * MINUTE_MS
BARS = 480
EVENTS = 100_000
SIZE_PX = (1780, 700)
CHART_COLOR = "#0e1116"
MOST_BUBBLES = 30
# What is drawn in front of the candles, on top of the heat alone.
STRIPS = ("coverage_lane", "candle_sums", "profile")
PATIENCE_MS = round(60_000 * float(os.environ.get("HEATMAP_PATIENCE", "1")))

PAGE = """<!DOCTYPE html><meta charset="utf-8">
<style>html, body {{ margin: 0; height: 100%; }} #chart {{ position: absolute; inset: 0; }}</style>
<div id="chart"></div><script src="{library}"></script><script>
const chart = LightweightCharts.createChart(document.getElementById('chart'), {{autoSize: true,
  layout: {{background: {{type: 'solid', color: '{color}'}}, textColor: '#aab2bf'}},
  timeScale: {{timeVisible: true}}}});
const series = chart.addSeries(LightweightCharts.CandlestickSeries);
series.setData({data});
let step = 0, stride = 1;
(function sway() {{
  step += stride;
  const middle = {bars} / 2 + 60 * Math.sin(step / 40), half = 130 + 60 * Math.sin(step / 95);
  chart.timeScale().setVisibleLogicalRange({{from: middle - half, to: middle + half}});
  requestAnimationFrame(sway);
}})();
</script>
"""


class StoppedClock:
    """Stands still, so that every round sees the same window."""

    def now_ms(self) -> int:
        return NOW_MS

    def monotonic_s(self) -> float:
        return time.monotonic()


def walk() -> np.ndarray:
    return 90_000 + np.cumsum(np.random.default_rng(7).normal(0, 40, BARS + 1))


def candles() -> list[dict[str, float]]:
    first_s, prices = NOW_MS // 1000 - 60 * BARS, walk()
    return [
        {
            "time": first_s + 60 * bar,
            "open": prices[bar],
            "close": prices[bar + 1],
            "high": max(prices[bar], prices[bar + 1]) + 15,
            "low": min(prices[bar], prices[bar + 1]) - 15,
        }
        for bar in range(BARS)
    ]


def liquidations(count: int) -> list[LiquidationEvent]:
    random, prices = np.random.default_rng(8), walk()
    events = []
    for at in np.sort(random.uniform(0, BARS, count)):
        price, usd = float(prices[int(at)] + random.normal(0, 60)), float(1000 * random.pareto(1.3) + 100)
        side = Side.SELL if random.random() < 0.5 else Side.BUY
        at_ms = NOW_MS - BARS * MINUTE_MS + int(at * MINUTE_MS)
        events.append(LiquidationEvent(at_ms, "BTCUSDT", side, price, usd / price, usd, Source.BINANCE))
    return events


class EmptyLayer(QOpenGLWidget):
    """What any layer beneath the page costs at least: filled with one colour for each picture of the page."""

    def __init__(self, view: QWebEngineView) -> None:
        super().__init__(view)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setGeometry(view.rect())
        self.lower()
        self.show()
        self._window = view.findChild(QQuickWidget).quickWindow()
        self._window.afterRenderPassRecording.connect(self.update)

    def initializeGL(self) -> None:
        context = QOpenGLContext.currentContext()
        self._clear_color, self._clear = (
            ctypes.CFUNCTYPE(None, *arguments)(int(context.getProcAddress(name)))
            for name, arguments in ((b"glClearColor", [ctypes.c_float] * 4), (b"glClear", [ctypes.c_uint]))
        )

    def paintGL(self) -> None:
        color_buffer = 0x4000
        self._clear_color(0.05, 0.07, 0.09, 1.0)
        self._clear(color_buffer)

    def remove(self) -> None:
        self._window.afterRenderPassRecording.disconnect(self.update)
        sip.delete(self)


class Scene(PluginParts):
    """A host with a chart that never rests."""

    def __init__(self, qtbot, folder, *, events: int = EVENTS, size_px: tuple[int, int] = SIZE_PX) -> None:
        self.qtbot = qtbot
        self.folder = folder
        self.db_path = folder / "frames.sqlite3"
        covered = Coverage("binance", "BTCUSDT", NOW_MS - BARS * MINUTE_MS, NOW_MS)
        bulk_insert(self.db_path, liquidations(events), coverage=[covered])
        self.service = HeatmapService(self.db_path, ("BTCUSDT",), collect=False, source="binance")
        self.service.start()
        library = CHART_PAGE / "vendor" / "lightweight-charts.js"
        page = folder / "index.html"
        data = json.dumps(candles())
        page.write_text(
            PAGE.format(library=QUrl.fromLocalFile(str(library)).toString(), data=data, bars=BARS, color=CHART_COLOR)
        )
        self.window = QMainWindow()
        self.window.resize(*size_px)
        self.view = QWebEngineView(self.window)
        self.window.setCentralWidget(self.view)
        self.window.show()
        with qtbot.waitSignal(self.view.loadFinished, timeout=PATIENCE_MS):
            self.view.load(QUrl.fromLocalFile(str(page)))
        self.frames = 0
        widget = self.view.findChild(QQuickWidget)
        assert widget is not None
        widget.quickWindow().afterFrameEnd.connect(self._count)
        self.plugin: HeatmapPlugin | None = None
        # The kernels compile once, beside the first picture; that is another measurement's matter.
        self.attach()
        if events == EVENTS:
            qtbot.waitUntil(lambda: new_engine().name == "numba", timeout=PATIENCE_MS)
        self.detach()

    def _count(self) -> None:
        self.frames += 1

    def attach(self) -> HeatmapPlugin:
        settings = SettingsModel(None, overrides={"language": "en", "bubbles": False, **dict.fromkeys(STRIPS, False)})
        self.plugin = HeatmapPlugin.attach(
            self.view, "chart", "series", service=self.service, settings=settings, clock=StoppedClock()
        )
        self.qtbot.waitUntil(
            lambda: self.plugin.image is not None and self.frame_sync.follower.mode is SyncMode.STAMP,
            timeout=PATIENCE_MS,
        )
        return self.plugin

    def detach(self) -> None:
        if self.plugin is not None:
            self.plugin.detach()
            self.plugin = None

    def lay_empty(self) -> EmptyLayer:
        """Make the page transparent as the heatmap does, and put a layer beneath it that shows nothing."""
        self.view.page().setBackgroundColor(QColor(0, 0, 0, 0))
        self._paint_chart("rgba(0, 0, 0, 0)")
        return EmptyLayer(self.view)

    def take_empty_away(self, layer: EmptyLayer) -> None:
        layer.remove()
        self.view.page().setBackgroundColor(QColor("white"))
        self._paint_chart(CHART_COLOR)

    def _paint_chart(self, color: str) -> None:
        answers: list[object] = []
        script = f"chart.applyOptions({{layout: {{background: {{type: 'solid', color: '{color}'}}}}}}); true"
        self.view.page().runJavaScript(script, answers.append)
        self.qtbot.waitUntil(lambda: bool(answers), timeout=PATIENCE_MS)

    def rate(self, seconds: float) -> float:
        """Return the frames per second of the next seconds."""
        begun, first = time.monotonic(), self.frames
        self.qtbot.waitUntil(lambda: time.monotonic() - begun >= seconds, timeout=PATIENCE_MS + round(seconds * 1000))
        return (self.frames - first) / (time.monotonic() - begun)

    def drag(self, name: str, seconds: float) -> float:
        """Return the images per second on a still chart while the mouse drags a handle of the legend."""
        plugin = self.attach()
        self.view.page().runJavaScript("stride = 0")
        legend, images, begun = self.view.findChild(Legend), [], time.monotonic()
        self.qtbot.waitUntil(legend.isVisible, timeout=PATIENCE_MS)
        handle = self.view.findChild(RangeHandle, f"heatmap_legend_{name}")

        def move() -> None:
            share = 0.5 + 0.4 * np.sin(2.5 * (time.monotonic() - begun))
            handle.dragged.emit(name, legend.x() + legend.bars_box().left() + share * legend.bars_box().width())

        timer = new_timer(self.window, 8, move, once=False)
        plugin.imageChanged.connect(images.append)
        timer.start()
        self.rate(seconds)
        timer.stop()
        self.view.page().runJavaScript("stride = 1")
        self.detach()
        return len(images) / (time.monotonic() - begun)

    def close(self) -> None:
        self.detach()
        self.service.stop()
        self.window.close()
        sip.delete(self.window)


@pytest.fixture
def opened():
    scenes: list[Scene] = []
    yield scenes
    for scene in scenes:
        scene.close()


def report(*lines: object) -> None:
    print("", *lines, sep="\n")  # noqa: T201  # benchmarks are read


def test_frames_with_the_heatmap_against_without(qtbot, tmp_path, opened, benchmark, capsys):
    rounds, seconds = (1, 0.5) if benchmark.disabled else (8, 3.0)
    scene = Scene(qtbot, tmp_path, events=1000 if benchmark.disabled else EVENTS)
    opened.append(scene)
    rates: dict[str, list[float]] = {"without": [], "empty": [], "with": [], "everything": []}
    description, build_ms, drags = "", [], []

    def measure() -> None:
        nonlocal description
        for _ in range(rounds):
            scene.rate(0.3)
            rates["without"].append(scene.rate(seconds))
            layer = scene.lay_empty()
            scene.rate(0.3)
            rates["empty"].append(scene.rate(seconds))
            scene.take_empty_away(layer)
            plugin = scene.attach()
            scene.rate(0.3)
            rates["with"].append(scene.rate(seconds))
            plugin.settings.update(bubbles=True, bubble_count=MOST_BUBBLES, **dict.fromkeys(STRIPS, True))
            scene.rate(0.3)
            rates["everything"].append(scene.rate(seconds))
            description = scene.underlay.gl_description
            build_ms.append(plugin.image.build_ms)
            counts = scene.frame_sync.follower.counts
            assert counts.exact > 0
            scene.detach()
        if not benchmark.disabled:
            drags.extend(scene.drag(name, seconds) for name in ("floor", "ceiling"))

    benchmark.pedantic(measure, rounds=1, iterations=1)
    without = np.array(rates["without"])
    ratios, floor = np.array(rates["with"]) / without, np.array(rates["empty"]) / without
    in_front = np.array(rates["everything"]) / np.array(rates["with"])
    benchmark.extra_info |= {"gl": description, "dragged": np.round(drags, 1).tolist()}
    benchmark.extra_info |= {name: np.round(of, 1).tolist() for name, of in rates.items()}
    with capsys.disabled():
        report(
            description,
            f"without: {np.round(rates['without'], 1)} frames/s",
            f"with:    {np.round(rates['with'], 1)} frames/s",
            f"ratio: median {np.median(ratios):.2f} of {np.round(ratios, 2)}",
            f"everything on: {np.round(rates['everything'], 1)} frames/s",
            f"everything on against the heat alone: median {np.median(in_front):.2f} of {np.round(in_front, 2)}",
            f"an empty layer beneath a transparent page: median {np.median(floor):.2f} of {np.round(floor, 2)}",
            f"an image of {EVENTS:,} events: {np.median(build_ms):.1f} ms",
            f"while a handle of the legend is dragged: {np.round(drags, 1)} images/s",
        )
    assert min(rates["with"]) > 0
    if not benchmark.disabled:
        software = "llvmpipe" in description or "softpipe" in description
        assert np.median(ratios) >= (0.75 if software else 0.9)
        # Software OpenGL paints fewer than 30 frames a second of heat in any case.
        assert min(drags) >= (0.6 * np.median(rates["with"]) if software else 30)
        assert np.median(in_front) >= 0.7


def test_frames_with_bubbles_against_heat_alone(qtbot, tmp_path, opened, benchmark, capsys):
    rounds, seconds = (1, 0.5) if benchmark.disabled else (8, 3.0)
    scene = Scene(qtbot, tmp_path, events=1000 if benchmark.disabled else EVENTS)
    opened.append(scene)
    settings = scene.attach().settings
    rates: dict[bool, list[float]] = {False: [], True: []}

    def measure() -> None:
        for _ in range(rounds):
            for bubbles, of in rates.items():
                settings.update(bubbles=bubbles, bubble_count=MOST_BUBBLES)
                scene.rate(0.5)
                of.append(scene.rate(seconds))

    benchmark.pedantic(measure, rounds=1, iterations=1)
    ratios = np.array(rates[True]) / np.array(rates[False])
    with capsys.disabled():
        report(
            scene.underlay.gl_description,
            f"alone:   {np.round(rates[False], 1)} frames/s",
            f"bubbles: {np.round(rates[True], 1)} frames/s",
            f"ratio: median {np.median(ratios):.2f} of {np.round(ratios, 2)}",
        )
    assert min(rates[True]) > 0
    if not benchmark.disabled:
        assert np.median(ratios) >= 0.9


def _give_back_free_memory() -> None:
    """Let what is free in the C library's heap count as free; where that cannot be told, it counts as used."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@pytest.mark.timeout(2400)
def test_soak(qtbot, tmp_path, opened, capsys):
    """Pan, zoom and live events for as long as asked: memory stays, textures stay, every frame is in step."""
    seconds = float(os.environ.get("HEATMAP_SOAK_S", "4"))
    scene = Scene(qtbot, tmp_path, events=20_000)
    opened.append(scene)
    scene.attach()
    process = psutil.Process()
    # Memory rises in a few steps, each when a picture needs more than any before: see as many views as will be seen.
    scene.view.page().runJavaScript("stride = 7")
    scene.rate(min(seconds / 2, 120.0))
    scene.view.page().runJavaScript("stride = 1")
    begun, number = time.monotonic(), 0
    memory_mb: list[float] = []
    most_images = 0
    counter = UploadCounter(scene.presenter, scene.underlay)
    while time.monotonic() - begun < seconds:
        number += 1
        event = liquidations(1)[0]
        newer = LiquidationEvent(
            NOW_MS - number, "BTCUSDT", event.side, event.price, event.qty, event.notional, Source.BINANCE
        )
        bulk_insert(scene.db_path, [newer])
        scene.rate(0.5)
        most_images = max(most_images, images_kept(scene.underlay.painter))
        _give_back_free_memory()
        memory_mb.append(process.memory_info().rss / 1e6)
    counts = scene.frame_sync.follower.counts
    # Qt Quick makes a new texture of 5 MB for each picture of the page, and some of these are always on their way.
    tenths_mb = [float(np.min(part)) for part in np.array_split(memory_mb, min(10, len(memory_mb)))]
    with capsys.disabled():
        report(
            f"{seconds:.0f} s, {scene.frames} frames, {counts}",
            f"memory in tenths of the time: {np.round(tenths_mb, 1)} MB;"
            f" uploads {counter.uploads}, most images {most_images}",
        )
    assert most_images <= 2
    assert counts.unread <= 0.02 * max(counts.exact, 1) + 5
    if seconds >= 300:
        assert tenths_mb[-1] - tenths_mb[0] < 5.0
