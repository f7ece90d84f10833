"""A lone liquidation lies on the screen where the host's own chart has its time and price, whatever the chart does."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.gl]

# conftest.py: bar 120 of 200 bars of a minute, price 97.
EVENT_BAR = 120

SCALES = {
    "normal": {"mode": 0},
    "logarithmic": {"mode": 1},
    "percentage": {"mode": 2},
    "indexed": {"mode": 3},
    "inverted": {"mode": 0, "invertScale": True},
    "inverted logarithmic": {"mode": 1, "invertScale": True},
}


def test_every_price_scale(open_host, record_property):
    with open_host() as host:
        host.show()
        for name, options in SCALES.items():
            host.run(f"chart.priceScale('right').applyOptions({json.dumps({'invertScale': False} | options)})")
            record_property(name, host.wait_for_place())


def test_a_logarithmic_scale_that_reaches_almost_to_zero(open_host):
    wide = "{autoscaleInfoProvider: () => ({priceRange: {minValue: 2, maxValue: 110}})}"
    with open_host() as host:
        host.show(start=f"makeChart({{rightPriceScale: {{mode: 1}}}}, {wide});")
        host.wait_for_place()


def test_a_left_price_scale(open_host):
    with open_host() as host:
        host.show(
            start="makeChart({leftPriceScale: {visible: true}, rightPriceScale: {visible: false}},"
            " {priceScaleId: 'left'});"
        )
        host.wait_for_place()


def test_both_price_scales(open_host):
    with open_host() as host:
        host.show(
            start="makeChart({leftPriceScale: {visible: true}});"
            "const other = addLine({priceScaleId: 'left'});"
            "other.setData(DATA.map((bar) => ({time: bar.time, value: bar.close * 1000})));"
        )
        host.wait_for_place()


@pytest.mark.parametrize("offset_s", [7200, -18_000, 19_800])
def test_a_host_that_shifts_its_times(open_host, host_bars, offset_s):
    with open_host() as host:
        host.show(data=host_bars(offset_s=offset_s), plugin={"time_offset_s": offset_s})
        host.wait_for_place()


MOVES = {
    "pan": "chart.timeScale().scrollToPosition(-40, false)",
    "zoom in": "chart.timeScale().setVisibleLogicalRange({from: 110.3, to: 131.7})",
    "zoom out": "chart.timeScale().setVisibleLogicalRange({from: -250, to: 420})",
    "fit": "chart.timeScale().fitContent()",
    "prices by hand": "series.priceScale().setVisibleRange({from: 60, to: 130})",
    "other margins": "series.priceScale().applyOptions({autoScale: true, scaleMargins: {top: 0.4, bottom: 0.3}})",
    "other colours of the host": "series.applyOptions({wickUpColor: '#2050ff'})",
}


def test_pan_and_zoom(open_host, record_property):
    with open_host() as host:
        host.show()
        for name, move in MOVES.items():
            host.run(move)
            record_property(name, host.wait_for_place())


def test_a_gap_in_the_bars(open_host, host_bars):
    # The event lies after an hour without bars: 80 bars of its own day are before it.
    with open_host() as host:
        host.show(data=host_bars(first_shift_s=-3600, gap_after=100))
        host.wait_for_place()
        host.run("chart.timeScale().setVisibleLogicalRange({from: 90, to: 130})")
        host.wait_for_place()


@pytest.mark.parametrize("zoom", [1.25, 0.8, 2.0])
def test_page_zoom(open_host, zoom):
    with open_host() as host:
        host.view.setZoomFactor(zoom)
        host.show(start="makeChart(); chart.timeScale().setVisibleLogicalRange({from: 90, to: 150});")
        host.wait_for_place()


def test_page_zoom_while_attached(open_host):
    with open_host() as host:
        host.show()
        host.wait_for_place()
        for zoom in (1.25, 1.0):
            host.view.setZoomFactor(zoom)
            host.wait_for_place()


FRAME = {
    "body": '<div id="head">header</div><div id="side"></div><div id="chart"></div>',
    "css": "#head { height: 47.5px; background: #202020; } #side { position: absolute; top: 47.5px; left: 0; width:"
    " 133px; bottom: 0; background: #303030; } #chart { top: 47.5px; left: 133px; right: 40px; bottom: 25px; }",
}


def test_a_chart_beside_a_header_and_a_sidebar(open_host):
    with open_host() as host:
        host.show(**FRAME)
        host.wait_for_place()
        picture = host.picture()
        # Header and sidebar hide nothing of the heat's colour and keep their own.
        assert tuple(picture[300, 60]) == (0x30, 0x30, 0x30)
        assert tuple(picture[20, 400]) == (0x20, 0x20, 0x20)


def test_a_chart_that_is_moved_without_being_resized(open_host):
    with open_host() as host:
        host.show(
            body='<div id="banner"></div><div id="chart"></div>',
            css="#chart { position: static; height: 400px; }",
        )
        host.wait_for_place()
        host.run("document.getElementById('banner').style.height = '60px'")
        host.wait_for_place()


def test_a_page_that_scrolls(open_host):
    with open_host() as host:
        host.show(
            css="html, body { overflow: auto !important; } #chart { position: static; height: 420px; }",
            body='<p style="height: 90px"></p><div id="chart"></div><p style="height: 900px"></p>',
        )
        host.wait_for_place()
        host.run("window.scrollTo(0, 70)")
        host.wait_for_place()


def test_a_series_in_the_second_pane(open_host):
    with open_host() as host:
        host.show(
            start="makeChart({}, {}, 1);"
            "const above = addLine();"
            "above.setData(DATA.map((bar) => ({time: bar.time, value: bar.close * 7})));"
        )
        host.wait_for_place(pane=1)
        # The separator between the panes is moved.
        host.run("chart.panes()[0].setHeight(120)")
        host.wait_for_place(pane=1)
        # And the series goes to the upper one.
        host.run("series.moveToPane(0)")
        host.wait_for_place(pane=0)


def test_another_series_brings_earlier_and_inner_bars(open_host):
    """The time scale is shared: points of another series move the logical index of every bar."""
    with open_host() as host:
        host.show()
        host.wait_for_place()
        host.run(
            "window.other = addLine();"
            "other.setData(Array.from({length: 50}, (_, k) => ({time: DATA[0].time - 3000 + 60 * k, value: 100})));"
        )
        host.wait_for_place(logical=EVENT_BAR + 50)
        host.run("chart.removeSeries(other)")
        host.wait_for_place()


def test_finer_points_of_another_series_between_the_bars(open_host):
    """Four points a minute: the candle's minute is spread over them, and heat lies at its own quarter."""
    with open_host() as host:
        host.show()
        host.run(
            "window.other = addLine();"
            "other.setData(Array.from({length: 800}, (_, k) => ({time: DATA[0].time + 15 * k, value: 100})));"
            "chart.timeScale().setVisibleLogicalRange({from: 440, to: 520})"
        )
        # Second 30 of minute 120 is where the third of its four points begins.
        host.wait_for_place(logical=4 * EVENT_BAR + 1.5)


