"""The program's own path: what an image shows, what stays the same between images, what is remembered."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from Heatmap.aggregation import (
    PALETTES,
    GridSpec,
    ImageBuilder,
    Normalization,
    RenderOptions,
    colorize,
    numba_engine,
)
from Heatmap.aggregation.engine_choice import load_kernels
from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.image_builder import ImageBuffers
from Heatmap.aggregation.numba_engine import NumbaEngine
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.errors import GridError
from Heatmap.event_columns import EventColumns

SPEC = GridSpec(t0_ms=100_000, time_bin_ms=1_000, cols=20, price0=100.0, price_bin=1.0, rows=10)
SHARP = RenderOptions(palette="fire", sigma_cols=0, sigma_rows=0, clip_percentile=100)
WINDOW = {"now_ms": 120_000, "window_start_ms": 0}


def columns_of(*events):
    """Events as (ts_ms, price, notional, is_long), in order of time."""
    ts_ms, price, notional, is_long = zip(*events, strict=True)
    return EventColumns(np.array(ts_ms), np.array(price, float), np.array(notional, float), np.array(is_long))


def random_columns(count, seed=0):
    rng = np.random.default_rng(seed)
    return EventColumns(
        np.sort(rng.integers(60_000, 140_000, count)),
        rng.uniform(95, 115, count).round(1),
        np.exp(rng.normal(8, 2, count)),
        rng.random(count) < 0.5,
    )


@pytest.fixture(params=[NumpyEngine, NumbaEngine], ids=["numpy", "numba"])
def builder(request):
    return ImageBuilder(request.param())


def alpha(image):
    return image.rgba[..., 3]


def test_an_event_lights_its_cell(builder):
    columns = columns_of((105_500, 102.5, 1000.0, True))
    image = builder.build(columns, SPEC, SHARP, **WINDOW)
    assert image.rgba.shape == (10, 20, 4)
    assert image.rgba.dtype == np.uint8
    assert image.rgba.flags.c_contiguous
    assert np.argwhere(alpha(image)).tolist() == [[7, 5]]  # row 2 from below is row 7 from above
    np.testing.assert_array_equal(image.rgba[7, 5], PALETTES["fire"].tables[0, 255])
    assert (image.reference, image.events, image.outside) == (1000.0, 1, 0)
    assert image.build_ms > 0
    assert image.spec == SPEC


def test_without_events_there_is_nothing(builder):
    image = builder.build(EventColumns.empty(), SPEC, RenderOptions(), **WINDOW)
    assert not image.rgba.any()
    assert (image.reference, image.events, image.outside) == (0.0, 0, 0)
    assert np.isinf(image.level_edges).all()


def test_events_outside_are_counted_and_not_folded_into_the_edges(builder):
    columns = columns_of(
        (99_999, 105, 1, True), (105_000, 99.9, 1, True), (105_000, 110, 1, False), (120_000, 105, 1, True)
    )
    image = builder.build(columns, SPEC, SHARP, **WINDOW)
    assert not image.rgba.any()
    assert (image.events, image.outside) == (0, 4)


def test_what_is_older_than_the_window_is_painted_and_does_not_count_for_the_scale(builder):
    columns = columns_of((101_000, 105, 1e6, True), (105_000, 105, 10, True), (106_000, 105, 1, True))
    image = builder.build(columns, SPEC, SHARP, now_ms=120_000, window_start_ms=102_000)
    assert (image.reference, image.events, image.outside) == (pytest.approx(10.0, rel=0.01), 3, 0)
    window = builder.build(columns.between(102_000, 120_000), SPEC, SHARP, now_ms=120_000, window_start_ms=102_000)
    np.testing.assert_array_equal(image.level_edges, window.level_edges)
    np.testing.assert_array_equal(image.rgba[:, 2:], window.rgba[:, 2:])
    full = PALETTES["fire"].tables[0, 255]
    np.testing.assert_array_equal(image.rgba[4, 1], full)


@pytest.mark.parametrize("palette", ["fire", "long_short"])
def test_what_is_older_has_a_scale_of_its_own_where_the_window_is_empty(builder, palette):
    columns = columns_of((101_000, 105, 500, True), (105_000, 105, 10, False))
    for sides, window_start_ms in (("both", 110_000), ("long", 103_000)):
        options = RenderOptions(sigma_cols=0, sigma_rows=0, palette=palette, sides=sides, clip_percentile=100)
        image = builder.build(columns, SPEC, options, now_ms=120_000, window_start_ms=window_start_ms)
        assert image.reference == 500.0
        assert alpha(image)[4, 1]


def test_the_reference_is_the_window_s_and_not_the_view_s(builder):
    columns = columns_of((50_000, 500, 1e6, True), (105_000, 105, 10, True))
    image = builder.build(columns, SPEC, SHARP, **WINDOW)
    assert image.reference == 1e6
    assert 0 < alpha(image).max() < PALETTES["fire"].tables[0, 255, 3]


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({"sides": "long"}, [7]),
        ({"sides": "short"}, [4]),
        ({"sides": "both"}, [4, 7]),
        ({"min_notional": 600}, [4]),
        ({"min_notional": 500}, [4, 7]),
        ({"min_notional": 5000}, []),
    ],
)
@pytest.mark.parametrize("palette", ["fire", "long_short"])
def test_filters(builder, options, rows, palette):
    columns = columns_of((105_000, 102, 500, True), (106_000, 105, 900, False))
    chosen = RenderOptions(sigma_cols=0, sigma_rows=0, palette=palette, **options)
    image = builder.build(columns, SPEC, chosen, **WINDOW)
    assert sorted(np.argwhere(alpha(image))[:, 0].tolist()) == rows
    assert image.events == len(rows)


@pytest.mark.parametrize("sides", ["both", "long", "short"])
def test_the_side_keeps_its_hue_under_every_filter(builder, sides):
    columns = columns_of((105_000, 102, 500, True), (106_000, 105, 500, False))
    chosen = RenderOptions(sigma_cols=0, sigma_rows=0, palette="long_short", sides=sides)
    image = builder.build(columns, SPEC, chosen, **WINDOW)
    tables = PALETTES["long_short"].tables
    if sides != "short":
        np.testing.assert_array_equal(image.rgba[7, 5], tables[16, 255])
    if sides != "long":
        np.testing.assert_array_equal(image.rgba[4, 6], tables[0, 255])


def test_a_small_event_is_faint_but_there(builder):
    columns = columns_of((105_000, 102, 1, True), (106_000, 105, 1e9, True))
    for normalization in ("linear", "sqrt", "log", "rank"):
        options = RenderOptions(
            palette="fire", normalization=normalization, sigma_cols=0, sigma_rows=0, clip_percentile=100
        )
        image = builder.build(columns, SPEC, options, **WINDOW)
        assert alpha(image)[7, 5] >= PALETTES["fire"].tables[0, 30, 3]


def test_a_spot_peaks_at_its_own_cell_and_falls_off_evenly(builder):
    columns = columns_of((110_500, 105.5, 1000.0, True))
    options = RenderOptions(palette="fire", sigma_cols=1.5, sigma_rows=1.0)
    shown = alpha(builder.build(columns, SPEC, options, **WINDOW)).astype(int)
    row, col = 4, 10
    assert shown[row, col] == PALETTES["fire"].tables[0, 255, 3]
    assert (np.diff(shown[row, col : col + 6]) < 0).all()
    np.testing.assert_array_equal(shown[row, col - 5 : col], shown[row, col + 1 : col + 6][::-1])
    np.testing.assert_array_equal(shown[row - 3 : row, col], shown[row + 1 : row + 4, col][::-1])
    assert shown[:, :4].max() == 0


def test_where_spots_overlap_the_larger_is_shown_and_not_the_sum(builder):
    crowd = [(100_500 + 1000 * col, 100.5 + row, 1000.0, True) for col in range(20) for row in range(10)]
    options = RenderOptions(palette="fire", normalization="linear", clip_percentile=100)
    image = builder.build(columns_of((50_000, 105, 2000.0, True), *crowd), SPEC, options, **WINDOW)
    sharp = builder.build(
        columns_of((50_000, 105, 2000.0, True), *crowd),
        SPEC,
        RenderOptions(palette="fire", normalization="linear", clip_percentile=100, sigma_cols=0, sigma_rows=0),
        **WINDOW,
    )
    np.testing.assert_array_equal(image.rgba, sharp.rgba)


def test_a_trail_fades_to_the_right_and_starts_well_below_the_event(builder):
    columns = columns_of((103_500, 105.5, 1000.0, True))
    options = RenderOptions(palette="fire", sigma_cols=0, sigma_rows=0, trail_half_life_ms=2_000)
    shown = alpha(builder.build(columns, SPEC, options, **WINDOW)).astype(int)
    assert not shown[4, :3].any()
    assert shown[4, 4] < shown[4, 3]
    assert (np.diff(shown[4, 4:14]) < 0).all()
    assert not shown[[3, 5]].any()


def level_of(pixel, palette="fire"):
    """Return the level of a colour, which every level has its own of."""
    return int(np.abs(PALETTES[palette].tables[0].astype(int) - pixel).sum(axis=1).argmin())


def test_a_trail_starts_at_its_strength_and_halves_with_its_half_life(builder):
    columns = columns_of((50_000, 109.5, 1000.0, True), (100_500, 105.5, 1000.0, True))
    options = RenderOptions(
        palette="fire",
        normalization="linear",
        clip_percentile=100,
        sigma_cols=0,
        sigma_rows=0,
        trail_half_life_ms=4_000,
        trail_strength=0.8,
    )
    row = builder.build(columns, SPEC, options, **WINDOW).rgba[4]
    for cols_later in (1, 4, 8, 12):
        expected = 255 * 0.8 * 0.5 ** (cols_later / 4)
        assert level_of(row[cols_later]) == pytest.approx(expected, abs=1.5)
    # The event before the grid, a hundred half-lives later, and the one at its own place.
    assert level_of(row[0]) == 255


def test_the_trail_of_a_giant_is_no_brighter_than_that_of_any_event_at_full_colour(builder):
    crowd = [(100_500 + 1000 * (n % 19), 100.5 + n % 9, 1000.0, True) for n in range(171)]
    options = RenderOptions(
        palette="fire", clip_percentile=90, sigma_cols=0, sigma_rows=0, trail_half_life_ms=20_000, trail_strength=0.08
    )
    columns = columns_of((99_500, 109.5, 1e9, True), *sorted(crowd))
    image = builder.build(columns, SPEC, options, **WINDOW)
    assert image.reference == 1000.0
    full = PALETTES["fire"].tables[0, 255, 3]
    assert 0 < alpha(image)[0].max() < 0.95 * full


def test_a_spot_is_a_gaussian_of_its_sigma(builder):
    columns = columns_of((110_500, 105.5, 1000.0, True))
    options = RenderOptions(palette="fire", normalization="linear", clip_percentile=100, sigma_cols=2.0, sigma_rows=1.5)
    image = builder.build(columns, SPEC, options, **WINDOW)
    for cells in (1, 2, 3):
        assert level_of(image.rgba[4, 10 + cells]) == pytest.approx(255 * np.exp(-0.5 * (cells / 2.0) ** 2), abs=1.5)
        assert level_of(image.rgba[4 + cells, 10]) == pytest.approx(255 * np.exp(-0.5 * (cells / 1.5) ** 2), abs=1.5)


@pytest.mark.parametrize("palette", ["fire", "long_short"])
@pytest.mark.parametrize("trail_half_life_ms", [None, 7_000])
@pytest.mark.parametrize("half_life_ms", [None, 20_000])
def test_panning_never_changes_a_pixel(builder, palette, trail_half_life_ms, half_life_ms):
    columns = random_columns(400)
    options = RenderOptions(
        palette=palette,
        trail_half_life_ms=trail_half_life_ms,
        half_life_ms=half_life_ms,
        sigma_cols=2.0,
        sigma_rows=1.1,
    )
    wide = GridSpec(t0_ms=60_000, time_bin_ms=1_000, cols=80, price0=90.0, price_bin=1.0, rows=30)
    large = builder.build(columns, wide, options, **WINDOW).rgba
    part = builder.build(columns, SPEC, options, **WINDOW).rgba
    # Rows count from above: the part covers prices 100 to 110 of 90 to 120, columns 40 to 60.
    crop = large[10:20, 40:60]
    # Heat that ran through the columns and heat summed up in closed form differ in the last bits of float32.
    assert_alike(part, crop)


def counted(monkeypatch, owner, name):
    """Return a list that gets an entry for each call of a method of a class."""
    calls, real = [], getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *args: calls.append(1) or real(*args))
    return calls


def test_decay_halves_and_time_passing_needs_no_new_weights(builder, monkeypatch):
    calls = counted(monkeypatch, EventBatch, "decayed")
    columns = columns_of((100_500, 101.5, 1000.0, True), (119_500, 105.5, 1000.0, True))
    options = RenderOptions(palette="fire", normalization="linear", sigma_cols=0, sigma_rows=0, half_life_ms=9_500)
    first = builder.build(columns, SPEC, options, now_ms=119_500, window_start_ms=0)
    tables = PALETTES["fire"].tables[0]
    np.testing.assert_array_equal(first.rgba[4, 19], tables[255])
    assert first.reference == 1000.0, "full colour stays what it was recorded as"
    old = np.abs(tables.astype(int) - first.rgba[8, 0]).sum(axis=1).argmin()
    assert old == pytest.approx(255 / 4, abs=1)
    later = builder.build(columns, SPEC, options, now_ms=129_000, window_start_ms=0)
    assert len(calls) == 1
    half = np.abs(tables.astype(int) - later.rgba[4, 19]).sum(axis=1).argmin()
    assert half == pytest.approx(255 / 2, abs=1)


@pytest.mark.parametrize("half_life_ms", [1, 1_000, 10**12])
def test_decay_of_any_half_life_is_finite_and_rebased(builder, half_life_ms):
    columns = random_columns(200)
    options = RenderOptions(half_life_ms=half_life_ms, trail_half_life_ms=500)
    for now_ms in (140_000, 141_000, 500_000, 10**9, 139_000):
        image = builder.build(columns, SPEC, options, now_ms=now_ms, window_start_ms=0)
        fresh = ImageBuilder(NumpyEngine()).build(columns, SPEC, options, now_ms=now_ms, window_start_ms=0)
        assert np.abs(image.rgba.astype(int) - fresh.rgba).max() <= 3


def test_the_scale_is_worked_out_once_per_bins_and_window(builder, monkeypatch):
    calls = counted(monkeypatch, NumbaEngine if builder.engine_name == "numba" else NumpyEngine, "sums")
    columns = random_columns(100)
    moved = GridSpec(t0_ms=90_000, time_bin_ms=1_000, cols=20, price0=98.0, price_bin=1.0, rows=10)
    for spec in (SPEC, moved, SPEC):
        builder.build(columns, spec, SHARP, **WINDOW)
    assert len(calls) == 1
    builder.build(columns.merged(columns_of((139_999, 105, 9e9, True))), SPEC, SHARP, **WINDOW)
    assert len(calls) == 2


def test_new_events_change_the_picture(builder):
    columns = columns_of((105_000, 102, 500, True))
    builder.build(columns, SPEC, SHARP, **WINDOW)
    newer = columns.merged(columns_of((106_000, 104, 500, True)))
    assert builder.build(newer, SPEC, SHARP, **WINDOW).events == 2


def test_bad_sizes_and_prices_have_no_place_on_the_map(builder):
    columns = columns_of(
        (105_000, 102, 0.0, True), (105_000, 102, np.nan, True), (105_000, np.nan, 5.0, True), (105_000, 102, -1, True)
    )
    image = builder.build(columns, SPEC, RenderOptions(), **WINDOW)
    assert not image.rgba.any()


def test_an_unknown_palette_is_refused(builder):
    with pytest.raises(GridError, match="palette"):
        builder.build(EventColumns.empty(), SPEC, RenderOptions(palette="mud"), **WINDOW)


def test_a_picture_that_is_held_is_never_overwritten(builder):
    held = [builder.build(columns_of((105_000, 100 + row, 500, True)), SPEC, SHARP, **WINDOW).rgba for row in range(10)]
    for row, rgba in enumerate(held):
        assert np.argwhere(rgba[..., 3]).tolist() == [[9 - row, 5]]


def test_memory_that_nobody_holds_is_used_again():
    buffers = ImageBuffers()
    address = buffers.take(4, 5).ctypes.data
    assert buffers.take(4, 5).ctypes.data == address
    held = buffers.take(4, 5)[1:]  # a view holds the array, too
    assert buffers.take(4, 5).ctypes.data != held.base.ctypes.data
    other = weakref.ref(buffers.take(4, 5))
    assert buffers.take(6, 5).shape == (6, 5, 4)
    assert other() is None


def test_the_engine_can_be_changed_between_images():
    load_kernels()  # with an empty cache, which a process that may have a window must not fill
    builder = ImageBuilder(NumpyEngine())
    columns = random_columns(300)
    first = builder.build(columns, SPEC, RenderOptions(), **WINDOW)
    builder.use_numba()
    second = builder.build(columns, SPEC, RenderOptions(), **WINDOW)
    assert (first.engine, second.engine, builder.engine_name) == ("numpy", "numba", "numba")
    assert_alike(first.rgba, second.rgba)


def assert_alike(rgba, expected):
    """Equal but for one level of colour where trails fade alone, for these take the nearest value of a table."""
    differing = np.abs(rgba.astype(int) - expected).max(axis=-1)
    assert np.mean(differing > 3) < 0.002
    assert np.mean(differing > 0) < 0.03


def test_flanks_of_opposite_spots_are_not_added_up(builder):
    """Between two equal events of opposite sides a map shows what it shows between two of one side."""
    options = RenderOptions(sigma_cols=1.5, sigma_rows=1.0, normalization="linear", clip_percentile=100)
    near = [(108_500, 105.5, 1000.0), (110_500, 105.5, 1000.0)]
    opposite = builder.build(columns_of((*near[0], True), (*near[1], False)), SPEC, options, **WINDOW)
    alike = builder.build(columns_of((*near[0], True), (*near[1], True)), SPEC, options, **WINDOW)
    np.testing.assert_array_equal(alpha(opposite), alpha(alike))
    both = builder.build(columns_of((*near[0], True), (*near[0], False)), SPEC, options, **WINDOW)
    assert both.reference == 2000.0, "in one cell both sides are summed up"


@pytest.mark.parametrize("percentile", [0.1, 50, 93, 99.5, 100])
@pytest.mark.parametrize("shape", ["spread", "equal", "late giants"])
@pytest.mark.parametrize("count", [3, 3_000, 60_000])
def test_the_scale_is_exact_whatever_the_sample_says(percentile, shape, count):
    """Both engines, one walk or two: the reference is the percentile of the cells of the window."""
    rng = np.random.default_rng(count)
    ts_ms = np.sort(rng.integers(0, 400_000, count))
    usd = {
        "spread": np.exp(rng.normal(8, 2, count)),
        "equal": np.full(count, 7.25),
        # Larger than all the rest, in so few columns that a sample of columns is likely to miss them.
        "late giants": np.where(ts_ms >= 396_000, 1e9, 1.0),
    }[shape]
    columns = EventColumns(ts_ms, rng.uniform(100, 140, count).round(2), usd, rng.random(count) < 0.5)
    whole = GridSpec(t0_ms=0, time_bin_ms=1_000, cols=400, price0=100.0, price_bin=0.5, rows=82)
    part = GridSpec(t0_ms=50_000, time_bin_ms=1_000, cols=40, price0=105.0, price_bin=0.5, rows=20)
    window = {"now_ms": 400_000, "window_start_ms": 0}
    options = [
        RenderOptions(palette="fire", sigma_cols=0, sigma_rows=0, clip_percentile=percentile),
        RenderOptions(clip_percentile=percentile),
    ]
    references = {
        ImageBuilder(engine()).build(columns, spec, look, **window).reference
        for engine in (NumpyEngine, NumbaEngine)
        for spec in (whole, part)
        for look in options
    }
    # One channel sums in order of arrival, two add up last: a bit of float32 at most.
    assert max(references) == pytest.approx(min(references), rel=3e-7)


def test_the_same_cells_serve_every_look(builder):
    """Palette, decay by a scalar, trail: what is kept from one image to the next never shows in it."""
    columns = columns_of(*((100_500 + 700 * n, 100.5 + n % 9, 1000.0 + 10 * n, n % 2 == 0) for n in range(20)))
    sharp = {"sigma_cols": 0, "sigma_rows": 0}
    looks = [
        RenderOptions(palette="fire", **sharp),
        RenderOptions(palette="ice", **sharp),
        RenderOptions(palette="ice", **sharp, trail_half_life_ms=20_000),
        RenderOptions(palette="ice", **sharp, trail_half_life_ms=20_000, trail_strength=0.9),
        RenderOptions(palette="ice", **sharp, half_life_ms=20_000),
        RenderOptions(palette="fire", **sharp, normalization="rank"),
        RenderOptions(palette="fire", **sharp, normalization="linear"),
        RenderOptions(palette="fire"),
        RenderOptions(palette="long_short", **sharp),
    ]
    for look in [*looks, *reversed(looks), looks[0]]:
        for later_ms in (0, 5_000):
            window = WINDOW | {"now_ms": WINDOW["now_ms"] + later_ms}
            image = builder.build(columns, SPEC, look, **window)
            # Decay is relative to the first moment that was asked for: afresh, that must be asked for, too.
            fresh = ImageBuilder(NumpyEngine())
            fresh.build(columns, SPEC, look, **WINDOW)
            np.testing.assert_array_equal(image.rgba, fresh.build(columns, SPEC, look, **window).rgba)


def test_sums_too_large_for_a_float32_harm_nothing():
    """Nobody liquidates so much; but the memory beside a list of cells must not depend on that."""
    builder = ImageBuilder(NumbaEngine())
    events = [(100_500 + 10 * n, 100.5 + n % 9, 1e39, n % 2 == 0) for n in range(1900)]
    for options in (SHARP, RenderOptions(palette="long_short"), RenderOptions(palette="fire")):
        first = builder.build(columns_of(*events), SPEC, options, **WINDOW)
        again = builder.build(columns_of(*events), SPEC, options, **WINDOW)
        np.testing.assert_array_equal(first.rgba, again.rgba)
        builder.build(columns_of(*events), SPEC.padded(0, 1), options, **WINDOW)


@pytest.mark.parametrize("normalization", list(Normalization))
@pytest.mark.parametrize("palette", ["fire", "long_short"])
def test_sums_beyond_a_float32_have_the_full_colour(builder, normalization, palette):
    events = [(100_500 + 1000 * n, 100.5 + n % 9, 10.0 ** (30 + n), n % 2 == 0) for n in range(18)]
    columns = columns_of((100_100, 109.5, 5.0, True), *events)
    for clip in (50, 99.5):
        options = RenderOptions(
            palette=palette, normalization=normalization, clip_percentile=clip, sigma_cols=0, sigma_rows=0
        )
        image = builder.build(columns, SPEC, options, **WINDOW)
        assert np.isfinite(image.reference)
        assert (alpha(image)[[9 - n % 9 for n in range(18)], range(18)] == alpha(image).max()).all()


@pytest.mark.parametrize("engine", [NumpyEngine, NumbaEngine])
@pytest.mark.parametrize("normalization", list(Normalization))
def test_a_grid_of_numbers_of_any_size_has_colours(engine, normalization):
    grid = np.array([[0, 1e-30, 1.0], [1e31, 3e38, np.finfo(np.float32).max]], np.float32)
    image = colorize(grid, normalization=normalization, clip=100, engine=engine())
    assert (image[::-1, :, 3] > 0).tolist() == (grid > 0).tolist()
    assert image[0, 2].tolist() == PALETTES["fire"].tables[0, 255].tolist()


def test_both_engines_find_the_same_reference_to_the_last_bit():
    spec = GridSpec(t0_ms=0, time_bin_ms=100, cols=10, price0=90.0, price_bin=1.0, rows=20)
    columns = columns_of((0, 100.0, 0.3, True), (100, 100.0, 44028.7, True))
    options = RenderOptions(palette="fire", clip_percentile=40)
    window = {"now_ms": 1000, "window_start_ms": 0}
    images = [ImageBuilder(engine()).build(columns, spec, options, **window) for engine in (NumpyEngine, NumbaEngine)]
    assert images[0].reference == images[1].reference
    np.testing.assert_array_equal(images[0].level_edges, images[1].level_edges)


@pytest.mark.parametrize("normalization", ["linear", "log", "rank"])
def test_new_events_move_the_scale_only_when_they_move_it_by_much(builder, normalization):
    """Live: colours are calm, and never further from the exact scale than the tolerance."""
    options = RenderOptions(palette="fire", normalization=normalization, clip_percentile=100)
    columns = columns_of((105_000, 102.5, 1000.0, True))
    exact = builder.build(columns, SPEC, options, **WINDOW)
    for usd, reference in ((1015.0, 1000.0), (1019.0, 1000.0), (1021.0, 1021.0), (1030.0, 1021.0), (5e5, 5e5)):
        columns = columns.merged(columns_of((columns.ts_ms[-1] + 1000, 105.5, usd, True)))
        image = builder.build(columns, SPEC, options, **WINDOW)
        assert image.reference == (usd if normalization == "rank" else reference)
    fresh = ImageBuilder(NumpyEngine()).build(columns, SPEC, options, **WINDOW)
    np.testing.assert_array_equal(image.rgba, fresh.rgba)
    assert exact.reference == 1000.0


def test_a_build_that_failed_changes_nothing(builder):
    other, columns = random_columns(300, seed=1), random_columns(300, seed=2)
    builder.build(other, SPEC, SHARP, **WINDOW)
    with pytest.raises(GridError):
        builder.build(columns, SPEC, RenderOptions(palette="nope"), **WINDOW)
    image = builder.build(columns, SPEC, SHARP, **WINDOW)
    expected = ImageBuilder(NumpyEngine()).build(columns, SPEC, SHARP, **WINDOW)
    np.testing.assert_array_equal(image.rgba, expected.rgba)


def test_two_builders_may_share_an_engine():
    engine, columns, other = NumbaEngine(), random_columns(300, seed=1), random_columns(300, seed=2)
    one, two = ImageBuilder(engine), ImageBuilder(engine)
    for palette in ("fire", "ice", "viridis"):
        options = RenderOptions(palette=palette, clip_percentile=100)
        for builder, events in ((one, columns), (two, other)):
            expected = ImageBuilder(NumpyEngine()).build(events, SPEC, options, **WINDOW)
            np.testing.assert_array_equal(builder.build(events, SPEC, options, **WINDOW).rgba, expected.rgba)


@pytest.mark.parametrize("palette", ["fire", "long_short"])
def test_threads_change_nothing(monkeypatch, palette):
    monkeypatch.setattr(numba_engine, "_MIN_COLS_PER_THREAD", 16)
    monkeypatch.setattr(numba_engine, "_MIN_EVENTS_PER_THREAD", 1)
    rng = np.random.default_rng(3)
    count = 2_000
    columns = EventColumns(
        np.sort(rng.integers(0, 300_000, count)), rng.uniform(90, 130, count).round(1),
        np.exp(rng.normal(8, 2, count)), rng.random(count) < 0.5,
    )  # fmt: skip
    spec = GridSpec(t0_ms=0, time_bin_ms=1000, cols=300, price0=90.0, price_bin=0.5, rows=80)
    options = RenderOptions(palette=palette, trail_half_life_ms=40_000)
    images = [
        ImageBuilder(NumbaEngine(threads)).build(columns, spec, options, now_ms=300_000, window_start_ms=0)
        for threads in (1, 2, 4)
    ]
    assert images[0].rgba[..., 3].any()
    for image in images[1:]:
        assert_alike(image.rgba, images[0].rgba)
        assert (image.reference, image.events) == (images[0].reference, images[0].events)


def test_a_picture_at_the_interpreters_end_needs_no_threads(monkeypatch):
    """Then a pool of threads takes nothing any more, while a daemon thread may still paint."""
    ended = ThreadPoolExecutor(1)
    ended.shutdown()
    monkeypatch.setattr(numba_engine, "_POOL", SimpleNamespace(executor=ended))
    monkeypatch.setattr(numba_engine, "_MIN_COLS_PER_THREAD", 4)
    images = [ImageBuilder(NumbaEngine(n)).build(random_columns(200), SPEC, SHARP, **WINDOW).rgba for n in (1, 2)]
    np.testing.assert_array_equal(*images)


def test_scales_of_other_windows_keep_no_events_alive(monkeypatch):
    builder = ImageBuilder(NumpyEngine())
    selections, select = [], EventBatch.select

    def observed(*args, **options):
        batch = select(*args, **options)
        selections.append(weakref.ref(batch))
        return batch

    monkeypatch.setattr(EventBatch, "select", observed)
    for seed, price_bin in enumerate((1.0, 2.0, 4.0, 5.0, 10.0)):
        spec = GridSpec(t0_ms=100_000, time_bin_ms=1000, cols=20, price0=100.0, price_bin=price_bin, rows=10)
        builder.build(random_columns(200, seed), spec, SHARP, **WINDOW)
    gc.collect()
    assert [selection() is not None for selection in selections] == [False] * 4 + [True]


@pytest.mark.parametrize("channels", [1, 2])
def test_the_sums_of_a_window_are_the_same_by_both_engines_however_fine_the_bins(channels):
    columns = random_columns(3000, 5)
    batch = EventBatch.select(columns, sides="both", min_notional=0.0, by_side=channels == 2)
    for time_bin_ms, price_bin in ((250, 0.1), (1000, 1.0), (60_000, 50.0), (7, 0.00001)):
        fast, slow = (engine.sums(batch, time_bin_ms, price_bin) for engine in (NumbaEngine(), NumpyEngine()))
        np.testing.assert_array_equal(fast[np.lexsort(fast.T)], slow[np.lexsort(slow.T)])
