"""The cell that paints the pixel under the mouse, and its figures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.aggregation import GridSpec
from Heatmap.aggregation.event_batch import EXCLUDED, EventBatch
from Heatmap.aggregation.image_builder import HeatmapImage, ImageBuilder
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.aggregation.options import RenderOptions
from Heatmap.aggregation.paint_plan import Decay, colours_of, paint_plan, reach
from Heatmap.aggregation.painted_cell import CellFigures, HitPoint, figures_at
from Heatmap.aggregation.palettes import find_palette
from Heatmap.event_columns import EventColumns
from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.rendering.render_options import render_options
from Heatmap.rendering.view_grid import View, grid_for_view

# Cells of 10 ms and one dollar: columns begin at 0, 10 … 90 ms, rows at 100 … 109.
SPEC = GridSpec(t0_ms=0, time_bin_ms=10, cols=10, price0=100.0, price_bin=1.0, rows=10)
SPOTS = RenderOptions(palette="fire", sigma_cols=1.0, sigma_rows=0.5)
TRAILS = dataclasses.replace(SPOTS, trail_half_life_ms=20, trail_strength=0.1)
HOUR_MS = 3_600_000
FIRE = colours_of(find_palette("fire"), True, "both")[0]


def columns(*events) -> EventColumns:
    """Return events of ``(ts_ms, price, notional, is_long)``."""
    ts_ms, price, notional, is_long = zip(*events, strict=True) if events else ((), (), (), ())
    return EventColumns(
        np.array(ts_ms, np.int64), np.array(price, float), np.array(notional, float), np.array(is_long, bool)
    )


def cell(t0_ms: int, price0: float) -> GridSpec:
    return GridSpec(t0_ms=t0_ms, time_bin_ms=10, cols=1, price0=price0, price_bin=1.0, rows=1)


def asked(events: EventColumns, time_ms: float, price: float, options=SPOTS, *, spec=SPEC, now_ms=100):
    image = ImageBuilder(NumpyEngine()).build(events, spec, options, now_ms=now_ms, window_start_ms=-(10**6))
    return figures_at(events, spec, HitPoint(time_ms, price), options, edges=image.level_edges, now_ms=now_ms)


def test_the_figures_of_a_cell():
    events = columns((50, 105.0, 3.0, True), (55, 105.9, 4.0, False), (59, 105.5, 8.0, True), (60, 107.5, 9.0, True))
    assert asked(events, 51.0, 105.2) == CellFigures(
        cell=cell(50, 105.0), count=3, long_usd=11.0, short_usd=4.0, largest_usd=8.0
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"sides": "long"}, (2, 11.0, 0.0, 8.0)),
        ({"sides": "short"}, (1, 0.0, 4.0, 4.0)),
        ({"min_notional": 4.0}, (2, 8.0, 4.0, 8.0)),
    ],
)
def test_the_settings_say_which_events_count(choice, expected):
    events = columns((50, 105.0, 3.0, True), (55, 105.9, 4.0, False), (59, 105.5, 8.0, True))
    found = asked(events, 51.0, 105.2, dataclasses.replace(SPOTS, **choice))
    assert (found.count, found.long_usd, found.short_usd, found.largest_usd) == expected


def test_nothing_is_said_where_all_events_are_left_out():
    shorts = dataclasses.replace(SPOTS, sides="short")
    assert asked(columns((50, 105.0, 3.0, True)), 51.0, 105.2, shorts) is None
    assert asked(columns(), 51.0, 105.2) is None


def test_a_large_neighbour_outshines_the_cell_under_the_mouse():
    # One column away is left 61 % of 50.
    events = columns((55, 105.5, 9.0, True), (65, 105.5, 50.0, True))
    assert asked(events, 51.0, 105.5).cell == cell(60, 105.0)
    near = columns((55, 105.5, 40.0, True), (65, 105.5, 50.0, True))
    assert asked(near, 51.0, 105.5).cell == cell(50, 105.0)


def test_beyond_the_spot_there_is_nothing():
    events = columns((55, 105.5, 9.0, True))
    assert asked(events, 85.0, 105.5).cell == cell(50, 105.0)
    assert asked(events, 95.0, 105.5) is None
    assert asked(events, 55.0, 107.5) is None


@pytest.mark.parametrize(
    ("time_ms", "price"), [(-40.0, 105.0), (150.0, 105.0), (50.0, 90.0), (50.0, 120.0), (-1e15, 105.0), (50.0, 1e12)]
)
def test_a_point_off_the_grid(time_ms, price):
    events = columns((-45, 105.5, 1.0, True), (5, 90.0, 1.0, True), (50, 105.0, 1.0, True), (150, 105.0, 1.0, True))
    assert asked(events, time_ms, price) is None


def test_a_trail_names_the_event_that_left_it():
    # Nine columns behind the first, four behind the second, whose heat is the larger part.
    events = columns((-1, 105.5, 90.0, True), (50, 105.5, 60.0, False), (90, 101.5, 1.0, True))
    found = asked(events, 95.0, 105.5, TRAILS)
    assert (found.cell, found.is_trail, found.short_usd) == (cell(50, 105.0), True, 60.0)
    assert not asked(events, 55.0, 105.5, TRAILS).is_trail
    assert asked(events, 95.0, 105.5, SPOTS) is None


def test_a_trail_from_the_left_of_the_grid():
    events = columns((-45, 105.5, 90.0, True), (90, 101.5, 1.0, True))
    found = asked(events, 5.0, 105.5, TRAILS)
    assert (found.cell, found.is_trail) == (cell(-50, 105.0), True)


def painted_levels(image: HeatmapImage, point: HitPoint) -> list[int]:
    """Return the levels that have the colour of the pixel at a point, [] where it is transparent."""
    row = int((point.price - image.spec.price0) // image.spec.price_bin)
    col = int((point.time_ms - image.spec.t0_ms) // image.spec.time_bin_ms)
    colour = image.rgba.view(np.uint32)[image.spec.rows - 1 - row, col, 0]
    return np.flatnonzero(colour == FIRE).tolist() if colour else []


def level_alone(
    events: EventColumns, found: GridSpec, point: HitPoint, options: RenderOptions, image: HeatmapImage, now_ms: int
) -> int:
    """Return the level of the pixel at a point if only the events of one cell are painted, on the image's scale."""
    inside = (events.ts_ms >= found.t0_ms) & (events.ts_ms < found.end_ms)
    inside &= (events.price >= found.price0) & (events.price < found.price1)
    batch = EventBatch(
        events.ts_ms[inside], events.price[inside], events.notional[inside], events.is_long[inside].view(np.uint8),
        options.min_notional, EXCLUDED if options.sides == "long" else 0, EXCLUDED if options.sides == "short" else 0,
    )  # fmt: skip
    if options.half_life_ms is not None:
        batch = batch.decayed(now_ms, options.half_life_ms)
    width_ms, height = image.spec.time_bin_ms, image.spec.price_bin
    pixel = GridSpec(
        t0_ms=int(point.time_ms // width_ms) * width_ms,
        time_bin_ms=width_ms,
        cols=1,
        price0=point.price // height * height,
        price_bin=height,
        rows=1,
    )
    plan = paint_plan(batch, pixel, options, image.level_edges, Decay(now_ms, 1.0))
    # The level itself is the colour.
    plan = dataclasses.replace(plan, colours=np.arange(256, dtype=np.uint32)[np.newaxis])
    level, engine = np.empty((1, 1), np.uint32), NumpyEngine()
    pads = {"pad_cols": reach(options.sigma_cols), "pad_rows": reach(options.sigma_rows)}
    engine.paint(engine.bin(batch, pixel, **pads), plan, level)
    return int(level[0, 0])


def is_painted_by(found: CellFigures, painted: list[int], alone: int) -> bool:
    # One level for sums of float32 in another order; of a trail, the cell has the largest part.
    return any(abs(alone - level) <= 1 or (found.is_trail and alone <= level) for level in painted)


EVENTS = st.lists(
    st.tuples(st.integers(-20, 120), st.integers(980, 1120), st.integers(1, 5000), st.booleans()), max_size=30
)


@given(
    EVENTS,
    st.floats(0, 99.9),
    st.floats(100, 109.9),
    st.sampled_from(["both", "long", "short"]),
    st.integers(0, 30),
    st.sampled_from([None, 50]),
    st.sampled_from([None, 30]),
)
def test_the_cell_alone_paints_the_same_colour(events, time_ms, price, sides, least, half_life_ms, trail_ms):
    held = columns(*sorted((ts_ms, price / 10 + 0.05, float(usd), is_long) for ts_ms, price, usd, is_long in events))
    options = dataclasses.replace(
        SPOTS, sides=sides, min_notional=least, half_life_ms=half_life_ms, trail_half_life_ms=trail_ms
    )
    image = ImageBuilder(NumpyEngine()).build(held, SPEC, options, now_ms=120, window_start_ms=-(10**6))
    point = HitPoint(time_ms, price)
    found = figures_at(held, SPEC, point, options, edges=image.level_edges, now_ms=120)
    painted = painted_levels(image, point)
    assert (found is None) == (not painted)
    if found is not None:
        assert is_painted_by(found, painted, level_alone(held, found.cell, point, options, image, 120))


@pytest.mark.parametrize("trail", ["off", "20m"])
def test_around_the_largest_spots_of_a_market_it_names_what_is_seen(trail):
    draw = np.random.default_rng(15)
    count, now_ms = 3000, 500_000 * HOUR_MS
    ts_ms = np.sort(now_ms - 8 * HOUR_MS + draw.integers(0, 8 * HOUR_MS, count))
    # They come in clusters, as they do.
    ts_ms[::3] = ts_ms[::30].repeat(10)[: ts_ms[::3].size] + draw.integers(0, 240_000, ts_ms[::3].size)
    ts_ms.sort()
    price = 87_000 + 400 * np.sin((ts_ms - ts_ms[0]) / HOUR_MS) + draw.normal(0, 30, count)
    events = EventColumns(ts_ms, price, np.exp(draw.normal(9, 2, count)), draw.random(count) < 0.5)
    view = View(now_ms - 8 * HOUR_MS, now_ms, 86_400.0, 87_600.0, 990, 480)
    settings = HeatmapSettings(palette="fire", trail=trail)
    spec = grid_for_view(view, settings, since_ms=view.start_ms, now_ms=now_ms, tick_size=0.1)
    options = render_options(settings, view, spec, dark=True)
    image = ImageBuilder(NumpyEngine()).build(events, spec, options, now_ms=now_ms, window_start_ms=view.start_ms)
    sums = NumpyEngine().grid(
        NumpyEngine().bin(EventBatch.select(events, sides="both", min_notional=0.0, by_side=False), spec), 0
    )
    price_per_px = (view.price_high - view.price_low) / view.height_px
    right = tried = 0
    for number in np.argsort(sums, axis=None)[-8:]:
        row, col = divmod(int(number), spec.cols)
        middle_ms = spec.t0_ms + (col + 0.5) * spec.time_bin_ms
        middle = spec.price0 + (row + 0.5) * spec.price_bin
        for x in (-4, -2, 0, 2, 4):
            for y in (-3, -1.5, 0, 1.5, 3):
                point = HitPoint(middle_ms + x * view.ms_per_px, middle + y * price_per_px)
                found = figures_at(events, spec, point, options, edges=image.level_edges, now_ms=now_ms)
                tried += 1
                if found is not None:
                    alone = level_alone(events, found.cell, point, options, image, now_ms)
                    right += is_painted_by(found, painted_levels(image, point), alone)
    assert tried == 200
    assert right >= 195
