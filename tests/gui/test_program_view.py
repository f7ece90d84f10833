"""What the program's chart shows: the newest bar, and the time that the trader looks at, through every change."""

from __future__ import annotations

import pytest
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QComboBox
from support.mouse import Mouse

pytestmark = [pytest.mark.gl]

# Seconds of UTC at the pane's edges and the length of a bar; extrapolated, as bars may lie beyond the edges.
SHOWN = """(() => {
  if (typeof chart === 'undefined') return null;
  const range = chart.timeScale().getVisibleLogicalRange(), data = series.data();
  if (!range || data.length < 2) return null;
  const step = data[1].time - data[0].time;
  return [data[0].time + range.from * step, data[0].time + range.to * step, step, data.length];
})()"""
STEP_S = 60


def check_look(stage) -> None:
    """Check that candles are solid without heat and hollow with it, and that narrow ones let it through."""
    colour = "series.options().borderUpColor.slice(7) + series.options().upColor.slice(7)"
    assert stage.evaluate(colour) == "ffff"
    stage.settings.update(enabled=True)
    stage.wait(lambda: stage.evaluate(colour) == "ff00")
    assert stage.evaluate("series.options().priceLineColor.length") == 7
    stage.evaluate("chart.timeScale().applyOptions({barSpacing: 2})")
    stage.wait(lambda: stage.evaluate(colour) == "8080")


def shows(stage, left: float, right: float, step_s: int) -> None:
    """Wait until the chart shows a range of time, as near as bars of this length can."""

    def is_shown() -> bool:
        seen = stage.evaluate(SHOWN)
        near = [left + step_s / 2, right + step_s / 2, step_s]
        return seen is not None and seen[:3] == pytest.approx(near, abs=2 * step_s)

    stage.wait(is_shown)


def load_older(stage) -> tuple[float, float, int]:
    """Look to the left of the first bar; return the range of time and the bars' length when older ones have come."""
    bridge, line = stage.window._bridge, "document.getElementById('bar').textContent"
    count = bridge.bar_count
    pointed = stage.evaluate("series.data()[30]")
    opening = stage.evaluate(f"`O ${{series.priceFormatter().format({pointed['open']})}} `")
    stage.evaluate("chart.timeScale().setVisibleLogicalRange({from: -40, to: 110})")
    left, right, step_s, _ = stage.evaluate(SHOWN)
    mouse = Mouse(stage.view)
    mouse.move(stage.evaluate(f"chart.timeScale().timeToCoordinate({pointed['time']})"), 150)
    stage.wait(lambda: stage.evaluate(line).startswith(opening))
    stage.wait(lambda: stage.evaluate("series.data().length") == bridge.bar_count > count + 200)
    # The line of prices stays that of the bar under the resting mouse.
    assert stage.evaluate(line).startswith(opening)
    mouse.leave()
    assert not bridge.is_live
    assert stage.evaluate(SHOWN)[:2] == pytest.approx((left, right), abs=step_s)
    return left, right, step_s


def test_the_view_is_kept_and_leads_back_to_the_newest_bar(open_stage):
    with open_stage(symbols=("BTCUSDT", "ETHUSDT"), settings={"enabled": False}) as stage:
        stage.wait_for_candles()
        interval, symbol = (stage.window.findChild(QComboBox, name) for name in ("interval", "symbol"))
        bridge, histories = stage.window._bridge, []
        left, right, step_s = load_older(stage)
        count = bridge.bar_count

        bridge.historyReady.connect(histories.append)
        stage.exchange.drop_connections(1001)
        stage.wait(lambda: bool(histories))
        shows(stage, left, right, step_s)
        assert bridge.bar_count >= count

        stage.evaluate("window.isOld = true")
        stage.window.findChild(QAction, "reload_chart").trigger()
        stage.wait(lambda: stage.evaluate("!window.isOld && typeof chart === 'object'") is True)
        shows(stage, left, right, step_s)
        for name in ("5m", "1m", "3m"):
            interval.setCurrentText(name)
            shows(stage, left, right, STEP_S * int(name[0]))
        symbol.choose("ETHUSDT")
        stage.wait(lambda: bridge.bar_count == 0)
        symbol.choose("BTCUSDT")
        shows(stage, left, right, step_s)

        left, right = stage.evaluate(SHOWN)[:2]
        stage.settings.update(window="2h")  # old time is looked at: it stays
        bridge.show_live()
        stage.wait(lambda: bridge.is_live)
        newest = stage.evaluate("series.data().at(-1).time")
        shows(stage, newest + 4 * step_s - (right - left), newest + 4 * step_s, step_s)
        interval.setCurrentText("5m")
        shows(stage, newest - (right - left) + 4 * step_s, newest + 20 * STEP_S, 5 * STEP_S)
        stage.wait(lambda: bridge.is_live)
        # The newest time is looked at: another window is shown whole.
        stage.settings.update(window="8h")
        stage.wait(lambda: stage.evaluate(SHOWN)[1] - stage.evaluate(SHOWN)[0] == pytest.approx(99.5 * 300, abs=300))
        check_look(stage)
