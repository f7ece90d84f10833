"""Switching the heat on and off in the real window, pixels compared; recording goes on either way."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pytest
from PyQt6.QtWidgets import QCheckBox, QLabel

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.ui.widgets.legend import Legend
from Heatmap.ui.widgets.overlay import SourceBadge

pytestmark = [pytest.mark.gl]

BADGE_BOTTOM_PX = 40


def rows_of(path) -> int:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)  # noqa: TID251  # an eye of its own on the file
    try:
        return connection.execute("SELECT count(*) FROM liq_events").fetchone()[0]
    finally:
        connection.close()


def new_colors(picture: np.ndarray, bare: np.ndarray) -> int:
    """Count pixels beneath the badge of a colour that the picture without heat does not have, wherever it lies.

    So a chart that has moved on, because a candle began or the price axis grew, is not taken for heat.
    """
    shades = [(part[BADGE_BOTTOM_PX:].astype(int) >> 3) @ (1024, 32, 1) for part in (picture, bare)]
    return int((~np.isin(shades[0], shades[1])).sum())


def vivid_pixels(picture: np.ndarray) -> int:
    """Count pixels of a strong colour beneath the badge, as of opaque heat; those of candles, which move, too."""
    return int(np.count_nonzero(np.ptp(picture[BADGE_BOTTOM_PX:].astype(int), axis=2) > 60))


def liquidation(stage, notional_btc: str, offset_s: int) -> str:
    """Return a frame of a liquidation at the present price."""
    ts_ms = SYSTEM_CLOCK.now_ms() - offset_s * 1000
    price = f"{stage.market.price_at(ts_ms):.1f}"
    order = {"s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": notional_btc, "p": price, "ap": price}
    order |= {"X": "FILLED", "l": notional_btc, "z": notional_btc, "T": ts_ms}
    return json.dumps({"e": "forceOrder", "E": ts_ms + 1000, "o": order})


def test_the_tabs_checkbox_turns_heat_on_and_off_and_recording_goes_on(open_stage):
    with open_stage(settings={"enabled": False}) as stage:
        checkbox = stage.window.findChild(QCheckBox, "heatmap_enabled")
        assert not checkbox.isChecked()
        stage.wait_for_candles()
        bare = stage.pane()

        checkbox.click()
        assert stage.plugin.is_enabled()
        stage.wait(lambda: new_colors(stage.pane(), bare) > 20_000)

        # Off: nothing of it remains on the screen, and rows keep being written.
        checkbox.click()
        stage.wait(lambda: new_colors(stage.pane(), bare) < 3_000)
        assert stage.plugin.image is None
        before = rows_of(stage.db_path)
        for number in range(5):
            stage.exchange.inject(liquidation(stage, "25.000", number))
        stage.wait(lambda: rows_of(stage.db_path) >= before + 5)
        assert stage.plugin.image is None

        # On again: the heat is back, with what was written meanwhile.
        checkbox.click()
        # The image first: on a busy machine one frame may be black while the layer of the heat is removed.
        stage.wait(lambda: stage.plugin.image is not None)
        stage.wait(lambda: new_colors(stage.pane(), bare) > 20_000)
        shown = stage.plugin.image
        assert shown.events + shown.outside >= before + 5


def test_toolbar_and_tab_agree(open_stage):
    with open_stage() as stage:
        checkbox = stage.window.findChild(QCheckBox, "heatmap_enabled")
        stage.plugin.toggle_action().trigger()
        assert not checkbox.isChecked()
        checkbox.click()
        assert stage.plugin.toggle_action().isChecked()


def test_new_events_appear_without_a_rebuild_being_asked_for(open_stage):
    with open_stage() as stage:
        stage.wait_for_heat()
        events = stage.plugin.image.events + stage.plugin.image.outside
        stage.exchange.inject(liquidation(stage, "9.000", 2))
        stage.wait(lambda: stage.plugin.image.events + stage.plugin.image.outside > events)


def test_opacity_acts_on_the_screen(open_stage):
    with open_stage(settings={"opacity": 0, "bubbles": False}) as stage:
        stage.wait_for_heat()
        stage.wait_for_candles()
        bare = vivid_pixels(stage.pane())
        stage.settings.update(opacity=100)
        stage.wait(lambda: vivid_pixels(stage.pane()) > bare + 5_000)
        stage.settings.update(opacity=10)
        stage.wait(lambda: vivid_pixels(stage.pane()) < bare + 2_000)


def test_a_market_that_is_not_real_is_marked_with_and_without_heat(open_stage):
    with open_stage() as stage:
        badge = stage.window.findChild(SourceBadge)
        stage.wait_for_heat()
        assert badge.isVisible()
        assert "SIMULATED" in badge.accessibleName()
        stage.plugin.set_enabled(False)
        assert "SIMULATED" in stage.window.windowTitle()
        stage.wait(lambda: stage.window.findChild(SourceBadge) is None)
        label = stage.window.findChild(QLabel, "source_badge")
        assert "SIMULATED" in label.text()
        # Nothing of the chart is painted over it.
        stage.wait(lambda: tuple(stage.pane(label)[label.height() // 2, 12]) == (255, 193, 7))


def test_no_candle_is_drawn_over_legend_and_badge(open_stage):
    with open_stage() as stage:
        stage.wait_for_heat()
        stage.wait_for_candles()
        badge, legend = stage.window.findChild(SourceBadge), stage.window.findChild(Legend)
        # Candles from the top of the pane to its bottom, under both cards.
        stage.view.page().runJavaScript(
            "chart.priceScale('right').applyOptions({scaleMargins: {top: 0, bottom: 0}});"
            "series.setData(series.data().map((bar) => ({...bar, open: 8e4, low: 8e4, high: 1e5, close: 1e5})))"
        )
        pane = stage.presenter.viewport
        stage.wait(lambda: stage.candle_pixels() > 0.2 * pane.width_px * pane.height_px)
        rounded_corners = 40
        stage.wait(lambda: max(stage.candle_pixels(badge), stage.candle_pixels(legend)) < rounded_corners)
        assert tuple(stage.pane(badge)[badge.height() // 2, 4]) == (255, 193, 7)
        assert badge.isVisible()
        assert legend.isVisible()
