"""When an image takes up new events, and when it must be built from all of them."""

from __future__ import annotations

import numpy as np
import pytest

from Heatmap.aggregation import GridSpec, ImageBuilder, RenderOptions
from Heatmap.aggregation.numba_engine import NumbaEngine
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.columns import EventColumns

SPEC = GridSpec(t0_ms=0, time_bin_ms=1_000, cols=100, price0=100.0, price_bin=1.0, rows=20)
WINDOW = {"now_ms": 100_000, "window_start_ms": 0}
SHARP = RenderOptions(palette="fire", sigma_cols=0, sigma_rows=0, clip_percentile=50)


def market(count=400, seed=1, **limits):
    rng = np.random.default_rng(seed)
    ts_ms = np.sort(rng.integers(limits.get("start_ms", 0), limits.get("end_ms", 90_000), count))
    return EventColumns(ts_ms, rng.uniform(101, 119, count), rng.uniform(10, 10.1, count), rng.random(count) < 0.5)


def event(ts_ms=95_500, price=110.5, usd=10.05, is_long=True):
    return EventColumns(np.array([ts_ms]), np.array([price]), np.array([usd]), np.array([is_long]))


def follow(newer, *, columns=None, options=SHARP, spec=SPEC, engine=None, **later):
    """Build, then build again with one newer event; return the second image."""
    columns = market() if columns is None else columns
    builder = ImageBuilder(engine if engine is not None else NumbaEngine())
    builder.build(columns, spec, options, **WINDOW)
    wanted = {"options": options, "spec": spec} | WINDOW | later
    return builder.build(columns.merged(newer), newer=newer, **wanted)


def test_only_the_column_of_a_new_event_is_dirty():
    image = follow(event())
    assert image.dirty_cols == (95, 96)
    assert image.rgba[9, 95, 3] > 0
    assert (image.events, image.outside, image.serial) == (401, 0, 2)


def test_a_spot_reaches_to_both_sides():
    image = follow(event(), options=RenderOptions(sigma_cols=1, sigma_rows=1, clip_percentile=50))
    assert image.dirty_cols == (92, 99)


def test_a_trail_reaches_to_the_right_edge():
    image = follow(event(50_500), options=RenderOptions(palette="fire", clip_percentile=50, trail_half_life_ms=5_000))
    assert image.dirty_cols is not None
    assert image.dirty_cols[0] < 50
    assert image.dirty_cols[1] == 100


def test_events_that_come_late_are_taken_up_too():
    assert follow(event(5_500)).dirty_cols == (5, 6)


def test_what_does_not_count_changes_nothing():
    options = RenderOptions(palette="fire", sigma_cols=0, sigma_rows=0, clip_percentile=50, min_notional=1)
    image = follow(event(usd=0.5), options=options)
    assert image.dirty_cols is not None
    assert image.dirty_cols[1] - image.dirty_cols[0] <= 1
    assert image.events == 400


@pytest.mark.parametrize(
    "change",
    [
        {"newer": event(price=130.0)},
        {"newer": event(ts_ms=100_500)},
        {"newer": event(), "options": RenderOptions(normalization="rank")},
        {"newer": event(), "options": RenderOptions(half_life_ms=60_000)},
        {"newer": event(), "engine": NumpyEngine()},
        {"newer": event(50_500), "window_start_ms": 60_000},
        {"newer": event(), "spec": SPEC.padded(1, 0)},
        {"newer": event(usd=1e9), "options": RenderOptions(palette="fire", clip_percentile=100)},
        {"newer": event(), "columns": EventColumns.empty()},
    ],
    ids=["price", "time", "rank", "decay", "numpy", "before_the_window", "spec", "scale", "empty"],
)
def test_else_the_image_is_built_from_all_events(change):
    newer, first = change.pop("newer"), dict(change)
    if "spec" in change or "window_start_ms" in change:
        later = {key: first.pop(key) for key in list(first) if key in {"spec", "window_start_ms"}}
        columns = market()
        builder = ImageBuilder(NumbaEngine())
        builder.build(columns, SPEC, SHARP, **WINDOW)
        wanted = {"spec": SPEC, "options": SHARP} | WINDOW | later
        image = builder.build(columns.merged(newer), newer=newer, **wanted)
    else:
        image = follow(newer, **first)
    assert image.dirty_cols is None
    assert image.serial == 2


def test_what_leaves_the_window_leaves_the_map():
    columns = market()
    builder = ImageBuilder(NumbaEngine())
    builder.build(columns, SPEC, SHARP, **WINDOW)
    left = int(columns.ts_ms.searchsorted(2_500))
    moved = WINDOW | {"window_start_ms": 2_500}
    image = builder.build(columns.merged(event(3_500)), SPEC, SHARP, **moved, newer=event(3_500))
    assert image.dirty_cols == (0, 4)
    assert not image.rgba[:, :2].any()
    assert image.events == 400 + 1 - left


def test_a_window_that_moves_with_nothing_new_is_followed_too():
    columns = market()
    builder = ImageBuilder(NumbaEngine())
    builder.build(columns, SPEC, SHARP, **WINDOW)
    image = builder.build(columns, SPEC, SHARP, now_ms=101_000, window_start_ms=1_000, newer=EventColumns.empty())
    assert image.dirty_cols == (0, 1)


def test_a_hint_that_cannot_be_true_is_not_believed():
    columns = market()
    builder = ImageBuilder(NumbaEngine())
    builder.build(columns, SPEC, SHARP, **WINDOW)
    image = builder.build(columns.merged(market(5, seed=2)), SPEC, SHARP, **WINDOW, newer=event())
    assert image.dirty_cols is None
    assert image.events == 405


def test_the_map_goes_on_after_it_was_built_anew():
    columns = market()
    builder = ImageBuilder(NumbaEngine())
    builder.build(columns, SPEC, SHARP, **WINDOW)
    dirty = []
    for newer in (event(), event(price=500.0), event(), event()):
        columns = columns.merged(newer)
        dirty.append(builder.build(columns, SPEC, SHARP, **WINDOW, newer=newer).dirty_cols)
    assert dirty == [(95, 96), None, (95, 96), (95, 96)]


def test_a_window_wider_than_the_view_keeps_its_scale():
    """The percentile is the window's: events outside the view are counted when the live map opens."""
    columns = market(300, start_ms=-90_000).merged(market(300, seed=2))
    builder = ImageBuilder(NumbaEngine())
    window = {"now_ms": 100_000, "window_start_ms": -100_000}
    first = builder.build(columns, SPEC, SHARP, **window)
    image = builder.build(columns.merged(event()), SPEC, SHARP, **window, newer=event())
    assert image.dirty_cols == (95, 96)
    assert image.reference == first.reference
    assert image.outside == first.outside > 0
