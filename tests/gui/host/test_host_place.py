"""A place that the program names is shown by a host's chart, with each version of the library as far as it can."""

from __future__ import annotations

import threading

import pytest
from PyQt6 import sip
from PyQt6.QtWidgets import QLabel

pytestmark = [pytest.mark.gl]

MINUTE_MS = 60_000
EVENT_BAR, EVENT_PRICE = 120, 97.0
HIGH = 140.0  # far above all bars


@pytest.mark.parametrize(("version", "moves_prices"), [("4.1", False), ("5.2", True)])
def test_the_chart_is_scrolled_to_a_place(open_host, chart_library, host_liquidation, version, moves_prices):
    event = host_liquidation(bar=EVENT_BAR, second=30, price=EVENT_PRICE)
    with open_host(library=chart_library(version)) as host:
        host.load()
        plugin = host.attach()
        assert not plugin.show_place(event.ts_ms, EVENT_PRICE)  # nothing is attached yet
        host.wait_for_heat()
        host.run("var told = []; chart.subscribeCrosshairMove((move) => told.push(move.time))")

        def middle() -> float:
            shown = host.evaluate("chart.timeScale().getVisibleLogicalRange()")
            return (shown["from"] + shown["to"]) / 2

        width = host.evaluate("(({from, to}) => to - from)(chart.timeScale().getVisibleLogicalRange())")
        for bar in (EVENT_BAR - 100, EVENT_BAR):
            assert plugin.show_place(event.ts_ms + (bar - EVENT_BAR) * MINUTE_MS, EVENT_PRICE)
            host.wait(lambda bar=bar: abs(middle() - bar) < 0.1)
        after = host.evaluate("(({from, to}) => to - from)(chart.timeScale().getVisibleLogicalRange())")
        assert after == pytest.approx(width)
        host.wait_for_place()
        host.wait(lambda: host.evaluate("told[told.length - 1]") == (event.ts_ms // 1000) // 60 * 60)
        prices = "[0, 460].map((y) => series.coordinateToPrice(y))"
        before = host.evaluate(prices)
        assert plugin.show_place(event.ts_ms - 10 * MINUTE_MS, HIGH)
        host.wait(lambda: abs(middle() - (EVENT_BAR - 10)) < 0.1)
        if moves_prices:
            host.wait(lambda: host.evaluate(prices)[1] < HIGH < host.evaluate(prices)[0])
        else:
            assert host.evaluate(prices) == before
        listing = plugin.liquidation_list()
        listing.show()
        host.wait(lambda: listing.model.rowCount() == 1)
        listing.activated.emit(listing.model.row(0).ts_ms, listing.model.row(0).price)
        host.wait(lambda: abs(middle() - EVENT_BAR) < 0.1)
        plugin.set_enabled(False)
        assert not plugin.show_place(event.ts_ms, EVENT_PRICE)
        listing.activated.emit(event.ts_ms, EVENT_PRICE)
        assert "Show the heat" in listing.findChild(QLabel, "list_count").text()
        sip.delete(listing)
        assert "heatmap-list" not in [thread.name for thread in threading.enumerate()]
        assert host.view.page().console == []
