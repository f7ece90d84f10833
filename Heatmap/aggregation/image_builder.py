"""Events to image: the program's own path, called from a worker thread for every picture."""

from __future__ import annotations

import sys
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import ReferenceType, ref

import numpy as np

from Heatmap.aggregation.engine_choice import fast_engine, script_engine
from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.normalization import Scale, level_edges
from Heatmap.aggregation.options import Normalization
from Heatmap.aggregation.paint_plan import Decay, paint_plan, reach
from Heatmap.aggregation.palettes import find_palette
from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.event_columns import EventColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.engine import Cells, Engine, EngineName
    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.aggregation.options import RenderOptions

REFERENCE_TOLERANCE: Final = 0.02
"""With new events the scale stays while the exact reference is so near: less than one level of the log scale."""

# Decayed weights are relative to a moment; past so many half-lives from it they are computed afresh, long before
# float32 runs out of range.
_REBASE_HALF_LIVES: Final = 16

_KEPT_SCALES: Final = 16
_KEPT_IMAGES: Final = 4


@dataclass(frozen=True, slots=True)
class HeatmapImage:
    """A finished picture.

    Attributes
    ----------
    rgba
        uint8 (rows, cols, 4), C order, premultiplied alpha, row 0 the highest price. The receiver may keep it as long
        as it likes: its memory is reused only after the last reference is gone. Not to be written to.
    spec
        The grid it shows; see `GridSpec`. Its rows count from the lowest price.
    reference
        Dollars per cell at full colour; 0.0 if the window is empty.
    engine
        Which engine painted it.
    build_ms
        Time it took, milliseconds.
    events
        Events inside the grid.
    outside
        Events of the window that the options let through but that lie outside the grid.
    level_edges
        float32 (255,): dollars at which each level from 1 to 255 begins (infinite if the window is empty); for legends.
    """

    rgba: NDArray[np.uint8]
    spec: GridSpec
    reference: float
    engine: EngineName
    build_ms: float
    events: int
    outside: int
    level_edges: NDArray[np.float32]


