"""Building an image from events, with caches between images; called in a worker thread."""

from __future__ import annotations

import sys
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from weakref import ReferenceType, ref

import numpy as np

from Heatmap.aggregation.engine import totals
from Heatmap.aggregation.engine_choice import fast_engine, script_engine
from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.normalization import NO_SCALE, Scale, level_edges
from Heatmap.aggregation.paint_plan import Decay, paint_plan, reach
from Heatmap.aggregation.palettes import find_palette
from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.event_columns import EventColumns
from Heatmap.vocabulary import Normalization

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.engine import Cells, Engine, EngineName
    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.aggregation.options import RenderOptions

REFERENCE_TOLERANCE: Final = 0.02
"""Relative change of the reference up to which new events keep the scale: less than one level of the log scale."""

# After so many half-lives decayed weights are computed anew, long before float32 overflows.
_REBASE_HALF_LIVES: Final = 16

_KEPT_SCALES: Final = 16
_KEPT_IMAGES: Final = 4


@dataclass(frozen=True, slots=True)
class HeatmapImage:
    """An image of the heatmap.

    Attributes
    ----------
    rgba
        uint8 (rows, cols, 4), C order, premultiplied alpha, row 0 the highest price. Read-only for the receiver. Its
        memory is reused once the receiver has dropped all references.
    spec
        Its grid, whose row 0 is the lowest price.
    reference
        Dollars per cell at full colour; 0.0 if there are no events.
    engine
        Name of the engine that painted it.
    build_ms
        Duration, milliseconds.
    events, outside
        Number of events that pass the filter inside the grid, and outside of it.
    level_edges
        float32 (255,): least dollars of each level from 1 to 255, infinite if there are no events.
    automatic
        The scale without ``ceiling_usd``; its cells are those of the window's events that pass side and size.
    """

    rgba: NDArray[np.uint8]
    spec: GridSpec
    reference: float
    engine: EngineName
    build_ms: float
    events: int
    outside: int
    level_edges: NDArray[np.float32]
    automatic: Scale = NO_SCALE


class ImageBuffers:
    """Pool of image arrays: page faults of new memory cost more than painting.

    An array is reused when the reference of the pool is the last one; views have references, too.
    """

    def __init__(self) -> None:
        self._images = [np.empty((1, 1, 4), np.uint8)]
        # The reference count of an unused array differs between Python versions.
        self._idle_references = self._references(0)

    def take(self, rows: int, cols: int) -> NDArray[np.uint8]:
        """Return an unused array, uint8 (rows, cols, 4), with any content."""
        shape = (rows, cols, 4)
        for number in range(len(self._images)):
            if self._images[number].shape == shape and self._references(number) == self._idle_references:
                return self._images[number]
        self._images = [image for image in self._images if image.shape == shape][1 - _KEPT_IMAGES :]
        self._images.append(np.empty(shape, np.uint8))
        return self._images[-1]

    def _references(self, number: int) -> int:
        return sys.getrefcount(self._images[number])


