"""Profile, sums by bar and coverage lane on a host's chart: at their bar and price, in step, and readable by mouse."""

from __future__ import annotations

import msgspec
import pytest
from support.mouse import Mouse

from Heatmap.events import Side
from Heatmap.ui.widgets.tooltip import Tooltip

pytestmark = [pytest.mark.gl]

BAR, PRICE = 120, 97.0
START = "makeChart({kineticScroll: {mouse: false}});chart.timeScale().setVisibleLogicalRange({from: 85, to: 150});"
ON = {"coverage_lane": True, "candle_sums": True, "profile": True, "palette": "long_short"}


def is_amber(pixel) -> bool:
    red, green, blue = (int(channel) for channel in pixel)
    return red > green > blue and red - blue > 60


def hatched_share(host) -> float:
    """Return the share of the grey of the hatching in a part of the pane that has nothing else but grid lines."""
    part = host.picture()[200:300, 500:700].astype(int)
    return float(((part > 42) & (part < 62)).all(axis=2).mean())


def test_the_strips_lie_at_their_bar_and_price_and_say_their_sums(open_host, host_liquidation):
    first = host_liquidation(bar=BAR, second=30, price=PRICE, usd=5e6)
    events = [first, msgspec.structs.replace(first, side=Side.BUY, notional=2e6)]
    with open_host(events=events) as host:
        host.show(start=START)
        host.plugin.settings.update(**ON)
        host.wait(lambda: host.presenter.is_current and host.presenter.sums is not None)
        pane = host.presenter.viewport
        bottom, right = round(pane.top_px + pane.height_px), round(pane.left_px + pane.width_px)
        y_bars, y_lane = bottom - 40, bottom - 2

        def x_of_bar() -> int:
            return round(host.evaluate(f"place({BAR}, {PRICE})")[0])

        def is_at_bar() -> bool:
            x, row = x_of_bar(), host.picture()[y_bars]
            amber = [column for column in range(right - 160) if is_amber(row[column])]
            return bool(amber) and max(abs(column - x) for column in amber) < pane.bar_spacing_px / 2

        # The bar follows the chart, and nothing stays where it was.
        places = []
        for begin in (85, 101.5):
            host.run(f"chart.timeScale().setVisibleLogicalRange({{from: {begin}, to: {begin + 65}}})")
            host.wait(is_at_bar)
            places.append(x_of_bar())
        assert abs(places[0] - places[1]) > 100
        picture = host.picture()
        # Nothing is on record here: dark red, over all of the window.
        assert (abs(picture[y_lane, 200:400].astype(int) - (140, 58, 40)).max(axis=1) < 25).all()
        y_row = round(host.evaluate(f"place({BAR}, {PRICE})")[1]) - 3  # the price is the lower edge of its row
        assert is_amber(picture[y_row, right - 3])

        mouse, card = Mouse(host.view), host.view.findChild(Tooltip)
        assert hatched_share(host) < 0.02
        for x, y, words in (
            (places[-1], y_bars, ("Long liquidated: $5M", "Short liquidated: $2M", "Total: $7M")),
            (right - 3, y_row, ("97.0 – 97.", "Total: $7M")),
            (400, y_lane, ("Record: no recorder ran",)),
        ):
            mouse.move(x, y)
            host.wait(lambda words=words: card.isVisible() and all(word in card.text() for word in words))
        # The mouse on the lane asks for the hatching.
        host.wait(lambda: hatched_share(host) > 0.08)
        mouse.leave()
        host.wait(lambda: card.isHidden() and hatched_share(host) < 0.02)
        host.plugin.settings.update(coverage_lane=False, candle_sums=False, profile=False)
        host.wait(lambda: not is_amber(host.picture()[y_bars, places[-1]]))
        host.wait(lambda: host.presenter.sums is None)
