"""The legend lies where the host wants it and never over a large part of the pane; the hatching has a switch."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QColor, QWheelEvent
from PyQt6.QtQuickWidgets import QQuickWidget
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from Heatmap.errors import SettingsError
from Heatmap.ui.widgets.legend import Legend
from Heatmap.ui.widgets.legend_range import RangeHandle

pytestmark = [pytest.mark.gl]

PLACES = ("top-left", "top-right", "bottom-left", "bottom-right")


def legend_box(host):
    return host.view.findChild(Legend).geometry()


def test_the_legend_lies_at_the_corner_that_the_host_chose(open_host):
    with open_host() as host:
        host.show(plugin={"legend": "top-right"})
        legend, pane = host.view.findChild(Legend), host.presenter.viewport
        host.wait(legend.isVisible)
        for place in PLACES:
            host.plugin.set_legend(place)
            box = legend_box(host)
            vertical, _, side = place.partition("-")
            upper, left = box.center().y() < pane.height_px / 2, box.center().x() < pane.width_px / 2
            assert (upper, left) == (vertical == "top", side == "left")
            assert box.top() >= pane.top_px
            assert box.bottom() < pane.top_px + pane.height_px
            assert box.left() >= pane.left_px
            assert box.right() < pane.left_px + pane.width_px
        host.plugin.set_legend("off")
        assert not legend.isVisible()
        # It stays so, off and on again.
        host.plugin.set_enabled(False)
        host.wait(lambda: host.view.findChild(Legend) is None)
        host.plugin.set_enabled(True)
        host.wait_for_heat()
        assert not host.view.findChild(Legend).isVisible()
        host.plugin.set_legend("auto")
        assert host.view.findChild(Legend).isVisible()
        with pytest.raises(SettingsError, match=r"expected one of auto, off, .*was 'middle'"):
            host.plugin.set_legend("middle")


def test_a_small_pane_is_not_covered_by_the_legend(open_host):
    with open_host() as host:
        host.show()
        legend = host.view.findChild(Legend)
        for width, height in ((900, 500), (520, 260), (460, 220), (420, 170), (340, 150), (240, 120), (900, 500)):
            host.window.resize(width, height)

            def is_settled(width=width):
                pane = host.presenter.viewport
                return host.view.width() == width and pane is not None and pane.page_px[0] == width

            host.wait(is_settled)
            pane, box = host.presenter.viewport, legend_box(host)
            if legend.isVisible():
                assert box.width() * box.height() <= pane.width_px * pane.height_px / 4
                assert box.top() >= pane.top_px
                assert box.right() < pane.left_px + pane.width_px
            host.wait(lambda width=width: legend.isVisible() or width < 900)


def hatched_share(host) -> float:
    """Return the share of the grey of the hatching in a part of the pane that has nothing else but grid lines."""
    part = host.picture()[330:400, 100:300].astype(int)
    return float(((part > 42) & (part < 62)).all(axis=2).mean())


def test_the_hatching_of_unrecorded_times_can_be_switched_off(open_host):
    """No coverage is on record here, as of imported history: all of the window is hatched."""
    with open_host() as host:
        host.show()
        host.plugin.settings.update(gaps=True)
        host.wait(lambda: hatched_share(host) > 0.08)
        host.plugin.settings.update(gaps=False)
        host.wait(lambda: hatched_share(host) < 0.02)
        assert host.has_heat()
        assert "hatching" not in [swatch for swatch, _ in host.view.findChild(Legend).explanations()]
        host.plugin.settings.update(gaps=True)
        host.wait(lambda: hatched_share(host) > 0.08)


GROUNDS = ("#0e1116", "#20304a", "#fafafa")


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("opacity", [85, 40])
def test_the_legend_has_the_amount_of_a_colour_on_the_map(open_host, host_liquidation, ground, opacity):
    """Sharp cells of known dollars on the chart's own ground; the like colour in the bar stands at their amount."""
    amounts = {110: 1e6, 115: 2e4, 120: 2.2e6, 125: 3e5}
    events = [host_liquidation(bar=bar, second=30, price=97.0, usd=usd) for bar, usd in amounts.items()]
    with open_host(events=events) as host:
        host.show(
            start=f"makeChart({{layout: {{background: {{type: 'solid', color: '{ground}'}}}},"
            "grid: {vertLines: {visible: false}, horzLines: {visible: false}}});"
            "chart.timeScale().setVisibleLogicalRange({from: 85, to: 150});"
        )
        host.plugin.settings.update(
            palette="fire", trail="off", gaps=False, opacity=opacity, smooth=False,
            resolution="pixels", px_per_row=8, px_per_col=8,
        )  # fmt: skip
        legend = host.view.findChild(Legend)
        host.wait(lambda: host.presenter.is_current and host.plugin.image is not None and legend.isVisible())
        check_colours(host, host_liquidation, amounts)
        host.plugin.settings.update(floor_usd=100_000, ceiling_usd=1_500_000)
        host.wait(lambda: host.presenter.is_current and legend.hidden() == "1 hidden")
        check_colours(host, host_liquidation, {number: usd for number, usd in amounts.items() if usd > 1e5})
        x, y = middle_of(host, host_liquidation, 115)
        assert QColor(*host.still_picture()[y, x].tolist()).name() == ground


