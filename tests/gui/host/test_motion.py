"""The heat stays on its candle in every composed frame, while a user drags, zooms and resizes.

What is looked at is the window itself, in the moment after Qt has composed and swapped it: `QOpenGLWidget.frameSwapped`
comes from inside the flush of the window, on the GUI thread, and Mesa has put the picture into the X server through the
same connection that the grab then asks, so the server has it whole before it answers. A grab at any other moment would
do for this measurement as well - heat and candle are always of one picture - but might count one picture twice and
miss the next.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from PyQt6.QtGui import QImage, QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import QApplication

from Heatmap.heatmap_service import HeatmapService
from Heatmap.ui.geometry.frame_follower import SyncMode
from Heatmap.ui.widgets.legend import Legend

pytestmark = [pytest.mark.gl, pytest.mark.film, pytest.mark.timeout(300)]

BAR, PRICE = 120, 97.25
TICK_SIZE = 0.5
"""High cells, so that one shows around its candle: 97.25 is the middle of [97, 97.5)."""
OFFSET_S = -7.5
"""The middle of a bar is then second 37.5 of a minute, the middle of a column of 5 and of 15 s as well."""
FRAMES_PER_PHASE = 70
PHASE_MS = round(60_000 * float(os.environ.get("HEATMAP_PATIENCE", "1")))
GREEN = (0, 255, 0)

START = f"""
DATA[{BAR}] = {{time: DATA[{BAR}].time, open: {PRICE - 0.05}, close: {PRICE + 0.05}, low: {PRICE - 0.05},
  high: {PRICE + 0.05}, color: '#00ff00', wickColor: '#00ff00'}};
makeChart({{kineticScroll: {{mouse: false}}}});
chart.timeScale().setVisibleLogicalRange({{from: 85, to: 150}});
"""


@dataclass
class Film:
    """Looks at each composed frame: where is the candle, where is its heat."""

    host: object
    event_ms: int
    misses: list[tuple[float, float]] = field(default_factory=list)
    blind: int = 0
    grabs: int = 0
    _last: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        self.host.underlay.frameSwapped.connect(self._look)

    def close(self) -> None:
        self.host.underlay.frameSwapped.disconnect(self._look)

    def _look(self) -> None:
        view = self.host.view
        corner = view.mapTo(view.window(), QPoint(0, 0))
        picture = view.screen().grabWindow(view.window().winId(), corner.x(), corner.y(), view.width(), view.height())
        image = picture.toImage().convertToFormat(QImage.Format.Format_RGB888)
        rows = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint8)
        rows = rows.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()]
        self.grabs += 1
        self.take(rows.reshape(image.height(), image.width(), 3))

    def take(self, picture: np.ndarray) -> None:
        # Channel by channel: this runs between any two frames and must not become what is measured.
        red, green, blue = (picture[:, :, channel] == GREEN[channel] for channel in range(3))
        ys, xs = np.nonzero(green & red & blue)
        if not len(xs):
            self._last = None
            return
        top, bottom, left, right = ys.min(), ys.max() + 1, xs.min(), xs.max() + 1
        place = ((left + right) / 2, (top + bottom) / 2)
        moved = self._last is not None and place != self._last
        self._last = place
        if not moved:
            return
        heat = picture[:, :, 0].astype(np.int16) - picture[:, :, 2]
        heat[heat < 24] = 0
        for legend in self.host.view.findChildren(Legend):
            box = legend.geometry()
            heat[max(box.top(), 0) : box.bottom() + 1, max(box.left(), 0) : box.right() + 1] = 0
        # The candle hides the middle of its heat: what is left and right of it tells y, above and below it x.
        beside, across = heat.copy(), heat
        beside[:, left:right] = 0
        across[top:bottom] = 0
        if not (beside.any() and across.any()):
            self.blind += 1
            return
        columns, lines = across.sum(axis=0, dtype=np.int64), beside.sum(axis=1, dtype=np.int64)
        x = (columns * (np.arange(len(columns)) + 0.5)).sum() / columns.sum()
        y = (lines * (np.arange(len(lines)) + 0.5)).sum() / lines.sum()
        self.misses.append((x - place[0] - self._beside_the_candle_px(), y - place[1]))

    def _beside_the_candle_px(self) -> float:
        """Return how far the middle of the event's cell is from the middle of its bar: columns are 5 s and wider."""
        plugin = self.host.plugin
        step_ms = plugin.image.spec.time_bin_ms
        middle_ms = self.event_ms // step_ms * step_ms + step_ms / 2
        bar_ms = self.event_ms // 60_000 * 60_000 + 30_000 - OFFSET_S * 1000
        return (middle_ms - bar_ms) / 60_000 * self.host.underlay.frame.viewport.bar_spacing_px


