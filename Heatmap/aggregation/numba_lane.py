"""What one thread needs to bin and to paint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation import kernel_paint, kernel_walk

if TYPE_CHECKING:
    from Heatmap.aggregation.engine import PaintPlan


class Lane:
    """Scratch of one thread."""

    def __init__(self) -> None:
        self.index = np.zeros(kernel_walk.BLOCK_EVENTS, np.uint32)
        self.borders = np.empty(0, np.int64)
        self.scratch = np.zeros(0)
        self.heat = np.zeros((1, 1), np.float32)
        self.spot = np.zeros((1, 1), np.float32)
        self.value = np.zeros((1, 1), np.float32)
        self.buckets = np.empty(0, np.int32)
        self.shares = np.empty(0, np.int32)
        self.block = np.empty(0, np.uint16)

    def for_binning(self, cells: int, cols: int) -> None:
        """Have room for sums of one column and for the borders of all."""
        if self.scratch.size != cells + 1:
            self.scratch = np.zeros(cells + 1)
        if self.borders.size < cols + 2 * kernel_walk.SIDE_BY_SIDE:
            self.borders = np.empty(cols + 2 * kernel_walk.SIDE_BY_SIDE, np.int64)

    def for_painting(self, plan: PaintPlan, padded_rows: int, rows: int) -> None:
        """Have room for one column of each layer, and the heat from the left."""
        channels = plan.trail_start.shape[0]
        if self.heat.shape != (channels, padded_rows) or self.buckets.size != rows:
            layers = 1 if channels == 1 else 3
            self.heat = np.zeros((channels, padded_rows), np.float32)
            self.spot = np.zeros((layers, padded_rows), np.float32)
            self.value = np.zeros((layers, rows), np.float32)
            self.buckets = np.zeros(rows, np.int32)
            self.shares = np.zeros(rows, np.int32)
            self.block = np.zeros(rows * kernel_paint.BLOCK_COLS, np.uint16)
        if plan.trail_factor > 0:
            self.heat[:] = plan.trail_start
