"""Stretches of time that nobody recorded: which they are, and where they lie on the pane. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from Heatmap.events import Coverage
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport

Gaps = tuple[tuple[int, int], ...]

LIVE_EDGE_MS: Final = 20_000
"""A running collector notes every 5 s that it is there: the last few seconds are not known yet, and not a gap."""


def gaps_between(covered: Iterable[Coverage], start_ms: int, now_ms: int) -> Gaps:
    """Return the stretches of ``[start_ms, now_ms)`` without coverage, ``(start, end)`` each in ms, ascending.

    Parameters
    ----------
    covered
        Ascending, not overlapping.
    start_ms, now_ms
        The window.
    """
    gaps, at_ms = [], start_ms
    for stretch in covered:
        if stretch.start_ms > at_ms:
            gaps.append((at_ms, min(stretch.start_ms, now_ms)))
        at_ms = max(at_ms, stretch.end_ms)
        if at_ms >= now_ms:
            break
    if at_ms < now_ms - LIVE_EDGE_MS:
        gaps.append((at_ms, now_ms))
    return tuple(gaps)


def is_any_in_sight(viewport: Viewport, axis: TimeAxis, gaps: Gaps) -> bool:
    """Return True if any of the gaps takes up a pixel on the pane: one without bars has none."""
    first, last = viewport.logical(0.0), viewport.logical(viewport.width_px)
    least = 1.0 / (viewport.bar_spacing_px * viewport.ratio)
    return any(
        min(axis.logical(end_ms), last) - max(axis.logical(start_ms), first) >= least for start_ms, end_ms in gaps
    )


def gap_mesh(viewport: Viewport, axis: TimeAxis, gaps: Gaps) -> NDArray[np.float32]:
    """Lay the gaps over the pane of one frame.

    Returns
    -------
    float32 ``(n, 3)``, a triangle list: x and y (origin top left), and how far right of the gap's beginning; all in
    device pixels of the underlay.
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
            upper_left, upper_right = (a, top, along_a), (b, top, along_b)
            lower_left, lower_right = (a, bottom, along_a), (b, bottom, along_b)
            triangles += [upper_left, lower_left, upper_right, upper_right, lower_left, lower_right]
    return np.array(triangles, np.float32).reshape(-1, 3)
