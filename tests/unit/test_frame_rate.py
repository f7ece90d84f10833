"""The frame rate over a false clock."""

import pytest

from Heatmap.ui.widgets.performance import FrameRate


class FalseClock:
    def __init__(self):
        self.s = 100.0

    def monotonic_s(self):
        return self.s

    def now_ms(self):
        return 0


@pytest.fixture
def clock():
    return FalseClock()


def paint(rate, clock, frames, step_s):
    for _ in range(frames):
        clock.s += step_s
        rate.count()


def test_no_rate_without_two_frames(clock):
    rate = FrameRate(clock=clock)
    assert rate.value() is None
    rate.count()
    assert rate.value() is None


def test_steady_frames_give_their_rate_from_the_second_on(clock):
    rate = FrameRate(clock=clock)
    paint(rate, clock, 2, 1 / 60)
    assert rate.value() == pytest.approx(60)
    paint(rate, clock, 500, 1 / 60)
    assert rate.value() == pytest.approx(60)


def test_a_new_pace_shows_after_the_window(clock):
    rate = FrameRate(window_s=2, clock=clock)
    paint(rate, clock, 120, 1 / 60)
    paint(rate, clock, 60, 1 / 30)
    assert rate.value() == pytest.approx(30)


def test_a_chart_at_rest_has_no_rate(clock):
    rate = FrameRate(window_s=2, clock=clock)
    paint(rate, clock, 10, 1 / 60)
    clock.s += 2
    assert rate.value() is None


def test_the_window_is_half_open(clock):
    rate = FrameRate(window_s=2, clock=clock)
    rate.count()
    clock.s += 1
    rate.count()
    clock.s += 1
    assert rate.value() is None  # the first frame is exactly 2 s old: outside


def test_frames_at_one_instant_have_no_rate(clock):
    rate = FrameRate(clock=clock)
    rate.count()
    rate.count()
    assert rate.value() is None


def test_memory_is_bounded_by_the_window(clock):
    rate = FrameRate(window_s=2, clock=clock)
    paint(rate, clock, 10_000, 1 / 100)
    assert len(rate._frames_s) <= 201
