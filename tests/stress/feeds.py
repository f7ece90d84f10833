"""Scenarios of the feed: floods, cascades, servers that die, clocks that jump."""

from __future__ import annotations

import random
import time

from stress.harness import PATIENCE_S, NumberedMarket, Outcome, Watch, collecting, compare, select
from stress.recorded import WARM_S, recorded_here
from support.waiting import until

HOUR_MS = 3_600_000


def _stored(db):
    return select(db, "SELECT count(*) FROM liq_events")[0][0]


def _recorded_by_the_command(db, market):
    """Let the command record all events of a market; measure its process."""
    outcome = Outcome()
    with market, collecting(db, market, symbols=market.symbols) as process:
        until(lambda: market.arrived_count > market.per_s * WARM_S, PATIENCE_S)
        with Watch(outcome, process.pid) as watch:
            watch.warm()
            outcome.threads, outcome.descriptors = zip(watch.counts(), watch.counts(), strict=True)
            begun = watch.counts()
            until(lambda: market.is_done, PATIENCE_S + market.limit / market.per_s)
            until(lambda: _stored(db) >= market.limit, PATIENCE_S)
            watch.settled()
            outcome.threads, outcome.descriptors = zip(begun, watch.counts(), strict=True)
    outcome.note = f"slowest pong {market.slowest_pong_s * 1000:.0f} ms"
    if market.opened > 1:
        outcome.faults.append(f"{market.opened - 1} reconnections")
    return compare(outcome, db, market.sent, market.arrived)


def flood(db, folder, *, is_long):  # noqa: ARG001 - the signature of all scenarios
    """5,000 liquidations a second, each a frame of its own."""
    return _recorded_by_the_command(db, NumberedMarket(5000, limit=5000 * (60 if is_long else 3)))


def cascades(db, folder, *, is_long):  # noqa: ARG001 - as above
    """1,000 liquidations a second, spread over 20 symbols."""
    symbols = tuple(f"S{number}USDT" for number in range(20))
    return _recorded_by_the_command(db, NumberedMarket(1000, symbols=symbols, limit=1000 * (600 if is_long else 3)))


def server_killed(db, folder, *, is_long):  # noqa: ARG001 - as above
    """The exchange's side of the connection is cut while it sends, again and again."""
    market, chance, times = NumberedMarket(500), random.Random(3), 50 if is_long else 5

    def work(service):
        for _ in range(times):
            before = service.status().stored
            until(lambda before=before: service.status().stored > before, PATIENCE_S)
            # At any moment of a batch.
            time.sleep(chance.uniform(0.0, 0.1))
            opened = market.opened
            assert market.cut()
            until(lambda opened=opened: market.opened > opened, PATIENCE_S)

    outcome = recorded_here(db, market, work)
    outcome.note = f"cut {times} times, {market.sent - market.arrived_count} events were on their way"
    return outcome


class _JumpingClock:
    """The machine's clock, and how far somebody has set it."""

    def __init__(self):
        self.shift_ms = 0

    def now_ms(self):
        return time.time_ns() // 1_000_000 + self.shift_ms

    def monotonic_s(self):
        return time.monotonic()


def clock_jumps(db, folder, *, is_long):  # noqa: ARG001 - as above
    """The machine's clock is set an hour forward and back while recording."""
    market, clock, times = NumberedMarket(200), _JumpingClock(), 200 if is_long else 4

    def work(service):
        for number in range(times):
            clock.shift_ms += HOUR_MS * (1, -1, -1, 1)[number % 4]
            before = service.status().stored
            until(lambda before=before: service.status().stored > before + 20, PATIENCE_S)

    outcome = recorded_here(db, market, work, clock=clock)
    outcome.note = f"set {times} times"
    [[begin_ms, end_ms]] = select(db, "SELECT min(start_ms), max(end_ms) FROM coverage")
    if begin_ms < market.time_ms(0) - 1000 or end_ms > market.time_ms(market.sent) + 1000:
        outcome.faults.append("coverage is claimed beyond what was delivered")
    return outcome
