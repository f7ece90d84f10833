"""Events to image: the program's own path, called from a worker thread for every picture."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation.engine import Cells, Engine, EngineName, PaintPlan, WantedScale, new_engine
from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.image_buffer import Canvas, ImageBuffers
from Heatmap.aggregation.live_frame import LiveFrame
from Heatmap.aggregation.normalization import Scale, level_edges, scale_fractions
from Heatmap.aggregation.options import MAX_PERCENT, Normalization
from Heatmap.aggregation.paint_plan import paint_plan, reach
from Heatmap.aggregation.palettes import Palette, find_palette
from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.columns import EventColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.aggregation.options import RenderOptions

# Decayed weights are relative to a moment; past so many half-lives from it they are computed afresh, long before
# float32 runs out of range.
_REBASE_HALF_LIVES: Final = 16

_KEPT_SCALES: Final = 16

# Even the maximum is one of a few cells.
_LEAST_TAIL: Final = 1e-3

_NO_VALUES: Final = np.empty(0, np.float32)


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
    serial
        Counts the images of a builder, from 1 on.
    dirty_cols
        This image equals the one with the serial before, apart from the columns ``[dirty 0, dirty 1)``. None: it may
        differ everywhere. Who missed that image must take all of this one.
    """

    rgba: NDArray[np.uint8]
    spec: GridSpec
    reference: float
    engine: EngineName
    build_ms: float
    events: int
    outside: int
    level_edges: NDArray[np.float32]
    serial: int = 0
    dirty_cols: tuple[int, int] | None = None


