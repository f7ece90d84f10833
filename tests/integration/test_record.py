"""The record for other programs: `Heatmap.open_record` and what it returns, against SQL."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.record import T, create_version_1, event, rows

import Heatmap
from Heatmap.errors import QueryError, StorageError, UnusableDatabaseError
from Heatmap.events import Coverage, Side
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.connection import open_reader, open_writer
from Heatmap.storage.sqlite.file_guard import FileState
from Heatmap.storage.sqlite.migrations import migrate
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

HOUR_MS = 3_600_000
SPAN = {"start_ms": T, "end_ms": T + HOUR_MS}


def record_of(path, count=2000, **changes):
    """Write events of one hour at random prices, received in another order than they happened; a third are shorts."""
    random = np.random.default_rng(7)
    bulk_insert(
        path,
        [
            event(
                number * HOUR_MS // count,
                price=round(80_000 + random.normal(0, 400), 1),
                qty=0.001 + number % 7,
                side=Side.BUY if number % 3 == 0 else Side.SELL,
                received_ms=T + number * HOUR_MS // count + int(random.integers(0, 5000)),
                **changes,
            )
            for number in range(count)
        ],
        coverage=[Coverage("binance", "BTCUSDT", T, T + 1000), Coverage("binance", "BTCUSDT", T + 5000, T + HOUR_MS)],
    )
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = record_of(tmp_path_factory.mktemp("record") / "record.sqlite3")
    bulk_insert(
        path,
        [event(0, symbol="ETHUSDT"), event(5, source="demo"), event(1, symbol="XRPUSDT", source="demo", price=0.5)],
        coverage=[Coverage("binance", "SOLUSDT", T, T + 1000)],
    )
    return path


@pytest.fixture
def record(path):
    with Heatmap.open_record(path) as record:
        yield record


def test_events_are_typed_columns_in_order_of_time(record, path):
    events = record.events("BTCUSDT", **SPAN)
    kinds = {"ts_ms": "i8", "received_ms": "i8", "price": "f8", "qty": "f8", "notional": "f8", "is_long": "?"}
    assert {name: getattr(events, name).dtype for name in kinds} == {
        name: np.dtype(kind) for name, kind in kinds.items()
    }
    query = (
        "SELECT ts_ms, received_ms, price, qty, notional, side = 'SELL' FROM liq_events"
        " WHERE symbol = 'BTCUSDT' AND source = 'binance' ORDER BY ts_ms, id"
    )
    assert [tuple(row) for row in events.tolist()] == rows(path, query)
    assert (np.diff(events.ts_ms) >= 0).all()
    assert len(events[events.is_long]) == len(rows(path, query.replace("ORDER", "AND side = 'SELL' ORDER")))


def test_a_span_is_half_open(record):
    moments = record.events("BTCUSDT").ts_ms
    start_ms, end_ms = int(moments[10]), int(moments[20])
    assert record.events("btcusdt", start_ms=start_ms, end_ms=end_ms).ts_ms.tolist() == moments[10:20].tolist()
    assert len(record.events("BTCUSDT", start_ms=np.int64(start_ms), end_ms=start_ms + 1)) == 1


@pytest.mark.parametrize("end_ms", [2**53, 2**62, 2**70, sys.maxsize])
def test_the_beginning_and_the_end_of_time_are_a_span(record, end_ms):
    assert len(record.events("BTCUSDT", start_ms=0, end_ms=end_ms)) == len(record.events("BTCUSDT"))
    assert len(record.coverage("BTCUSDT", start_ms=1, end_ms=end_ms)) == 2


def test_pandas_makes_a_table_in_one_line(record):
    table = pd.DataFrame(record.events("BTCUSDT", **SPAN))
    assert dict(table.dtypes.astype(str)) == {
        "ts_ms": "int64", "received_ms": "int64", "price": "float64", "qty": "float64", "notional": "float64",
        "is_long": "bool",
    }  # fmt: skip
    assert len(table) == 2000


def test_an_unknown_receive_time_is_marked(tmp_path):
    bulk_insert(tmp_path / "r.sqlite3", [event(0)])
    assert Heatmap.open_record(tmp_path / "r.sqlite3").events("BTCUSDT").received_ms.tolist() == [-1]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "btcusdt", " BtcUsdt "])
def test_symbols_are_found_in_any_case(record, symbol):
    assert len(record.events(symbol)) == len(record.profile(symbol, price_step=1e6).prices) * 2000


def test_sources_do_not_mix(record):
    assert len(record.events("BTCUSDT", source="Demo")) == 1
    assert len(record.events("xrpusdt")) == 1  # of its only source
    with pytest.raises(QueryError, match=r"BTCUSDT is not recorded from 'replay', but from binance, demo"):
        record.events("BTCUSDT", source="replay")


def test_of_several_sources_without_the_exchange_one_must_be_chosen(tmp_path):
    bulk_insert(tmp_path / "r.sqlite3", [event(0, source="demo"), event(0, source="replay")])
    with Heatmap.open_record(tmp_path / "r.sqlite3") as record:
        with pytest.raises(QueryError, match=r"from demo, replay: choose one with source="):
            record.events("BTCUSDT")
        assert record.series() == [("demo", "BTCUSDT"), ("replay", "BTCUSDT")]


@pytest.mark.parametrize("read", ["events", "profile", "grid", "coverage", "replay"])
def test_an_unknown_symbol_is_an_error_that_lists_known_ones(record, read):
    with pytest.raises(QueryError, match=r"'ADAUSDT' is not recorded in .*BTCUSDT, ETHUSDT, SOLUSDT, XRPUSDT"):
        getattr(record, read)("ADAUSDT", **SPAN)
    for nothing in ("", "  "):
        with pytest.raises(QueryError, match="no symbol"):
            getattr(record, read)(nothing, **SPAN)
    with pytest.raises(QueryError, match="expected symbol and source as text"):
        getattr(record, read)(None, **SPAN)
    with pytest.raises(QueryError, match="expected symbol and source as text"):
        getattr(record, read)("BTCUSDT", source=1, **SPAN)


def test_a_covered_symbol_without_events_is_known_and_empty(record):
    assert len(record.events("SOLUSDT")) == 0
    assert record.profile("SOLUSDT").prices.size == 0
    assert record.grid("SOLUSDT", columns=7, **SPAN).values.shape == (0, 7)
    assert record.coverage("SOLUSDT").tolist() == [[T, T + 1000]]


@pytest.mark.parametrize("read", ["events", "profile", "grid", "coverage", "replay"])
@pytest.mark.parametrize(
    ("start_ms", "end_ms", "text"),
    [
        (T, T, "start_ms before end_ms"),
        (T + 1, T, "start_ms before end_ms"),
        (float("nan"), T, "start_ms: expected a whole number, was nan"),
        (T, float("inf"), "end_ms: expected a whole number, was inf"),
        (float(T), T + 1, r"start_ms: expected a whole number.*int\(...\) rounds it down"),
        (True, T, "start_ms: expected a whole number, was True"),
        (datetime(2026, 11, 27, tzinfo=UTC), T, r"are int\(time.timestamp\(\) \* 1000\)"),
        (str(T), T + 1, "start_ms: expected a whole number"),
        (T // 1000, T, "start_ms: expected milliseconds since 1970, was .* seems to be seconds"),
        (T, T * 1000, "end_ms: expected milliseconds since 1970, was .* seems to be microseconds"),
        (-1, T, "start_ms: expected milliseconds since 1970, was -1"),
        (0, 60_000, "end_ms: expected milliseconds since 1970, was .* before the year 2019"),
        (T * 1_000_000, 2**63, "start_ms: expected milliseconds since 1970, was .* after the year 2099"),
    ],
)
def test_a_span_that_can_only_be_a_mistake_is_an_error(record, read, start_ms, end_ms, text):
    with pytest.raises(QueryError, match=text):
        getattr(record, read)("BTCUSDT", start_ms=start_ms, end_ms=end_ms)


def test_a_profile_has_the_sums_of_sql(record, path):
    profile = record.profile("BTCUSDT", price_step=50, **SPAN)
    found = rows(
        path,
        "SELECT side, CAST(price / 50 AS INTEGER) * 50.0, sum(notional) FROM liq_events"
        " WHERE symbol = 'BTCUSDT' AND source = 'binance' GROUP BY 1, 2",
    )
    for side, sums in (("SELL", profile.long_usd), ("BUY", profile.short_usd)):
        got = {price: usd for price, usd in zip(profile.prices.tolist(), sums.tolist(), strict=True) if usd}
        assert got == pytest.approx({price: usd for of, price, usd in found if of == side}, rel=1e-12)
        assert sums.dtype == np.float64
    assert np.diff(profile.prices).tolist() == [50.0] * (len(profile.prices) - 1)
    assert profile.price_step == 50.0


def test_the_default_step_is_round(record):
    profile = record.profile("BTCUSDT", **SPAN)
    assert f"{profile.price_step:e}"[0] in "125"
    assert 40 <= profile.prices.size <= 202


def test_prices_are_decimals(tmp_path):
    bulk_insert(tmp_path / "r.sqlite3", [event(0, price=0.1), event(1, price=0.3), event(2, price=0.7)])
    profile = Heatmap.open_record(tmp_path / "r.sqlite3").profile("BTCUSDT", price_step=0.1)
    assert profile.prices.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert (profile.long_usd > 0).tolist() == [True, False, True, False, False, False, True]


@pytest.mark.parametrize("columns", [1, 7, 60, 977])
def test_a_grid_has_exactly_the_columns_and_the_sums_of_sql(record, path, columns):
    start_ms, end_ms = T + 17, T + HOUR_MS - 1234  # not divisible
    grid = record.grid("BTCUSDT", start_ms=start_ms, end_ms=end_ms, columns=columns, price_step=25.0)
    assert grid.values.shape == (grid.prices.size, columns)
    assert grid.values.dtype == np.float64
    assert grid.times_ms.shape == (columns,)
    assert grid.times_ms.dtype == np.int64
    assert (grid.times_ms[0], grid.end_ms) == (start_ms, end_ms)
    found = rows(
        path,
        f"""SELECT CAST(price / 25 AS INTEGER) * 25.0, (ts_ms - {start_ms}) * {columns} / {end_ms - start_ms},
            sum(notional) FROM liq_events
        WHERE symbol = 'BTCUSDT' AND source = 'binance' AND ts_ms >= {start_ms} AND ts_ms < {end_ms}
        GROUP BY 1, 2""",  # noqa: S608 - ours
    )
    wanted = np.zeros_like(grid.values)
    at = {price: row for row, price in enumerate(grid.prices.tolist())}
    for price, column, usd in found:
        wanted[at[price], column] = usd
    np.testing.assert_allclose(grid.values, wanted, rtol=1e-12)


def test_the_sides_of_a_grid_add_up(record):
    options = {"columns": 30, "price_step": 10_000.0, **SPAN}
    both, longs, shorts = (
        record.grid("BTCUSDT", sides=sides, **options).values.sum() for sides in ("both", "long", "short")
    )
    assert both == pytest.approx(longs + shorts)
    assert min(longs, shorts) > 0


def test_default_columns_cover_the_span(record):
    grid = record.grid("BTCUSDT", start_ms=T, end_ms=T + HOUR_MS + 1)
    assert set(np.diff(grid.times_ms).tolist()) == {5000}
    assert grid.times_ms.size == 721
    assert grid.values.sum() == pytest.approx(record.events("BTCUSDT").notional.sum())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"columns": 0}, "columns: expected 1 to 1,048,576"),
        ({"columns": 1.5}, "columns: expected a whole number, was 1.5"),
        ({"columns": 2_000_000}, "columns: expected 1 to 1,048,576"),
        ({"columns": float("nan")}, "columns: expected a whole number, was nan"),
        ({"price_step": 0}, "price_step: expected a positive, finite number"),
        ({"price_step": -1.0}, "price_step: expected a positive, finite number"),
        ({"price_step": float("nan")}, "price_step: expected a positive, finite number"),
        ({"price_step": float("inf")}, "price_step: expected a positive, finite number"),
        ({"price_step": "50"}, "price_step: expected a number, was '50'"),
        ({"price_step": True}, "price_step: expected a number, was True"),
        ({"price_step": 1e-5}, "price_step: 1e-05 makes .* take a larger step"),
        ({"price_step": 1e-90}, "price_step: 1e-90 makes .* take a larger step"),
        ({"sides": "up"}, "sides: expected one of both, long, short, was 'up'"),
    ],
)
def test_a_grid_that_cannot_be_is_an_error(record, options, text):
    with pytest.raises(QueryError, match=text):
        record.grid("BTCUSDT", **SPAN, **options)


def test_more_columns_than_milliseconds_are_an_error(record):
    with pytest.raises(QueryError, match="columns: expected 1 to 10, at most one a millisecond, was 11"):
        record.grid("BTCUSDT", start_ms=T, end_ms=T + 10, columns=11)
    assert record.grid("BTCUSDT", start_ms=T, end_ms=T + 10, columns=10).times_ms.tolist() == list(range(T, T + 10))


def test_a_grid_needs_both_ends(record):
    with pytest.raises(QueryError, match="a grid needs start_ms and end_ms"):
        record.grid("BTCUSDT", start_ms=None, end_ms=T)


def test_coverage_is_cut_to_the_span(record):
    spans = record.coverage("BTCUSDT")
    assert (spans.dtype, spans.tolist()) == (np.int64, [[T, T + 1000], [T + 5000, T + HOUR_MS]])
    assert record.coverage("BTCUSDT", start_ms=T + 500, end_ms=T + 6000).tolist() == [
        [T + 500, T + 1000],
        [T + 5000, T + 6000],
    ]
    assert record.coverage("BTCUSDT", start_ms=T + 1000, end_ms=T + 5000).shape == (0, 2)
    assert record.coverage("ETHUSDT").shape == (0, 2)


def test_a_replay_comes_in_the_order_of_receipt(record):
    events = list(record.replay("btcusdt"))
    assert len(events) == 2000
    assert [each.received_ms for each in events] == sorted(each.received_ms for each in events)
    assert [each.ts_ms for each in events] != sorted(each.ts_ms for each in events)
    part = list(record.replay("BTCUSDT", start_ms=T + 10_000, end_ms=T + 20_000))
    assert part == [each for each in events if T + 10_000 <= each.received_ms < T + 20_000]


def test_a_replay_of_events_without_a_receive_time_needs_their_delay(tmp_path):
    path = tmp_path / "r.sqlite3"
    bulk_insert(path, [event(0), event(100, received_ms=T + 900), event(500)])
    with Heatmap.open_record(path) as record:
        with pytest.raises(QueryError, match=r"2 liquidations of BTCUSDT from binance have no receive time.*delay_ms"):
            record.replay("BTCUSDT")
        replayed = [(each.ts_ms - T, each.received_ms - T) for each in record.replay("BTCUSDT", delay_ms=1000)]
        assert replayed == [(100, 900), (0, 1000), (500, 1500)]
        for wrong in (-1, 1.5):
            with pytest.raises(QueryError, match="delay_ms: expected"):
                record.replay("BTCUSDT", delay_ms=wrong)


def test_a_file_that_is_no_record_is_an_error_with_a_sentence(tmp_path):
    def sentence(path, kind=StorageError):
        with pytest.raises(kind) as caught:
            Heatmap.open_record(path)
        return caught.value.short

    missing = tmp_path / "none.sqlite3"
    assert sentence(missing) == f"There is no database {missing}."
    assert not missing.exists()
    text = tmp_path / "text.txt"
    text.write_text("no database at all, but long enough to have a header" * 10)
    assert "is not a database" in sentence(text)
    with closing(open_writer(tmp_path / "other.sqlite3")) as other:
        other.execute("CREATE TABLE theirs (id)")
    assert "belongs to another program" in sentence(tmp_path / "other.sqlite3", UnusableDatabaseError)
    newer = record_of(tmp_path / "newer.sqlite3", count=1)
    with closing(open_writer(newer)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "was written by a newer version" in sentence(newer, UnusableDatabaseError)
    assert sentence(tmp_path, UnusableDatabaseError) == f"{tmp_path} is a folder, not a database."
    (tmp_path / "empty.sqlite3").touch()
    assert sentence(tmp_path / "empty.sqlite3").startswith("Nothing is recorded yet")


def test_without_a_path_it_is_the_users_record(monkeypatch, tmp_path):
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path))
    with pytest.raises(StorageError, match=r"liquidations\.sqlite3"):
        Heatmap.open_record()
    record_of(tmp_path / "liquidations.sqlite3", count=3)
    with Heatmap.open_record() as record:
        assert len(record.events("BTCUSDT")) == 3


def test_a_file_of_the_first_version_is_read(tmp_path):
    create_version_1(tmp_path / "old.sqlite3")
    events = Heatmap.open_record(tmp_path / "old.sqlite3").events("BTCUSDT")
    assert events.tolist() == [(5, -1, 1.0, 2.0, 2.0, True)]


def test_a_closed_record_says_so(path):
    with Heatmap.open_record(path) as record:
        pass
    record.close()
    with pytest.raises(StorageError, match=r"was closed; open it again with Heatmap\.open_record"):
        record.events("BTCUSDT")


def test_a_file_that_was_deleted_is_an_error(tmp_path):
    with Heatmap.open_record(record_of(tmp_path / "r.sqlite3", count=1)) as record:
        for file in tmp_path.iterdir():
            file.unlink()
        with pytest.raises(StorageError, match="no file"):
            record.events("BTCUSDT")


def test_many_threads_read_while_a_recorder_writes(tmp_path):
    path = record_of(tmp_path / "r.sqlite3", count=100)
    written = threading.Event()

    def write():
        for number in range(100):
            bulk_insert(path, [event(number + HOUR_MS, qty=1.0, received_ms=T)])
        written.set()

    def read(record):
        sizes = [0]
        while not written.is_set():
            sizes.append(len(record.events("BTCUSDT")))
            assert record.grid("BTCUSDT", start_ms=T, end_ms=T + 2 * HOUR_MS, columns=5).values.shape[1] == 5
        return sizes

    with Heatmap.open_record(path) as record, ThreadPoolExecutor(4) as pool:
        writing = pool.submit(write)
        readings = [pool.submit(read, record) for _ in range(3)]
        writing.result()
        for reading in readings:
            sizes = reading.result()
            assert sizes == sorted(sizes)
        assert len(record.events("BTCUSDT")) == 200


def close_other_connections(path):
    """Close this process's only guarded connection, then that of another process: the last one to delete the log."""
    with SqliteStore(path) as other:
        other.data_version()
    code = "import sys; from support.record import *; from Heatmap.storage.sqlite.bulk_insert import bulk_insert\n"
    code += "bulk_insert(sys.argv[1], [event(1)])"
    subprocess.run([sys.executable, "-c", code, path], check=True, cwd=Path(__file__).parents[1], timeout=60)


