"""What `heatmap bench` and tests/bench measure: one job, ours and by the best combinations of other libraries.

The job: events to an RGBA image of 380 x 1700 cells, each event in its own cell, log scale clipped at the exact 99.5th
percentile of the occupied cells; or linear up to the maximum. Every run starts from the raw events: no selection, no
scale is remembered. Peers get their arrays ready-made in the type they like best, and what can be done in place is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from Heatmap.aggregation.grid import GridSpec
from Heatmap.aggregation.image_builder import ImageBuilder
from Heatmap.aggregation.options import Normalization, RenderOptions
from Heatmap.aggregation.palettes import PALETTES
from Heatmap.event_columns import EventColumns

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from Heatmap.aggregation.engine import Engine

ROWS: Final = 380
COLS: Final = 1700
SPEC: Final = GridSpec(
    t0_ms=1_699_999_995_000, time_bin_ms=15_000, cols=COLS, price0=99_240.0, price_bin=4.0, rows=ROWS
)
LOG: Final = RenderOptions(palette="fire", sigma_cols=0, sigma_rows=0)
LINEAR: Final = RenderOptions(
    palette="fire", sigma_cols=0, sigma_rows=0, normalization=Normalization.LINEAR, clip_percentile=100
)
LOOK: Final = RenderOptions(trail_half_life_ms=1_200_000)

_DECADES: Final = 1000.0
_RANGES: Final = ((SPEC.price0, SPEC.price1), (float(SPEC.t0_ms), float(SPEC.end_ms)))


def market(count: int) -> EventColumns:
    """Return ``count`` events, sorted by time and clustered around a wandering price; the same for the same count."""
    rng = np.random.default_rng(count)
    ts_ms = np.sort(rng.integers(SPEC.t0_ms, SPEC.end_ms, count))
    path = 100_000 + 400 * np.sin(np.linspace(0, 9, count)) + rng.normal(0, 60, count)
    return EventColumns(ts_ms, path.round(1), np.exp(rng.normal(8, 2, count)), rng.integers(0, 2, count) > 0)


def ours(engine: Engine, columns: EventColumns, options: RenderOptions) -> Callable[[], NDArray[np.uint8]]:
    """Return the program's own path: one builder that keeps its buffers, and all events new in each run."""
    builder = ImageBuilder(engine)

    def build() -> NDArray[np.uint8]:
        renewed = EventColumns(columns.ts_ms, columns.price, columns.notional, columns.is_long)
        return builder.build(renewed, SPEC, options, now_ms=SPEC.end_ms, window_start_ms=SPEC.t0_ms).rgba

    return build


