"""The figures of the cell under the mouse, on a foreign host's real chart; the mouse still serves the chart."""

from __future__ import annotations

import itertools
import os
import signal

import msgspec
import pytest
from support.mouse import Mouse

from Heatmap.events import Side
from Heatmap.ui.widgets.tooltip import Tooltip
from Heatmap.ui.widgets.tooltip_controller import TooltipController

pytestmark = [pytest.mark.gl]

# The two events of a second lie in one cell; the third far from it.
BAR, PRICE, OTHER_BAR = 120, 97.0, 140
START = "makeChart({kineticScroll: {mouse: false}});chart.timeScale().setVisibleLogicalRange({from: 85, to: 150});"


@pytest.fixture
def open_pointed(open_host, host_liquidation):
    """Give a function that opens a host with three known liquidations."""

    def opened(**options):
        first = host_liquidation(bar=BAR, second=30, price=PRICE, usd=5e6)
        short = msgspec.structs.replace(first, side=Side.BUY, notional=2e6)
        return open_host(events=[first, short, host_liquidation(bar=OTHER_BAR, second=30, price=PRICE)], **options)

    return opened


def place(host, bar: int = BAR) -> tuple[float, float]:
    x, y = host.evaluate(f"place({bar}, {PRICE})")
    zoom = host.view.zoomFactor()
    return x * zoom, y * zoom


def tooltip(host):
    return host.view.findChild(Tooltip)


def is_settled(host) -> bool:
    return host.presenter.is_current and host.plugin.image is not None and host.plugin.image.events == 3


def wait_for_card(host, text: str) -> None:
    host.wait(lambda: tooltip(host).isVisible() and text in tooltip(host).text())


def point(host, mouse: Mouse, bar: int = BAR) -> tuple[float, float]:
    """Rest the mouse over a liquidation, wherever the chart may still move it, and wait for the card."""
    host.wait(lambda: is_settled(host))

    def shown() -> bool:
        mouse.move(*place(host, bar))
        return tooltip(host).isVisible() and "$5M" in tooltip(host).text()

    host.wait(shown)
    return mouse.at.x(), mouse.at.y()


def visible_range(host) -> dict[str, float]:
    return host.evaluate("chart.timeScale().getVisibleLogicalRange()")


def test_the_figures_come_and_go_with_the_mouse(open_pointed):
    with open_pointed() as host:
        host.show(start=START)
        mouse = Mouse(host.view)
        x, y = point(host, mouse)
        card = tooltip(host)
        lines = card.text().split("\n")
        assert lines[0].endswith("UTC")
        assert lines[2:] == [
            "Long liquidated: $5M",
            "Short liquidated: $2M",
            "Total: $7M",
            "Liquidations reported: 2",
            "Largest one: $5M",
        ]
        shown = host.view.findChild(TooltipController)._shown.cell
        assert shown.t0_ms <= 1_759_995_270_000 < shown.end_ms
        assert shown.price0 <= PRICE < shown.price1
        # It is on the screen, beside the mouse: its ground is nowhere else on this chart.
        box = card.geometry()
        assert not box.contains(round(x), round(y))
        assert host.view.childAt(box.center()) is mouse.page
        seen = host.still_picture()[box.top() : box.bottom(), box.left() : box.right()]
        assert (seen == (0x0E, 0x11, 0x16)).all(axis=2).mean() > 0.5
        # Some pixels beside the middle of the spot it is still meant, and the card follows.
        mouse.move(x + 5, y + 2)
        assert card.isVisible()
        assert card.pos() != box.topLeft()
        wait_for_card(host, "$7M")
        # Off the spot it goes at once.
        mouse.move(x + 30, y)
        assert not card.isVisible()
        point(host, mouse, OTHER_BAR)
        assert card.text().split("\n")[2:] == ["Long liquidated: $5M", "Liquidations reported: 1"]
        mouse.leave()
        assert not card.isVisible()


