"""Boxes in front of the candles: whole device pixels, none vanishes, colours premultiplied."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Heatmap.ui.geometry.front_mesh import device_boxes, front_vertices, premultiplied
from Heatmap.ui.geometry.viewport import Viewport


def viewport(ratio: float = 1.0, left_px: float = 20.0, top_px: float = 10.0) -> Viewport:
    return Viewport(left_px, top_px, 360.0, 270.0, ratio, 3.0, 43.0, 1.7, 351.7, 107.3, 92.1)


@pytest.mark.parametrize(
    ("box", "ratio", "expected"),
    [
        ((0, 0, 5, 3), 1.0, (20, 10, 25, 13)),
        ((0.4, 0.6, 5.4, 3.4), 1.0, (20, 11, 25, 13)),
        ((1.1, 1.1, 1.2, 1.2), 1.0, (21, 11, 22, 12)),  # thin, but seen
        ((1, 1, 1, 4), 1.0, (21, 11, 21, 14)),  # no width
        ((4, 4, 1, 1), 1.0, (24, 14, 24, 14)),
        ((1, 2, 3, 4), 1.5, (32, 18, 35, 21)),
    ],
)
def test_boxes_lie_on_whole_pixels_and_thin_ones_are_one_wide(box, ratio, expected):
    assert device_boxes([box], viewport(ratio)).tolist() == [list(expected)]


@given(st.lists(st.tuples(*(st.floats(-500, 500),) * 2, *(st.floats(0.01, 300),) * 2), max_size=5), st.floats(0.5, 4.0))
def test_each_edge_is_at_most_a_pixel_from_its_place(boxes, ratio):
    edges = np.array([(x, y, x + width, y + height) for x, y, width, height in boxes]).reshape(-1, 4)
    found = device_boxes(edges, viewport(ratio))
    exact = (edges + np.array([20.0, 10.0, 20.0, 10.0])) * ratio
    assert found.shape == (len(boxes), 4)
    assert (found == np.round(found)).all()
    assert (np.abs(found - exact) <= 1.0 + 1e-9).all()
    assert (found[:, 2:] > found[:, :2]).all()


def test_colours_are_multiplied_by_their_alpha():
    found = premultiplied([(255, 100, 0, 255), (255, 100, 0, 128), (255, 255, 255, 0)])
    assert found.tolist() == [[255, 100, 0, 255], [128, 50, 0, 128], [0, 0, 0, 0]]


def test_a_box_is_two_triangles_that_cover_it():
    vertices = front_vertices(
        np.array([[10.0, 20.0, 30.0, 60.0]]), np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[1, 2, 3, 4]], np.uint8)
    )
    place = vertices["place"].reshape(2, 3, 2)
    areas = [abs(np.linalg.det(np.stack((b - a, c - a)))) / 2 for a, b, c in place]
    assert areas == pytest.approx([400.0, 400.0])
    assert {tuple(corner) for corner in vertices["place"]} == {(10, 20), (30, 20), (10, 60), (30, 60)}
    # Each corner has the texel of the same corner.
    assert (vertices["texel"] == (vertices["place"] - (10, 20)) / (20, 40) * (2, 2) + (1, 2)).all()
    assert (vertices["tint"] == (1, 2, 3, 4)).all()
