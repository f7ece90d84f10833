"""Any interleaving of insert, duplicate, crash, retention and import leaves the rows that a plain model has."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from support.record import housekeeping
from support.waiting import until

from Heatmap.events import LiquidationEvent, Side
from Heatmap.storage.contract import ImportedFile
from Heatmap.storage.database import database_of
from Heatmap.storage.postgres import connection as server
from Heatmap.storage.postgres.migrations import open_record
from Heatmap.storage.retention import PASS_S, Housekeeper
from Heatmap.storage.sqlite.migrations import open_database
from Heatmap.storage.writer import EventWriter

T = 1_790_000_000_000
DAY_MS = 86_400_000
KEEP_DAYS = 14
PATIENCE_S = 20.0


class Clock:
    """Moved by the test alone."""

    def __init__(self):
        self.now = T
        self.now_s = 0.0

    def now_ms(self):
        return self.now

    def monotonic_s(self):
        return self.now_s


def event(ts_ms, symbol, price, *, is_live):
    # An archive knows the prices, but nothing of how the event came here.
    return LiquidationEvent(
        ts_ms, symbol, Side.SELL, price, 0.25, price * 0.25, order_price=price,
        order_qty=0.25, received_ms=ts_ms + 30 if is_live else None,
    )  # fmt: skip


def key(made):
    return made.symbol, made.ts_ms, made.price


days = st.integers(min_value=0, max_value=40)
# Few different ones, so that the same event comes again and again, live and imported.
places = st.lists(st.tuples(days, st.sampled_from(["BTCUSDT", "ETHUSDT"]), st.sampled_from([1.5, 2.5])), max_size=12)


class Record(RuleBasedStateMachine):
    """A database, and beside it a dictionary: key -> whether the row was recorded live."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="heatmap-property-"))
        self.names = itertools.count()
        self.clock = Clock()
        self.model = {}
        self.writer = None
        self.database = self.new_database()

    def new_database(self):
        return database_of(self.folder / f"{next(self.names)}.sqlite3")

    @initialize()
    def begin(self):
        self.start()

    def start(self):
        self.changed = threading.Condition()
        self.taken = 0
        self.writer = EventWriter(self.database, flush_ms=1, batch_rows=5, on_change=self.tell)
        self.writer.start()

    def tell(self):
        with self.changed:
            self.changed.notify_all()

    def put(self, wanted):
        for made in wanted:
            assert self.writer.put(made, timeout_s=PATIENCE_S)
        self.taken += len(wanted)

    def flush(self):
        def all_is_stored():
            stats = self.writer.stats()
            return stats.inserted + stats.duplicates == self.taken

        with self.changed:
            assert self.changed.wait_for(all_is_stored, PATIENCE_S)

    def made(self, wanted, *, is_live):
        return [event(T - back * DAY_MS, symbol, price, is_live=is_live) for back, symbol, price in wanted]

    @rule(wanted=places)
    def record(self, wanted):
        made = self.made(wanted, is_live=True)
        self.put(made)
        self.flush()
        for one in made:
            self.model.setdefault(key(one), True)

    @rule(wanted=places)
    def import_(self, wanted):
        made = self.made(wanted, is_live=False)
        with self.database.importer() as writer:
            inserted = writer.insert(ImportedFile("archive.csv", "binance-archive", T), made) if made else 0
        assert inserted == len({key(one) for one in made} - set(self.model))
        for one in made:
            self.model.setdefault(key(one), False)

    @rule(wanted=places)
    def crash(self, wanted):
        """Leave the files as they are at some moment, and go on with these."""
        made = self.made(wanted, is_live=True)
        self.put(made)
        self.break_off(made)
        self.start()
        flushed, rows = set(self.model), self.rows()
        assert flushed <= set(rows) <= flushed | {key(one) for one in made}
        # Whole batches of five, in the order of arrival, or nothing of them.
        self.model = rows

    def break_off(self, made):  # noqa: ARG002 - what was put may be stored
        """End the writer, and leave what a killed process leaves."""
        before, self.database = self.database.path, self.new_database()
        # That is what the system holds of its files: first the log is read, which only grows here, and then the file,
        # which is not written to without a checkpoint.
        for suffix in ("-wal", ""):
            source = before.with_name(before.name + suffix)
            if source.exists():
                shutil.copyfile(source, self.database.path.with_name(self.database.path.name + suffix))
        self.writer.stop()

    @rule(back=st.integers(min_value=-20, max_value=20))
    def keep_house(self, back):
        self.clock.now = T + back * DAY_MS
        keeper = Housekeeper("binance", KEEP_DAYS, self.clock)
        with closing(self.connection()) as connection:
            while keeper.left_s() < PASS_S / 2:
                self.clock.now_s += max(0.0, keeper.left_s())
                self.step(keeper, connection)
        if self.model:
            newest_ms = max(ts_ms for _, ts_ms, _ in self.model)
            before_ms = min(newest_ms, self.clock.now) - KEEP_DAYS * DAY_MS
            self.model = {
                place: is_live for place, is_live in self.model.items() if not is_live or place[1] >= before_ms
            }

    @rule()
    def restart(self):
        assert self.writer.stop() == 0
        self.start()

    def connection(self):
        return open_database(self.database.path)

    def step(self, keeper, connection):
        housekeeping(keeper, connection)

    def rows(self):
        with closing(self.connection()), self.database.reader() as reader:
            found = list(reader.query("SELECT symbol, ts_ms, price, received_ms FROM liq_events"))
        rows = {(symbol, ts_ms, price): received_ms is not None for symbol, ts_ms, price, received_ms in found}
        assert len(rows) == len(found)
        return rows

    @invariant()
    def the_rows_are_those_of_the_model(self):
        if self.writer is not None:
            assert self.rows() == self.model

    def teardown(self):
        if self.writer is not None:
            self.writer.stop()
        shutil.rmtree(self.folder)


class ServerRecord(Record):
    """The same on a server, whose connections are cut instead."""

    def __init__(self, cluster, url):
        self.cluster, self.url = cluster, url
        super().__init__()

    def new_database(self):
        made = database_of(self.url)
        with closing(open_record(made.address, creates=True)) as connection:
            connection.execute("TRUNCATE liq_events, imports, coverage, collector")
        return made

    def break_off(self, made):
        """Cut the connection in the middle of something; what is not stored then is played back by the next one."""
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'heatmap'"
        self.cluster.execute(cut)
        assert self.writer.stop() == 0
        self.start()
        until(lambda: {key(one) for one in made} <= set(self.rows()))
        assert self.writer.stop() == 0

    def connection(self):
        return open_record(self.database.address, creates=True)

    def step(self, keeper, connection):
        keeper.step(connection, server.write_transaction, lambda _: iter(()))


def test_record_on_a_server(cluster, server_url):
    run_state_machine_as_test(
        lambda: ServerRecord(cluster, server_url), settings=settings(TestRecord.settings, max_examples=6)
    )


TestRecord = Record.TestCase
TestRecord.settings = settings(
    max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