@dataclass(frozen=True, slots=True)
class Contest:
    """The events in the types that the peers take, and how to colour.

    Attributes
    ----------
    columns
        The events.
    ts
        float64 (N,), their times.
    linear
        True: linear up to the maximum; False: log up to the percentile.
    """

    columns: EventColumns
    ts: NDArray[np.float64]
    linear: bool

    @classmethod
    def of(cls, columns: EventColumns, *, linear: bool = False) -> Contest:
        """Prepare a contest."""
        return cls(columns, columns.ts_ms.astype(np.float64), linear)

    def scaled(self, grid: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """Return the grid, changed in place, so that colours are linear in it; and the value of full colour."""
        if self.linear:
            return grid, float(grid.max())
        reference = float(np.percentile(grid[grid > 0], LOG.clip_percentile))
        np.multiply(grid, _DECADES / reference, out=grid)
        np.log1p(grid, out=grid)
        return grid, math.log1p(_DECADES)


def _table() -> NDArray[np.uint32]:
    table: NDArray[np.uint32] = PALETTES["fire"].tables[0].view(np.uint32)[:, 0].copy()
    return table


def _pyqtgraph_colours(contest: Contest, grid: NDArray[np.float64]) -> NDArray[np.uint8]:
    scaled, full = contest.scaled(grid)
    lookup: Any = import_module("pyqtgraph.functions_numba").rescale_and_lookup
    return _as_image(lookup(scaled, 255.0 / full, 0.0, _table()))


def _as_image(pixels: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Return bytes with the highest price in row 0: turned round without a copy."""
    image: NDArray[np.uint8] = pixels[::-1, :, np.newaxis].view(np.uint8)
    return image


def fast_histogram_and_pyqtgraph(contest: Contest) -> Callable[[], NDArray[np.uint8]]:
    """Bin by fast-histogram, colour by pyqtgraph's Numba look-up."""
    histogram2d = import_module("fast_histogram").histogram2d
    import_module("pyqtgraph.functions_numba")
    columns = contest.columns

    def build() -> NDArray[np.uint8]:
        grid = histogram2d(columns.price, contest.ts, bins=[ROWS, COLS], range=_RANGES, weights=columns.notional)
        return _pyqtgraph_colours(contest, grid)

    return build


def boost_histogram_and_pyqtgraph(contest: Contest) -> Callable[[], NDArray[np.uint8]]:
    """Bin by boost-histogram, colour by pyqtgraph's Numba look-up."""
    bh = import_module("boost_histogram")
    import_module("pyqtgraph.functions_numba")
    columns = contest.columns
    price = bh.axis.Regular(ROWS, SPEC.price0, SPEC.price1, underflow=False, overflow=False)
    time = bh.axis.Regular(COLS, SPEC.t0_ms, SPEC.end_ms, underflow=False, overflow=False)

    def build() -> NDArray[np.uint8]:
        histogram = bh.Histogram(price, time, storage=bh.storage.Double())
        histogram.fill(columns.price, contest.ts, weight=columns.notional)
        # Its memory is in Fortran's order, which the look-up cannot walk fast.
        return _pyqtgraph_colours(contest, np.ascontiguousarray(histogram.view()))

    return build


def numpy_and_matplotlib(contest: Contest) -> Callable[[], NDArray[np.uint8]]:
    """Bin by numpy.histogram2d, colour by a matplotlib colour map."""
    histogram2d: Any = np.histogram2d  # its types know no ranges of tuples
    colormap = import_module("matplotlib").colormaps["inferno"]
    columns = contest.columns

    def build() -> NDArray[np.uint8]:
        grid, _, _ = histogram2d(columns.price, contest.ts, bins=[ROWS, COLS], range=_RANGES, weights=columns.notional)
        scaled, full = contest.scaled(grid)
        np.multiply(scaled, 1.0 / full, out=scaled)
        pixels: NDArray[np.uint8] = colormap(scaled, bytes=True)[::-1]
        return pixels

    return build


def datashader_points(contest: Contest) -> Callable[[], NDArray[np.uint8]]:
    """Bin and colour by datashader; its log has no percentile, so it does less."""
    ds = import_module("datashader")
    shade = import_module("datashader.transfer_functions").shade
    pandas = import_module("pandas")
    columns = contest.columns
    frame = pandas.DataFrame({"ts": contest.ts, "price": columns.price, "usd": columns.notional})
    canvas = ds.Canvas(
        plot_width=COLS,
        plot_height=ROWS,
        x_range=(SPEC.t0_ms, SPEC.end_ms),
        y_range=(SPEC.price0, SPEC.price1),
    )
    how = "linear" if contest.linear else "log"
    colours = ["#300a24", "#d73502", "#ffe6a0"]

    def build() -> NDArray[np.uint8]:
        grid = canvas.points(frame, "ts", "price", ds.sum("usd"))
        image = shade(grid, cmap=colours, how=how)
        return _as_image(image.data)

    return build


PEERS: Final[dict[str, Callable[[Contest], Callable[[], NDArray[np.uint8]]]]] = {
    "fast-histogram + pyqtgraph": fast_histogram_and_pyqtgraph,
    "boost-histogram + pyqtgraph": boost_histogram_and_pyqtgraph,
    "datashader": datashader_points,
    "numpy + matplotlib": numpy_and_matplotlib,
}


def available_peers(contest: Contest) -> tuple[dict[str, Callable[[], Any]], dict[str, str]]:
    """Return the peers that are ready to run, and for each other one what is not installed."""
    peers, missing = {}, {}
    for name, prepare in PEERS.items():
        try:
            peers[name] = prepare(contest)
        except ImportError as error:
            missing[name] = error.name or str(error)
    return peers, missing