class ImageBuilder:
    """Builds images and remembers what consecutive images share.

    One builder serves one thread at a time; `use_numba` may be called from any thread.

    Parameters
    ----------
    engine
        The engine to start with; by default the fastest that needs no compiling in this process.
    clock
        Measures ``build_ms``.
    """

    def __init__(self, engine: Engine | None = None, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._engine = engine if engine is not None else new_engine()
        self._clock = clock
        self._buffers = ImageBuffers()
        self._selection_key: tuple[object, ...] = ()
        self._selection = EventBatch.select(
            EventColumns.empty(), first=0, sides="both", min_notional=0.0, by_side=False
        )
        self._decayed_key: tuple[object, ...] = ()
        self._decayed = self._selection
        self._as_of_ms = 0
        self._scales: OrderedDict[tuple[object, ...], Scale] = OrderedDict()
        # What the engine binned last, if nothing else was binned since, and from what.
        self._binned: Cells | None = None
        self._binned_key: tuple[object, ...] = ()
        self._serial = 0
        self._frame: LiveFrame | None = None

    @property
    def engine_name(self) -> EngineName:
        """Which engine builds the next image."""
        return self._engine.name

    def use_numba(self) -> None:
        """Change to the Numba engine. Call after `KernelWarmup` reported ready, else the next build compiles."""
        from Heatmap.aggregation.numba_engine import NumbaEngine  # noqa: PLC0415 - loads Numba

        self._engine = NumbaEngine()

    def build(
        self,
        columns: EventColumns,
        spec: GridSpec,
        options: RenderOptions,
        *,
        now_ms: int,
        window_start_ms: int,
        newer: EventColumns | None = None,
    ) -> HeatmapImage:
        """Return the picture of the events on a grid.

        If only ``newer`` events were added since the last call, only what they touch is computed and painted, at the
        scale of the last image, as long as the exact one stays within `REFERENCE_TOLERANCE` of it.

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
        newer
            The events, ascending in time, by which ``columns`` differ from those of the last call. None: not known.

        Raises
        ------
        GridError
            The palette is unknown, or the grid with the margin for spots is too large.
        """
        started_s = self._clock.monotonic_s()
        engine = self._engine
        if newer is not None and self._frame is not None:
            image = self._follow(self._frame, columns, newer, engine, spec, options, window_start_ms, started_s)
            if image is not None:
                return image
        # Whatever goes wrong from here on, this is not the last image any more.
        self._frame = None
        palette = find_palette(options.palette)
        selection = self._select(columns, options, palette, window_start_ms)
        batch, fade = self._decay(selection, options, now_ms)
        canvas = self._buffers.take(spec.rows, spec.cols)
        scale, cells, plan, is_whole = self._draw(engine, selection, batch, spec, options, palette, fade, canvas)
        kept_elsewhere = 0 if is_whole else _kept_elsewhere(engine, batch, spec, options)
        self._serial += 1
        canvas.version = self._serial
        self._frame = LiveFrame(
            engine,
            columns,
            selection,
            spec=spec,
            options=options,
            plan=plan,
            scale=scale,
            is_whole=is_whole,
            kept_elsewhere=kept_elsewhere,
            serial=self._serial,
        )
        return HeatmapImage(
            rgba=canvas.rgba,
            spec=spec,
            reference=scale.reference,
            engine=engine.name,
            build_ms=(self._clock.monotonic_s() - started_s) * 1000.0,
            events=cells.inside,
            outside=kept_elsewhere + cells.kept - cells.inside,
            level_edges=scale.edges,
            serial=self._serial,
        )

    def _follow(  # noqa: PLR0917 - what an image is made of
        self,
        frame: LiveFrame,
        columns: EventColumns,
        newer: EventColumns,
        engine: Engine,
        spec: GridSpec,
        options: RenderOptions,
        window_start_ms: int,
        started_s: float,
    ) -> HeatmapImage | None:
        """Return the last image with the newer events added; None if all must be built anew."""
        serial = self._serial + 1
        followed = frame.follow(columns, newer, engine, spec, options, window_start_ms, self._buffers, serial)
        if followed is None:
            return None
        self._serial = serial
        canvas, dirty = followed
        kept, inside = frame.counts
        return HeatmapImage(
            rgba=canvas.rgba,
            spec=frame.spec,
            reference=frame.scale.reference,
            engine=engine.name,
            build_ms=(self._clock.monotonic_s() - started_s) * 1000.0,
            events=inside,
            outside=frame.kept_elsewhere + kept - inside,
            level_edges=frame.scale.edges,
            serial=serial,
            dirty_cols=dirty,
        )

    def _select(
        self, columns: EventColumns, options: RenderOptions, palette: Palette, window_start_ms: int
    ) -> EventBatch:
        first = int(np.searchsorted(columns.ts_ms, window_start_ms, side="left"))
        by_side = palette.is_bivariate and options.sides == "both"
        # The key holds the columns themselves, so that their identity cannot pass to another object.
        key = (columns, first, options.sides, options.min_notional, by_side)
        if not _same(key, self._selection_key):
            self._selection = EventBatch.select(
                columns,
                first=first,
                sides=options.sides,
                min_notional=options.min_notional,
                by_side=by_side,
            )
            self._selection_key = key
            self._scales.clear()
        return self._selection

    def _draw(  # noqa: PLR0917 - what an image is made of
        self,
        engine: Engine,
        selection: EventBatch,
        batch: EventBatch,
        spec: GridSpec,
        options: RenderOptions,
        palette: Palette,
        fade: float,
        canvas: Canvas,
    ) -> tuple[Scale, Cells, PaintPlan, bool]:
        """Paint; return the scale, the cells, the plan, and if the cells are all there are.

        The scale is that of the whole window at these bins, of cells before decay, wherever they lie: where that is the
        grid itself, one walk serves both.
        """
        key = (spec.time_bin_ms, spec.price_bin, options.clip_percentile, options.normalization)
        scale = self._scales.get(key)
        pad_cols, pad_rows = reach(options.sigma_cols), reach(options.sigma_rows)
        covers_time = batch is selection and _covers_time(selection, spec, pad_cols)

        def planned(edges: NDArray[np.float32] | None) -> PaintPlan:
            return paint_plan(batch, spec, options, palette=palette, edges=edges, as_of_ms=self._as_of_ms, fade=fade)

        binned_key = (engine, batch, spec, pad_cols, pad_rows, options.trail_half_life_ms, options.trail_strength)
        if scale is not None:
            self._scales.move_to_end(key)
            plan = planned(scale.edges)
            if self._binned is not None and _same((*binned_key, engine.binnings), self._binned_key):
                # Only the look changed, or time has passed and all weights have shrunk by one factor.
                engine.paint(self._binned, plan, canvas)
            else:
                self._binned = engine.draw(batch, spec, plan, canvas, None).cells
                self._binned_key = (*binned_key, engine.binnings)
            return scale, self._binned, plan, covers_time and self._binned.found == self._binned.kept
        cells: Cells | None = None
        fractions = scale_fractions(options.normalization)
        if covers_time and fractions is not None:
            plan = planned(None)
            wanted = WantedScale(options.clip_percentile, _tail(options), fractions)
            drawn = engine.draw(batch, spec, plan, canvas, wanted)
            cells = drawn.cells
            if drawn.reference is not None:
                self._binned, self._binned_key = cells, (*binned_key, engine.binnings)
                scale = Scale(drawn.reference, plan.edges)
                self._remember(key, scale)
                return scale, cells, plan, True
        elif pad_cols == pad_rows == 0 and options.trail_half_life_ms is None:
            cells = engine.bin_touched(batch, spec)
        if cells is None:
            tail = _tail(options) if covers_time else 0.0
            cells = engine.bin_events(batch, spec, pad_cols=pad_cols, pad_rows=pad_rows, tail=tail)
        self._binned, self._binned_key = cells, (*binned_key, engine.binnings)
        is_whole = covers_time and cells.found == cells.kept
        scale = self._scale(engine, selection, cells if is_whole else None, spec, options)
        self._remember(key, scale)
        plan = planned(scale.edges)
        engine.paint(cells, plan, canvas)
        return scale, cells, plan, is_whole

    @staticmethod
    def _scale(
        engine: Engine, selection: EventBatch, cells: Cells | None, spec: GridSpec, options: RenderOptions
    ) -> Scale:
        """Return the scale of ``cells``, or of the whole selection if these are not all cells it has."""
        by_rank = options.normalization is Normalization.RANK
        if cells is not None:
            reference = engine.cell_percentile(cells, options.clip_percentile)
            values = engine.cell_values(cells) if by_rank else _NO_VALUES
        else:
            values = engine.occupied_sums(selection, spec.time_bin_ms, spec.price_bin)
            reference = engine.percentile(values, options.clip_percentile)
        return Scale(reference, level_edges(options.normalization, reference, values))

    def _remember(self, key: tuple[object, ...], scale: Scale) -> None:
        self._scales[key] = scale
        self._scales.move_to_end(key)
        if len(self._scales) > _KEPT_SCALES:
            self._scales.popitem(last=False)

    def _decay(self, selection: EventBatch, options: RenderOptions, now_ms: int) -> tuple[EventBatch, float]:
        """Return decayed events and the factor by which they have faded since the moment they are relative to."""
        half_life_ms = options.half_life_ms
        if half_life_ms is None:
            return selection, 1.0
        key = (selection, half_life_ms)
        moved = (now_ms - self._as_of_ms) / half_life_ms
        if not _same(key, self._decayed_key) or not 0 <= moved <= _REBASE_HALF_LIVES:
            self._decayed = selection.decayed(now_ms, half_life_ms)
            self._decayed_key, self._as_of_ms, moved = key, now_ms, 0.0
        return self._decayed, 0.5**moved


def _same(key: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Compare by identity where parts hold arrays, by value elsewhere."""
    if len(key) != len(other):
        return False
    return all(a is b if isinstance(a, EventColumns | EventBatch) else a == b for a, b in zip(key, other, strict=True))


def _covers_time(batch: EventBatch, spec: GridSpec, pad_cols: int) -> bool:
    """Return True if no event lies left or right of the padded grid."""
    if not len(batch):
        return True
    margin_ms = pad_cols * spec.time_bin_ms
    return bool(batch.ts_ms[0] >= spec.t0_ms - margin_ms and batch.ts_ms[-1] < spec.end_ms + margin_ms)


def _tail(options: RenderOptions) -> float:
    """Return which share of the occupied cells the scale is made from, from the largest on."""
    if options.normalization is Normalization.RANK:
        return 1.0
    return 1.0 - options.clip_percentile / MAX_PERCENT + _LEAST_TAIL


def _kept_elsewhere(engine: Engine, batch: EventBatch, spec: GridSpec, options: RenderOptions) -> int:
    """Return how many events that count lie left or right of the padded grid."""
    pad_cols = reach(options.sigma_cols)
    if _covers_time(batch, spec, pad_cols):
        return 0
    margin_ms = pad_cols * spec.time_bin_ms
    first = int(batch.ts_ms.searchsorted(spec.t0_ms - margin_ms))
    last = int(batch.ts_ms.searchsorted(spec.end_ms + margin_ms))
    return engine.count_kept(batch.part(0, first)) + engine.count_kept(batch.part(last, len(batch)))