HIDDEN = {
    "price axis": "chart.applyOptions({rightPriceScale: {visible: false}})",
    "time axis": "chart.applyOptions({timeScale: {visible: false}})",
    "both": "chart.applyOptions({rightPriceScale: {visible: false}, timeScale: {visible: false}})",
}


@pytest.mark.parametrize("axes", HIDDEN)
def test_hidden_axes(open_host, axes):
    with open_host() as host:
        host.show()
        host.run(HIDDEN[axes])
        host.wait_for_place()


@pytest.mark.parametrize(("bars", "index"), [("slice(0, 90)", 120), ("slice(150)", -30)], ids=["after", "before"])
def test_heat_after_the_last_bar_and_before_the_first(open_host, bars, index):
    with open_host() as host:
        host.show()
        host.run(f"series.setData(DATA.{bars}); chart.timeScale().setVisibleLogicalRange({{from: -60, to: 150}})")
        host.wait_for_place(logical=index)


def test_missing_bars(open_host):
    """A quarter of an hour without bars is collapsed on the chart: what follows moves left."""
    with open_host() as host:
        host.show()
        host.run("series.setData(DATA.filter((_, k) => k < 80 || k >= 95))")
        host.wait_for_place(logical=EVENT_BAR - 15)


def test_live_bars_keep_the_place(open_host):
    with open_host() as host:
        host.show()
        host.run("for (let k = 1; k <= 30; k++) series.update({...DATA[199], time: DATA[199].time + 60 * k})")
        host.wait_for_place()


