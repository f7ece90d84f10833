"""Which columns differ."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from Heatmap.aggregation import GridSpec, HeatmapImage
from Heatmap.aggregation.normalization import Normalization, level_edges
from Heatmap.rendering.image_change import changed_columns, colors_differ

SPEC = GridSpec(t0_ms=0, time_bin_ms=1000, cols=9, price0=0.0, price_bin=1.0, rows=4)


def image(*hot: tuple[int, int], spec: GridSpec = SPEC) -> HeatmapImage:
    rgba = np.zeros((spec.rows, spec.cols, 4), np.uint8)
    for row, col in hot:
        rgba[row, col, 3] = 9
    return HeatmapImage(rgba, spec, 1.0, "numpy", 0.0, 0, 0, np.zeros(255, np.float32))


def test_from_the_first_to_the_last_column_that_differs():
    before = image((0, 2))
    changed = changed_columns(before, image((0, 2), (3, 4), (1, 6)))
    assert changed.base is before
    assert (changed.first, changed.last) == (4, 7)


def test_what_goes_away_differs_too():
    changed = changed_columns(image((0, 2)), image())
    assert (changed.first, changed.last) == (2, 3)


def test_the_same_again_differs_nowhere():
    changed = changed_columns(image((0, 2)), image((0, 2)))
    assert changed.first == changed.last


def test_another_grid_cannot_be_compared():
    moved = dataclasses.replace(SPEC, t0_ms=1000)
    assert changed_columns(image(), image(spec=moved)) is None
    assert changed_columns(None, image()) is None
    assert changed_columns(image(), None) is None
    same = image()
    assert changed_columns(same, same) is None


def scaled(reference: float, normalization: Normalization = Normalization.LOG) -> HeatmapImage:
    edges = level_edges(normalization, reference, np.array([reference], np.float32))
    return dataclasses.replace(image(), reference=reference, level_edges=edges)


@pytest.mark.parametrize(
    ("normalization", "factor", "differs"),
    [
        (Normalization.LINEAR, 1.004, False),
        (Normalization.LINEAR, 1.02, True),
        # A logarithm moves each colour by as many levels, a seventh of what a linear scale moves its strongest.
        (Normalization.LOG, 1.02, False),
        (Normalization.LOG, 1.04, False),
        (Normalization.LOG, 1.15, True),
        (Normalization.SQRT, 1.01, False),
        (Normalization.SQRT, 1.05, True),
    ],
)
def test_colours_differ_where_an_eye_can_tell(normalization, factor, differs):
    before, after = scaled(1e5, normalization), scaled(1e5 * factor, normalization)
    assert colors_differ(before, after) is differs
    assert colors_differ(after, before) is differs


def test_a_window_that_was_empty_differs_from_one_that_is_not():
    assert colors_differ(scaled(0.0), scaled(100.0))
    assert colors_differ(scaled(100.0), scaled(0.0))
    assert not colors_differ(scaled(0.0), scaled(0.0))
