"""The door between page and program: what it takes, what it refuses."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Heatmap.aggregation import GridSpec
from Heatmap.errors import BridgeError, GridError
from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.rendering.view_grid import grid_for_view
from Heatmap.ui.geometry.background import Surface, background_rects, opaque_colors
from Heatmap.ui.geometry.chart_time import chart_time
from Heatmap.ui.geometry.heat_mesh import heat_mesh
from Heatmap.ui.geometry.viewport import BarSegment, PriceScaleMode, TimeAxis, visible_range
from Heatmap.ui.page.bars import BarRuns
from Heatmap.ui.page.bridge import Bridge, page_scripts, parse_surfaces, parse_viewport


def parse_bars(text: str, *options) -> TimeAxis | None:
    """Return the time axis of a single message."""
    taken = BarRuns(*options).take(text)
    assert taken is not None
    return taken[0]


SPEC = GridSpec(t0_ms=0, time_bin_ms=60_000, cols=60, price0=90.0, price_bin=0.5, rows=40)
GOOD = {
    "pane": [0, 0, 900, 500],
    "from": 10,
    "to": 110,
    "x_from": -3.5,
    "x_to": 896.5,
    "price_top": 91_000.5,
    "price_bottom": 89_000,
    "mode": 1,
    "ratio": 1.5,
    "frame": 7,
    "page": [960, 540],
    "stamps": [[0, 0, 2, 4], [848, 498, 2, 1]],
}


def test_a_viewport_is_read():
    view = parse_viewport(json.dumps(GOOD))
    assert (view.width_px, view.ratio, view.frame) == (900.0, 1.5, 7)
    assert view.mode is PriceScaleMode.LOGARITHMIC
    assert view.bar_spacing_px == pytest.approx(9.0)


@pytest.mark.parametrize(
    "change",
    [
        {"pane": [0, 0, 0, 500]},
        {"pane": [0, 0, 900]},
        {"to": 10},
        {"x_to": -4},
        {"price_top": 89_000},
        {"price_top": "91000"},
        {"price_top": None},
        {"mode": 4},
        {"ratio": 0},
        {"frame": -1},
        {"stamps": [[0, 0, 2]]},
        {"stamps": [[0, 0, 0, 1]]},
        {"stamps": [[0, 0, 2, 99]]},
        {"stamps": [[0, 0, 2, 1]] * 5},
        {"stamps": [[1e9, 0, 2, 1]]},
        {"page": [960]},
        {"extra": 1},
    ],
)
def test_an_impossible_viewport_is_refused(change):
    with pytest.raises(BridgeError):
        parse_viewport(json.dumps(GOOD | change))


@given(st.text(st.characters(), max_size=200) | st.text(st.characters(categories=["Cs"]), min_size=1, max_size=3))
@settings(max_examples=300)
def test_any_text_is_read_or_refused(text):
    for parse in (parse_viewport, parse_bars):
        with pytest.raises(BridgeError):
            parse(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "segments"]), json_values))
@settings(max_examples=300)
def test_any_json_is_read_or_refused(message):
    for parse in (parse_viewport, parse_bars):
        try:
            parse(json.dumps(message))
        except BridgeError:
            continue


extremes = st.sampled_from([0, 1, -1, 1e-300, 5e-324, 1e-9, 1e9, -1e9, 1e12, -1e12, 1e5, 32, 0.1, 1e11]) | st.floats(
    -1e12, 1e12
)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("from", "to", "x_from", "x_to", "price_top"), extremes)),
    st.fixed_dictionaries({}, optional={"price_bottom": extremes, "ratio": extremes, "mode": st.integers(0, 3)}),
    st.lists(extremes, min_size=4, max_size=4),
    st.lists(st.tuples(st.integers(-(10**10), 10**10), extremes, extremes, st.integers(-1, 10**10)), max_size=3),
)
@settings(max_examples=500)
def test_what_is_taken_can_be_shown(first, second, pane, segments):
    """A slot that raises ends the program: whatever passes the door must pass all arithmetic behind it."""
    try:
        view = parse_viewport(json.dumps(GOOD | first | second))
        axis = parse_bars(json.dumps({"segments": segments or [[0, 0, 60, 100]]}))
        pane_view = parse_viewport(json.dumps(GOOD | first | second | {"pane": pane}))
    except BridgeError:
        return
    assert axis is not None
    for viewport in (view, pane_view):
        visible = visible_range(viewport, axis)
        with suppress(GridError):  # no grid serves such a view; the worker says so
            grid = grid_for_view(
                visible, HeatmapSettings(), since_ms=1_759_971_200_000, now_ms=1_760_000_000_000, tick_size=0.1
            )
            heat_mesh(viewport, axis, grid or SPEC)


def test_bars_become_an_axis_in_utc():
    text = json.dumps({"segments": [[0, 3600, 60, 10], [10, 9000, 60, 5]]})
    axis = parse_bars(text, chart_time(None, 3600))
    assert axis is not None
    assert axis.segments == (BarSegment(0, 0, 60_000, 10), BarSegment(10, 5_400_000, 60_000, 5))


def test_a_series_without_bars_has_no_axis():
    assert parse_bars('{"segments": []}') is None


@pytest.mark.parametrize(
    "segments",
    [
        [[0, 0, 0, 1]],
        [[0, 0, 60, 0]],
        [[0, 1e15, 60, 1]],
        [[0, 0, 60, 5], [4, 400, 60, 1]],
        [[0, 500, 60, 5], [5, 0, 60, 1]],
    ],
)
def test_impossible_bars_are_refused(segments):
    with pytest.raises(BridgeError):
        parse_bars(json.dumps({"segments": segments}))


def message(first: int, count: int, **more) -> str:
    """Return runs of one bar each, an hour apart."""
    return json.dumps({"segments": [[k, 3600 * k, 60, 1] for k in range(first, first + count)], **more})


def test_only_the_runs_that_change_are_sent():
    bars = BarRuns()
    assert bars.take(message(0, 5)) == (parse_bars(message(0, 5)),)
    assert bars.take(message(4, 2, keep=4)) == (parse_bars(message(0, 6)),)
    assert bars.take(message(0, 0, keep=2)) == (parse_bars(message(0, 2)),)
    assert bars.take(message(0, 0)) == (None,)


def test_many_runs_come_in_several_messages():
    bars = BarRuns()
    bars.take(message(0, 2))
    assert bars.take(message(1, 4, keep=1, more=True)) is None
    assert bars.take(message(5, 4, keep=5, more=True)) is None
    assert bars.take(message(9, 1, keep=9)) == (parse_bars(message(0, 10)),)


def test_a_new_page_may_begin_within_the_messages_of_the_last_one():
    bars = BarRuns()
    assert bars.take(message(0, 8, more=True)) is None
    assert bars.take(message(0, 5)) == (parse_bars(message(0, 5)),)


def test_what_builds_upon_refused_runs_is_refused_until_all_come_again():
    bars = BarRuns()
    bars.take(message(0, 3))
    for text in ("{}", message(3, 1, keep=3), message(9, 1, keep=9)):
        with pytest.raises(BridgeError):
            bars.take(text)
    assert bars.take(message(0, 4)) == (parse_bars(message(0, 4)),)
    # A message that is not the continuation of the one before.
    assert bars.take(message(4, 1, keep=4, more=True)) is None
    with pytest.raises(BridgeError):
        bars.take(message(5, 1, keep=4))
    with pytest.raises(BridgeError, match="keep"):
        bars.take(message(5, 1, keep=4))


def test_a_bad_message_is_counted_and_changes_nothing(qtbot, caplog):
    bridge = Bridge()
    with qtbot.assertNotEmitted(bridge.viewportChanged):
        bridge.viewport_moved("nonsense")
        bridge.viewport_moved("[]")
    assert bridge.rejected == {"viewport": 2}
    assert len([record for record in caplog.records if "refused" in record.message]) == 1


def test_a_good_message_is_passed_on(qtbot):
    bridge = Bridge()
    with qtbot.waitSignal(bridge.viewportChanged) as signal:
        bridge.viewport_moved(json.dumps(GOOD))
    assert signal.args[0].frame == 7


def test_the_script_holds_the_hosts_expressions():
    chart, series, script = page_scripts("app.chart", "app.series[0] // the candles")
    assert chart == "window.__heatmap_chart = () => (app.chart\n);"
    assert series == "window.__heatmap_series = () => (app.series[0] // the candles\n);"
    assert 'givenExpression("chart", "app.chart")' in script


def test_surfaces_are_read_in_device_pixels():
    text = json.dumps({"ratio": 2, "surfaces": [[1, 2, 30, 40, 255, 0, 0, 255], [0.3, 0, 1, 1, 0, 0, 0, 51]]})
    outer, inner = parse_surfaces(text)
    assert outer == Surface(2.0, 4.0, 60.0, 80.0, color=(1.0, 0.0, 0.0, 1.0))
    assert outer.box_px == (2, 4, 62, 84)
    assert inner.box_px == (1, 0, 3, 2)
    # The inner one lets four fifths of the red through.
    assert opaque_colors((0.0, 0.0, 1.0), (outer, inner)) == ((1.0, 0.0, 0.0), pytest.approx((0.8, 0.0, 0.0)))


@pytest.mark.parametrize("colour", [[256, 0, 0, 0], [0, 0, 0, -1], [0, 0, 0], ["red", 0, 0, 0]])
def test_impossible_surfaces_are_refused(colour):
    with pytest.raises(BridgeError):
        parse_surfaces(json.dumps({"ratio": 1, "surfaces": [[0, 0, 1, 1, *colour]]}))


def test_what_a_later_surface_hides_is_not_painted():
    red = (1.0, 0.0, 0.0, 0.5)
    whole, part = Surface(0, 0, 900, 500, red), Surface(0, 40, 900, 460, red)
    white = (1.0, 1.0, 1.0)
    assert len(background_rects(white, (), (900, 500))) == 1
    assert len(background_rects(white, (part,), (900, 500))) == 2
    assert [rect.top for rect in background_rects(white, (whole, whole, part), (900, 500))] == [0, 40]
    assert len(background_rects(white, (whole,), (901, 500))) == 2


def test_patches_cover_the_view_and_nothing_beyond_it():
    red, blue = (1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 1.0, 0.5)
    beyond, outside = Surface(-5, 40, 1000, 900, red), Surface(950, 0, 50, 50, red)
    inner = Surface(100, 100, 50, 50, blue)
    ground, lower, small = background_rects((1.0, 1.0, 1.0), (beyond, outside, inner), (900, 500))
    assert ground == (0, 0, 900, 500, (1.0, 1.0, 1.0))
    assert lower == (0, 40, 900, 500, (1.0, 0.0, 0.0))
    assert small == (100, 100, 150, 150, (0.5, 0.0, 0.5))
    whole = Surface(0, 0, 900, 500, red)
    assert background_rects((1.0, 1.0, 1.0), (whole,), (900, 500)) == ((0, 0, 900, 500, (1.0, 0.0, 0.0)),)
