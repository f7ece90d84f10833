"""How soon the map is crisp again: from the page's report of another view to the new image on the graphics card.

    pytest tests/bench/test_view_bench.py --benchmark-enable -s

All parts are the program's own: the message is parsed, the build thread asks the database and builds from the raw
events, the image comes back and is uploaded in a painted frame. Only the page is left out. Between report and upload
the old image is painted in its new place, as it should be: with software OpenGL most of the time goes into that.
Without ``--benchmark-enable`` it runs once with few events and shows that it runs.
"""

from __future__ import annotations

import itertools
import json
import os
import time

import numpy as np
import pytest
from PyQt6.QtCore import QEventLoop, Qt, QTimer
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QApplication, QWidget
from support.plugin_parts import UploadCounter

from Heatmap.events import Coverage, LiquidationEvent, Side, Source
from Heatmap.rendering.build_worker import BuildWorker
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.ui.build_signals import BuildSignals
from Heatmap.ui.geometry.frame_follower import Frame
from Heatmap.ui.gl.underlay import Underlay
from Heatmap.ui.page.bridge import Bridge
from Heatmap.ui.presenter import HeatmapPresenter
from Heatmap.ui.settings_model import SettingsModel

pytestmark = [pytest.mark.gl, pytest.mark.timeout(300)]

MINUTE_MS = 60_000
NOW_MS = 1_760_000_040_000 // MINUTE_MS * MINUTE_MS
BARS = 480
EVENTS = 100_000
SIZE_PX = (1780, 700)
BUDGET_MS = 50.0
PATIENCE_MS = round(60_000 * float(os.environ.get("HEATMAP_PATIENCE", "1")))


class StoppedClock:
    """Stands still, so that every round sees the same window."""

    def now_ms(self) -> int:
        return NOW_MS

    def monotonic_s(self) -> float:
        return time.monotonic()


def liquidations(count: int) -> list[LiquidationEvent]:
    random = np.random.default_rng(8)
    prices = 90_000 + np.cumsum(np.random.default_rng(7).normal(0, 40, BARS + 1))
    events = []
    for at in np.sort(random.uniform(0, BARS, count)):
        price, usd = float(prices[int(at)] + random.normal(0, 60)), float(1000 * random.pareto(1.3) + 100)
        side = Side.SELL if random.random() < 0.5 else Side.BUY
        at_ms = NOW_MS - BARS * MINUTE_MS + int(at * MINUTE_MS)
        events.append(LiquidationEvent(at_ms, "BTCUSDT", side, price, usd / price, usd, Source.BINANCE))
    return events


def report_of(frame: int) -> str:
    """Return the page's message about a frame: each shows other bars and other prices than the one before."""
    width, height = SIZE_PX
    half = (130, 90, 200, 60)[frame % 4]
    middle = 240 + 100 * ((frame % 7) - 3) / 3
    message = {
        "pane": [0, 0, width, height],
        "from": round(middle - half),
        "to": round(middle + half),
        "x_from": 0,
        "x_to": width,
        "price_top": 92_000 + 100 * (frame % 5),
        "price_bottom": 88_000 - 100 * (frame % 3),
        "mode": 0,
        "ratio": 1,
        "frame": frame,
        "page": [width, height],
        "stamps": [],
    }
    return json.dumps(message)


@pytest.fixture
def chain(qtbot, tmp_path, benchmark):
    """Join the parts between the page's message and the graphics card."""
    path = tmp_path / "view.sqlite3"
    covered = Coverage("binance", "BTCUSDT", NOW_MS - BARS * MINUTE_MS, NOW_MS)
    bulk_insert(path, liquidations(1000 if benchmark.disabled else EVENTS), coverage=[covered])
    window = QWidget()
    window.resize(*SIZE_PX)
    underlay = Underlay(window)
    underlay.set_background(QColor(14, 17, 22))
    signals = BuildSignals()
    worker = BuildWorker(path, signals, tick_size=lambda _symbol: 0.1, clock=StoppedClock())
    presenter = HeatmapPresenter(underlay, worker, signals, settings=SettingsModel(None), symbol="BTCUSDT")
    counter = UploadCounter(presenter, underlay)
    bridge = Bridge()
    axes = []
    bridge.timeAxisChanged.connect(axes.append)
    bridge.timeAxisChanged.connect(presenter.set_time_axis)
    bridge.viewportChanged.connect(lambda viewport: underlay.set_frame(Frame(viewport, axes[-1])))
    bridge.viewportChanged.connect(presenter.set_viewport)
    if not benchmark.disabled:
        worker.use_numba()
    worker.start()
    window.show()
    first_s = NOW_MS // 1000 - 60 * BARS
    bridge.bars_changed(json.dumps({"segments": [[0, first_s, 60, BARS]]}))
    bridge.viewport_moved(report_of(0))
    qtbot.waitUntil(lambda: counter.uploads > 0, timeout=PATIENCE_MS)
    yield bridge, presenter, underlay, signals, counter
    presenter.stop()
    worker.stop()
    window.close()
    window.deleteLater()


def wait_for_upload(counter: UploadCounter, uploads: int) -> None:
    """Run Qt's loop until one more image is on the card; a timer keeps it from waiting for ever."""
    begun_s = time.monotonic()
    watchdog = QTimer()
    watchdog.start(1000)
    while counter.uploads == uploads:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        assert time.monotonic() - begun_s < PATIENCE_MS / 1000, "no image came"


def test_another_view_is_crisp_again(chain, benchmark, capsys):
    bridge, presenter, underlay, signals, counter = chain
    numbers = itertools.count(1)
    built_s: list[float] = []
    took_ms: list[tuple[float, float]] = []  # until the image is built, until it is uploaded and painted
    signals.built.connect(lambda *_: built_s.append(time.perf_counter()), Qt.ConnectionType.DirectConnection)

    def settle() -> tuple[tuple[str], dict[str, object]]:
        while not presenter.is_current:
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 10)
        return (report_of(next(numbers)),), {}

    def move(report: str) -> None:
        uploads, begun_s = counter.uploads, time.perf_counter()
        built_s.clear()
        bridge.viewport_moved(report)
        wait_for_upload(counter, uploads)
        took_ms.append((1000 * (built_s[0] - begun_s), 1000 * (time.perf_counter() - begun_s)))

    benchmark.pedantic(move, setup=settle, rounds=1 if benchmark.disabled else 100, warmup_rounds=8)
    assert len(took_ms) > 0
    if not benchmark.disabled:
        built, seen = np.array(took_ms[8:]).T
        benchmark.extra_info |= {"gl": underlay.gl_description, "seen_ms": np.round(seen, 1).tolist()}
        with capsys.disabled():
            print(  # noqa: T201  # benchmarks are read
                f"\n{EVENTS:,} events, {underlay.gl_description}, engine {presenter.image.engine}",
                *(
                    f"report to {name} image: median {np.median(ms):.1f} ms, 95 % {np.percentile(ms, 95):.1f} ms"
                    for name, ms in (("built", built), ("painted", seen))
                ),
                sep="\n",
            )
        assert np.median(built) <= BUDGET_MS
