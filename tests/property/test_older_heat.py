"""Heat of the window and older heat, against SQL: a view that moves, a window that moves on, rows that come in."""

from __future__ import annotations

import contextlib
import sqlite3

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.grid import GridSpec
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.events import LiquidationEvent, Side
from Heatmap.rendering.event_window import EventWindow
from Heatmap.storage.sqlite.bulk_insert import bulk_insert

MINUTE = 60_000
WINDOW = 120 * MINUTE
START = 1_800_000_000_000 // WINDOW * WINDOW
PRICES = (99.0, 100.0, 101.0)

minutes = st.integers(-330, 0)
rows = st.lists(st.tuples(minutes, st.sampled_from(PRICES), st.integers(1, 1000)), max_size=8)
# Beginning and length in minutes: mostly such as need what the one before has read, or a bit more.
views = st.sampled_from([(-300, 150), (-300, 160), (-310, 300), (-280, 100), (-400, 40), (-200, 150), (-60, 60)])
# What happens between two views: time passes, rows come in (of times before now); then the view.
step = st.tuples(st.sampled_from([0, 1, 30]), rows, views)


def recorded(db_path, sql: str, *values):
    with contextlib.closing(sqlite3.connect(f"file:{db_path}?mode=ro", uri=True)) as connection:  # noqa: TID251
        return connection.execute(sql, values).fetchall()


def cell_sums(window: EventWindow, start_ms: int, end_ms: int) -> dict[float, float]:
    """Return the dollars of each price from one time to another, both whole minutes, as the image's cells sum them."""
    cols = (end_ms - start_ms) // MINUTE
    spec = GridSpec(start_ms, MINUTE, cols, PRICES[0], 1.0, len(PRICES))
    batch = EventBatch.select(window.columns, sides="both", min_notional=0.0, by_side=False)
    engine = NumpyEngine()
    sums = engine.grid(engine.bin(batch, spec), 0).astype(float).sum(axis=1)
    return {price: found for price, found in zip(PRICES, sums.tolist(), strict=True) if found}


@pytest.mark.parametrize("most", [5, 200_000])
@given(rows, st.lists(step, min_size=1, max_size=6))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cells_left_and_right_of_the_line_are_those_of_sql(tmp_path_factory, monkeypatch, most, first_rows, steps):
    monkeypatch.setattr("Heatmap.rendering.event_window.MAX_OLDER_EVENTS", most)
    db_path, now_ms, number = tmp_path_factory.mktemp("older") / "events.sqlite3", START, 0

    def insert(new) -> None:
        nonlocal number
        events = []
        for minute, price, usd in new:
            number += 1
            ts_ms = now_ms + minute * MINUTE - number % MINUTE
            events.append(LiquidationEvent(ts_ms, "BTCUSDT", Side.SELL, price, usd / price, float(usd)))
        bulk_insert(db_path, events)

    insert(first_rows)
    window = EventWindow(db_path)
    try:
        for passed, new, (view_minute, length) in steps:
            now_ms += passed * MINUTE
            insert(new)
            line_ms, view_start_ms = now_ms - WINDOW, now_ms + view_minute * MINUTE
            view_end_ms = view_start_ms + length * MINUTE
            window.refresh("BTCUSDT", "binance", line_ms, (view_start_ms, view_end_ms))
            # The window is in memory wherever the view is; older times as far as they are in sight.
            older_end_ms = min(view_end_ms, line_ms)
            parts = [(line_ms, now_ms), (max(view_start_ms, window.since_ms), older_end_ms)]
            for first_ms, end_ms in parts:
                start_ms = -(-first_ms // MINUTE) * MINUTE
                if start_ms >= end_ms:
                    continue
                query = "SELECT price, sum(notional) FROM liq_events WHERE ts_ms >= ? AND ts_ms < ? GROUP BY price"
                assert cell_sums(window, start_ms, end_ms) == dict(recorded(db_path, query, start_ms, end_ms))
            # Nothing twice, sorted, and only what the cap leaves out is missing.
            assert (np.diff(window.columns.ts_ms) >= 0).all()
            count = "SELECT count(*) FROM liq_events WHERE ts_ms >= ? AND ts_ms < ?"
            if view_start_ms < older_end_ms:
                assert window.asked_ms <= view_start_ms
                if window.since_ms > window.asked_ms:
                    assert recorded(db_path, count, window.asked_ms, line_ms + MINUTE)[0][0] > most
            else:
                assert window.since_ms == window.asked_ms
    finally:
        window.close()
