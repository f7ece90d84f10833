"""Any set of exchanges is summed as SQL sums it, and times without a record are told by how many have one."""

from __future__ import annotations

import itertools
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.record import T, event

from Heatmap.aggregation import GridSpec
from Heatmap.aggregation.painted_cell import CellFigures
from Heatmap.events import Coverage, Side, Source
from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.ingestion.venues import VENUES as RECORDED
from Heatmap.rendering.cell_sources import with_sources
from Heatmap.rendering.event_window import EventWindow, combined_gaps, gaps_between, live_edge_ms
from Heatmap.source_choice import VENUES
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.connection import open_reader
from Heatmap.storage.sqlite.liquidation_query import NO_END_MS, ListQuery, listed
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

NOW_MS = 1_000_000
SPAN_MS = 60_000

liquidations = st.builds(
    event,
    st.integers(0, SPAN_MS - 1),
    source=st.sampled_from([*VENUES, Source.DEMO]),
    symbol=st.sampled_from(["BTCUSDT", "BTCUSDT", "ETHUSDT"]),
    side=st.sampled_from(Side),
    price=st.integers(8_400_000, 8_600_000).map(lambda cents: cents / 100),
    qty=st.integers(1, 5000).map(lambda thousandths: thousandths / 1000),
)
chosen = st.sets(st.sampled_from(VENUES), min_size=1).map(
    lambda venues: HeatmapSettings(source="+".join(venues)).sources
)


def summed_by_sql(path, sources, *, end_ms=T + SPAN_MS):
    """Return number, dollars of longs and dollars of shorts."""
    names = ", ".join(f"'{source}'" for source in sources)
    query = f"""
        SELECT count(*), total(iif(side = 'SELL', notional, 0)), total(iif(side = 'BUY', notional, 0)) FROM liq_events
        WHERE symbol = 'BTCUSDT' AND ts_ms < {end_ms} AND source IN ({names})
    """  # noqa: S608 - ours
    with closing(open_reader(path)) as connection:
        return connection.execute(query).fetchone()


def to_the_cent(expected):
    return pytest.approx(expected, rel=0, abs=0.004)


@settings(max_examples=25)
@given(st.lists(liquidations, min_size=1, max_size=40), st.lists(liquidations, max_size=15), chosen)
def test_every_set_of_exchanges_is_summed_to_the_cent(first, later, sources):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.sqlite3"
        bulk_insert(path, first)
        window, store = EventWindow(path), SqliteStore(path)
        with closing(window), closing(store):
            # What is stored later comes in by the tail.
            for more in ([], later):
                bulk_insert(path, more)
                window.refresh("BTCUSDT", sources, T)
                columns = window.columns
                count, long_usd, short_usd = summed_by_sql(path, sources)
                assert len(columns) == count
                assert float(columns.notional[columns.is_long].sum()) == to_the_cent(long_usd)
                assert float(columns.notional[~columns.is_long].sum()) == to_the_cent(short_usd)
                assert (columns.ts_ms[1:] >= columns.ts_ms[:-1]).all()
            figures = window.statistics(None, HeatmapSettings(), T)
            assert (figures.long_usd, figures.short_usd) == (to_the_cent(long_usd), to_the_cent(short_usd))
            query = ListQuery("BTCUSDT", sources, T, "both", 0.0, "latest", 1000, NO_END_MS)
            rows, passing, total = listed(store, query)
            assert len(rows) == passing == total == count
            assert sum(row.notional for row in rows) == to_the_cent(long_usd + short_usd)
            assert {row.source for row in rows} <= set(sources)
            assert [row.ts_ms for row in rows] == sorted((row.ts_ms for row in rows), reverse=True)


