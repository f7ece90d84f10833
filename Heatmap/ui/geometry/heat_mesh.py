"""The heatmap's image and the times without a record, placed on the pane: triangles in which time is linear in x."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from Heatmap.aggregation import GridSpec
    from Heatmap.rendering.event_window import Gaps
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport

BLOCK_COLS: Final = 32
# Blending reaches into the neighbouring cell, and so does a pixel on a border.
_REACH: Final = 1


class HeatBlock(NamedTuple):
    """Columns ``[first_col, last_col)`` of an image and the rows ``[first_row, last_row)`` around all their heat.

    Row 0 is the highest price.
    """

    first_col: int
    last_col: int
    first_row: int
    last_row: int


@dataclass(frozen=True, slots=True)
class HeatMesh:
    """The shader's input for one frame.

    ``vertices`` is float32 ``(n, 4)``, a triangle list: x and y in device pixels of the underlay (origin top left),
    share of the grid's time (0 left edge, 1 right edge), share of the pane's height (0 top, 1 bottom).
    """

    vertices: NDArray[np.float32]
    edge_top: float  # the pane's edges in the grid's prices, see heatmap.frag
    edge_bottom: float
    log_scale: float  # share of the grid's prices = exp(edge) * log_scale - log_offset; 1 and 0 on other scales
    log_offset: float
    logarithmic: bool  # y is linear in the logarithm of the price
    cells_per_px: tuple[float, float]  # most columns and rows of the grid under one device pixel
    scissor_px: tuple[int, int, int, int]  # left, top, width and height of the pane in device pixels


def heat_blocks(rgba: NDArray[np.uint8]) -> tuple[HeatBlock, ...]:
    """Return the parts of an image, uint8 ``(rows, cols, 4)``, that are not transparent, from left to right.

    Most of a map of realised liquidations is empty and need not be painted.
    """
    rows, cols, _ = rgba.shape
    cells = rgba.view(np.uint32)[:, :, 0]
    blocks = []
    for begin in range(0, cols, BLOCK_COLS):
        end = min(begin + BLOCK_COLS, cols)
        occupied = np.flatnonzero(cells[:, max(begin - _REACH, 0) : end + _REACH].any(axis=1))
        if len(occupied):
            top, bottom = int(occupied[0]) - _REACH, int(occupied[-1]) + 1 + _REACH
            blocks.append(HeatBlock(begin, end, max(top, 0), min(bottom, rows)))
    return tuple(blocks)


def heat_mesh(
    viewport: Viewport, axis: TimeAxis, spec: GridSpec, blocks: Sequence[HeatBlock] | None = None
) -> HeatMesh:
    """Return the triangles of a grid's image on the pane of one frame, cut where the bars have gaps.

    ``blocks`` are the parts to paint, from left to right; None: the whole pane, also where the grid does not reach.
    """
    ratio = viewport.ratio
    top, height = viewport.top_px * ratio, viewport.height_px * ratio
    span_ms = spec.time_bin_ms * spec.cols
    parts: list[tuple[float, float, float, float]] = [(-math.inf, math.inf, 0.0, 1.0)]
    if blocks is not None:
        parts = [_shares(viewport, spec, block) for block in blocks]
    triangles: list[tuple[float, float, float, float]] = []
    cols_per_px = 0.0
    for first, _, time_a, time_b, step_ms in axis.pieces(viewport.logical(0.0), viewport.logical(viewport.width_px)):
        left = (viewport.left_px + viewport.x_px(first)) * ratio
        share_a, share_b = (time_a - spec.t0_ms) / span_ms, (time_b - spec.t0_ms) / span_ms
        px_per_share = viewport.bar_spacing_px * ratio / step_ms * span_ms
        cols_per_px = max(cols_per_px, spec.cols / px_per_share)
        # Ascending, so the visible ones follow each other.
        for number in range(bisect_right(parts, share_a, key=itemgetter(1)), len(parts)):
            begin, end, upper_share, lower_share = parts[number]
            if begin >= share_b:
                break
            if upper_share >= lower_share:
                continue
            begin, end = max(begin, share_a), min(end, share_b)
            x_a, x_b = left + (begin - share_a) * px_per_share, left + (end - share_a) * px_per_share
            upper, lower = top + upper_share * height, top + lower_share * height
            upper_left, upper_right = (x_a, upper, begin, upper_share), (x_b, upper, end, upper_share)
            lower_left, lower_right = (x_a, lower, begin, lower_share), (x_b, lower, end, lower_share)
            triangles += [upper_left, lower_left, upper_right, upper_right, lower_left, lower_right]
    price_span = spec.price_bin * spec.rows
    log_scale, log_offset, steepest = 1.0, 0.0, 1.0
    if viewport.is_logarithmic:
        # Relative to the grid's upper end, which is never 0.
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
    right_px, bottom_px = math.ceil((viewport.left_px + viewport.width_px) * ratio), math.ceil(top + height)
    vertices = np.array(triangles, np.float32).reshape(-1, 4)
    cells_per_px = (cols_per_px, abs(edge_top - edge_bottom) * steepest * spec.rows / height)
    pane_px = (left_px, top_px, right_px - left_px, bottom_px - top_px)
    logarithmic = viewport.is_logarithmic
    return HeatMesh(vertices, edge_top, edge_bottom, log_scale, log_offset, logarithmic, cells_per_px, pane_px)


def is_any_in_sight(viewport: Viewport, axis: TimeAxis, gaps: Gaps) -> bool:
    """Return True if any of the gaps is at least one device pixel wide on the pane."""
    first, last = viewport.logical(0.0), viewport.logical(viewport.width_px)
    least = 1.0 / (viewport.bar_spacing_px * viewport.ratio)
    return any(
        min(axis.logical(end_ms), last) - max(axis.logical(start_ms), first) >= least for start_ms, end_ms in gaps
    )


def gap_mesh(viewport: Viewport, axis: TimeAxis, gaps: Gaps, spacing_px: int) -> NDArray[np.float32]:
    """Return the gaps of one frame's pane as a triangle list, float32 ``(n, 3)``, in device pixels of the underlay.

    Each vertex is x and y (origin top left), and what a column's number must be increased by to be its distance from
    the gap's beginning: a whole number below ``spacing_px``, the period of the hatching.
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
            column = math.ceil(a - 0.5)  # the first whose middle is in the gap
            shift = float((round((begin - start_ms) * px_per_ms + column + 0.5 - a) - column) % spacing_px)
            upper_right, lower_left = (b, top, shift), (a, bottom, shift)
            triangles += [(a, top, shift), lower_left, upper_right, upper_right, lower_left, (b, bottom, shift)]
    return np.array(triangles, np.float32).reshape(-1, 3)


def _shares(viewport: Viewport, spec: GridSpec, block: HeatBlock) -> tuple[float, float, float, float]:
    """Return a block's shares of the grid's time, and of the pane's height: 0 its top, 1 its bottom, never beyond."""
    edges = []
    for row in (block.first_row, block.last_row):
        price = spec.price0 + spec.price_bin * (spec.rows - row)
        if viewport.is_logarithmic and price <= 0.0:
            edges.append(1.0 if viewport.price_top > viewport.price_bottom else 0.0)
        else:
            edges.append(min(max(viewport.y_px(price) / viewport.height_px, 0.0), 1.0))
    return block.first_col / spec.cols, block.last_col / spec.cols, min(edges), max(edges)
