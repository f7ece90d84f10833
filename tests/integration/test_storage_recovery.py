"""A damaged file is found at the start, moved aside, and what can be read of it lives on in a new one."""

from __future__ import annotations

import random
import threading
from contextlib import closing

import pytest

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.errors import StorageError, UnusableDatabaseError
from Heatmap.events import Coverage, LiquidationEvent, Side
from Heatmap.storage.coverage_log import without
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.connection import open_reader, open_writer
from Heatmap.storage.sqlite.migrations import LATEST, open_database
from Heatmap.storage.sqlite.recovery import check, check_db_path, recover_damaged, rescued_path
from Heatmap.storage.sqlite.sqlite_store import SqliteStore
from Heatmap.storage.writer import EventWriter

T = 1_790_000_000_000
PAGE = 4096
ROWS = 3000
KEPT_BY_INDEX = "ts_ms, symbol, side, price, qty, notional, source"


def events(count=ROWS):
    chance = random.Random(5)
    for number in range(count):
        price, qty = round(85_000 + chance.gauss(0, 500), 1), round(0.001 + chance.paretovariate(1.2) / 100, 3)
        yield LiquidationEvent(
            T + number * 1000, chance.choice(["BTCUSDT", "ETHUSDT"]), chance.choice(list(Side)), price, qty,
            price * qty, order_price=price, order_qty=qty, event_ms=T + number * 1000,
            received_ms=T + number * 1000 + 7,
        )  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.sqlite3"


