"""How soon the program shows what happens: the heat after it is switched on, a liquidation after it was stored.

    pytest tests/gui/test_live_speed.py --benchmark-enable --benchmark-json=figures.json

All is the program's own, from the exchange's socket to the composed window; the exchange is the demo's, on loopback.
Without ``--benchmark-enable`` a few rounds show that it runs.
"""

from __future__ import annotations

import json
import random
import threading
import time

import numpy as np
import pytest

from Heatmap.clock import SYSTEM_CLOCK

pytestmark = [pytest.mark.gl, pytest.mark.timeout(600)]

HALF_HOUR_MS = 1_800_000


class Swaps:
    """Times of the frames of the heat's layer that the window has composed."""

    def __init__(self, underlay) -> None:
        self.last_s = 0.0
        underlay.frameSwapped.connect(self._note)

    def _note(self) -> None:
        self.last_s = time.monotonic()


def switched_on_ms(stage) -> float:
    """Switch the heat off and on; return the time until the window was composed with the new image."""
    stage.settings.update(enabled=False)
    stage.wait(lambda: stage.plugin.image is None)
    begun_s = time.monotonic()
    stage.settings.update(enabled=True)
    stage.wait(lambda: stage.plugin.image is not None and stage.presenter.is_current)
    swaps, drawn = Swaps(stage.underlay), []
    stage.underlay.framePainted.connect(lambda: drawn.append(time.monotonic()))
    stage.underlay.update()
    stage.wait(lambda: bool(drawn) and swaps.last_s >= drawn[0])
    return 1000 * (swaps.last_s - begun_s)


def empty_place(stage) -> tuple[int, float]:
    """Return a time of the last half hour and a price in sight, in whose cell and around which there is no heat."""
    spec, viewport = stage.plugin.image.spec, stage.presenter.viewport
    low, high = sorted((viewport.price_top, viewport.price_bottom))
    alpha = stage.plugin.image.rgba[::-1, :, 3]
    while True:
        ts_ms = SYSTEM_CLOCK.now_ms() - random.randrange(HALF_HOUR_MS)
        price = round(random.uniform(low, high), 1)
        col, row = place_of(spec, ts_ms, price)
        if 4 <= row < spec.rows - 4 and not alpha[row - 4 : row + 5, max(0, col - 2) : col + 3].any():
            return ts_ms, price


def place_of(spec, ts_ms: int, price: float) -> tuple[int, int]:
    return (ts_ms - spec.t0_ms) // spec.time_bin_ms, int((price - spec.price0) // spec.price_bin)


def is_hot(image, ts_ms: int, price: float) -> bool:
    col, row = place_of(image.spec, ts_ms, price)
    return bool(0 <= col < image.spec.cols and 0 <= row < image.spec.rows and image.rgba[::-1][row, col, 3])


def frame_of(ts_ms: int, price: float) -> str:
    order = {"s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "2.000", "p": str(price), "ap": str(price)}
    order |= {"X": "FILLED", "l": "2.000", "z": "2.000", "T": ts_ms}
    return json.dumps({"e": "forceOrder", "E": ts_ms, "o": order})


def shown_ms(stage) -> tuple[float, float]:
    """Send a liquidation; return the time from the socket to its commit, and from there until its cell was composed."""
    ts_ms, price = empty_place(stage)
    before, stored_s = stage.service.status().stored, threading.Event()
    times: dict[str, float] = {}

    def note_stored() -> None:
        if not stored_s.is_set() and stage.service.status().stored > before:
            times["stored"] = time.monotonic()
            stored_s.set()

    def note_image(image) -> None:
        if image is not None and "image" not in times and is_hot(image, ts_ms, price):
            times["image"] = time.monotonic()

    def note_painted() -> None:
        if "image" in times:
            times.setdefault("painted", time.monotonic())

    unsubscribe = stage.service.subscribe(note_stored)
    stage.presenter.imageChanged.connect(note_image)
    stage.underlay.framePainted.connect(note_painted)
    swaps = Swaps(stage.underlay)
    begun_s = time.monotonic()
    stage.exchange.inject(frame_of(ts_ms, price))
    stage.wait(lambda: "painted" in times and swaps.last_s >= times["painted"])
    unsubscribe()
    stage.presenter.imageChanged.disconnect(note_image)
    stage.underlay.framePainted.disconnect(note_painted)
    return 1000 * (times["stored"] - begun_s), 1000 * (swaps.last_s - times["stored"])


def test_how_soon_heat_and_liquidations_are_shown(open_stage, benchmark):
    switches, events = (2, 3) if benchmark.disabled else (10, 60)
    with open_stage() as stage:
        stage.wait_for_heat()
        switched, shown = [], []

        def measure() -> None:
            switched.extend(switched_on_ms(stage) for _ in range(switches))
            stage.wait(lambda: stage.presenter.is_current)
            shown.extend(shown_ms(stage) for _ in range(events))

        benchmark.pedantic(measure, rounds=1, iterations=1)
        gl = stage.underlay.gl_description
    stored, pixel = np.array(shown).T
    benchmark.extra_info |= {"gl": gl} | {
        name: np.round(values, 1).tolist()
        for name, values in {"switched_on_ms": switched, "stored_ms": stored, "pixel_ms": pixel}.items()
    }
    assert min(switched) > 0
    assert (pixel > 0).all()
