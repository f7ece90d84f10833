"""What the program's chart shows: the newest bar, and the time that the trader looks at, through every change."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.gl]


def shown(stage) -> tuple[float, float]:
    """Return the visible range in bars before the newest one."""
    left, right, last = stage.evaluate(
        "[chart.timeScale().getVisibleLogicalRange().from, chart.timeScale().getVisibleLogicalRange().to,"
        " series.data().length - 1]"
    )
    return left - last, right - last


def test_the_view_is_kept_and_leads_back_to_the_newest_bar(open_stage):
    with open_stage(settings={"enabled": False}) as stage:
        stage.wait_for_candles()
        bridge = stage.window._bridge
        stage.evaluate("chart.timeScale().scrollToPosition(-60, false)")
        stage.wait(lambda: not bridge.is_live)
        left, right = shown(stage)
        bridge.show_live()
        stage.wait(lambda: bridge.is_live)
        assert shown(stage) == pytest.approx((left - right + 4, 4), abs=0.1)
