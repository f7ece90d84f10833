"""Clock offset, sleep, and the bound on kept frames: pure, so without waiting."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.ingestion.clock_offset import RECORD_AGAIN_S, RECORD_S, ClockOffset
from Heatmap.ingestion.frame_handler import QuarantineLimiter
from Heatmap.ingestion.interruption import SleepDetector, local_addresses, owns_address

T = 1_790_000_000_000


def filled(clocks, *, ahead_ms, way_ms, count=60):
    """Let an exchange whose clock is ``ahead_ms`` ahead push messages that travel ``way_ms``."""
    for second in range(count):
        pushed_ms = T + 1000 * second
        clocks.note_message(pushed_ms - ahead_ms + way_ms, pushed_ms)
    clocks.note_round_trip(2 * way_ms)


@given(st.integers(-86_400_000, 86_400_000), st.integers(0, 2000))
def test_offset_and_latency_are_told_apart(ahead_ms, way_ms):
    clocks = ClockOffset()
    filled(clocks, ahead_ms=ahead_ms, way_ms=way_ms)
    assert clocks.latency_ms == way_ms
    assert clocks.offset_ms == ahead_ms


def test_one_late_message_or_pong_moves_nothing():
    clocks = ClockOffset()
    filled(clocks, ahead_ms=250, way_ms=40)
    for _ in range(8):
        clocks.note_round_trip(80)
    clocks.note_message(T + 9000, T)
    clocks.note_round_trip(5000)
    assert (clocks.offset_ms, clocks.latency_ms) == (250, 40)


def test_messages_that_waited_for_a_full_store_are_no_clock_error():
    clocks = ClockOffset()
    filled(clocks, ahead_ms=0, way_ms=20)
    for second in range(40):
        clocks.note_message(T + 40_000, T + 1000 * second)
    assert clocks.offset_ms == pytest.approx(0, abs=25)


def test_nothing_is_told_before_it_is_known():
    clocks = ClockOffset()
    assert (clocks.latency_ms, clocks.offset_ms) == (None, None)
    filled(clocks, ahead_ms=0, way_ms=1, count=4)
    assert clocks.offset_ms is None
    assert clocks.reading_to_record("binance", T, 0.0) is None


def test_a_reading_is_recorded_first_then_hourly_and_when_the_offset_moves():
    clocks = ClockOffset()
    filled(clocks, ahead_ms=100, way_ms=20)
    first = clocks.reading_to_record("binance", T, 0.0)
    assert (first.source, first.measured_ms, first.offset_ms, first.uncertainty_ms) == ("binance", T, 100, 20)
    assert clocks.reading_to_record("binance", T, RECORD_S - 1) is None
    assert clocks.reading_to_record("binance", T, RECORD_S) is not None
    filled(clocks, ahead_ms=140, way_ms=20)
    assert clocks.reading_to_record("binance", T, RECORD_S + 100) is None  # within the doubt
    filled(clocks, ahead_ms=400, way_ms=20)
    assert clocks.reading_to_record("binance", T, RECORD_S + RECORD_AGAIN_S - 1) is None
    assert clocks.reading_to_record("binance", T, RECORD_S + RECORD_AGAIN_S).offset_ms == 400


def test_a_clock_that_was_set_is_measured_anew_at_once():
    clocks = ClockOffset()
    filled(clocks, ahead_ms=0, way_ms=20)
    assert clocks.reading_to_record("binance", T, 0.0) is not None
    clocks.clock_was_set()
    assert clocks.offset_ms is None
    filled(clocks, ahead_ms=-5000, way_ms=20)
    assert clocks.reading_to_record("binance", T, 1.0).offset_ms == -5000


@pytest.mark.parametrize(("wall_s", "told_s"), [(1, 0), (5.9, 0), (6.1, 5.1), (3600, 3599), (-10, -11), (0.9, 0)])
def test_a_jump_is_what_the_wall_clock_makes_and_the_other_does_not(wall_s, told_s):
    sleep = SleepDetector()
    assert sleep.look(T, 100.0) == 0
    assert sleep.look(T + round(wall_s * 1000), 101.0) == pytest.approx(told_s)
    assert sleep.look(T + round(wall_s * 1000) + 1000, 102.0) == 0


def test_slow_looks_are_no_jumps():
    sleep = SleepDetector()
    sleep.look(T, 0.0)
    assert sleep.look(T + 600_000, 600.0) == 0


def test_this_machine_owns_its_own_addresses_only():
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_STREAM) as listening:
            try:
                listening.bind((host, 0))
            except OSError:
                assert family == socket.AF_INET6  # a machine without IPv6
                continue
            assert owns_address(listening.getsockname())
    assert not owns_address(("192.0.2.77", 4711))
    for address in local_addresses():
        assert owns_address((address, 1) if "." in address else (address, 1, 0, 0))


def test_some_frames_of_each_kind_are_kept_in_each_period():
    limit = QuarantineLimiter(kept_per_kind=2, period_s=10.0)
    assert [limit.keeps("bad-json", 0.0) for _ in range(4)] == [True, True, False, False]
    assert limit.keeps("bad-price", 5.0)
    assert not limit.keeps("bad-json", 9.9)
    assert limit.keeps("bad-json", 10.0)
