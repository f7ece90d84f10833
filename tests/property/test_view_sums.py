"""Sums of a view against SQL on the same file, to the cent; states of bars against counting."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.record import event, rows

from Heatmap.events import Side
from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.rendering.bar_coverage import BarState, bar_states
from Heatmap.rendering.event_window import FAR_MS, RecordGaps
from Heatmap.rendering.view_grid import BarRun, View
from Heatmap.rendering.view_sums import ViewSums, shown_events, view_sums
from Heatmap.storage.sqlite.bulk_insert import bulk_insert
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

MINUTE = 60_000
T = 1_790_000_040_000 // MINUTE * MINUTE
WINDOW = (T, T + 120 * MINUTE)
TICK = 0.1
CENT = 0.005

# Minutes and tenths of a dollar, so that many lie on borders of bars and rows.
EVENTS = st.lists(
    st.tuples(
        st.integers(-40 * 4, 125 * 4).map(lambda quarter: T + quarter * MINUTE // 4),
        st.integers(8_000, 12_000),
        st.sampled_from(Side),
        st.decimals("0.001", 999, places=3).map(float),
    ),
    max_size=60,
)
FILTERS = st.fixed_dictionaries(
    {"sides": st.sampled_from(["both", "long", "short"]), "min_notional_usd": st.sampled_from([0, 0, 50_000])}
)


@st.composite
def views(draw) -> View:
    start_ms, span_ms = T + draw(st.integers(-60, 119)) * MINUTE, draw(st.integers(1, 200 * MINUTE))
    low, height = draw(st.integers(7_000, 12_500)), draw(st.integers(1, 3_000))
    step_ms = draw(st.sampled_from([1, 3, 15, 60])) * MINUTE
    first_ms = start_ms // step_ms * step_ms
    cut = draw(st.integers(0, 40))
    runs = (BarRun(first_ms, step_ms, cut), BarRun(first_ms + (cut + 7) * step_ms, step_ms, 200))
    size_px = (draw(st.integers(10, 2000)), draw(st.integers(10, 900)))
    prices = low * TICK, (low + height) * TICK
    return View(start_ms, start_ms + span_ms, *prices, *size_px, bars=runs if cut else runs[1:])


class Sql:
    """Sums of stored events by plain SQL."""

    def __init__(self, path, changes) -> None:
        self._path = path
        sides = {"both": "'SELL', 'BUY'", "long": "'SELL'", "short": "'BUY'"}[changes["sides"]]
        self._filter = f"side IN ({sides}) AND notional >= {changes['min_notional_usd']}"

    def sums(self, where: str) -> tuple[float, float]:
        """Return the dollars of longs and shorts."""
        return self.groups("0", where).get(0, (0.0, 0.0))

    def groups(self, key: str, where: str) -> dict[int, tuple[float, float]]:
        """Return the dollars of longs and shorts by key."""
        total = "ifnull(sum(notional) FILTER (WHERE side = '{}'), 0)"
        columns = f"{key}, {total.format('SELL')}, {total.format('BUY')}"
        found = rows(self._path, f"SELECT {columns} FROM liq_events WHERE {self._filter} AND {where} GROUP BY 1")  # noqa: S608
        return {number: (longs, shorts) for number, longs, shorts in found}


def check(sums: ViewSums, view: View, sql: Sql) -> None:
    ticks = "CAST(round(price * 10) AS INTEGER)"
    window, seen = f"ts_ms >= {WINDOW[0]}", f"ts_ms >= {max(view.start_ms, WINDOW[0])} AND ts_ms < {view.end_ms}"
    low, high = round(view.price_low * 10), round(view.price_high * 10)
    assert np.allclose(sums.total, sql.sums(seen), rtol=0, atol=CENT)
    assert np.allclose(sums.above, sql.sums(f"{window} AND {ticks} > {high}"), rtol=0, atol=CENT)
    assert np.allclose(sums.below, sql.sums(f"{window} AND {ticks} < {low}"), rtol=0, atol=CENT)
    step = round(sums.price_step * 10)
    assert sums.first_row * step <= low
    assert (sums.first_row + len(sums.rows_usd)) * step >= high
    by_row = sql.groups(f"{ticks} / {step}", seen)
    for row, usd in enumerate(sums.rows_usd, sums.first_row):
        assert np.allclose(usd, by_row.get(row, (0.0, 0.0)), rtol=0, atol=CENT)
    bars = sums.bars
    assert all(bars.starts_ms[1:] >= bars.ends_ms[:-1])
    step_ms = view.bars[0].step_ms
    by_bar = sql.groups(f"(ts_ms - {view.bars[0].start_ms} + {1000 * step_ms}) / {step_ms} - 1000", window)
    for start_ms, usd in zip(bars.starts_ms, bars.usd, strict=True):
        number = (start_ms - view.bars[0].start_ms) // step_ms
        assert np.allclose(usd, by_bar.get(number, (0.0, 0.0)), rtol=0, atol=CENT)


@settings(max_examples=30, deadline=None)
@given(EVENTS, st.lists(st.tuples(views(), FILTERS), min_size=4, max_size=4))
def test_every_sum_is_that_of_sql_to_the_cent(tmp_path_factory, found, shown):
    path = tmp_path_factory.mktemp("sums") / "events.sqlite3"
    bulk_insert(
        path,
        [event(0, ts_ms=ts_ms, price=price * TICK, side=side, qty=qty) for ts_ms, price, side, qty in found],
    )
    with SqliteStore(path) as store:
        columns = store.window("BTCUSDT", "binance", 0, FAR_MS)
    for view, changes in shown:
        chosen = HeatmapSettings(**changes)
        events = shown_events(columns, chosen, WINDOW[0])
        sums = view_sums(events, view, chosen, window_ms=WINDOW, tick_size=TICK)
        if sums is None:
            assert view.end_ms <= WINDOW[0] or view.start_ms >= WINDOW[1]
        else:
            check(sums, view, Sql(path, changes))


def spans(draw_edges: list[int]) -> tuple[tuple[int, int], ...]:
    edges = sorted(draw_edges[: len(draw_edges) // 2 * 2])
    return tuple(zip(edges[::2], edges[1::2], strict=True))


EDGES = st.lists(st.integers(0, 100), max_size=8, unique=True)


@given(
    st.lists(st.integers(-20, 120), min_size=2, max_size=12, unique=True),
    EDGES,
    EDGES,
    EDGES,
    st.tuples(st.integers(-5, 40), st.integers(60, 110)),
)
def test_the_state_of_a_bar_is_that_of_each_of_its_moments(borders, gap_edges, some_edges, idle_edges, window):
    borders, gaps, some, idle = sorted(borders), spans(gap_edges), spans(some_edges), spans(idle_edges)
    starts, ends = np.array(borders[:-1]), np.array(borders[1:])
    states = bar_states(starts, ends, RecordGaps(gaps, some), idle, window)
    for start, end, state in zip(starts, ends, states, strict=True):
        moments = range(max(start, window[0]), min(end, window[1]))
        counts = Counter((any(a <= ms < b for a, b in gaps), any(a <= ms < b for a, b in idle)) for ms in moments)
        missing = counts[True, False] + counts[True, True]
        ran_not = counts[True, True] + counts[False, True]
        if not moments:
            expected = BarState.OUTSIDE
        elif missing == 0:
            of_some = any(a <= ms < b for a, b in some for ms in moments)
            expected = BarState.SOME_SOURCES if of_some else BarState.RECORDED
        elif missing < len(moments):
            expected = BarState.PARTLY
        else:
            expected = BarState.NOT_RUNNING if 2 * ran_not > len(moments) else BarState.NOT_RECORDED
        assert state == expected
