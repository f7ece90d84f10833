"""New liquidations for strategy code: callbacks and asynchronous iteration, whichever process records."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.exchange import ScriptedExchange
from support.frames import liquidation, mark_price
from support.record import T, event
from support.service import PATIENCE_S, RunningService
from support.waiting import until

import Heatmap
from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import StorageError
from Heatmap.heatmap_service import HeatmapService
from Heatmap.storage.contract import ImportedFile
from Heatmap.storage.sqlite.bulk_insert import SqliteImportWriter, bulk_insert
from Heatmap.storage.sqlite.connection import open_writer
from Heatmap.storage.sqlite.event_tail import READ_ROWS, EventTail


class Received:
    """A callback that keeps what it is given."""

    def __init__(self):
        self.events = []
        self.threads = set()
        self._changed = threading.Condition()

    def __call__(self, received):
        with self._changed:
            self.events.append(received)
            self.threads.add(threading.current_thread().name)
            self._changed.notify_all()

    def until(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.events) >= count, PATIENCE_S), self.events
        return [each.ts_ms - T for each in self.events]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.sqlite3"


@contextmanager
def reading(path, **options):
    service = HeatmapService(path, collect=False, **options)
    try:
        yield service
    finally:
        service.stop()


@pytest.fixture(autouse=True)
def all_threads_end():
    yield
    until(lambda: not delivering())


def delivering():
    return [thread for thread in threading.enumerate() if thread.name == "heatmap-events"]


def live(number, **changes):
    return event(number, **{"received_ms": T + number + 500, **changes})


def test_a_recorder_of_this_process_delivers_each_event_once(path):
    frames = [mark_price(T), *map(liquidation, range(50)), *map(liquidation, range(7)), mark_price(T + 3000)]
    received = Received()
    with ScriptedExchange(frames) as exchange:
        service = HeatmapService(path, **exchange.addresses)
        service.subscribe_events(received)  # before the file exists
        with RunningService(service) as running:
            running.until(lambda status: status.duplicates == 7)
            received.until(50)
    assert [each.ts_ms - T for each in received.events] == list(range(50))
    assert received.threads == {"heatmap-events"}
    with Heatmap.open_record(path) as record:
        assert list(record.replay("BTCUSDT")) == received.events  # a back-test sees what live saw


def test_another_process_records(path):
    bulk_insert(path, [live(0)])
    received = Received()
    code = (
        "import sys; from support.record import *; from Heatmap.storage.sqlite.bulk_insert import bulk_insert\n"
        "for n in range(1, 4): bulk_insert(sys.argv[1], [event(n, received_ms=T + n)])"
    )
    with reading(path) as service:
        service.subscribe_events(received)
        command = [sys.executable, "-c", code, path]
        subprocess.run(command, check=True, cwd=Path(__file__).parents[1], timeout=60)
        assert received.until(3) == [1, 2, 3]  # and not what was there before


def test_the_order_is_that_of_receipt(path):
    received = Received()
    bulk_insert(path, [live(0)])
    with reading(path) as service:
        service.subscribe_events(received)
        bulk_insert(path, [live(5, received_ms=T + 30), live(1, received_ms=T + 20), live(9, received_ms=T + 10)])
        assert received.until(3) == [9, 1, 5]


def test_only_what_was_recorded_of_the_services_symbols_and_source_comes(path):
    received, everything = Received(), Received()
    with reading(path, symbols=["btcusdt", "ethusdt"]) as service, reading(path, symbols=["ALL"]) as whole:
        service.subscribe_events(received)
        whole.subscribe_events(everything)
        with SqliteImportWriter(path) as writer:
            writer.insert(ImportedFile("old.csv", "tardis", T), [live(1)])
        bulk_insert(
            path, [event(2), live(3, source="demo"), live(4, symbol="XRPUSDT"), live(5, symbol="ETHUSDT"), live(6)]
        )
        assert received.until(2) == [5, 6]
        assert everything.until(3) == [4, 5, 6]


def test_a_failing_callback_gets_the_next_event(path, caplog):
    received = Received()

    def fail_first(each):
        received(each)
        if len(received.events) == 1:
            raise ValueError("a fault of the strategy")

    with reading(path) as service:
        service.subscribe_events(fail_first)
        bulk_insert(path, [live(1), live(2)])
        assert received.until(2) == [1, 2]
    assert "a receiver of liquidations failed" in caplog.text


def test_a_slow_callback_holds_up_neither_recording_nor_others(path):
    slow, quick, go_on = Received(), Received(), threading.Event()

    def wait(each):
        assert go_on.wait(PATIENCE_S)
        slow(each)

    frames = [mark_price(T), *map(liquidation, range(300)), mark_price(T + 3000)]
    with ScriptedExchange(frames) as exchange, RunningService(HeatmapService(path, **exchange.addresses)) as running:
        running.service.subscribe_events(wait)
        running.service.subscribe_events(quick)
        running.until(lambda status: status.stored == 300)
        quick_count = len(quick.until(1))
        assert slow.events == []
        go_on.set()
        assert slow.until(quick_count) == sorted({each.ts_ms - T for each in slow.events})


def test_stop_delivers_what_is_stored_and_ends_all(path):
    received, go_on = Received(), threading.Event()

    def wait(each):
        assert go_on.wait(PATIENCE_S)
        received(each)

    service = HeatmapService(path, collect=False)
    service.subscribe_events(wait)
    bulk_insert(path, [live(number) for number in range(READ_ROWS + 10)])
    threading.Timer(0.05, go_on.set).start()
    service.stop()
    assert len(received.events) == READ_ROWS + 10
    bulk_insert(path, [live(READ_ROWS + 20)])
    service.subscribe_events(received)  # it can be used again
    bulk_insert(path, [live(READ_ROWS + 30)])
    assert received.until(READ_ROWS + 11)[-1] == READ_ROWS + 30
    service.stop()


def test_a_receiver_that_never_ends_is_left_and_named(path, caplog):
    go_on, entered = threading.Event(), threading.Event()

    def wait(_):
        entered.set()
        assert go_on.wait(PATIENCE_S)

    service = HeatmapService(path, collect=False)
    service.subscribe_events(wait)
    bulk_insert(path, [live(1), live(2)])
    assert entered.wait(PATIENCE_S)
    service.stop(timeout_s=0.05)
    assert "did not take all in time" in caplog.text
    go_on.set()
    until(lambda: not delivering())


def test_a_callback_may_stop_the_service_or_its_subscription(path):
    service = HeatmapService(path, collect=False)
    received = Received()

    def stop(each):
        service.stop()
        received(each)

    service.subscribe_events(stop)
    bulk_insert(path, [live(1), live(2)])
    assert received.until(1) == [1]
    until(lambda: not delivering())
    assert len(received.events) == 1
    once = Received()
    unsubscribe = service.subscribe_events(lambda each: (once(each), unsubscribe()))
    bulk_insert(path, [live(3), live(4)])
    assert once.until(1) == [3]
    until(lambda: not delivering())
    unsubscribe()
    assert len(once.events) == 1


def test_a_subscription_outlives_symbols_that_are_added(path):
    received = Received()
    frames = [mark_price(T), liquidation(1), mark_price(T + 3000)]
    with ScriptedExchange(frames) as exchange:
        service = HeatmapService(path, **exchange.addresses)
        with RunningService(service) as running:
            service.subscribe_events(received)
            received.until(1)
            service.add_symbols(["ethusdt"])
            running.until(lambda status: status.is_recorder and status.duplicates == 1)
            bulk_insert(path, [live(2), live(3, symbol="ETHUSDT"), live(4)])
            assert received.until(3) == [1, 2, 4]


def test_an_asynchronous_iterator_delivers_the_same(path):
    service = HeatmapService(path, collect=False)

    async def listen():
        events = service.events()
        bulk_insert(path, [live(number) for number in range(3)])  # after the call, before the first `async for`
        seen = []
        async for each in events:
            seen.append(each.ts_ms - T)
            if len(seen) == 3:
                bulk_insert(path, [live(3), live(4)])
            if len(seen) == 4:
                service.stop()  # on the loop's own thread
        return seen

    assert asyncio.run(asyncio.wait_for(listen(), PATIENCE_S)) == [0, 1, 2, 3, 4]


def test_an_iteration_that_begins_after_stop_ends(path):
    service = HeatmapService(path, collect=False)

    async def listen():
        events = service.events()
        bulk_insert(path, [live(1)])
        service.stop()
        return [each async for each in events]

    assert asyncio.run(asyncio.wait_for(listen(), PATIENCE_S)) == [live(1)]


def test_an_iteration_can_be_cancelled(path):
    service = HeatmapService(path, collect=False)

    async def listen():
        waiting = asyncio.create_task(anext(service.events()))
        await asyncio.sleep(0)  # until it waits for the file
        waiting.cancel()
        await asyncio.wait([waiting])
        events = service.events()
        bulk_insert(path, [live(1)])
        return waiting.cancelled(), await anext(events)

    assert asyncio.run(asyncio.wait_for(listen(), PATIENCE_S)) == (True, live(1))


def test_a_file_that_cannot_be_read_is_an_error_now_and_a_log_line_later(path, tmp_path, caplog):
    (tmp_path / "text.txt").write_text("no database at all, but long enough to have a header" * 10)
    service = HeatmapService(tmp_path / "text.txt", collect=False)
    with pytest.raises(StorageError, match="SQLITE_NOTADB"):
        service.subscribe_events(print)
    with pytest.raises(StorageError, match="SQLITE_NOTADB"):
        service.events()
    bulk_insert(path, [live(0)])
    tail = EventTail(path, "binance", None, SYSTEM_CLOCK)
    with closing(open_writer(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with caplog.at_level(logging.WARNING):
        assert tail.read() == tail.read() == []
    assert caplog.text.count("new liquidations cannot be delivered") == 1
    with closing(open_writer(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    bulk_insert(path, [live(1)])
    assert tail.read() == [live(1)]


def test_more_than_one_read_is_read_in_turn(path):
    bulk_insert(path, [live(0)])
    tail = EventTail(path, "binance", None, SYSTEM_CLOCK)
    events = [live(number) for number in range(1, READ_ROWS + 2)]
    bulk_insert(path, events)
    assert (tail.read(), tail.is_behind) == (events[:READ_ROWS], True)
    assert (tail.read(), tail.is_behind) == (events[READ_ROWS:], False)


class At:
    """A clock that stands."""

    def now_ms(self):
        return T

    def monotonic_s(self):
        return 0.0


def delete(path):
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def test_in_a_new_file_what_was_received_since_is_new(path, caplog):
    bulk_insert(path, [live(number) for number in range(5)])
    tail = EventTail(path, "binance", None, At())
    bulk_insert(path, [live(10), live(11)])
    assert tail.read() == [live(10), live(11)]
    delete(path)
    assert tail.read() == []
    # A copy of some of what was there, and one that came in the same millisecond as the last one delivered.
    late = live(12, received_ms=T + 11 + 500)
    bulk_insert(path, [live(3), live(10), live(11), late, live(13)])
    assert tail.read() == [late, live(13)]
    assert "was replaced" in caplog.text
    bulk_insert(path, [live(14, received_ms=T)])  # the clock was set back: new by its row id
    assert tail.read() == [live(14, received_ms=T)]


def test_a_copy_with_the_same_row_ids_goes_on(path, caplog):
    bulk_insert(path, [live(number) for number in range(5)])
    tail = EventTail(path, "binance", None, At())
    copy = path.with_name("copy.sqlite3")
    with closing(open_writer(path)) as connection:
        connection.execute("VACUUM INTO ?", [str(copy)])
    delete(path)
    copy.rename(path)
    bulk_insert(path, [live(9)])
    assert tail.read() == [live(9)]
    assert "was replaced" not in caplog.text


@pytest.mark.parametrize(("upto", "reported"), [(3, ""), (5, "up to 2 liquidations were deleted")])
def test_what_was_deleted_before_it_was_delivered_is_reported(path, caplog, upto, reported):
    bulk_insert(path, [live(number) for number in range(3)])
    tail = EventTail(path, "binance", None, At())
    bulk_insert(path, [live(number) for number in range(3, 8)])
    with closing(open_writer(path)) as connection:
        connection.execute("DELETE FROM liq_events WHERE id <= ?", [upto])
    assert tail.read() == [live(number) for number in range(upto, 8)]
    assert caplog.text.count("were deleted before") == bool(reported)
    assert reported in caplog.text


class PacedExchange(ScriptedExchange):
    """Sends liquidations one by one and notes when, by trade time."""

    def __init__(self, count, gap_s):
        super().__init__([mark_price(T)])
        self.count, self.gap_s = count, gap_s
        self.sent_s = {}

    async def play(self, ws):
        for number in range(self.count):
            self.sent_s[T + number] = SYSTEM_CLOCK.monotonic_s()
            await ws.send(liquidation(number))
            await asyncio.sleep(self.gap_s)
        await ws.wait_closed()


def test_a_prompt_subscription_is_served_at_once_while_it_lasts(path):
    came_s, ended = {}, threading.Event()
    usual = Received()

    def note(each):
        came_s.setdefault(each.ts_ms, SYSTEM_CLOCK.monotonic_s())

    with PacedExchange(40, 0.02) as exchange:
        service = HeatmapService(path, **exchange.addresses)
        unsubscribe = service.subscribe_events(note, prompt=True, on_end=ended.set)
        service.subscribe_events(usual)
        with RunningService(service):
            assert usual.until(40) == list(range(40))  # nothing is lost or doubled for the others either
            until(lambda: len(came_s) == 40)
            assert not ended.is_set()
            unsubscribe()
            assert ended.wait(PATIENCE_S)
    delays_s = sorted(came_s[ts_ms] - sent_s for ts_ms, sent_s in exchange.sent_s.items())
    assert delays_s[len(delays_s) // 2] < 0.1  # a writer that waits for a quarter of a second gives 0.13 and more


def test_the_end_of_a_subscription_is_reported_when_the_service_stops(path):
    ended = []
    service = HeatmapService(path, collect=False)
    service.subscribe_events(Received(), on_end=lambda: ended.append(threading.current_thread().name))
    service.stop()
    until(lambda: ended == ["heatmap-events"])