class ImageBuffers:
    """Reuses the memory of images that nobody holds any more: fresh memory costs more in page faults than painting.

    An array is reused only when the reference kept here is the last one. A view keeps its array alive and counts as
    a holder, so a picture that is still looked at is never overwritten, however long it is kept.
    """

    def __init__(self) -> None:
        self._images = [np.empty((1, 1, 4), np.uint8)]
        # How many references an idle array has as seen from here differs between Python versions: measured, not known.
        self._idle_references = self._references(0)

    def take(self, rows: int, cols: int) -> NDArray[np.uint8]:
        """Return an image of this size, uint8 (rows, cols, 4), with any content, that nobody else holds."""
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
    """Builds images and remembers what consecutive images share.

    One builder serves one thread at a time; `use_numba` may be called from any thread.

    Parameters
    ----------
    engine
        The engine to start with; by default the fastest, see `engine_choice`.
    clock
        Measures ``build_ms``.
    """

    def __init__(self, engine: Engine | None = None, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._engine = engine if engine is not None else script_engine()
        self._clock = clock
        self._buffers = ImageBuffers()
        self._selection_key: tuple[object, ...] = ()
        self._selection = EventBatch.select(
            EventColumns.empty(), first=0, sides="both", min_notional=0.0, by_side=False
        )
        self._decayed_key: tuple[object, ...] = ()
        self._decayed = self._selection
        self._as_of_ms = 0
        self._cells_key: tuple[object, ...] = ()
        self._cells: Cells | None = None
        # By what a scale depends on besides the events; and for which events it holds, which it does not keep alive.
        self._scales: OrderedDict[tuple[object, ...], tuple[ReferenceType[EventBatch], Scale]] = OrderedDict()

    @property
    def engine_name(self) -> EngineName:
        """Which engine builds the next image."""
        return self._engine.name

    def use_numba(self) -> None:
        """Change to the Numba engine; see `engine_choice.fast_engine` for what it raises before kernels are loaded."""
        self._engine = fast_engine()

    def build(
        self,
        columns: EventColumns,
        spec: GridSpec,
        options: RenderOptions,
        *,
        now_ms: int,
        window_start_ms: int,
    ) -> HeatmapImage:
        """Return the picture of the events on a grid.

        Three phases: bin the events into cells, scale by a percentile of the window's cells, paint. The scale of the
        pictures before is kept while the exact one stays within `REFERENCE_TOLERANCE` of it: colours are calm.

        Parameters
        ----------
        columns
            All events of the window, also those outside the grid. What is older than the window is not used.
        spec
            The grid to show, usually the visible part of the window.
        options
            See `RenderOptions`.
        now_ms
            Right edge of the window, ms since the epoch: the moment decay is measured from.
        window_start_ms
            Left edge of the window, ms since the epoch.

        Raises
        ------
        GridError
            The palette is unknown, or the grid with the margin for spots is too large.
        """
        started_s = self._clock.monotonic_s()
        selection = self._select(columns, options, window_start_ms)
        batch, decay = self._decay(selection, options, now_ms)
        pad_cols, pad_rows = reach(options.sigma_cols), reach(options.sigma_rows)
        cells = self._bin(batch, spec, pad_cols, pad_rows)
        elsewhere = _outside(batch, spec.t0_ms - pad_cols * spec.time_bin_ms, spec.end_ms + pad_cols * spec.time_bin_ms)
        is_whole = not any(map(len, elsewhere)) and cells.found == cells.kept and batch is selection
        scale = self._scale(selection, spec, options, cells if is_whole else None)
        rgba = self._buffers.take(spec.rows, spec.cols)
        plan = paint_plan(batch, spec, options, scale.edges, decay)
        self._engine.paint(cells, plan, rgba.view(np.uint32)[:, :, 0])
        kept_elsewhere = sum(int(np.count_nonzero(part.keeps())) for part in elsewhere)
        return HeatmapImage(
            rgba=rgba,
            spec=spec,
            reference=scale.reference,
            engine=self._engine.name,
            build_ms=(self._clock.monotonic_s() - started_s) * 1000.0,
            events=cells.inside,
            outside=kept_elsewhere + cells.kept - cells.inside,
            level_edges=scale.edges,
        )

    def _select(self, columns: EventColumns, options: RenderOptions, window_start_ms: int) -> EventBatch:
        """Return the events of the window that the options let through."""
        first = int(np.searchsorted(columns.ts_ms, window_start_ms, side="left"))
        by_side = find_palette(options.palette).is_bivariate and options.sides == "both"
        # The key holds the columns themselves, so that their identity cannot pass to another object.
        key = (columns, first, options.sides, options.min_notional, by_side)
        if not _same(key, self._selection_key):
            self._selection_key = key
            self._selection = EventBatch.select(
                columns, first=first, sides=options.sides, min_notional=options.min_notional, by_side=by_side
            )
        return self._selection

    def _bin(self, batch: EventBatch, spec: GridSpec, pad_cols: int, pad_rows: int) -> Cells:
        """Return the cells, the ones at hand if only the look changed or time has passed."""
        key = (batch, self._engine.name, spec, pad_cols, pad_rows)
        if self._cells is None or not _same(key, self._cells_key):
            self._cells = self._engine.bin(batch, spec, pad_cols=pad_cols, pad_rows=pad_rows)
            self._cells_key = key
        return self._cells

    def _scale(self, selection: EventBatch, spec: GridSpec, options: RenderOptions, cells: Cells | None) -> Scale:
        """Return the scale of the whole window at these bins: of ``cells``, if they are all of the window's."""
        how = (options.clip_percentile, options.normalization)
        which = (options.sides, options.min_notional, selection.channels)
        key = (spec.time_bin_ms, spec.price_bin, *how, *which)
        known = self._scales.pop(key, None)
        if known is None or known[0]() is not selection:
            if cells is not None:
                values = cells.totals()
            else:
                values = self._engine.sums(selection, spec.time_bin_ms, spec.price_bin)
            reference = self._engine.percentile(values, options.clip_percentile)
            if known is None or options.normalization is Normalization.RANK or not _is_near(known[1], reference):
                known = ref(selection), Scale(reference, level_edges(options.normalization, reference, values))
            known = ref(selection), known[1]
        self._scales[key] = known
        if len(self._scales) > _KEPT_SCALES:
            self._scales.popitem(last=False)
        return known[1]

    def _decay(self, selection: EventBatch, options: RenderOptions, now_ms: int) -> tuple[EventBatch, Decay]:
        """Return decayed events, the moment they are relative to, and by which factor they have faded since."""
        half_life_ms = options.half_life_ms
        if half_life_ms is None:
            return selection, Decay(now_ms, 1.0)
        key = (selection, half_life_ms)
        moved = (now_ms - self._as_of_ms) / half_life_ms
        if not _same(key, self._decayed_key) or not 0 <= moved <= _REBASE_HALF_LIVES:
            self._decayed = selection.decayed(now_ms, half_life_ms)
            self._decayed_key, self._as_of_ms, moved = key, now_ms, 0.0
        return self._decayed, Decay(self._as_of_ms, 0.5**moved)


def _same(key: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Compare by identity where parts hold arrays, by value elsewhere."""
    if len(key) != len(other):
        return False
    return all(a is b if isinstance(a, EventColumns | EventBatch) else a == b for a, b in zip(key, other, strict=True))


def _is_near(scale: Scale, reference: float) -> bool:
    return abs(reference - scale.reference) <= REFERENCE_TOLERANCE * scale.reference


def _outside(batch: EventBatch, start_ms: int, end_ms: int) -> tuple[EventBatch, EventBatch]:
    """Return the events before ``start_ms``, and those from ``end_ms`` on."""
    first, last = int(batch.ts_ms.searchsorted(start_ms)), int(batch.ts_ms.searchsorted(end_ms))
    return batch.part(0, first), batch.part(last, len(batch))
