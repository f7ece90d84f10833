"""Normalisations as thresholds, the table that looks them up, and the public `colorize`."""

from __future__ import annotations

import math

import numpy as np
import pytest

from Heatmap.aggregation import PALETTES, Normalization, RenderOptions, colorize, palette_names
from Heatmap.aggregation.normalization import LevelTable, level_edges
from Heatmap.aggregation.numba_engine import NumbaEngine
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.errors import GridError

every_normalization = pytest.mark.parametrize("normalization", list(Normalization))

FORMULA = {
    Normalization.LINEAR: lambda share: share,
    Normalization.SQRT: math.sqrt,
    Normalization.LOG: lambda share: math.log1p(1000 * share) / math.log1p(1000),
}


def heavy_tailed(count=5_000, seed=3):
    return np.exp(np.random.default_rng(seed).normal(8, 2, count)).astype(np.float32)


@pytest.mark.parametrize("normalization", FORMULA)
def test_levels_follow_the_formula(normalization):
    values = heavy_tailed()
    reference = NumpyEngine().percentile(values, 99.5)
    table = LevelTable.from_edges(level_edges(normalization, reference, values))
    expected = [round(255 * FORMULA[normalization](min(float(v) / reference, 1.0))) for v in values]
    difference = table.lookup(values).astype(int) - expected
    assert set(np.unique(difference)) <= {0, 1}, "a bucket may round up by one level, never down"
    assert np.mean(difference == 0) > 0.85


@every_normalization
def test_the_table_is_monotone_and_reaches_both_ends(normalization):
    values = heavy_tailed()
    edges = level_edges(normalization, 5e5, values)
    assert (np.diff(edges) >= 0).all()
    table = LevelTable.from_edges(edges)
    sweep = np.geomspace(1e-20, 1e20, 20_001).astype(np.float32)
    levels = table.lookup(sweep)
    assert (np.diff(levels.astype(int)) >= 0).all()
    assert table.lookup(np.array([0.0, 1e-38], np.float32)).tolist() == [0, 0]
    assert table.lookup(np.array([5e5, 3e38], np.float32)).tolist() == [255, 255]


@every_normalization
def test_a_value_on_an_edge_has_that_edge_s_level(normalization):
    edges = level_edges(normalization, 1234.5, heavy_tailed())
    levels = LevelTable.from_edges(edges).lookup(edges)
    assert (levels >= np.arange(1, 256)).all()
    if normalization is not Normalization.RANK:
        assert (levels <= np.arange(1, 256) + 1).all()


def test_rank_spends_its_levels_evenly_on_the_cells():
    values = heavy_tailed(50_000)
    reference = NumpyEngine().percentile(values, 100)
    levels = LevelTable.from_edges(level_edges(Normalization.RANK, reference, values)).lookup(values)
    counts = np.bincount(levels, minlength=256)[32:255]
    assert counts.min() > 0.5 * counts.mean()
    assert counts.max() < 1.6 * counts.mean()


def test_rank_keeps_levels_for_what_lies_below_every_cell():
    """Flanks of spots and fading trails are smaller than any cell; they must fade and not end at a step."""
    values = heavy_tailed()
    lowest = values.min()
    table = LevelTable.from_edges(level_edges(Normalization.RANK, float(values.max()), values))
    flanks = (lowest * np.array([0.2, 0.5, 0.9])).astype(np.float32)
    assert table.lookup(flanks).tolist() == pytest.approx([0.2 * 32, 0.5 * 32, 0.9 * 32], abs=1)


@pytest.mark.parametrize("count", [1, 300])
def test_rank_fades_evenly_around_equal_cells(count):
    """A lone event's spot is no dot by rank either: half its value has half the levels."""
    values = np.full(count, 5000, np.float32)
    edges = level_edges(Normalization.RANK, 5000.0, values)
    assert edges.shape == (255,)
    table = LevelTable.from_edges(edges)
    shares = np.array([0.25, 0.5, 0.75, 1.0])
    assert table.lookup((5000 * shares).astype(np.float32)).tolist() == pytest.approx(255 * shares, abs=1)


