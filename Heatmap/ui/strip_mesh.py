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
    scissor_px
        Pane rectangle (left, top, width, height) in device pixels, to clip against.
    """

    vertices: NDArray[np.float32]
    edge_top: float
    edge_bottom: float
    log_scale: float
    log_offset: float
    logarithmic: bool
    scissor_px: tuple[int, int, int, int]


def strip_mesh(viewport: Viewport, axis: TimeAxis, spec: GridSpec) -> StripMesh:
    """Lay the grid's image over the pane of one frame.

    Parameters
    ----------
    viewport
        The frame's visible range.
    axis
        The series' bars; strips are cut where they have gaps.
    spec
        The grid the image was built for; it need not match the visible range.
    """
    ratio = viewport.ratio
    top = viewport.top_px * ratio
    bottom = (viewport.top_px + viewport.height_px) * ratio
    span_ms = spec.time_bin_ms * spec.cols
    triangles: list[tuple[float, float, float, float]] = []
    for first, last, time_a, time_b in axis.pieces(viewport.logical(0.0), viewport.logical(viewport.width_px)):
        left = (viewport.left_px + viewport.x_px(first)) * ratio
        right = (viewport.left_px + viewport.x_px(last)) * ratio
        share_a, share_b = (time_a - spec.t0_ms) / span_ms, (time_b - spec.t0_ms) / span_ms
        if share_b <= 0.0 or share_a >= 1.0:
            continue
        upper_left, upper_right = (left, top, share_a, 0.0), (right, top, share_b, 0.0)
        lower_left, lower_right = (left, bottom, share_a, 1.0), (right, bottom, share_b, 1.0)
        triangles += [upper_left, lower_left, upper_right, upper_right, lower_left, lower_right]
    price_span = spec.price_bin * spec.rows
    log_scale, log_offset = 1.0, 0.0
    if viewport.is_logarithmic:
        # Relative to the grid's upper end, which is never 0: the lower one is when the scale reaches far down.
        price1 = spec.price0 + price_span
        edge_top = math.log(viewport.price_top / price1)
        edge_bottom = math.log(viewport.price_bottom / price1)
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
        scissor_px=(
            left_px,
            top_px,
            math.ceil((viewport.left_px + viewport.width_px) * ratio) - left_px,
            math.ceil(bottom) - top_px,
        ),
    )
