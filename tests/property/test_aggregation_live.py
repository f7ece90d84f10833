"""Adding events to an image: bit for bit what building it from all events gives, at the cost of what they touch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Heatmap.aggregation import GridSpec, ImageBuilder, RenderOptions
from Heatmap.aggregation.numba_engine import NumbaEngine
from Heatmap.aggregation.numpy_engine import NumpyEngine
from Heatmap.aggregation.palettes import find_palette
from Heatmap.columns import EventColumns

SPEC = GridSpec(t0_ms=0, time_bin_ms=1_000, cols=150, price0=100.0, price_bin=0.5, rows=40)
WINDOW = {"now_ms": SPEC.end_ms, "window_start_ms": SPEC.t0_ms}
LOOKS = {
    "sharp": {"palette": "fire", "sigma_cols": 0, "sigma_rows": 0},
    "spots": {"palette": "fire", "sigma_cols": 1.5, "sigma_rows": 0.8},
    "sides": {"sigma_cols": 1.5, "sigma_rows": 0.8},
    "trail": {"sigma_cols": 1.5, "sigma_rows": 0.8, "trail_half_life_ms": 20_000},
    "large": {"sigma_cols": 9.0, "sigma_rows": 4.0, "min_notional": 1.5, "sides": "long"},
}
looks = pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)


def random_events(rng, count, start_ms=0, end_ms=SPEC.end_ms):
    """Sizes in a narrow range, so that a few events more do not move the scale."""
    return EventColumns(
        np.sort(rng.integers(start_ms, end_ms, count)),
        rng.uniform(100, 120, count).round(2),
        rng.uniform(1.0, 2.0, count),
        rng.random(count) < 0.5,
    )


def built_anew(columns, options, scale_from, window, spec=SPEC):
    """The full path at the scale of another image, events and window: what a live image must equal."""
    builder = ImageBuilder(NumbaEngine())
    builder.build(scale_from[0], spec, options, **scale_from[1])
    scales = builder._scales.copy()
    builder._select(columns, options, find_palette(options.palette), window["window_start_ms"])
    builder._scales = scales
    return builder.build(columns, spec, options, **window)


@looks
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.lists(st.integers(1, 30), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
def test_adding_equals_building(look, seed, count, batches):
    rng = np.random.default_rng(seed)
    options = RenderOptions(clip_percentile=50, **look)
    builder = ImageBuilder(NumbaEngine())
    columns, window = random_events(rng, count), WINDOW
    begun = (columns, window)
    before = builder.build(columns, SPEC, options, **WINDOW)
    held = [(before, before.rgba.copy())]
    for size in batches:
        if rng.random() < 0.5:  # time passes, and what is too old leaves
            window = window | {"window_start_ms": window["window_start_ms"] + int(rng.integers(0, 8_000))}
        newer = random_events(rng, size, start_ms=window["window_start_ms"])
        columns = columns.merged(newer)
        image = builder.build(columns, SPEC, options, **window, newer=newer)
        if image.dirty_cols is None:
            begun = (columns, window)  # built from all events, at its own scale
        expected = built_anew(columns, options, begun, window)
        assert image.reference == expected.reference
        np.testing.assert_array_equal(image.rgba, expected.rgba)
        assert (image.events, image.outside) == (expected.events, expected.outside)
        assert image.serial == before.serial + 1
        if image.dirty_cols is not None:
            differing = np.flatnonzero((image.rgba != before.rgba).any(axis=(0, 2)))
            assert all(image.dirty_cols[0] <= col < image.dirty_cols[1] for col in differing)
        # Pictures that are still held keep what they showed.
        assert all((old.rgba == copy).all() for old, copy in held)
        held = [*held, (image, image.rgba.copy())][-rng.integers(1, 4) :]
        before = image


@looks
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_the_exact_reference_stays_within_the_tolerance(look, seed):
    rng = np.random.default_rng(seed)
    options = RenderOptions(clip_percentile=80, **look)
    builder = ImageBuilder(NumbaEngine())
    columns = random_events(rng, 300)
    builder.build(columns, SPEC, options, **WINDOW)
    for _ in range(40):
        newer = random_events(rng, 3)
        columns = columns.merged(newer)
        image = builder.build(columns, SPEC, options, **WINDOW, newer=newer)
        exact = ImageBuilder(NumpyEngine()).build(columns, SPEC, options, **WINDOW).reference
        assert exact == pytest.approx(image.reference, rel=0.0201)
        if image.dirty_cols is None:
            assert exact == image.reference
