"""Times without a record, placed on the pane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.rendering.event_window import Gaps
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport


def is_any_in_sight(viewport: Viewport, axis: TimeAxis, gaps: Gaps) -> bool:
    """Return True if any of the gaps is at least one device pixel wide on the pane."""
    first, last = viewport.logical(0.0), viewport.logical(viewport.width_px)
    least = 1.0 / (viewport.bar_spacing_px * viewport.ratio)
    return any(
        min(axis.logical(end_ms), last) - max(axis.logical(start_ms), first) >= least for start_ms, end_ms in gaps
    )


def gap_mesh(viewport: Viewport, axis: TimeAxis, gaps: Gaps) -> NDArray[np.float32]:
    """Return the gaps of one frame's pane as triangles.

    Returns
    -------
    float32 ``(n, 3)``, a triangle list: x and y (origin top left), and distance to the right of the gap's beginning;
    in device pixels of the underlay.
    """
    ratio = viewport.ratio
    top, bottom = viewport.top_px * ratio, (viewport.top_px + viewport.height_px) * ratio
    triangles: list[tuple[float, float, float]] = []
    if not gaps:
        return np.empty((0, 3), np.float32)
    for first, _, time_a, time_b, step_ms in axis.pieces(viewport.logical(0.0), viewport.logical(viewport.width_px)):
        left_px = (viewport.left_px + viewport.x_px(first)) * ratio
        px_per_ms = viewport.bar_spacing_px * ratio / step_ms
        for start_ms, end_ms in gaps:
            begin, end = max(start_ms, time_a), min(end_ms, time_b)
            if begin >= end:
                continue
            a, b = left_px + (begin - time_a) * px_per_ms, left_px + (end - time_a) * px_per_ms
            along_a, along_b = (begin - start_ms) * px_per_ms, (end - start_ms) * px_per_ms
            upper_right, lower_left = (b, top, along_b), (a, bottom, along_a)
            triangles += [(a, top, along_a), lower_left, upper_right, upper_right, lower_left, (b, bottom, along_b)]
    return np.array(triangles, np.float32).reshape(-1, 3)
