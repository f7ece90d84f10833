"""The clock of a recorder as a copy tells it: by heartbeats that are seen some time after they were stored."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from Heatmap.reports import ClockReading, CollectorReport, ConnectionState, ServiceStatus
from Heatmap.storage import sql
from Heatmap.storage.postgres.copy_rows import SmallTables
from Heatmap.storage.postgres.copy_steps import CopySteps

SOURCE = "binance"
SERIES = (SOURCE, "BTCUSDT")


class SetClock:
    """Wall and monotonic time that only the test moves."""

    def __init__(self):
        self.ms = 1_790_000_000_000

    def now_ms(self):
        return self.ms

    def monotonic_s(self):
        return self.ms / 1000


class Server:
    """A server with a recorder's report and a reading of its clock, and the copy of them; no rows."""

    def __init__(self, clock):
        self.clock = clock
        self.heartbeat_ms = 1
        self.stored = None
        self.file = SimpleNamespace(
            series={SERIES: 0}, last_id=0, record_id="r", as_of_ms=None, newest_row=lambda: None,
            counts=lambda *_: {}, store=self.store,
        )  # fmt: skip
        self.steps = CopySteps(self.file, self, clock)

    def store(self, step):
        self.stored = step

    def small_tables(self, _series):
        report = CollectorReport(SOURCE, ("BTCUSDT",), "run", "host", 1, 1, ServiceStatus(ConnectionState.LIVE))
        row = sql.collector_row(report, self.heartbeat_ms)
        return SmallTables("r", [], [], [ClockReading(SOURCE, self.heartbeat_ms, 0.0, 1.0)], [row])

    def record_id(self):
        return "r"

    def newest_id(self):
        return 0

    def count_newer(self, *_):
        return 0

    def newer(self, *_):
        return []

    def older(self, *_):
        return []

    def counts(self, *_):
        return {}

    def seen_ahead_ms(self, ahead_ms, late_ms):
        """A heartbeat is stored right after a look and seen ``late_ms`` later; return how far we seem to be ahead."""
        self.steps.take()
        self.heartbeat_ms = self.clock.now_ms() - ahead_ms
        self.clock.ms += late_ms
        self.steps.take()
        return -self.stored.clocks[0].offset_ms


@pytest.fixture
def server():
    return Server(SetClock())


def test_a_heartbeat_that_is_seen_late_is_no_other_clock(server):
    assert [server.seen_ahead_ms(0, late_ms) for late_ms in (2000, 3000, 1100, 2500)] == [0, 0, 0, 0]


@pytest.mark.parametrize("ahead_ms", [-3_600_000, -5000, 5000, 3_600_000])
def test_another_clock_is_told_however_late_it_is_seen(server, ahead_ms):
    assert server.seen_ahead_ms(ahead_ms, 2000) == pytest.approx(ahead_ms, abs=2000)
    assert server.seen_ahead_ms(ahead_ms, 1001) == pytest.approx(ahead_ms, abs=1001)
    # It is not forgotten when the next one is seen later.
    assert server.seen_ahead_ms(ahead_ms, 2500) == pytest.approx(ahead_ms, abs=1001)
    # A clock is set.
    assert server.seen_ahead_ms(0, 1500) == 0