def test_other_candles_of_another_interval(open_host):
    with open_host() as host:
        host.show()
        host.run("series.setData(DATA.filter((_, k) => k % 5 === 0))")
        # Minute 120 and a half lies at the start of five-minute bar 24, which is drawn from 23.5 to 24.5.
        x_24, x_25, y = (host.evaluate(f"place({bar}, 97)")[axis] for bar, axis in ((24, 0), (25, 0), (24, 1)))
        expected = x_24 + (0.5 / 5 - 0.5) * (x_25 - x_24)
        host.wait(lambda: abs(host.spot().x_px - expected) < 2 and abs(host.spot().y_px - y) < 3)


def test_a_resized_window(open_host):
    with open_host() as host:
        host.show()
        host.wait_for_place()
        host.window.resize(1300, 820)
        host.wait_for_place()
        host.window.resize(640, 380)
        host.wait_for_place()


HIDINGS = {
    "series": ("series.applyOptions({visible: false})", "series.applyOptions({visible: true})"),
    "chart": ("chart.chartElement().parentElement.hidden = true", "chart.chartElement().parentElement.hidden = false"),
}


@pytest.mark.parametrize("what", HIDINGS)
def test_no_heat_where_the_chart_shows_nothing(open_host, what):
    """Nothing is drawn then, so nothing is reported: old heat on a page that has moved on would lie."""
    hide, show = HIDINGS[what]
    with open_host() as host:
        host.show()
        host.run(hide)
        host.wait_for_no_heat()
        # And it stays so in the next frames.
        host.run("chart.timeScale().scrollToPosition(-5, false)")
        host.qtbot.wait(500)
        assert not host.has_heat()
        assert not host.plugin.is_visible
        host.run(show)
        host.wait_for_place()


def test_a_series_that_is_emptied_and_filled_again(open_host):
    with open_host() as host:
        host.show()
        host.run("series.setData([])")
        host.wait_for_no_heat()
        host.run("series.setData(DATA)")
        host.wait_for_place()


# What a host may do to its page; the chart's own pixels are no longer those of the window.
SCALED = {
    "zoom on the chart": "#chart { zoom: 1.25; }",
    "zoom on the body": "body { zoom: 0.8; }",
    "zoom on the root": "html { zoom: 1.5; }",
    "zoom twice": "body { zoom: 1.25; } #chart { zoom: 1.25; }",
    "scale on the chart": "#chart { transform: scale(0.8); }",
    "scale on the body": "body { transform: scale(1.25); transform-origin: 0 0; }",
    "another scale down than across": "#chart { transform: scale(0.9, 0.7); transform-origin: 20px 30px; }",
    "the property scale": "#chart { scale: 0.8; }",
    "zoom and scale": "body { zoom: 1.1; } #chart { transform: translate(11px, 7px) scale(0.75); }",
}


def test_zoomed_and_scaled_pages(open_host, chart_library):
    for version in ("4.1", "4.2", "5.0", "5.1", "5.2"):
        with open_host(library=chart_library(version)) as host:
            host.show(start="makeChart(); chart.timeScale().setVisibleLogicalRange({from: 90, to: 150});")
            host.run("document.head.append(window.scaled = document.createElement('style'))")
            for css in SCALED.values():
                host.run(f"scaled.textContent = {css!r}")
                host.wait(lambda: host.presenter.is_current)
                host.wait_for_place()
