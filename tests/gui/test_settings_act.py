"""Every setting does something: the image changes, or the picture, or the texts."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtWidgets import QCheckBox, QLabel, QPushButton

from Heatmap.heatmap_settings import FIELDS

pytestmark = [pytest.mark.gl]

# One change of each setting that must give another image; together with those below they are all settings there are.
IMAGE_CHANGES = {
    "window": "2h",
    "palette": "fire",
    "normalization": "linear",
    "decay": "20m",
    "resolution": "manual",
    "trail": "20m",
    "spot_size": "large",
    "sides": "short",
    "min_notional_usd": 50_000,
    "clip_percentile": 90.0,
    "floor_usd": 50_000,
    "ceiling_usd": 5_000_000,
}
SCREEN_CHANGES = {"enabled": False, "opacity": 10, "smooth": False, "gaps": True, "bubbles": False, "bubble_count": 2}
STRIPS = {"coverage_lane", "candle_sums", "profile"}  # see test_strips
NEEDS_MANUAL = {"manual_rows": 60, "manual_cols": 150}
NEEDS_PIXELS = {"px_per_row": 12.0, "px_per_col": 9.0}
OTHERS = {"source", "language", "time_zone", "figures"}


def test_every_setting_is_covered_here():
    assert set(FIELDS) == {*IMAGE_CHANGES, *SCREEN_CHANGES, *NEEDS_MANUAL, *NEEDS_PIXELS, *OTHERS, *STRIPS}


def test_image_settings_change_the_image(open_stage):
    with open_stage() as stage:
        stage.wait_for_heat()
        stage.wait(lambda: stage.plugin.image.engine == "numba")
        stage.wait_for_heat()
        for key, value in IMAGE_CHANGES.items():
            before, old = stage.plugin.image, getattr(stage.settings.value, key)
            assert old != value, key
            stage.settings.update(**{key: value})
            stage.wait(lambda: stage.presenter.is_current)
            after = stage.plugin.image
            assert after is not before, key
            same = before.rgba.shape == after.rgba.shape and np.array_equal(before.rgba, after.rgba)
            assert not same, key
            stage.settings.update(**{key: old})
            stage.wait(lambda: stage.presenter.is_current)


def test_manual_rows_and_columns_are_obeyed(open_stage):
    with open_stage(settings={"resolution": "manual", "manual_rows": 300, "manual_cols": 400}) as stage:
        stage.wait_for_heat()
        fine = stage.plugin.image.spec
        stage.settings.update(**NEEDS_MANUAL)
        stage.wait(lambda: stage.presenter.is_current)
        coarse = stage.plugin.image.spec
        assert coarse.price_bin > 3 * fine.price_bin
        assert coarse.time_bin_ms >= 2 * fine.time_bin_ms


def test_the_size_of_a_cell_is_obeyed(open_stage):
    with open_stage(settings={"resolution": "pixels", "px_per_row": 3.0, "px_per_col": 2.0}) as stage:
        stage.wait_for_heat()
        fine = stage.plugin.image.spec
        stage.settings.update(**NEEDS_PIXELS)
        stage.wait(lambda: stage.presenter.is_current)
        coarse = stage.plugin.image.spec
        assert coarse.price_bin == pytest.approx(4 * fine.price_bin, rel=0.1)
        assert coarse.time_bin_ms == pytest.approx(4.5 * fine.time_bin_ms, rel=0.15)


def test_smooth_and_sharp_cells_look_different(open_stage):
    coarse = {"resolution": "manual", "manual_rows": 50, "manual_cols": 100, "trail": "off", "smooth": True}
    # Letters and bars have sharp edges, too.
    in_front = dict.fromkeys(("bubbles", *STRIPS), False)
    with open_stage(settings=coarse | in_front) as stage:
        stage.wait_for_heat()
        seen: list[float] = []

        def rests() -> bool:
            seen.append(edges(stage.pane()))
            last = seen[-6:]
            return len(last) == 6 and 0 < max(last) < 1.05 * min(last)

        # A chart that is not yet fitted has other edges.
        stage.wait(rests)
        stage.wait(lambda: stage.presenter.is_current)
        smooth = edges(stage.pane())
        stage.settings.update(smooth=False)
        stage.wait(lambda: edges(stage.pane()) > 1.2 * smooth)


def edges(picture: np.ndarray) -> float:
    """Return how hard the blue of the heat steps from row to row."""
    blue = picture[80:420, 50:900, 2].astype(int)
    return float((np.abs(np.diff(blue, axis=0)) > 30).sum())


# 31 December 2026, 16:08:00 UTC: in Tokyo it is next year.
AT_S = 1_798_733_280
MIDNIGHT_S = AT_S - 16 * 3600 - 8 * 60
# Written by the page: a moment at the crosshair, marks on the axis, a price.
WRITTEN = f"""(() => {{
  const types = LightweightCharts.TickMarkType, options = chart.options();
  const tick = (after, type) => options.timeScale.tickMarkFormatter({MIDNIGHT_S} + after, types[type]);
  return [options.localization.timeFormatter({AT_S}), tick(0, "DayOfMonth"), tick(54000, "Time"), tick(58080, "Time"),
    tick(86400, "Year"), series.priceFormatter().format(86250.5).replace(/0+$/, "")];
}})()"""


def test_language_and_time_zone_are_the_same_everywhere_at_once(open_stage):
    with open_stage() as stage:
        checkbox = stage.window.findChild(QCheckBox, "heatmap_enabled")
        assert checkbox.text() == "Show heatmap"
        stage.wait_for_candles()

        def is_written(*expected):
            honesty = stage.window.findChild(QLabel, "honesty").text()
            return stage.evaluate(WRITTEN) == list(expected) and honesty.endswith(expected[0].split()[-1])

        stage.wait(lambda: is_written("Dec 31, 2026  16:08 UTC", "31", "15:00", "16:08", "2027", "86,250.5"))
        stage.settings.update(time_zone="Asia/Tokyo", language="de")
        assert checkbox.text() == "Heatmap anzeigen"
        assert "SIMULIERTER" in stage.window.windowTitle()
        assert "Untergrenzen" in stage.window.findChild(QLabel, "honesty").text()
        stage.wait(lambda: is_written("1. Jan. 2027  01:08 UTC+9", "31 09:00", "2027", "01:08", "1 09:00", "86.250,5"))
        stage.settings.update(time_zone="America/New_York", language="en")
        stage.wait(
            lambda: is_written("Dec 31, 2026  11:08 UTC-5", "30 19:00", "10:00", "11:08", "31 19:00", "86,250.5")
        )


def test_only_the_source_of_this_run_can_be_chosen(open_stage):
    with open_stage() as stage:
        menu = stage.window.findChild(QPushButton, "heatmap_source").menu()
        enabled = {action.data() for action in menu.actions() if action.isCheckable() and action.isEnabled()}
        assert enabled == {"demo"}