@settings(max_examples=25)
@given(st.lists(liquidations, min_size=1, max_size=40), chosen, st.sampled_from([1, 500, 8000, 32_000]))
def test_a_cell_is_split_by_exchange_to_the_cent(events, sources, width_ms):
    cell = GridSpec(t0_ms=T, time_bin_ms=width_ms, cols=1, price0=0.0, price_bin=100_000.0, rows=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.sqlite3"
        bulk_insert(path, events)
        count, long_usd, short_usd = summed_by_sql(path, sources, end_ms=cell.end_ms)
        stale = CellFigures(cell, count, long_usd, short_usd, 0.0)
        with SqliteStore(path) as store:
            found = with_sources(
                stale,
                sources,
                lambda source, start_ms, end_ms: store.window("BTCUSDT", source, start_ms, end_ms),
                sides="both",
                min_notional=0.0,
            )
        assert (found.count, found.long_usd, found.short_usd) == (count, to_the_cent(long_usd), to_the_cent(short_usd))
        for source, usd in found.by_source:
            _, *sides = summed_by_sql(path, [source], end_ms=cell.end_ms)
            assert usd == to_the_cent(sum(sides))
        assert sum(usd for _, usd in found.by_source) == to_the_cent(long_usd + short_usd)


spans = st.lists(st.integers(0, NOW_MS // 1000 - 30), max_size=8, unique=True).map(
    lambda edges: [(1000 * a, 1000 * b) for a, b in zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False)]
)


@given(st.lists(spans, min_size=1, max_size=4))
def test_each_moment_is_told_by_how_many_exchanges_recorded_it(recorded):
    gaps = [
        gaps_between([Coverage("binance", "BTCUSDT", *span) for span in each], 0, NOW_MS, edge_ms=0)
        for each in recorded
    ]
    none, some = combined_gaps(gaps)
    for moment in range(500, NOW_MS, 1000):
        missing = sum(not any(begin <= moment < end for begin, end in each) for each in recorded)
        assert any(begin <= moment < end for begin, end in none) == (missing == len(recorded))
        assert any(begin <= moment < end for begin, end in some) == (0 < missing < len(recorded))
    for each in (none, some):
        assert all(begin < end for begin, end in each)
        assert all(before[1] < after[0] for before, after in itertools.pairwise(each))


def test_every_exchange_that_is_recorded_can_be_chosen():
    assert set(RECORDED) <= set(VENUES)


@pytest.mark.parametrize("source", RECORDED)
def test_the_live_edge_of_no_exchange_is_a_gap(source):
    """What a venue may still push is never covered: a heartbeat covers up to its delay before."""
    newest_ms = NOW_MS - RECORDED[source].policy.push_delay_ms - 10_000
    edge_ms = live_edge_ms(source)
    assert not gaps_between([Coverage(source, "BTCUSDT", 0, newest_ms)], 0, NOW_MS, edge_ms=edge_ms)
    assert gaps_between([Coverage(source, "BTCUSDT", 0, newest_ms - 30_000)], 0, NOW_MS, edge_ms=edge_ms)


def test_a_lagging_exchange_is_no_gap_beside_one_that_does_not_lag(tmp_path):
    path = tmp_path / "record.sqlite3"
    now_ms = T + 600_000
    spans = [(Source.BINANCE, now_ms - 3000), (Source.OKX, now_ms - 65_000), (Source.BYBIT, now_ms - 65_000)]
    bulk_insert(path, [], coverage=[Coverage(source, "BTCUSDT", T, end_ms) for source, end_ms in spans])
    with closing(EventWindow(path)) as window:
        window.refresh("BTCUSDT", Source.BINANCE, T)
        assert window.gaps("BTCUSDT", (Source.BINANCE, Source.OKX), T, now_ms) == ((), ())
        assert window.gaps("BTCUSDT", (Source.BINANCE, Source.BYBIT), T, now_ms) == ((), ((now_ms - 65_000, now_ms),))
        assert window.gaps("BTCUSDT", (Source.BYBIT,), T, now_ms) == (((now_ms - 65_000, now_ms),), ())