def test_rank_gives_the_flanks_what_the_lowest_cells_do_not_use():
    """A third of the cells have the least size: they all stand at a third of the scale, flanks fade from there."""
    values = np.concatenate([np.full(1000, 10.0), np.linspace(11, 99, 2000)]).astype(np.float32)
    table = LevelTable.from_edges(level_edges(Normalization.RANK, 99.0, values))
    assert table.lookup(np.array([5, 10, 55, 99], np.float32)).tolist() == pytest.approx([53, 106, 180, 255], abs=2)


def test_the_reference_is_the_exact_percentile():
    values = heavy_tailed()
    for engine in (NumpyEngine(), NumbaEngine()):
        assert engine.percentile(values, 99.5) == np.percentile(values.astype(float), 99.5)
        assert engine.percentile(np.empty(0, np.float32), 99.5) == 0.0


def test_one_giant_event_does_not_blacken_the_rest():
    values = heavy_tailed(1_000)
    calm = NumpyEngine().percentile(values, 99.5)
    with_giant = NumpyEngine().percentile(np.append(values, np.float32(1e12)), 99.5)
    assert with_giant < 1.2 * calm


def test_an_empty_window_shows_nothing():
    table = LevelTable.from_edges(level_edges(Normalization.LOG, 0.0, np.empty(0, np.float32)))
    assert not table.lookup(np.array([0.0, 1.0, 1e30], np.float32)).any()


@every_normalization
def test_hand_drawn_image_is_turned_upside_down(normalization):
    grid = np.zeros((5, 5), np.float32)
    grid[0, 0] = 1_000_000  # lowest price, first column
    grid[3, 4] = 100
    image = colorize(grid, normalization=normalization, palette="fire", clip=100)
    assert image.shape == (5, 5, 4)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert np.argwhere(image[..., 3]).tolist() == [[1, 4], [4, 0]]
    np.testing.assert_array_equal(image[4, 0], PALETTES["fire"].tables[0, 255])
    assert image[1, 4, 3] < image[4, 0, 3]


@every_normalization
@pytest.mark.parametrize("value", [1e-6, 1.0, 3e9])
def test_single_and_all_equal_grids_get_the_full_colour(normalization, value):
    single = np.zeros((3, 4), np.float32)
    single[1, 2] = value
    full = PALETTES["ice"].tables[0, 255]
    np.testing.assert_array_equal(colorize(single, normalization=normalization, palette="ice")[1, 2], full)
    equal = np.full((3, 4), value, np.float32)
    assert (colorize(equal, normalization=normalization, palette="ice") == full).all()


@pytest.mark.parametrize("name", palette_names())
def test_an_empty_grid_is_wholly_transparent(name):
    share = np.zeros((2, 3), np.float32) if PALETTES[name].is_bivariate else None
    image = colorize(np.zeros((2, 3), np.float32), palette=name, long_share=share)
    assert image.shape == (2, 3, 4)
    assert not image.any()


def test_every_occupied_cell_has_some_colour():
    grid = np.array([[1e9, 1e-9, 0.0]], np.float32)
    image = colorize(grid, normalization="linear", palette="grey", clip=100)
    assert (image[0, :, 3] > 0).tolist() == [True, True, False]


def test_the_share_of_longs_picks_the_hue():
    grid = np.ones((1, 3), np.float32)
    share = np.array([[0.0, 0.5, 1.0]], np.float32)
    image = colorize(grid, palette="long_short", long_share=share)
    np.testing.assert_array_equal(image[0], PALETTES["long_short"].tables[[0, 8, 16], 255])