def test_a_connection_that_is_being_opened_keeps_the_log(tmp_path):
    """Another thread's connection, the last guarded one, is closed between the first read and the guard."""
    path = tmp_path / "r.sqlite3"
    bulk_insert(path, [event(0)])
    with closing(open_reader(path)) as opening:
        opening.execute("BEGIN")
        assert opening.execute("SELECT count(*) FROM liq_events").fetchone() == (1,)
        close_other_connections(path)
        assert path.with_name(f"{path.name}-wal").exists()
        opening.guard()
        assert opening.file_state() is FileState.IN_PLACE
        assert opening.execute("SELECT count(*) FROM liq_events").fetchone() == (1,)


def test_a_connection_that_makes_the_file_keeps_the_log(tmp_path):
    path = tmp_path / "r.sqlite3"
    with closing(open_writer(path)) as making:
        migrate(making, path)
        close_other_connections(path)
        assert path.with_name(f"{path.name}-wal").exists()
        making.guard()
        assert making.file_state() is FileState.IN_PLACE


def test_reading_loads_neither_qt_nor_numba(path):
    code = (
        "import sys, Heatmap\n"
        f"with Heatmap.open_record({str(path)!r}) as record:\n"
        f"    record.events('BTCUSDT'); record.profile('BTCUSDT'); record.coverage('BTCUSDT')\n"
        f"    record.grid('BTCUSDT', start_ms={T}, end_ms={T + HOUR_MS})\n"
        "print([name for name in ('PyQt6', 'numba', 'websockets', 'moderngl') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_series_are_listed(path):
    with Heatmap.open_record(path) as record:
        assert record.series() == [
            ("binance", "BTCUSDT"), ("binance", "ETHUSDT"), ("binance", "SOLUSDT"), ("demo", "BTCUSDT"),
            ("demo", "XRPUSDT"),
        ]  # fmt: skip
