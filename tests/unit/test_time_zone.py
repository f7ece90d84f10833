"""Time zones by name: UTC, this computer's, and those of the database; their offsets and labels."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from Heatmap.errors import SettingsError
from Heatmap.heatmap_settings import FIELDS
from Heatmap.time_zone import offset_ms, offset_text, zone_named

HOUR_MS = 3_600_000
# 25 October 2026, 01:00 UTC: clocks are set back in Berlin.
BACK_MS = 1_792_890_000_000

LOCAL = """
from Heatmap.time_zone import offset_ms, zone_named
here, named = zone_named("local"), zone_named("Europe/Berlin")
moments = [*range(946_684_800_000, 1_900_000_000_000, 7_300_001_000)]
moments += range({back} - 9_000_000, {back} + 9_000_000, 600_000)
print({{offset_ms(here, ms) - offset_ms(named, ms) for ms in moments}}, len({{offset_ms(here, ms) for ms in moments}}))
"""


def test_every_zone_that_can_be_chosen_exists():
    for name in FIELDS["time_zone"].choices:
        assert abs(offset_ms(zone_named(name), BACK_MS)) <= 14 * HOUR_MS


def test_summer_time_and_the_repeated_hour():
    berlin = zone_named("Europe/Berlin")
    assert [offset_ms(berlin, BACK_MS + step) // HOUR_MS for step in (-1, 0)] == [2, 1]
    assert offset_ms(zone_named("UTC"), BACK_MS) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no TZ variable")
def test_the_local_zone_is_that_of_the_computer_in_the_repeated_hour_too():
    code = LOCAL.format(back=BACK_MS)
    environment = {**os.environ, "TZ": "Europe/Berlin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "{0} 2"


def test_the_local_zone_is_a_tzinfo():
    moment = datetime.fromtimestamp(BACK_MS / 1000, zone_named("local"))
    assert moment.astimezone(UTC).timestamp() * 1000 == BACK_MS
    assert moment.tzname()


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "x" * 300])
def test_an_unknown_zone_is_refused(name):
    with pytest.raises(SettingsError, match="expected UTC, local or a name"):
        zone_named(name)


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0, "UTC"), (60, "UTC+1"), (-300, "UTC-5"), (330, "UTC+5:30"), (-210, "UTC-3:30"), (840, "UTC+14")],
)
def test_an_offset_as_it_stands_beside_a_time(minutes, text):
    assert offset_text(minutes * 60_000) == text