def test_a_light_chart_gets_the_light_tables():
    image = colorize(np.ones((1, 1), np.float32), palette="fire", dark_background=False)
    np.testing.assert_array_equal(image[0, 0], PALETTES["fire"].light_tables[0, 255])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"normalization": "cubic"}, "normalization"),
        ({"palette": "mud"}, "palette"),
        ({"clip": 0}, "clip"),
        ({"clip": math.nan}, "clip"),
        ({"palette": "long_short"}, "long_share"),
        ({"long_share": np.ones((2, 2))}, "long_share"),
        ({"palette": "long_short", "long_share": np.ones((1, 2))}, "long_share"),
        ({"grid": np.array([[-1.0]])}, "zero or more"),
        ({"grid": np.array([[math.nan]])}, "finite"),
        ({"grid": np.ones(3)}, "two dimensions"),
    ],
)
def test_what_cannot_be_coloured_is_refused(change, word):
    call = {"grid": np.ones((2, 2), np.float32)} | change
    with pytest.raises(GridError, match=word):
        colorize(call.pop("grid"), **call)


def test_options_take_plain_words():
    assert RenderOptions(normalization="rank").normalization is Normalization.RANK


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("normalization", "cubic"),
        ("clip_percentile", 0),
        ("clip_percentile", 101),
        ("clip_percentile", math.nan),
        ("half_life_ms", 0),
        ("trail_half_life_ms", -5),
        ("trail_strength", 1.1),
        ("sigma_cols", -0.1),
        ("sigma_rows", math.nan),
        ("min_notional", -1.0),
        ("min_notional", math.inf),
        ("sides", "up"),
    ],
)
def test_options_out_of_range_are_refused(field, value):
    with pytest.raises(GridError, match=field):
        RenderOptions(**{field: value})


@every_normalization
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (65, 64), (1, 0)])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.7, 1.0])
def test_both_engines_colour_a_grid_alike(normalization, shape, share):
    rng = np.random.default_rng(7)
    grid = np.where(rng.random(shape) < share, np.exp(rng.normal(8, 3, shape)), 0).astype(np.float32)
    images = [
        colorize(grid, normalization=normalization, clip=97, engine=engine()) for engine in (NumpyEngine, NumbaEngine)
    ]
    np.testing.assert_array_equal(*images)
    np.testing.assert_array_equal(images[0][..., 3] > 0, grid[::-1] > 0)
    assert all(image.flags.c_contiguous and image.shape == (*shape, 4) for image in images)


@pytest.mark.parametrize("engine", [NumpyEngine, NumbaEngine])
@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf, -math.inf])
def test_neither_engine_takes_what_is_no_sum(engine, bad):
    grid = np.zeros((4, 100), np.float32)
    grid[2, 70] = bad
    with pytest.raises(GridError, match="finite sums of zero or more"):
        colorize(grid, engine=engine())
    grid[2, 70] = -0.0
    assert not colorize(grid, engine=engine()).any()


@pytest.mark.parametrize("engine", [NumpyEngine, NumbaEngine])
def test_however_small_an_occupied_cell_is_it_has_some_colour(engine):
    for cells, normalization in (([[1e-10, 1e10]], "rank"), ([[1e-30]], "log"), ([[1e-30, 1.0]], "linear")):
        grid = np.array(cells, np.float32)
        alpha = colorize(grid, normalization=normalization, engine=engine())[..., 3]
        assert (alpha > 0).all(), (cells, normalization)


@pytest.mark.parametrize("engine", [NumpyEngine, NumbaEngine])
def test_the_share_of_a_faint_cell_is_its_own(engine):
    grid = np.array([[1e-3, 1e-3, 1e-3, 1e9]], np.float32)
    shares = np.array([[0.0, 0.25, 1.0, 0.5]], np.float32)
    image = colorize(grid, palette="long_short", long_share=shares, clip=100, engine=engine())
    tables = PALETTES["long_short"].tables
    steps = (len(tables) - 1) * shares[0]
    np.testing.assert_array_equal(image[0, :3], tables[steps.astype(int)[:3], 1])
