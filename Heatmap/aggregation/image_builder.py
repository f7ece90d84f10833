"""Events to image: the program's own path, called from a worker thread for every picture."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation.engine import Engine, EngineName, PaintPlan, new_engine
from Heatmap.aggregation.event_batch import EventBatch
from Heatmap.aggregation.image_buffer import ImageBuffers
from Heatmap.aggregation.normalization import LevelTable, clip_reference, level_edges
from Heatmap.aggregation.palettes import Palette, find_palette
from Heatmap.aggregation.trail import column_factor, heat_from_the_left
from Heatmap.clock import SYSTEM_CLOCK, Clock
from Heatmap.columns import EventColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.aggregation.options import RenderOptions

# The level at which an occupied cell is shown at least: a small liquidation is faint, not absent.
FAINTEST_EVENT_LEVEL: Final = 32

# A spot reaches as far as its Gaussian keeps a thousandth of the middle, the least that log still colours.
_SPOT_REACH_SIGMAS: Final = math.sqrt(2 * math.log(1000))

# Decayed weights are relative to a moment; past so many half-lives from it they are computed afresh, long before
# float32 runs out of range.
_REBASE_HALF_LIVES: Final = 16

_KEPT_SCALES: Final = 16


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


@dataclass(frozen=True, slots=True)
class _Scale:
    reference: float
    edges: NDArray[np.float32]


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
        self._scales: OrderedDict[tuple[object, ...], _Scale] = OrderedDict()

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
    ) -> HeatmapImage:
        """Return the picture of the events on a grid.

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
        engine = self._engine
        palette = find_palette(options.palette)
        selection = self._select(columns, options, palette, window_start_ms)
        scale = self._scale(engine, selection, spec, options)
        batch, fade = self._decay(selection, options, now_ms)

        pad_cols, pad_rows = _reach(options.sigma_cols), _reach(options.sigma_rows)
        padded = spec.padded(pad_cols, pad_rows)
        factor, heat = _trail(batch, padded, options)
        plan = PaintPlan(
            pad_cols=pad_cols,
            pad_rows=pad_rows,
            col_weights=_gaussian(options.sigma_cols, pad_cols),
            row_weights=_gaussian(options.sigma_rows, pad_rows),
            floors=_floors(float(scale.edges[FAINTEST_EVENT_LEVEL - 1]), padded, options, self._as_of_ms),
            trail_factor=factor,
            trail_strength=np.float32(options.trail_strength),
            trail_start=heat,
            # Weights are relative to the moment they were decayed to; time passing moves the scale by one scalar.
            levels=LevelTable.from_edges((scale.edges.astype(np.float64) / fade).astype(np.float32)),
            colours=_colours(palette, options),
        )
        rgba = self._buffers.take(spec.rows, spec.cols)
        cells = engine.bin_events(batch, spec, pad_cols=pad_cols, pad_rows=pad_rows)
        engine.paint(cells, plan, rgba.view(np.uint32)[:, :, 0])
        return HeatmapImage(
            rgba=rgba,
            spec=spec,
            reference=scale.reference,
            engine=engine.name,
            build_ms=(self._clock.monotonic_s() - started_s) * 1000.0,
            events=cells.inside,
            outside=len(batch) - cells.inside,
            level_edges=scale.edges,
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

    def _scale(self, engine: Engine, selection: EventBatch, spec: GridSpec, options: RenderOptions) -> _Scale:
        """Return the scale of the whole window at these bins: cells count before decay and wherever they lie."""
        key = (spec.time_bin_ms, spec.price_bin, options.clip_percentile, options.normalization)
        if key in self._scales:
            self._scales.move_to_end(key)
            return self._scales[key]
        values = engine.occupied_sums(selection, spec.time_bin_ms, spec.price_bin)
        reference = clip_reference(values, options.clip_percentile)
        scale = _Scale(reference, level_edges(options.normalization, reference, values))
        self._scales[key] = scale
        if len(self._scales) > _KEPT_SCALES:
            self._scales.popitem(last=False)
        return scale

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


def _reach(sigma_cells: float) -> int:
    return math.floor(sigma_cells * _SPOT_REACH_SIGMAS)


def _gaussian(sigma_cells: float, pad: int) -> NDArray[np.float32]:
    """Return float32 (2 * pad + 1,) with 1.0 in the middle: a lone event's spot peaks at its own value."""
    if pad == 0:
        return np.ones(1, np.float32)
    distance = np.arange(-pad, pad + 1) / sigma_cells
    weights: NDArray[np.float32] = np.exp(-0.5 * distance**2).astype(np.float32)
    return weights


def _trail(batch: EventBatch, padded: GridSpec, options: RenderOptions) -> tuple[np.float32, NDArray[np.float32]]:
    """Return the fading per column (0 for no trail) and the heat that enters from the left."""
    half_life_ms = options.trail_half_life_ms
    if half_life_ms is None or options.trail_strength == 0:
        return np.float32(0), np.zeros((batch.channels, padded.rows), np.float32)
    return (
        column_factor(padded.time_bin_ms, half_life_ms),
        heat_from_the_left(batch, padded, half_life_ms),
    )


def _floors(floor: float, padded: GridSpec, options: RenderOptions, as_of_ms: int) -> NDArray[np.float32]:
    """Return the least strength of an occupied cell per column; it decays as the events of the column do."""
    if options.half_life_ms is None:
        return np.full(padded.cols, floor, np.float32)
    middles_ms = padded.t0_ms + (np.arange(padded.cols) + 0.5) * padded.time_bin_ms
    age_ms = np.maximum(as_of_ms - middles_ms, 0)
    floors: NDArray[np.float32] = (floor * np.exp2(age_ms / -options.half_life_ms)).astype(np.float32)
    return floors


def _colours(palette: Palette, options: RenderOptions) -> NDArray[np.uint32]:
    tables = palette.for_background(options.dark_background)
    if palette.is_bivariate and options.sides != "both":
        share = -1 if options.sides == "long" else 0
        tables = tables[share][np.newaxis]
    return np.ascontiguousarray(tables).view(np.uint32)[:, :, 0]
