"""The heatmap's image laid over the pane: strips on which time is linear in x. Pure arithmetic, tested without GL."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation import GridSpec
    from Heatmap.ui.viewport import TimeAxis, Viewport


@dataclass(frozen=True, slots=True)
class StripMesh:
    """What the shader needs for one frame.

    Attributes
    ----------
    vertices
        float32 ``(n, 4)``, a triangle list: x and y in device pixels of the underlay (origin top left), share of the
        grid's time (0 left edge, 1 right edge), share of the pane's height (0 top, 1 bottom).
    edge_top, edge_bottom
        Where the pane's edges lie in the grid's prices; see ``heatmap.frag``.
    log_scale, log_offset
        For a logarithmic scale: share of the grid's prices = ``exp(edge) * log_scale - log_offset``; else 1 and 0.
    logarithmic
        Whether y is linear in the logarithm of the price.
    cells_per_px
        The most columns and rows of the grid that a device pixel covers.
    scissor_px
        Pane rectangle (left, top, width, height) in device pixels, to clip against.
    """

    vertices: NDArray[np.float32]
    edge_top: float
    edge_bottom: float
    log_scale: float
    log_offset: float
    logarithmic: bool
    cells_per_px: tuple[float, float]
    scissor_px: tuple[int, int, int, int]


def strip_mesh(viewport: Viewport, axis: TimeAxis, spec: GridSpec, *, clipped: bool = True) -> StripMesh:
    """Lay the grid's image over the pane of one frame.

    Parameters
    ----------
    viewport
        The frame's visible range.
    axis
        The series' bars; strips are cut where they have gaps.
    spec
        The grid the image was built for; it need not match the visible range.
    clipped
        Only as far as the grid reaches; else all over the pane.
    """
    ratio = viewport.ratio
    top = viewport.top_px * ratio
    bottom = (viewport.top_px + viewport.height_px) * ratio
    span_ms = spec.time_bin_ms * spec.cols
    triangles: list[tuple[float, float, float, float]] = []
    cols_per_px = 0.0
    shares = _height_shares(viewport, spec) if clipped else (0.0, 1.0)
    upper, lower = (top + share * (bottom - top) for share in shares)
    for first, last, time_a, time_b in axis.pieces(viewport.logical(0.0), viewport.logical(viewport.width_px)):
        left = (viewport.left_px + viewport.x_px(first)) * ratio
        right = (viewport.left_px + viewport.x_px(last)) * ratio
        share_a, share_b = (time_a - spec.t0_ms) / span_ms, (time_b - spec.t0_ms) / span_ms
        if clipped:  # pixels beyond the grid cost as much as others
            if share_b <= 0.0 or share_a >= 1.0:
                continue
            px_per_share = (right - left) / (share_b - share_a)
            right += (min(share_b, 1.0) - share_b) * px_per_share
            left += (max(share_a, 0.0) - share_a) * px_per_share
            share_a, share_b = max(share_a, 0.0), min(share_b, 1.0)
        upper_left, upper_right = (left, upper, share_a, shares[0]), (right, upper, share_b, shares[0])
        lower_left, lower_right = (left, lower, share_a, shares[1]), (right, lower, share_b, shares[1])
        triangles += [upper_left, lower_left, upper_right, upper_right, lower_left, lower_right]
        cols_per_px = max(cols_per_px, (share_b - share_a) * spec.cols / (right - left))
    price_span = spec.price_bin * spec.rows
    log_scale, log_offset, steepest = 1.0, 0.0, 1.0
    if viewport.is_logarithmic:
        # Relative to the grid's upper end, which is never 0: the lower one is when the scale reaches far down.
        price1 = spec.price0 + price_span
        edge_top = math.log(viewport.price_top / price1)
        edge_bottom = math.log(viewport.price_bottom / price1)
        # The share of the grid per logarithm is largest where the price is.
        steepest = viewport.price_high / price_span
        log_scale, log_offset = price1 / price_span, spec.price0 / price_span
    else:
        edge_top = (viewport.price_top - spec.price0) / price_span
        edge_bottom = (viewport.price_bottom - spec.price0) / price_span
    left_px, top_px = math.floor(viewport.left_px * ratio), math.floor(top)
    return StripMesh(
        vertices=np.array(triangles, np.float32).reshape(-1, 4),
        edge_top=edge_top,
        edge_bottom=edge_bottom,
        log_scale=log_scale,
        log_offset=log_offset,
        logarithmic=viewport.is_logarithmic,
        cells_per_px=(cols_per_px, abs(edge_top - edge_bottom) * steepest * spec.rows / (bottom - top)),
        scissor_px=(
            left_px,
            top_px,
            math.ceil((viewport.left_px + viewport.width_px) * ratio) - left_px,
            math.ceil(bottom) - top_px,
        ),
    )


def _height_shares(viewport: Viewport, spec: GridSpec) -> tuple[float, float]:
    """Return where the grid begins and ends in the pane's height: 0 its top, 1 its bottom, never beyond."""
    edges = []
    for price in (spec.price0, spec.price0 + spec.price_bin * spec.rows):
        if viewport.is_logarithmic and price <= 0.0:
            edges.append(1.0 if viewport.price_top > viewport.price_bottom else 0.0)
        else:
            edges.append(min(max(viewport.y_px(price) / viewport.height_px, 0.0), 1.0))
    return min(edges), max(edges)
