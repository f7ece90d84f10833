"""Lists of liquidations, read from the record: the right ones, in the right order, again when something has changed."""

from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
from support.record import T, event
from support.waiting import until

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.events import Side
from Heatmap.rendering.liquidation_reader import MOST_ROWS, LiquidationReader, ListRequest
from Heatmap.storage.contract import ImportedFile
from Heatmap.storage.sqlite.bulk_insert import SqliteImportWriter, bulk_insert

HOUR_MS = 3_600_000
PLAIN = ListRequest("BTCUSDT", "binance", HOUR_MS, "both", 0, "latest")


class LateClock:
    """An hour after the first event."""

    now = T + HOUR_MS

    def now_ms(self):
        return self.now

    def monotonic_s(self):
        return SYSTEM_CLOCK.monotonic_s()


@contextmanager
def reading(path, clock=None):
    found, problems = [], []
    reader = LiquidationReader(
        path, on_read=found.append, on_problem=problems.append, tick_size=lambda _: 0.1, clock=clock or LateClock()
    )
    try:
        yield reader, found, problems
    finally:
        reader.stop()
    assert "heatmap-list" not in [thread.name for thread in threading.enumerate()]


def answer(reader, found, request):
    reader.request(request)
    until(lambda: found and found[-1].request == request)
    return found[-1]


def events(count):
    dice = random.Random(7)  # the same at each run
    for number in range(count):
        side = dice.choice(list(Side))
        # Many alike, so that ties matter.
        yield event(dice.randrange(0, HOUR_MS, 60_000) + number % 50, side=side, qty=0.01 * (1 + number % 97))


@pytest.mark.parametrize("order", ["latest", "largest"])
@pytest.mark.parametrize(("sides", "least"), [("both", 0), ("long", 0), ("short", 30_000), ("both", 1e12)])
def test_the_rows_are_those_of_a_sort(tmp_path, order, sides, least):
    path = tmp_path / "record.sqlite3"
    stored = list({(each.ts_ms, each.side, each.qty): each for each in events(3000)}.values())
    outside = [event(-1), event(5, symbol="ETHUSDT"), event(6, source="demo")]
    bulk_insert(path, [*stored, *outside])
    request = replace(PLAIN, order=order, sides=sides, min_notional_usd=least)
    with reading(path) as (reader, found, _):
        result = answer(reader, found, request)
    wanted = [
        each for each in stored if each.notional >= least and (sides == "both" or each.is_long == (sides == "long"))
    ]
    key = (lambda row: row.ts_ms) if order == "latest" else (lambda row: row.notional)
    assert (result.passing, result.total, len(result.rows)) == (len(wanted), len(stored), min(len(wanted), MOST_ROWS))
    assert [key(row) for row in result.rows] == sorted(map(key, wanted), reverse=True)[:MOST_ROWS]
    known = {(each.ts_ms, each.is_long, each.price, each.notional) for each in wanted}
    assert {(row.ts_ms, bool(row.is_long), row.price, row.notional) for row in result.rows} <= known
    assert len({row.row_id for row in result.rows}) == len(result.rows)


def test_a_replay_lists_nothing_later_than_its_time(tmp_path):
    path = tmp_path / "record.sqlite3"
    bulk_insert(path, [event(1000), event(2000), event(2001), event(1000 - HOUR_MS)])
    with reading(path) as (reader, found, _):
        result = answer(reader, found, replace(PLAIN, as_of_ms=T + 2000))
        assert [row.ts_ms - T for row in result.rows] == [2000, 1000]
        assert (result.passing, result.total) == (2, 2)


def test_new_events_come_and_old_ones_leave(tmp_path):
    path, clock = tmp_path / "record.sqlite3", LateClock()
    with reading(path, clock) as (reader, found, problems):
        assert answer(reader, found, PLAIN).rows == []  # there is no file yet
        bulk_insert(path, [event(1000), event(2000)])
        until(lambda: [row.ts_ms - T for row in found[-1].rows] == [2000, 1000])
        with SqliteImportWriter(path) as writer:  # what is imported is in the record, too
            writer.insert(ImportedFile("old.csv", "tardis", T), [event(1500)])
        until(lambda: [row.ts_ms - T for row in found[-1].rows] == [2000, 1500, 1000])
        clock.now = T + HOUR_MS + 1200
        reader.request(replace(PLAIN, sides="long"))  # a request is answered at once
        until(lambda: [row.ts_ms - T for row in found[-1].rows] == [2000, 1500])
        count = len(found)
        reader.request(None)
        bulk_insert(path, [event(3000)])
        reader.data_changed()
        assert answer(reader, found, PLAIN).passing == 3
        assert len(found) == count + 1
    assert problems == []


def test_a_damaged_record_is_reported_until_it_can_be_read(tmp_path):
    path = tmp_path / "record.sqlite3"
    path.write_bytes(b"no database" * 1000)
    with reading(path) as (reader, found, problems):
        reader.request(PLAIN)
        until(lambda: bool(problems))
        path.unlink()
        until(lambda: problems[-1] == "" and bool(found))
        assert problems[0]


def test_what_is_read_while_it_ends_is_not_reported(tmp_path):
    bulk_insert(tmp_path / "x.sqlite3", list(events(1)))
    found, reads, goes_on = [], threading.Event(), threading.Event()

    def tick_size(_symbol):
        reads.set()
        goes_on.wait(10)

    reader = LiquidationReader(
        tmp_path / "x.sqlite3", on_read=found.append, on_problem=found.append, tick_size=tick_size, clock=LateClock()
    )
    reader.request(PLAIN)
    assert reads.wait(10)
    reader.stop(timeout_s=0.0)
    goes_on.set()
    reader.stop()
    assert found == []
