"""A host that forgets its time offset is found out, one whose chart has simply ended is not."""

from __future__ import annotations

import pytest

from Heatmap.ui.geometry.bar_shift import BarShift, bar_shift_ms
from Heatmap.ui.geometry.viewport import BarSegment, TimeAxis

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = 1_760_000_000_000 // DAY * DAY + 9 * HOUR + 7 * MINUTE + 21_000


def live_bars(shift_ms: int, step_ms: int, bars: int = 100) -> TimeAxis:
    """Return bars of which the newest is the present one, shifted."""
    newest_ms = NOW // step_ms * step_ms + shift_ms
    return TimeAxis((BarSegment(0, newest_ms - (bars - 1) * step_ms, step_ms, bars),))


@pytest.mark.parametrize("step_ms", [1000, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR])
@pytest.mark.parametrize("hours", [-5, -1, 1, 2, 9, 14])
def test_the_offset_of_a_zone_is_found(hours, step_ms):
    assert bar_shift_ms(live_bars(hours * HOUR, step_ms), NOW, NOW - MINUTE) == (
        0 if (hours, step_ms) == (-1, HOUR) else hours * HOUR
    )


def test_zones_with_half_and_quarter_hours():
    assert bar_shift_ms(live_bars(330 * MINUTE, MINUTE), NOW, None) == 330 * MINUTE
    assert bar_shift_ms(live_bars(-570 * MINUTE, MINUTE), NOW, NOW) == -570 * MINUTE


@pytest.mark.parametrize("step_ms", [1000, MINUTE, HOUR, 4 * HOUR, DAY])
def test_bars_in_utc_are_right(step_ms):
    assert bar_shift_ms(live_bars(0, step_ms), NOW, NOW) == 0
    # The feed of the bars is one behind.
    assert bar_shift_ms(live_bars(-step_ms, step_ms), NOW, NOW) == 0


def test_a_chart_that_has_ended_is_not_shifted():
    # 5 h 3 min ago; and 5 h ago, but nothing was recorded since.
    assert bar_shift_ms(live_bars(-5 * HOUR - 3 * MINUTE, MINUTE), NOW, NOW) == 0
    assert bar_shift_ms(live_bars(-5 * HOUR, MINUTE), NOW, NOW - 5 * HOUR) == 0
    assert bar_shift_ms(live_bars(-5 * HOUR, MINUTE), NOW, None) == 0
    # Yesterday's.
    assert bar_shift_ms(live_bars(-26 * HOUR, MINUTE), NOW, NOW) == 0


def bars_until(newest_ms: int, step_ms: int, bars: int = 100) -> TimeAxis:
    return TimeAxis((BarSegment(0, newest_ms - (bars - 1) * step_ms, step_ms, bars),))


@pytest.mark.parametrize("step_ms", [MINUTE, 15 * MINUTE, HOUR])
@pytest.mark.parametrize("late_ms", [-300, 0, 2000])
def test_bars_behind_count_while_new_ones_come(step_ms, late_ms):
    shift = BarShift()
    begin_ms = NOW // HOUR * HOUR
    for number in range(3):
        now_ms = begin_ms + number * step_ms + late_ms
        shift.take(bars_until(begin_ms + number * step_ms - 5 * HOUR, step_ms), now_ms, now_ms)
        assert shift.shift_ms(now_ms, now_ms) == (-5 * HOUR if number else 0)
        assert shift.shift_ms(now_ms + step_ms - 1, now_ms) == (-5 * HOUR if number else 0)
    # History comes; then the feed ends.
    shift.take(bars_until(begin_ms + 2 * step_ms - 5 * HOUR, step_ms, 500), now_ms, now_ms)
    assert shift.shift_ms(now_ms + step_ms, now_ms) == -5 * HOUR
    assert shift.shift_ms(now_ms + 4 * step_ms, now_ms) == 0


@pytest.mark.parametrize("step_ms", [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR])
def test_a_chart_that_is_not_live_is_never_behind(step_ms):
    shift, minutes = BarShift(), range(0, 13 * 60, 5)
    shift.take(bars_until(NOW - NOW % HOUR, step_ms), NOW, NOW)
    assert {shift.shift_ms(NOW + minute * MINUTE, NOW + minute * MINUTE) for minute in minutes} == {0}
    # What was missed meanwhile comes at once, bar by bar.
    later_ms, newest_ms = NOW + 12 * HOUR, NOW - NOW % HOUR
    while newest_ms < later_ms - 3 * step_ms:
        newest_ms += step_ms
        shift.take(bars_until(newest_ms, step_ms), later_ms, later_ms)
    assert shift.shift_ms(later_ms, later_ms) == 0
    shift.take(None, later_ms, later_ms)
    assert shift.shift_ms(later_ms, later_ms) == 0
