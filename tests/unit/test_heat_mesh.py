"""The image laid over the pane: every vertex must agree with the pure mapping."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.charts import shifted_viewport

from Heatmap.aggregation import GridSpec
from Heatmap.ui.geometry.heat_mesh import BLOCK_COLS, HeatBlock, heat_blocks, heat_mesh
from Heatmap.ui.geometry.viewport import BarSegment, PriceScaleMode, TimeAxis, Viewport

MINUTE = 60_000
SPEC = GridSpec(t0_ms=10 * MINUTE, time_bin_ms=MINUTE, cols=60, price0=90.0, price_bin=0.5, rows=40)


def viewport(mode=PriceScaleMode.NORMAL, ratio=1.0, top=115.0, bottom=85.0) -> Viewport:
    return shifted_viewport(ratio=ratio, price_top=top, price_bottom=bottom, mode=mode)


def share_of(mesh, height_share):
    """What the fragment shader computes: the price's place in the grid, 0 at the bottom and 1 at the top."""
    at = mesh.edge_top + height_share * (mesh.edge_bottom - mesh.edge_top)
    return math.exp(at) * mesh.log_scale - mesh.log_offset if mesh.logarithmic else at


@given(st.floats(0, 1), st.sampled_from(PriceScaleMode), st.booleans())
def test_the_shader_finds_the_price_the_viewport_says(height_share, mode, inverted):
    view = viewport(mode, top=85.0 if inverted else 115.0, bottom=115.0 if inverted else 85.0)
    mesh = heat_mesh(view, TimeAxis((BarSegment(0, 0, MINUTE, 90),)), SPEC)
    price = view.price(height_share * view.height_px)
    assert share_of(mesh, height_share) == pytest.approx((price - 90.0) / 20.0, abs=1e-6)


def test_a_logarithmic_scale_above_a_grid_that_begins_at_zero():
    """Rows of equal height under a scale from 2 to 110 begin at price 0, which has no logarithm."""
    view = viewport(PriceScaleMode.LOGARITHMIC, top=110.0, bottom=2.0)
    spec = GridSpec(t0_ms=0, time_bin_ms=MINUTE, cols=60, price0=0.0, price_bin=0.5, rows=240)
    mesh = heat_mesh(view, TimeAxis((BarSegment(0, 0, MINUTE, 90),)), spec)
    assert share_of(mesh, 0.25) == pytest.approx(view.price(0.25 * view.height_px) / 120.0)


@pytest.mark.parametrize("ratio", [1.0, 1.25, 1.5, 2.0])
def test_vertices_lie_where_the_bars_are(ratio):
    axis = TimeAxis((BarSegment(0, 0, MINUTE, 30), BarSegment(30, 50 * MINUTE, MINUTE, 60)))
    view = viewport(ratio=ratio)
    mesh = heat_mesh(view, axis, SPEC)
    assert mesh.vertices.dtype == np.float32
    assert mesh.vertices.shape == (12, 4)
    for x, _, share, _ in mesh.vertices:
        logical = view.logical(x / ratio - view.left_px)
        time = SPEC.t0_ms + share * 60 * MINUTE
        if abs(logical - 29.5) < 0.01:  # at the seam both ends of the gap meet
            assert min(abs(time - 30 * MINUTE), abs(time - 50 * MINUTE)) < 50
        else:
            assert axis.logical(time) == pytest.approx(logical, abs=1e-3)


def test_a_grid_out_of_sight_draws_nothing():
    far = GridSpec(t0_ms=10_000 * MINUTE, time_bin_ms=MINUTE, cols=60, price0=90.0, price_bin=0.5, rows=40)
    whole = HeatBlock(0, 60, 0, 40)
    assert len(heat_mesh(viewport(), TimeAxis((BarSegment(0, 0, MINUTE, 90),)), far, (whole,)).vertices) == 0