class ImageBuilder:
    """Builds images, and caches what consecutive images have in common.

    For one thread at a time; `use_numba` may be called from any thread. The default engine is `script_engine`.
    """

    def __init__(self, engine: Engine | None = None, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._engine = engine if engine is not None else script_engine()
        self._clock = clock
        self._buffers = ImageBuffers()
        self._columns = EventColumns.empty()
        self._selection_key: tuple[object, ...] = ()
        self._every = EventBatch.select(self._columns, sides="both", min_notional=0.0, by_side=False)
        self._window = self._counted = self._selection = self._every
        self._sums: tuple[tuple[object, ...], NDArray[np.float32]] = (), np.empty(0, np.float32)
        self._shown: tuple[tuple[object, ...], EventBatch] = (), self._selection
        self._decayed_key: tuple[object, ...] = ()
        self._decayed = self._selection
        self._as_of_ms = 0
        self._cells: tuple[tuple[object, ...], Cells] | None = None
        # Recent scales with a weak reference to their events, by all else that they depend on.
        self._scales: OrderedDict[tuple[object, ...], tuple[ReferenceType[EventBatch], Scale]] = OrderedDict()

    @property
    def engine_name(self) -> EngineName:
        """Name of the engine of the next image."""
        return self._engine.name

    def use_numba(self) -> None:
        """Change to the Numba engine; raises as `fast_engine` does."""
        self._engine = fast_engine()

    def build(
        self, columns: EventColumns, spec: GridSpec, options: RenderOptions, *, now_ms: int, window_start_ms: int
    ) -> HeatmapImage:
        """Return the image of a grid: bin the events into cells, scale by a percentile of the window's cells, paint.

        The scale is kept while its reference is within `REFERENCE_TOLERANCE` of the exact one, lest colours flicker.
        It is that of all events if the window has none.

        Parameters
        ----------
        columns
            All events of the window, also those outside the grid, and older ones to paint: the scale ignores them.
        spec
            The grid to show, usually the visible part of the window.
        options
            See `RenderOptions`.
        now_ms
            Right edge of the window, ms since the epoch; decay is relative to it.
        window_start_ms
            Left edge of the window, ms since the epoch.

        Raises
        ------
        GridError
            The palette is unknown, or the grid with the margin for spots is too large.
        """
        started_s = self._clock.monotonic_s()
        selection = self._select(columns, options, window_start_ms)
        batch, decay = self._decay(self._show(selection, spec, options.floor_usd), options, now_ms)
        pad_cols, pad_rows = reach(options.sigma_cols), reach(options.sigma_rows)
        cells = self._bin(batch, spec, pad_cols, pad_rows)
        elsewhere = _outside(batch, spec.t0_ms - pad_cols * spec.time_bin_ms, spec.end_ms + pad_cols * spec.time_bin_ms)
        is_whole = not elsewhere and cells.found == cells.kept and batch is self._window
        scale = self._scale(self._window, spec, options, cells if is_whole else None)
        if not scale.reference and self._window is not self._every:
            scale = self._scale(self._every, spec, options, None)
        shown = scale if self._counted is self._window else self._scale(self._counted, spec, options, None)
        reference, edges = options.ceiling_usd or scale.reference, scale.edges
        if options.ceiling_usd:
            edges = level_edges(options.normalization, reference, totals(scale.cells))
        rgba = self._buffers.take(spec.rows, spec.cols)
        plan = paint_plan(batch, spec, options, edges, decay)
        self._engine.paint(cells, plan, rgba.view(np.uint32)[:, :, 0])
        kept_elsewhere = sum(int(np.count_nonzero(part.keeps())) for part in elsewhere)
        return HeatmapImage(
            rgba=rgba,
            spec=spec,
            reference=reference,
            engine=self._engine.name,
            build_ms=(self._clock.monotonic_s() - started_s) * 1000.0,
            events=cells.inside,
            outside=kept_elsewhere + cells.kept - cells.inside,
            level_edges=edges,
            automatic=replace(scale, cells=shown.cells),
        )

    def _select(self, columns: EventColumns, options: RenderOptions, window_start_ms: int) -> EventBatch:
        """Return the events with the filter of the options; `_every` has all sizes, `_window` no older ones."""
        first = int(np.searchsorted(columns.ts_ms, window_start_ms, side="left"))
        by_side = find_palette(options.palette).is_bivariate and options.sides == "both"
        key = (first, options.sides, options.min_notional, by_side)
        if columns is not self._columns or key != self._selection_key:
            self._columns, self._selection_key = columns, key
            self._every = EventBatch.select(columns, sides=options.sides, min_notional=0.0, by_side=by_side)
            self._window = self._every.part(first, len(columns))
            least = max(options.min_notional, self._every.least)
            parts = self._every, self._window
            self._selection, self._counted = (x if x.least == least else replace(x, least=least) for x in parts)
        return self._selection

    def _show(self, selection: EventBatch, spec: GridSpec, floor_usd: float) -> EventBatch:
        """Return the events whose cells reach the floor."""
        if not floor_usd:
            return selection
        key = (selection, spec.time_bin_ms, spec.price_bin)
        if key != self._sums[0]:
            self._sums = key, selection.cell_usd(spec.time_bin_ms, spec.price_bin)
        if (*key, floor_usd) != self._shown[0]:
            self._shown = (*key, floor_usd), selection.at(self._sums[1] >= floor_usd)
        return self._shown[1]

    def _bin(self, batch: EventBatch, spec: GridSpec, pad_cols: int, pad_rows: int) -> Cells:
        """Return the cells, the former ones if only the look or the time has changed."""
        key = (batch, self._engine.name, spec, pad_cols, pad_rows)
        if self._cells is None or key != self._cells[0]:
            self._cells = key, self._engine.bin(batch, spec, pad_cols=pad_cols, pad_rows=pad_rows)
        return self._cells[1]

    def _scale(self, selection: EventBatch, spec: GridSpec, options: RenderOptions, cells: Cells | None) -> Scale:
        """Return the scale of the window's cells: of ``cells``, unless the window has others.

        Small events count also where they are hidden: a colour keeps its meaning.
        """
        bins, how = (spec.time_bin_ms, spec.price_bin), (options.clip_percentile, options.normalization)
        key = (*bins, *how, options.sides, selection.channels, selection.least)
        known = self._scales.pop(key, None)
        if known is None or known[0]() is not selection:
            sums = self._engine.sums(selection, *bins) if cells is None else cells.values
            values = totals(sums)
            reference = self._engine.percentile(values, options.clip_percentile)
            scale = None if known is None or options.normalization is Normalization.RANK else known[1]
            if scale is None or abs(reference - scale.reference) > REFERENCE_TOLERANCE * scale.reference:
                scale = Scale(reference, level_edges(options.normalization, reference, values), sums)
            known = ref(selection), replace(scale, cells=sums)
        self._scales[key] = known
        if len(self._scales) > _KEPT_SCALES:
            self._scales.popitem(last=False)
        return known[1]

    def _decay(self, selection: EventBatch, options: RenderOptions, now_ms: int) -> tuple[EventBatch, Decay]:
        """Return the events with decayed weights, and the moment to which these are relative."""
        half_life_ms = options.half_life_ms
        if half_life_ms is None:
            return selection, Decay(now_ms, 1.0)
        key = (selection, half_life_ms)
        moved = (now_ms - self._as_of_ms) / half_life_ms
        if key != self._decayed_key or not 0 <= moved <= _REBASE_HALF_LIVES:
            self._decayed = selection.decayed(now_ms, half_life_ms)
            self._decayed_key, self._as_of_ms, moved = key, now_ms, 0.0
        return self._decayed, Decay(self._as_of_ms, 0.5**moved)


def _outside(batch: EventBatch, start_ms: int, end_ms: int) -> list[EventBatch]:
    """Return the events before ``start_ms``, and those from ``end_ms`` on, if there are any."""
    first, last = int(batch.ts_ms.searchsorted(start_ms)), int(batch.ts_ms.searchsorted(end_ms))
    return [batch.part(begin, end) for begin, end in ((0, first), (last, len(batch))) if begin < end]
