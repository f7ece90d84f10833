"""Sums of a rectangle drawn with Shift on a host's chart: the page gets nothing of the drag, and all else."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtGui import QKeyEvent, QShortcut
from PyQt6.QtWidgets import QApplication
from support.mouse import Mouse

from Heatmap.events import Side
from Heatmap.ui.widgets.tooltip import Tooltip

pytestmark = [pytest.mark.gl]

BAR, PRICE = 120, 97.0
START = "makeChart({kineticScroll: {mouse: false}});chart.timeScale().setVisibleLogicalRange({from: 85, to: 150});"


def visible(host) -> dict[str, float]:
    return host.evaluate("chart.timeScale().getVisibleLogicalRange()")


def check_escape(host, page, is_shown) -> None:
    """Escape is the rectangle's while it is there, and no shortcut of the host."""
    heard = []
    shortcut = QShortcut(Qt.Key.Key_Escape, host.view.window(), lambda: heard.append("escape"))
    event = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
    event.ignore()
    QApplication.sendEvent(page, event)
    assert event.isAccepted()
    QApplication.sendEvent(page, QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Escape, event.modifiers()))
    assert not is_shown()
    assert heard == []
    shortcut.setParent(None)


def check_page_is_dragged(host, mouse: Mouse, modifier) -> None:
    before, steps = visible(host), itertools.count(1)
    mouse.modifiers = modifier
    mouse.move(300, 200)
    mouse.press()

    def is_dragged() -> bool:
        mouse.move(300 + 5 * min(next(steps), 40), 200)
        return visible(host)["from"] < before["from"] - 2

    host.wait(is_dragged)
    mouse.release()


def test_shift_and_drag_sums_an_area_and_moves_nothing(open_host, host_liquidation):
    first = host_liquidation(bar=BAR, second=30, price=PRICE, usd=5e6)
    events = [first, msgspec.structs.replace(first, side=Side.BUY, notional=2e6)]
    with open_host(events=events) as host:
        host.show(start=START)
        host.wait(lambda: host.presenter.is_current and host.plugin.image is not None)
        mouse = Mouse(host.view)

        def drag() -> None:
            x, y = host.evaluate(f"place({BAR}, {PRICE})")
            mouse.modifiers = Qt.KeyboardModifier.ShiftModifier
            mouse.move(x - 40, y - 30)
            mouse.press()
            for part in (0.3, 0.6, 1.0):
                mouse.move(x - 40 + part * 90, y - 30 + part * 60)
            mouse.release()

        def card() -> Tooltip | None:
            return host.view.findChild(Tooltip, "heatmap_area")

        def is_shown() -> bool:
            return card() is not None and card().isVisible()

        before = visible(host)
        drag()
        host.wait(is_shown)
        words = card().text()
        for line in ("Long liquidated: $5M", "Short liquidated: $2M", "Total: $7M", "Liquidations reported: 2"):
            assert line in words
        assert "Record: incomplete" in words
        assert visible(host) == before
        # The rectangle and its card follow the chart, and the filters of the map.
        left = card().x()
        host.run("chart.timeScale().setVisibleLogicalRange({from: 90, to: 155})")
        host.wait(lambda: card().x() < left - 20)
        host.plugin.settings.update(sides="long")
        host.wait(lambda: "Positions: shorts hidden" in card().text() and "$2M" not in card().text())
        host.plugin.settings.update(sides="both")
        check_escape(host, mouse.page, is_shown)
        # A click removes it; another symbol's prices would be others.
        drag()
        host.wait(is_shown)
        mouse.modifiers = Qt.KeyboardModifier.NoModifier
        mouse.press()
        mouse.release()
        assert not is_shown()
        # Without Shift, and when the host has switched it off, the page is dragged.
        check_page_is_dragged(host, mouse, Qt.KeyboardModifier.NoModifier)
        host.plugin.set_area_sums(False)
        check_page_is_dragged(host, mouse, Qt.KeyboardModifier.ShiftModifier)
        assert not is_shown()