def test_wheel_and_drag_still_reach_the_chart_and_end_the_card(open_pointed):
    with open_pointed() as host:
        host.show(start=START)
        mouse = Mouse(host.view)
        point(host, mouse)
        before = visible_range(host)
        mouse.wheel(2)
        assert not tooltip(host).isVisible()
        host.wait(lambda: visible_range(host) != before)
        x, y = point(host, mouse)
        before = visible_range(host)
        mouse.press()
        assert not tooltip(host).isVisible()
        steps = itertools.count(1)

        def is_dragged() -> bool:
            # The spot stays under the mouse, but a card in the midst of a drag would only be in the way.
            mouse.move(x - 5 * min(next(steps), 40), y)
            assert not tooltip(host).isVisible()
            return visible_range(host)["to"] > before["to"] + 2

        host.wait(is_dragged)
        mouse.release()
        point(host, mouse)


def test_the_card_goes_with_the_heat(open_pointed):
    with open_pointed() as host:
        host.show(start=START)
        mouse = Mouse(host.view)
        for hide, show in (
            (lambda: host.plugin.set_enabled(False), lambda: host.plugin.set_enabled(True)),
            (
                lambda: host.plugin.settings.update(sides="short", min_notional_usd=3_000_000),
                lambda: host.plugin.settings.update(sides="both", min_notional_usd=0),
            ),
            (lambda: host.run("series.setData([])"), lambda: host.run("series.setData(DATA)")),
            (
                lambda: host.run("chart.timeScale().scrollToPosition(-100, false)"),
                lambda: host.run("chart.timeScale().setVisibleLogicalRange({from: 85, to: 150})"),
            ),
        ):
            point(host, mouse)
            hide()
            host.wait(lambda: not tooltip(host).isVisible())
            show()
            # The mouse has not moved: it still rests there.
            wait_for_card(host, "$7M")
        host.plugin.settings.update(sides="short")
        wait_for_card(host, "Short liquidated: $2M\nLiquidations reported: 1")


@pytest.mark.parametrize(
    "options",
    [
        "{mode: 1}",
        "{mode: 2, invertScale: true}",
        "{mode: 1, invertScale: true}",
    ],
)
def test_other_scales(open_pointed, options):
    with open_pointed() as host:
        host.show(start=f"{START}chart.priceScale('right').applyOptions({options});")
        mouse = Mouse(host.view)
        point(host, mouse)
        shown = host.view.findChild(TooltipController)._shown.cell
        assert shown.price0 <= PRICE < shown.price1


def test_page_zoom_a_shifted_clock_and_a_light_chart(open_pointed, host_bars):
    with open_pointed() as host:
        host.view.setZoomFactor(1.25)
        start = START.replace("makeChart({", "makeChart({layout: {background: {type: 'solid', color: '#fafafa'}}, ")
        host.show(start=start, data=host_bars(offset_s=7200), plugin={"time_offset_s": 7200})
        point(host, Mouse(host.view))
        # Minute 120 of bars that begin at 05:34 UTC, two hours later.
        assert tooltip(host).text().startswith("Oct 9, 09:34:")
        assert "UTC+2" in tooltip(host).text()
        host.wait(lambda: tooltip(host)._dark is False)


def test_a_web_process_that_died_leaves_a_tooltip_that_works(open_pointed):
    with open_pointed() as host:
        host.show(start=START)
        mouse = Mouse(host.view)
        point(host, mouse)
        before = mouse.page
        with host.qtbot.waitSignal(host.view.renderProcessTerminated, timeout=30_000):
            os.kill(host.view.page().renderProcessPid(), signal.SIGKILL)
        host.load(start=START)
        host.wait_for_heat()
        assert mouse.page is not before
        point(host, mouse)


def test_a_detached_plugin_leaves_no_card(open_pointed):
    with open_pointed() as host:
        host.show(start=START)
        mouse = Mouse(host.view)
        x, y = point(host, mouse)
        host.plugin.detach()
        host.wait(lambda: not host.view.findChildren(Tooltip))
        mouse.move(x + 1, y)
        host.attach()
        host.wait_for_heat()
        point(host, mouse)