@pytest.fixture
def sound(path):
    """A record of 3,000 liquidations in one file, without a log beside it."""
    bulk_insert(path, events(), coverage=[Coverage("binance", "BTCUSDT", T, T + ROWS * 1000)])
    with closing(open_writer(path)) as connection:
        connection.execute("INSERT INTO tick_sizes VALUES ('binance', 'BTCUSDT', 0.1, 5)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


def spoil(path, page, content=b"\xa5" * PAGE):
    """Overwrite a page; page 1 is the first."""
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(content)


def rows(path, columns="*"):
    with closing(open_reader(path)) as connection:
        return connection.execute(f"SELECT {columns} FROM liq_events ORDER BY id").fetchall()  # noqa: S608


def pages_of(path, name):
    """Return the children of the root page of a table or an index, by SQLite's file format."""
    with closing(open_reader(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
    content = path.read_bytes()
    start = (root - 1) * PAGE
    count = int.from_bytes(content[start + 3 : start + 5], "big")
    cells = [int.from_bytes(content[start + 12 + 2 * n : start + 14 + 2 * n], "big") for n in range(count)]
    return [int.from_bytes(content[start + cell : start + cell + 4], "big") for cell in cells]


def test_a_sound_file_passes(path, sound):
    with closing(open_database(path)) as connection:
        check(connection, path)
    assert path.read_bytes() == sound


@pytest.mark.usefixtures("sound")
def test_a_check_can_be_given_up(path, monkeypatch):
    monkeypatch.setattr("Heatmap.storage.sqlite.recovery._CHECK_STEPS", 100)
    asked = []

    def goes_on():
        asked.append(1)
        return len(asked) < 3

    with closing(open_database(path)) as connection:
        check(connection, path, goes_on=goes_on)
        assert len(asked) == 3
        check(connection, path)
        assert len(asked) == 3


@pytest.mark.parametrize("places", [(0,), (7,), (-1,), (3, 30), (0, 1, 2, 40, -1)])
def test_no_liquidation_is_lost_with_leaves_of_the_table(path, sound, places):
    before = rows(path, KEPT_BY_INDEX)
    leaves = pages_of(path, "liq_events")
    for place in places:
        spoil(path, leaves[place])
    recovered = recover_damaged(path, SYSTEM_CLOCK)
    assert rows(path, KEPT_BY_INDEX) == before
    assert (recovered.rows, recovered.holes) == (ROWS, [])
    assert recovered.kept_as.read_bytes() != sound
    assert len(recovered.kept_as.read_bytes()) == len(sound)
    with SqliteStore(path) as store:
        assert store.tick_size("BTCUSDT", "binance") == 0.1
        assert store.coverage("BTCUSDT", "binance", 0, 2 * T) == [Coverage("binance", "BTCUSDT", T, T + ROWS * 1000)]


@pytest.mark.parametrize("index", ["uq_liq_events", "idx_liq_events_window", "idx_liq_events_ts"])
@pytest.mark.usefixtures("sound")
def test_damage_to_an_index_costs_nothing(path, index):
    before = rows(path)
    spoil(path, pages_of(path, index)[0])
    recover_damaged(path, SYSTEM_CLOCK)
    assert rows(path) == before
    with closing(open_database(path)) as connection:
        check(connection, path)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.usefixtures("sound")
def test_what_is_lost_in_both_counts_as_not_recorded(path):
    before = rows(path)
    leaves = pages_of(path, "liq_events")
    spoil(path, leaves[10])
    for leaf in pages_of(path, "idx_liq_events_window"):
        spoil(path, leaf)
    recovered = recover_damaged(path, SYSTEM_CLOCK)
    after = rows(path)
    assert set(after) < set(before)
    lost = sorted(row[1] for row in set(before) - set(after))
    ((from_ms, to_ms),) = recovered.holes
    assert from_ms <= lost[0] <= lost[-1] <= to_ms
    assert to_ms - from_ms < 300_000
    with SqliteStore(path) as store:
        stretches = store.coverage("BTCUSDT", "binance", 0, 2 * T)
    assert [(c.start_ms, c.end_ms) for c in stretches] == [(T, from_ms - 1), (to_ms + 1, T + ROWS * 1000)]
    assert "counts as not recorded" in recovered.sentence(path)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_page_is_spoilt_no_row_is_invented_and_none_is_there_twice(path, sound, seed):
    before = set(rows(path, KEPT_BY_INDEX))
    chance = random.Random(seed)
    for _ in range(chance.choice([1, 1, 3, 8])):
        page = chance.randrange(2, len(sound) // PAGE + 1)
        spoil(path, page, chance.choice([b"\0" * PAGE, chance.randbytes(PAGE)]))
    try:
        with closing(open_database(path)) as connection:
            check(connection, path)
    except StorageError:
        recovered = recover_damaged(path, SYSTEM_CLOCK)
        after = rows(path, KEPT_BY_INDEX)
        assert len(after) == len(set(after)) == recovered.rows
        assert set(after) <= before
        # Without the schema, which spans two pages, nothing can be read, coverage neither.
        assert set(after) == before or recovered.holes or not after
        with closing(open_database(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("lead", [b"\0" * 16, b"SQLite format 3\0" + b"\xff" * 4])
def test_a_spoilt_first_page_begins_anew_and_keeps_the_old_file(path, sound, lead):
    spoil(path, 1, lead)
    check_db_path(path)
    writer = EventWriter(path)
    writer.start()
    writer.put(next(events()))
    assert writer.stop() == 0
    assert len(rows(path)) == 1
    kept = [file for file in path.parent.iterdir() if ".damaged-" in file.name]
    assert [file.read_bytes()[20:] for file in kept] == [sound[20:]]
    assert kept[0].name in writer.stats().notice


@pytest.mark.usefixtures("sound")
def test_the_writer_finds_damage_at_its_start_and_goes_on(path, caplog):
    spoil(path, pages_of(path, "liq_events")[5])
    told = threading.Event()
    writer = EventWriter(path, flush_ms=5, on_change=lambda: told.set() if writer.stats().inserted else None)
    writer.start()
    assert writer.put(LiquidationEvent(T - 1, "BTCUSDT", Side.BUY, 1.0, 1.0, 1.0))
    assert told.wait(20)
    assert "was damaged. It is kept as record.sqlite3.damaged-" in writer.stats().notice
    assert writer.stop() == 0
    assert len(rows(path)) == ROWS + 1
    assert "is damaged" in caplog.text


@pytest.mark.usefixtures("sound")
def test_damage_that_comes_while_recording_is_mended_too(path):
    changed = threading.Condition()

    def tell():
        with changed:
            changed.notify_all()

    writer = EventWriter(path, flush_ms=5, on_change=tell)
    writer.start()
    writer.put(LiquidationEvent(T - 2, "BTCUSDT", Side.BUY, 1.0, 1.0, 1.0))
    with changed:
        assert changed.wait_for(lambda: writer.stats().inserted == 1, 20)
    with closing(open_writer(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    spoil(path, pages_of(path, "uq_liq_events")[0])
    for leaf in pages_of(path, "idx_liq_events_ts"):
        spoil(path, leaf)
    # What this connection keeps in memory it must read again: another has written.
    with closing(open_writer(path)) as connection:
        connection.execute("INSERT INTO tick_sizes VALUES ('binance', 'ETHUSDT', 0.1, 5)")
    writer.put(LiquidationEvent(T - 1, "BTCUSDT", Side.BUY, 1.0, 1.0, 1.0))
    with changed:
        assert changed.wait_for(lambda: writer.stats().inserted == 2, 20)
    assert writer.stop() == 0
    assert len(rows(path)) == ROWS + 2


def test_a_strangers_file_is_never_moved(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("dear all, " * 1000)
    with pytest.raises(UnusableDatabaseError):
        check_db_path(path)
    writer = EventWriter(path)
    writer.start()
    writer.put(next(events()))
    assert writer.stop(timeout_s=0.3) == 1
    assert path.read_text() == "dear all, " * 1000
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("sound")
def test_a_file_of_a_newer_version_is_never_moved(path):
    with closing(open_database(path)) as connection:
        connection.execute(f"PRAGMA user_version = {LATEST + 1}")
    writer = EventWriter(path)
    writer.start()
    writer.put(next(events()))
    assert writer.stop(timeout_s=0.3) == 1
    assert "newer version" in writer.stats().problem
    assert len(rows(path)) == ROWS
    assert not list(path.parent.glob("*.damaged-*"))


@pytest.mark.usefixtures("sound")
def test_a_rescue_that_was_cut_short_begins_anew(path):
    spoil(path, pages_of(path, "liq_events")[5])
    with closing(open_database(rescued_path(path))) as connection:
        connection.execute("INSERT INTO tick_sizes VALUES ('binance', 'OLD', 0.1, 5)")
        connection.execute("PRAGMA user_version = 0")
    recover_damaged(path, SYSTEM_CLOCK)
    assert len(rows(path)) == ROWS
    with SqliteStore(path) as store:
        assert store.tick_size("OLD", "binance") is None
    assert not rescued_path(path).exists()


@pytest.mark.usefixtures("sound")
def test_a_rescue_that_died_before_the_last_move_is_finished_at_the_next_start(path):
    path.rename(rescued_path(path))
    writer = EventWriter(path)
    writer.start()
    writer.put(LiquidationEvent(T - 1, "BTCUSDT", Side.BUY, 1.0, 1.0, 1.0))
    assert writer.stop() == 0
    assert len(rows(path)) == ROWS + 1
    assert not rescued_path(path).exists()


@pytest.mark.usefixtures("sound")
def test_two_that_find_the_damage_at_once_do_not_both_rescue(path):
    spoil(path, pages_of(path, "liq_events")[5])
    outcomes = []

    def one():
        try:
            outcomes.append(recover_damaged(path, SYSTEM_CLOCK))
        except StorageError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    aside = [file for file in path.parent.glob("*.damaged-*") if not file.name.endswith(("-wal", "-shm"))]
    assert len(aside) == 1, outcomes
    assert len(rows(path)) == ROWS
    with closing(open_reader(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (LATEST,)


def test_a_log_beside_the_file_goes_along(path):
    open_database(path).close()
    with closing(open_writer(path)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("INSERT INTO tick_sizes VALUES ('binance', 'BTCUSDT', 0.1, 5)")
        content = path.read_bytes(), path.with_name(path.name + "-wal").read_bytes()
    # As a crash leaves it.
    path.write_bytes(content[0])
    path.with_name(path.name + "-wal").write_bytes(content[1])
    recovered = recover_damaged(path, SYSTEM_CLOCK)
    with SqliteStore(path) as store:
        assert store.tick_size("BTCUSDT", "binance") == 0.1
    assert recovered.kept_as.with_name(recovered.kept_as.name + "-wal").read_bytes() == content[1]


def test_holes_are_cut_out_of_coverage():
    def c(start_ms, end_ms):
        return Coverage("binance", "BTCUSDT", start_ms, end_ms)

    assert without([c(1, 9), c(20, 30)], []) == [c(1, 9), c(20, 30)]
    assert without([c(1, 9), c(20, 30)], [(4, 5)]) == [c(1, 3), c(6, 9), c(20, 30)]
    assert without([c(1, 9), c(20, 30)], [(0, 4), (25, 99)]) == [c(5, 9), c(20, 24)]
    assert without([c(1, 9)], [(1, 9)]) == []
