"""The exchange's present, as the map takes it: against its definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from Heatmap.clock import TRUSTED_LEAD_MS, ExchangeClock, exchange_now_ms

TIMES_MS = st.integers(0, 4_102_444_800_000)
OFFSETS_MS = st.floats(-1e10, 1e10)


@given(TIMES_MS, st.none() | OFFSETS_MS, st.none() | TIMES_MS)
def test_the_present_is_the_measured_one_and_never_before_an_event_that_can_be_trusted(
    machine_ms, offset_ms, newest_ms
):
    now_ms = exchange_now_ms(machine_ms, offset_ms, newest_ms)
    measured_ms = machine_ms + round(offset_ms or 0)
    assert now_ms >= measured_ms
    if newest_ms is None or newest_ms > measured_ms + TRUSTED_LEAD_MS:
        assert now_ms == measured_ms
    else:
        assert now_ms == max(measured_ms, newest_ms)


class StoppedClock:
    def now_ms(self):
        return 1_000_000

    def monotonic_s(self):
        return 5.0


def test_the_clock_asks_anew_each_time():
    known = [(None, None), (7_200_000.0, None), (7_200_000.0, 8_200_500)]
    clock = ExchangeClock(StoppedClock(), lambda: known.pop(0))
    assert [clock.now_ms() for _ in range(3)] == [1_000_000, 8_200_000, 8_200_500]
    assert clock.monotonic_s() == 5.0


class SetClock:
    """A machine whose clock is set while its monotonic one goes on."""

    def __init__(self):
        self.ms, self.s = 1_000_000, 0.0

    def now_ms(self):
        return self.ms

    def monotonic_s(self):
        return self.s


def test_while_the_difference_is_measured_anew_time_goes_on():
    machine, offset_ms = SetClock(), [7_200_000.0]
    clock = ExchangeClock(machine, lambda: (offset_ms[0], None))
    assert clock.now_ms() == 8_200_000
    # Set right, two hours forward.
    machine.ms, machine.s, offset_ms[0] = 8_203_000, 3.0, None
    assert clock.now_ms() == 8_203_000
    machine.ms, machine.s = 8_205_500, 5.5
    assert clock.now_ms() == 8_205_500
    # Set wrong again, and measured.
    machine.ms, machine.s, offset_ms[0] = 1_006_000, 6.0, 7_200_000.0
    assert clock.now_ms() == 8_206_000
    # After a minute without a measurement the machine's clock is all there is.
    machine.ms, machine.s, offset_ms[0] = 1_100_000, 100.0, None
    assert clock.now_ms() == 1_100_000
