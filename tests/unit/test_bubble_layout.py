"""Layout of bubbles: area by dollars, none over another, the largest wins, labels only where there is room."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.rendering.largest_events import LargestEvents
from Heatmap.ui.geometry.bubble_layout import (
    FULL_RADIUS_PX,
    GAP_PX,
    LEAST_RADIUS_PX,
    LabelRoom,
    centres_px,
    circle_at,
    fits_inside,
    radii_px,
    reference_usd,
    without_overlap,
)
from Heatmap.ui.geometry.viewport import BarSegment, PriceScaleMode, TimeAxis, Viewport

PANE_PX = (600.0, 300.0)
CIRCLES = st.lists(
    st.tuples(st.floats(-30, 630), st.floats(-30, 330), st.floats(LEAST_RADIUS_PX, FULL_RADIUS_PX)),
    min_size=1,
    max_size=40,
)


def arrays(circles) -> tuple[np.ndarray, np.ndarray]:
    """Return centres and radii, the largest first."""
    table = np.array(sorted(circles, key=lambda circle: -circle[2]))
    return table[:, :2], table[:, 2]


@pytest.mark.parametrize(
    ("largest", "expected"), [(9e6, 1e7), (1e6, 1e6), (1.01e6, 2e6), (2.1e6, 5e6), (7.0, 10.0), (0.0, 1.0)]
)
def test_the_reference_is_the_next_of_1_2_5(largest, expected):
    assert reference_usd(largest) == pytest.approx(expected)


@given(st.floats(1.0, 1e12))
def test_the_largest_bubble_is_between_two_fifths_and_all_of_the_full_area(largest):
    (radius,) = radii_px(np.array([largest]), reference_usd(largest))
    assert radius**2 * (1 + 1e-9) >= 0.4 * FULL_RADIUS_PX**2
    assert radius <= FULL_RADIUS_PX * (1 + 1e-9)


def test_area_is_proportional_to_dollars():
    radii = radii_px(np.array([1e6, 5e5, 2.5e5, 10.0]), 1e6)
    np.testing.assert_allclose(radii[:3] ** 2, FULL_RADIUS_PX**2 * np.array([1.0, 0.5, 0.25]))
    assert radii[3] == LEAST_RADIUS_PX


@given(CIRCLES)
def test_none_overlap_and_only_what_a_larger_one_covers_is_left_out(circles):
    centres, radii = arrays(circles)
    shown = without_overlap(centres, radii)
    assert shown[0] == 0, "the largest is always drawn"
    assert shown == sorted(shown)

    def touch(one: int, other: int) -> bool:
        return math.dist(centres[one], centres[other]) < (radii[one] + radii[other] + GAP_PX) * (1 - 1e-9)

    assert not any(touch(one, other) for at, one in enumerate(shown) for other in shown[:at])
    for left_out in set(range(len(radii))) - set(shown):
        blockers = [
            number
            for number in shown
            if math.dist(centres[number], centres[left_out]) < (radii[number] + radii[left_out] + GAP_PX) * (1 + 1e-9)
        ]
        assert min(blockers, default=left_out) < left_out, "a larger one is in its place"


@given(CIRCLES, st.tuples(st.floats(10, 120), st.floats(8, 20)))
def test_labels_lie_in_the_pane_over_no_circle_and_no_label(circles, size_px):
    centres, radii = arrays(circles)
    shown = without_overlap(centres, radii)
    centres, radii = centres[shown], radii[shown]
    room = LabelRoom(centres, radii, PANE_PX)
    labels = [box for number in range(len(radii)) if (box := room.place(number, size_px)) is not None]
    for at, box in enumerate(labels):
        assert (box.right - box.left, box.bottom - box.top) == pytest.approx(size_px)
        assert box.left >= 0
        assert box.top >= 0
        assert box.right <= PANE_PX[0]
        assert box.bottom <= PANE_PX[1]
        nearest = np.clip(centres, box[:2], box[2:])
        assert (np.hypot(*(nearest - centres).T) >= radii - 1e-9).all()
        for other in labels[:at]:
            apart = (box.left >= other.right, box.right <= other.left, box.top >= other.bottom, box.bottom <= other.top)
            assert any(apart)


def test_a_label_is_on_the_right_else_left_above_below_and_else_nowhere():
    centre, radius = np.array([[300.0, 150.0]]), np.array([20.0])
    room = LabelRoom(centre, radius, PANE_PX)
    found = [room.place(0, (60.0, 12.0)) for _ in range(5)]
    assert [box and (round(box.left), round(box.top)) for box in found] == [
        (322, 144), (218, 144), (270, 116), (270, 172), None,
    ]  # fmt: skip


def test_text_inside_stays_clear_of_the_edge():
    assert fits_inside((30.0, 12.0), 26.0)
    assert not fits_inside((30.0, 12.0), 17.5)


def test_the_circle_under_a_point():
    centres, radii = np.array([[100.0, 100.0], [200.0, 100.0], [100.0, 100.0]]), np.array([20.0, 10.0, 5.0])
    assert circle_at(centres, radii, (119.0, 100.0), [0, 1]) == 0
    assert circle_at(centres, radii, (205.0, 104.0), [0, 1]) == 1
    assert circle_at(centres, radii, (150.0, 100.0), [0, 1]) is None


@pytest.mark.parametrize("mode", [PriceScaleMode.NORMAL, PriceScaleMode.LOGARITHMIC])
@pytest.mark.parametrize("edges", [(107.3, 92.1), (92.1, 107.3)])
def test_centres_are_where_the_viewport_has_time_and_price(mode, edges):
    view = Viewport(20.0, 10.0, 360.0, 270.0, 1.0, 3.0, 43.0, 1.7, 351.7, *edges, mode)
    axis = TimeAxis((BarSegment(0, 0, 60_000, 30), BarSegment(30, 3_000_000, 60_000, 30)))
    events = LargestEvents(
        np.array([90_000, 3_030_000]), np.array([100.0, 95.0]), np.array([2.0, 1.0]), np.array([True, False])
    )
    (first, second) = centres_px(events, view, axis)
    assert first[0] == pytest.approx(view.x_px(1.0))
    assert second[0] == pytest.approx(view.x_px(30.0))
    assert [view.price(first[1]), view.price(second[1])] == pytest.approx([100.0, 95.0])
