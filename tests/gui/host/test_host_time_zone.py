"""A host that shows a time zone instead of UTC: heat and tooltip across the end of summer time."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import msgspec
import pytest
from PyQt6.QtWidgets import QWidget
from support.mouse import Mouse

from Heatmap.ui.widgets.tooltip import Tooltip

pytestmark = [pytest.mark.gl]

BERLIN = ZoneInfo("Europe/Berlin")
# 26 October 2025: at 1:00 UTC the clocks of Berlin go back from 3:00 to 2:00.
CHANGE_S = round(datetime(2025, 10, 26, 1, tzinfo=UTC).timestamp())
CLOCK = SimpleNamespace(now_ms=lambda: (CHANGE_S + 7200) * 1000, monotonic_s=time.monotonic)


def shown_bars(bars):
    """Return bars of a minute with the times of Berlin; of the repeated hour the chart keeps the later bars."""
    shown = {}
    for bar in bars:
        offset_s = round(datetime.fromtimestamp(bar["time"], BERLIN).utcoffset().total_seconds())
        shown[bar["time"] + offset_s] = bar | {"time": bar["time"] + offset_s}
    return [shown[time_s] for time_s in sorted(shown)]


@pytest.mark.parametrize(("minute", "logical", "said"), [(-80, 20, "1:40"), (30, 70, "2:30"), (75, 115, "3:15")])
def test_heat_and_tooltip_across_the_end_of_summer_time(open_host, host_bars, host_liquidation, minute, logical, said):
    first_s = CHANGE_S - 100 * 60
    data = shown_bars(host_bars(first_shift_s=first_s - host_bars()[0]["time"]))
    event = msgspec.structs.replace(
        host_liquidation(bar=0, second=0, price=97.0), ts_ms=(CHANGE_S + minute * 60 + 30) * 1000
    )
    with open_host(events=[event]) as host:
        host.show(data=data, plugin={"time_zone": "Europe/Berlin", "clock": CLOCK})
        host.wait_for_place(logical=logical)
        spot, tooltip, mouse = host.spot(), host.view.findChild(Tooltip), Mouse(host.view)

        def is_shown() -> bool:
            mouse.move(spot.x_px, spot.y_px)
            return tooltip.isVisible()

        host.wait(is_shown)
        # The chart decides on the zone, and the setting, which other programs follow, is not offered.
        host.plugin.settings.update(time_zone="Asia/Tokyo")
        tab = host.plugin.settings_tab()
        assert tab.findChild(QWidget, "heatmap_time_zone").parentWidget().isHidden()
        tab.deleteLater()
        assert f"Oct 26, 0{said}:" in tooltip.text()
        assert tooltip.text().split("\n")[0].endswith("UTC+2" if minute < 0 else "UTC+1")
