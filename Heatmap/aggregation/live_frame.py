"""An image that takes up new events: only the columns they reach are computed and painted again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from Heatmap.aggregation.image_buffer import SPAN_COLS, Canvas, ImageBuffers
from Heatmap.aggregation.options import Normalization

if TYPE_CHECKING:
    from Heatmap.aggregation.engine import Engine, LiveCells, PaintPlan
    from Heatmap.aggregation.event_batch import EventBatch
    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.aggregation.normalization import Scale
    from Heatmap.aggregation.options import RenderOptions
    from Heatmap.columns import EventColumns

# The scale of an image is kept while the exact reference stays so near: less than one level of the log scale.
REFERENCE_TOLERANCE: Final = 0.02

# Canvases in circulation are fewer; one that is older than so many images is painted wholly.
_REMEMBERED_CHANGES: Final = 16


class LiveFrame:
    """The last image built from all events, and what has been added to it since.

    Parameters
    ----------
    engine
        What built it.
    columns, selection
        The events it was built from, and those of them in the window.
    spec, options, plan
        How it was painted.
    scale
        What its colours mean.
    is_whole
        True if every event of the window that counts lies in the padded grid.
    kept_elsewhere
        How many events that count lie left or right of the padded grid.
    serial
        The image's.
    """

    def __init__(
        self,
        engine: Engine,
        columns: EventColumns,
        selection: EventBatch,
        *,
        spec: GridSpec,
        options: RenderOptions,
        plan: PaintPlan,
        scale: Scale,
        is_whole: bool,
        kept_elsewhere: int,
        serial: int,
    ) -> None:
        self.spec = spec
        self.scale = scale
        self.kept_elsewhere = kept_elsewhere
        # Events that count in the time range of the padded grid, and events in the grid itself, once it follows.
        self.counts = (0, 0)
        self._engine = engine
        self._selection = selection
        self._count = len(columns)
        # Index of the window's first event.
        self._first = len(columns) - len(selection)
        self._options = options
        self._plan = plan
        self._is_whole = is_whole
        # With decay or by rank every pixel may change with every event.
        self._can_follow = options.half_life_ms is None and options.normalization is not Normalization.RANK
        self._live: LiveCells | None = None
        # The image that each canvas can be brought up to date from, and what changed later, in order.
        self._known_from = serial
        self._changes: list[tuple[int, int, int]] = []

    def follow(  # noqa: PLR0917 - what an image is made of
        self,
        columns: EventColumns,
        newer: EventColumns,
        engine: Engine,
        spec: GridSpec,
        options: RenderOptions,
        window_start_ms: int,
        buffers: ImageBuffers,
        serial: int,
    ) -> tuple[Canvas, tuple[int, int]] | None:
        """Return a canvas with the newer events, which are part of ``columns``, and its dirty columns.

        None: the image must be built from all events, for it is not this one with newer events at the right and perhaps
        some less at the left, or one lies outside, or the scale moved.
        """
        count = columns.ts_ms.size
        if (
            not self._can_follow
            or engine is not self._engine
            or count != self._count + newer.ts_ms.size
            or self._first >= self._count
            or not (spec is self.spec or spec == self.spec)
            or not (options is self._options or options == self._options)
        ):
            return None
        live = self._live if self._live is not None else self._open()
        if live is None:
            return None
        canvas = buffers.take(spec.rows, spec.cols)
        # Single pixels are erased before anything else is painted: nothing of such an image remains.
        is_known = canvas.version >= self._known_from and not canvas.cells.size
        missed = self._missed(canvas.version) if is_known else (0, spec.cols)
        change = live.follow(columns, newer, (self._first, window_start_ms), canvas, missed if is_known else (0, 0))
        if change is None:
            return None
        dirty, first, is_painted, kept, inside = change
        self.counts = kept, inside
        self._count, self._first = count, first
        self._changes.append((serial, *dirty))
        if len(self._changes) > _REMEMBERED_CHANGES:
            self._known_from = self._changes.pop(0)[0]
        if not (is_known and is_painted):
            self._paint(live, canvas, _joined(missed, dirty))
        canvas.version = serial
        return canvas, dirty

    def _missed(self, version: int) -> tuple[int, int]:
        """Return the columns that changed since an image."""
        missed = (0, 0)
        for serial, first, last in reversed(self._changes):
            if serial <= version:
                break
            missed = _joined(missed, (first, last))
        return missed

    def _paint(self, live: LiveCells, canvas: Canvas, cols: tuple[int, int]) -> None:
        """Paint columns, in whole spans of the canvas."""
        first = cols[0] // SPAN_COLS * SPAN_COLS
        last = min(-(-cols[1] // SPAN_COLS) * SPAN_COLS, self.spec.cols)
        if first < last:
            self._engine.paint(live.cells, self._plan, canvas, (first, last))

    def _open(self) -> LiveCells | None:
        percentile = self._options.clip_percentile
        self._live = self._engine.live_cells(self._selection, self.spec, self._plan, percentile=percentile)
        if self._live is not None:
            elsewhere = None
            if not self._is_whole:
                elsewhere = self._engine.occupied_sums(self._selection, self.spec.time_bin_ms, self.spec.price_bin)
            margin = self.scale.reference * REFERENCE_TOLERANCE
            self._live.watch(self.scale.reference - margin, self.scale.reference + margin, elsewhere)
        return self._live


def _joined(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Return the smallest range that contains both; a range may be empty."""
    if one[0] >= one[1]:
        return other
    if other[0] >= other[1]:
        return one
    return min(one[0], other[0]), max(one[1], other[1])