class Mouse:
    """A user's hand over the view's inner widget: real mouse events, as the window system would send them."""

    def __init__(self, view) -> None:
        self._widget = view.focusProxy()
        self._at = QPointF(0, 0)
        self._buttons = Qt.MouseButton.NoButton

    def _send(self, kind, button) -> None:
        place = QPointF(self._widget.mapToGlobal(self._at.toPoint()))
        event = QMouseEvent(kind, self._at, place, button, self._buttons, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(self._widget, event)

    def move(self, x: float, y: float) -> None:
        self._at = QPointF(x, y)
        self._send(QEvent.Type.MouseMove, Qt.MouseButton.NoButton)

    def press(self, x: float, y: float) -> None:
        self.move(x, y)
        self._buttons = Qt.MouseButton.LeftButton
        self._send(QEvent.Type.MouseButtonPress, Qt.MouseButton.LeftButton)

    def release(self) -> None:
        self._buttons = Qt.MouseButton.NoButton
        self._send(QEvent.Type.MouseButtonRelease, Qt.MouseButton.LeftButton)

    def wheel(self, notches: float) -> None:
        place = QPointF(self._widget.mapToGlobal(self._at.toPoint()))
        turned = QPoint(0, round(120 * notches))
        event = QWheelEvent(
            self._at,
            place,
            QPoint(),
            turned,
            self._buttons,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(self._widget, event)


def perform(host, film: Film, step, *, every_ms: int = 12) -> None:
    """Call ``step(k)`` again and again until so many more frames in motion have been seen."""
    wanted = len(film.misses) + FRAMES_PER_PHASE
    count = iter(range(10**9))
    timer = QTimer()
    timer.setInterval(every_ms)
    timer.timeout.connect(lambda: step(next(count)))
    timer.start()
    try:
        host.qtbot.waitUntil(lambda: len(film.misses) >= wanted, timeout=PHASE_MS)
    except host.qtbot.TimeoutError:
        pytest.fail(
            f"{wanted - len(film.misses)} frames are missing; heat was not seen in {film.blind} of {film.grabs}"
        )
    finally:
        timer.stop()


def pan(host, film: Film) -> None:
    mouse = Mouse(host.view)
    mouse.press(420, 300)
    perform(host, film, lambda k: mouse.move(420 + 160 * math.sin(k / 9), 300))
    mouse.move(420, 300)
    mouse.release()


def zoom(host, film: Film) -> None:
    mouse = Mouse(host.view)
    mouse.move(80, 200)  # far from the candle, which stays where the pointer is
    perform(host, film, lambda k: mouse.wheel(0.4 if k // 12 % 2 else -0.4))


def drag_price_axis(host, film: Film) -> None:
    mouse = Mouse(host.view)
    x = host.evaluate("chart.timeScale().width()") + 20
    mouse.press(x, 200)
    perform(host, film, lambda k: mouse.move(x, 200 + 60 * math.sin(k / 7)))
    mouse.move(x, 200)
    mouse.release()


def switch_scales(host, film: Film) -> None:
    host.run("chart.priceScale('right').applyOptions({autoScale: true})")

    def step(k: int) -> None:
        inverted = "true" if k % 40 > 30 else "false"
        host.run(f"chart.priceScale('right').applyOptions({{mode: {k // 6 % 4}, invertScale: {inverted}}})")
        host.run(f"chart.timeScale().scrollToPosition({-50 + 12 * math.sin(k / 8)}, false)")

    perform(host, film, step)
    host.run("chart.priceScale('right').applyOptions({mode: 0, invertScale: false})")


def resize(host, film: Film) -> None:
    # A window manager waits for the program between two sizes; 30 a second is more than most send.
    perform(
        host,
        film,
        lambda k: host.window.resize(900 + round(150 * math.sin(k / 9)), 500 + round(90 * math.sin(k / 7))),
        every_ms=33,
    )


PHASES = (pan, zoom, drag_price_axis, switch_scales, resize)
# Share of frames within 1 px; of 70 frames one may be bad. While a window is resized, Qt asks for pictures out of turn,
# and one may be composed before its report is delivered; the place foreseen for it is not always right. That is told,
# and bounded, and not yet cured.
BOUNDS = {"pan": 0.985, "zoom": 0.985, "drag_price_axis": 0.985, "switch_scales": 0.985, "resize": 0.7}


def share_within(misses: np.ndarray, limit_px: float) -> float:
    return float((np.abs(misses).max(axis=1) <= limit_px).mean())


def describe(name: str, misses: np.ndarray) -> str:
    far = np.abs(misses)
    return (
        f"{name}: {len(far)} frames, x median {np.median(far[:, 0]):.2f} max {far[:, 0].max():.2f} px, "
        f"y median {np.median(far[:, 1]):.2f} max {far[:, 1].max():.2f} px, "
        f"within 1 px {100 * share_within(misses, 1.0):.1f} %"
    )


@pytest.mark.parametrize("version", ["4.1", "4.2", "5.0", "5.2"])
def test_the_heat_stays_on_its_candle_in_every_frame(
    open_host, host_liquidation, chart_library, monkeypatch, capsys, benchmark, version
):
    monkeypatch.setattr(HeatmapService, "tick_size", lambda _service, _symbol: TICK_SIZE)
    event = host_liquidation(bar=BAR, second=37, price=PRICE)
    with open_host(events=[event], library=chart_library(version)) as host:
        host.show(start=START, plugin={"time_offset_s": OFFSET_S})
        film = Film(host, event.ts_ms)
        shares, lines = {}, []

        def play() -> None:
            for phase in PHASES:
                # Other work on the machine may hold up one film; it is told, and filmed once more.
                for _ in range(2):
                    first = len(film.misses)
                    phase(host, film)
                    seen = np.array(film.misses[first:])
                    shares[phase.__name__] = share_within(seen, 1.0)
                    lines.append(describe(phase.__name__, seen))
                    if shares[phase.__name__] >= BOUNDS[phase.__name__]:
                        break

        benchmark.pedantic(play, rounds=1, iterations=1)
        film.close()
        misses = np.array(film.misses)
        counts = host.frame_sync.follower.counts
        distance_px = np.percentile(np.abs(misses).max(axis=1), [50, 95, 99]).round(2).tolist()
        benchmark.extra_info |= {"gl": host.underlay.gl_description, "distance_px": distance_px, "frames": len(misses)}
        with capsys.disabled():
            print(f"\nLightweight Charts {version}", *lines, describe("all", misses), counts, sep="\n")  # noqa: T201  # CI shows them
        assert host.frame_sync.follower.mode is SyncMode.STAMP
        assert len(misses) >= 300
        assert all(share >= BOUNDS[name] for name, share in shares.items())
