"""One time zone and one format of numbers in the whole window, the page included, and both while it runs."""

from __future__ import annotations

import pytest
from PyQt6.QtWidgets import QLabel

pytestmark = [pytest.mark.gl]

# 31 December 2026, 16:08:00 UTC: in Tokyo it is next year.
AT_S = 1_798_733_280
MIDNIGHT_S = AT_S - 16 * 3600 - 8 * 60
TICK = "chart.options().timeScale.tickMarkFormatter({}, LightweightCharts.TickMarkType.{})"


def test_zone_and_language_are_the_same_everywhere(open_stage):
    with open_stage() as stage:
        stage.wait_for_candles()

        def written():
            moment = stage.evaluate(f"chart.options().localization.timeFormatter({AT_S})")
            ticks = [stage.evaluate(TICK.format(MIDNIGHT_S + add, kind)) for add, kind in marks]
            return moment, ticks, stage.evaluate("series.priceFormatter().format(86250.5)").rstrip("0")

        def honesty():
            return stage.window.findChild(QLabel, "honesty").text().rsplit(" · ", 1)[1]

        marks = ((0, "DayOfMonth"), (15 * 3600, "Time"), (16 * 3600 + 480, "Time"), (86_400, "Year"))
        assert written() == ("Dec 31, 2026  16:08 UTC", ["31", "15:00", "16:08", "2027"], "86,250.5")
        assert honesty() == "UTC"
        stage.settings.update(time_zone="Asia/Tokyo", language="de")
        stage.wait(lambda: "UTC+9" in written()[0])
        assert written() == ("1. Jan. 2027  01:08 UTC+9", ["31 09:00", "2027", "01:08", "1 09:00"], "86.250,5")
        assert honesty() == "UTC+9"
        stage.settings.update(time_zone="America/New_York", language="en")
        stage.wait(lambda: "UTC-5" in written()[0])
        assert written() == ("Dec 31, 2026  11:08 UTC-5", ["30 19:00", "10:00", "11:08", "31 19:00"], "86,250.5")