def test_the_scissor_is_the_pane():
    mesh = heat_mesh(viewport(ratio=1.5), TimeAxis((BarSegment(0, 0, MINUTE, 90),)), SPEC)
    assert mesh.scissor_px == (12, 6, 1350, 450)


@given(st.integers(0, 59), st.integers(1, 60), st.integers(0, 39), st.integers(1, 40), st.sampled_from(PriceScaleMode))
def test_blocks_lie_where_their_cells_are(first_col, cols, first_row, rows, mode):
    axis = TimeAxis((BarSegment(0, 0, MINUTE, 30), BarSegment(30, 50 * MINUTE, MINUTE, 60)))
    view = viewport(mode)
    block = HeatBlock(first_col, min(first_col + cols, 60), first_row, min(first_row + rows, 40))
    mesh = heat_mesh(view, axis, SPEC, (block,))
    begin, end = (SPEC.t0_ms + MINUTE * col for col in (block.first_col, block.last_col))
    left, right = view.left_px + view.x_px(axis.logical(begin)), view.left_px + view.x_px(axis.logical(end))
    if right - left < 1e-6:
        assert len(mesh.vertices) == 0, "the whole block lies in the gap"
        return
    xs, ys = mesh.vertices[:, 0], mesh.vertices[:, 1]
    assert xs.min() == pytest.approx(max(left, view.left_px), abs=1e-3)
    assert xs.max() == pytest.approx(min(right, view.left_px + view.width_px), abs=1e-3)
    high, low = (SPEC.price0 + SPEC.price_bin * (SPEC.rows - row) for row in (block.first_row, block.last_row))
    assert ys.min() == pytest.approx(view.top_px + view.y_px(high), abs=1e-3)
    assert ys.max() == pytest.approx(view.top_px + view.y_px(low), abs=1e-3)


def test_without_blocks_the_whole_pane_is_covered_and_with_none_nothing():
    axis = TimeAxis((BarSegment(0, 0, MINUTE, 90),))
    whole = heat_mesh(viewport(), axis, SPEC).vertices
    assert (whole[:, 0].min(), whole[:, 0].max()) == (8.0, 908.0)
    assert (whole[:, 1].min(), whole[:, 1].max()) == (4.0, 304.0)
    assert len(heat_mesh(viewport(), axis, SPEC, ()).vertices) == 0


@given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 99)), max_size=8))
def test_every_hot_cell_and_its_neighbours_are_in_a_block(hot):
    rgba = np.zeros((40, 100, 4), np.uint8)
    for row, col in hot:
        rgba[row, col, 3] = 1
    blocks = heat_blocks(rgba)
    painted = np.zeros((40, 100), bool)
    for block in blocks:
        assert block.last_col - block.first_col <= BLOCK_COLS
        painted[block.first_row : block.last_row, block.first_col : block.last_col] = True
    for row, col in hot:
        assert painted[max(row - 1, 0) : row + 2, max(col - 1, 0) : col + 2].all()
    assert bool(hot) == bool(blocks)


@pytest.mark.parametrize("nearest", [-math.inf, math.inf])
def test_a_gap_a_hair_inside_the_panes_edge(nearest):
    """Its piece of the axis is so narrow that no time lies in it; an exception while painting would end the host."""
    start_ms = 1_795_000_000_000 // MINUTE * MINUTE
    axis = TimeAxis((BarSegment(0, start_ms, MINUTE, 30), BarSegment(30, start_ms + 60 * MINUTE, MINUTE, 60)))
    edge = math.nextafter(29.5, nearest)
    view = replace(viewport(), logical_from=edge, logical_to=edge + 50.0, x_from_px=0.0, x_to_px=500.0)
    mesh = heat_mesh(view, axis, GridSpec(start_ms, MINUTE, 90, price0=90.0, price_bin=1.0, rows=20))
    assert np.isfinite(mesh.vertices).all()
    assert mesh.cells_per_px[0] == pytest.approx(0.1)
