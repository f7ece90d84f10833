"""Small records for tests of the storage: events, their rows, and a file of the first schema version."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from Heatmap.events import LiquidationEvent, Side
from Heatmap.storage.coverage_gaps import coverage_gaps as gaps_of
from Heatmap.storage.database import database_of
from Heatmap.storage.sqlite.connection import open_reader, open_writer, write_transaction
from Heatmap.storage.sqlite.migrations import APPLICATION_ID
from Heatmap.storage.sqlite.shrinking import shrink

T = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC
VERSION_1 = Path(__file__).parents[1] / "integration" / "schema_version_1.sql"


def event(number, **changes):
    """Return a liquidation at ``T + number`` ms."""
    values = {"ts_ms": T + number, "symbol": "BTCUSDT", "side": Side.SELL, "price": 85_000.5, "qty": 0.25, **changes}
    return LiquidationEvent(**{"notional": values["price"] * values["qty"], **values})


def rows(path, query="SELECT count(*) FROM liq_events", *values):
    """Return what a query with these values finds in a database that is opened for it alone."""
    with closing(open_reader(path)) as connection:
        return connection.execute(query, values).fetchall()


def create_version_1(path):
    """Create a database of the first schema version with one event at 5 ms."""
    with closing(open_writer(path)) as connection:
        connection.executescript(VERSION_1.read_text())
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "INSERT INTO liq_events (ts_ms, symbol, side, price, qty, notional, source)"
            " VALUES (5, 'BTCUSDT', 'SELL', 1, 2, 2, 'binance')"
        )


def store_summary(path):
    return database_of(path).summary()


def record_summary(path, now_ms):
    return database_of(path).record_summary(now_ms)


def coverage_gaps(path, source, symbols, from_ms):
    with database_of(path).reader() as reader:
        return gaps_of(reader, source, symbols, from_ms)


def housekeeping(keeper, connection):
    """Let a housekeeper do one step on a file."""
    keeper.step(connection, write_transaction, shrink)