def middle_of(host, host_liquidation, bar):
    """Return the pixel in the middle of the cell of that bar's event."""
    spec, viewport, axis = host.plugin.image.spec, host.presenter.viewport, host.presenter.time_axis
    time_ms = host_liquidation(bar=bar, second=30, price=97.0).ts_ms
    col, row = (time_ms - spec.t0_ms) // spec.time_bin_ms, int((97.0 - spec.price0) // spec.price_bin)
    x = viewport.left_px + viewport.x_px(axis.logical(spec.t0_ms + (col + 0.5) * spec.time_bin_ms))
    y = viewport.top_px + viewport.y_px(spec.price0 + (row + 0.5) * spec.price_bin)
    return int(x), int(y)


def check_colours(host, host_liquidation, amounts):
    legend = host.view.findChild(Legend)
    picture = host.still_picture().astype(int)
    (box,) = legend.bar_boxes()
    left, middle = legend.x() + int(box.left()), legend.y() + int(box.center().y())
    bar = picture[middle, left : left + 216]
    for number, usd in amounts.items():
        x, y = middle_of(host, host_liquidation, number)
        misses = abs(bar - picture[y, x]).max(axis=1)
        assert misses.min() <= 4
        found = (misses.argmin() + 0.5) / 216
        # Beyond full colour every amount has the same.
        assert found == pytest.approx(legend.axis.position(min(usd, legend.axis.full_usd)), abs=0.03)


def test_the_legend_takes_the_mouse_only_on_its_handles(open_host):
    with open_host() as host:
        host.show()
        legend = host.view.findChild(Legend)
        host.wait(lambda: legend.isVisible() and legend.axis is not None)
        handles = host.view.findChildren(RangeHandle)
        assert [handle.isVisible() for handle in handles] == [True, True]
        box = legend.geometry()
        for x in range(box.left(), box.right(), 4):
            for y in range(box.top(), box.bottom(), 4):
                is_handle = any(handle.geometry().contains(x, y) for handle in handles)
                assert (host.view.childAt(x, y) in handles) == is_handle
                assert is_handle or isinstance(host.view.childAt(x, y), QQuickWidget)
        # The heat follows a drag, and comes back.
        floor = host.view.findChild(RangeHandle, "heatmap_legend_floor")
        QTest.mousePress(floor, Qt.MouseButton.LeftButton)
        QTest.mouseMove(floor, floor.mapFromParent(QPoint(box.right() - 8, box.center().y())))
        QTest.mouseRelease(floor, Qt.MouseButton.LeftButton)
        host.wait(lambda: host.plugin.settings.value.floor_usd > 0)
        host.plugin.settings.update(floor_usd=10_000_000)
        host.wait(lambda: host.presenter.is_current and not host.plugin.image.rgba.any())
        host.wait(lambda: host.plugin.problem == "" and legend.hidden() == "1 hidden")
        assert "No liquidations yet" not in [text for _, text in legend.labels()]
        QTest.mouseDClick(floor, Qt.MouseButton.LeftButton)
        host.wait_for_heat()
        # A zoom by the wheel over a handle reaches the page.
        before = host.presenter.viewport
        at, where = QPointF(floor.rect().center()), QPointF(floor.mapToGlobal(floor.rect().center()))
        notch, phase = QPoint(0, 240), Qt.ScrollPhase.NoScrollPhase
        QApplication.sendEvent(
            floor,
            QWheelEvent(
                at, where, QPoint(), notch, Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, phase, False
            ),
        )
        host.wait(lambda: host.presenter.viewport != before)
        host.plugin.set_legend("off")
        assert [handle.isVisible() for handle in handles] == [False, False]
