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
        self._engine = engine
        self._selection = selection
        self._count = len(columns)
        # Index of the window's first event, which stays the same while this frame lives.
        self._first = len(columns) - len(selection)
        self._options = options
        self._plan = plan
        self._is_whole = is_whole
        self._live: LiveCells | None = None
        # The image that each canvas can be brought up to date from, and what changed later, in order.
        self._known_from = serial
        self._changes: list[tuple[int, int, int]] = []

    def continues(  # noqa: PLR0917 - what an image is made of
        self,
        columns: EventColumns,
        newer: EventColumns,
        engine: Engine,
        spec: GridSpec,
        options: RenderOptions,
        window_start_ms: int,
    ) -> bool:
        """Return True if the image wanted now is this one with the newer events added, and they can be added.

        With decay or by rank every pixel may change with every event.
        """
        first = self._first
        return (
            engine is self._engine
            and len(columns) == self._count + len(newer)
            and first < self._count
            # Nothing has left the window on the left, and nothing was added beyond.
            and bool(columns.ts_ms[first] >= window_start_ms)
            and (first == 0 or bool(columns.ts_ms[first - 1] < window_start_ms))
            and (spec is self.spec or spec == self.spec)
            and (options is self._options or options == self._options)
            and options.half_life_ms is None
            and options.normalization is not Normalization.RANK
        )

    def add(self, columns: EventColumns, newer: EventColumns) -> tuple[int, int] | None:
        """Take up ``newer``, which are part of ``columns``; return the dirty columns of the image.

        None: the image must be built from all events, for one lies outside or the scale moved. Then this frame ends.
        """
        live = self._live if self._live is not None else self._open()
        if live is None:
            return None
        changed = live.update(columns, self._first, newer)
        if changed is None or not live.percentile_stays(self._options.clip_percentile):
            return None
        self._count = len(columns)
        first = max(changed[0] - 2 * self._plan.pad_cols, 0)
        # A trail goes on to the right.
        last = self.spec.cols if self._plan.trail_factor > 0 else min(changed[1], self.spec.cols)
        return (first, last) if first < last else (0, 0)

    def paint(self, buffers: ImageBuffers, dirty: tuple[int, int], serial: int) -> Canvas:
        """Return a canvas with the image of this serial, which differs from the one before in the dirty columns."""
        live = self._live
        if live is None:
            raise RuntimeError("expected `add` before `paint`")
        self._changes.append((serial, *dirty))
        if len(self._changes) > _REMEMBERED_CHANGES:
            self._known_from = self._changes.pop(0)[0]
        spec = self.spec
        canvas = buffers.take(spec.rows, spec.cols)
        first, last = 0, spec.cols
        # Single pixels are erased before anything else is painted: nothing of such an image remains.
        if canvas.version >= self._known_from and not canvas.cells.size:
            missed = [change for change in self._changes if change[0] > canvas.version and change[1] < change[2]]
            first = min((change[1] for change in missed), default=0) // SPAN_COLS * SPAN_COLS
            last = min(-(-max((change[2] for change in missed), default=0) // SPAN_COLS) * SPAN_COLS, spec.cols)
        if first < last:
            self._engine.paint(live.cells, self._plan, canvas, (first, last))
        canvas.version = serial
        return canvas

    @property
    def counts(self) -> tuple[int, int]:
        """Events that count in the time range of the padded grid, and events in the grid itself."""
        return (0, 0) if self._live is None else self._live.counts

    def _open(self) -> LiveCells | None:
        pad_cols, pad_rows = self._plan.pad_cols, self._plan.pad_rows
        self._live = self._engine.live_cells(self._selection, self.spec, pad_cols=pad_cols, pad_rows=pad_rows)
        if self._live is not None:
            elsewhere = None
            if not self._is_whole:
                elsewhere = self._engine.occupied_sums(self._selection, self.spec.time_bin_ms, self.spec.price_bin)
            margin = self.scale.reference * REFERENCE_TOLERANCE
            self._live.watch(self.scale.reference - margin, self.scale.reference + margin, elsewhere)
        return self._live
