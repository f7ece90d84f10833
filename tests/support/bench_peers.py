"""Pictures of the benchmark's events by combinations of other libraries; `heatmap bench` loads this in a checkout.

The job is that of `Heatmap.commands.bench_run`. Peers get their arrays ready-made in the type that suits them, and what
can be done in place is. They are in the dependency group ``bench``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from Heatmap.aggregation.palettes import PALETTES
from Heatmap.commands.bench_run import COLS, LOG, ROWS, SPEC

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from Heatmap.event_columns import EventColumns

    Image = NDArray[np.uint8]

_DECADES = 1000.0
_RANGES = ((SPEC.price0, SPEC.price1), (float(SPEC.t0_ms), float(SPEC.end_ms)))


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


def _pyqtgraph_colours(contest: Contest, grid: NDArray[np.float64]) -> Image:
    scaled, full = contest.scaled(grid)
    table = PALETTES["fire"].tables[0].view(np.uint32)[:, 0].copy()
    lookup = import_module("pyqtgraph.functions_numba").rescale_and_lookup
    return _as_image(lookup(scaled, 255.0 / full, 0.0, table))


def _as_image(pixels: NDArray[np.uint32]) -> Image:
    """Return bytes with the highest price in row 0: turned round without a copy."""
    return pixels[::-1, :, np.newaxis].view(np.uint8)


def fast_histogram_and_pyqtgraph(contest: Contest) -> Callable[[], Image]:
    """Bin by fast-histogram, colour by pyqtgraph's Numba look-up."""
    histogram2d = import_module("fast_histogram").histogram2d
    import_module("pyqtgraph.functions_numba")
    columns = contest.columns

    def build() -> Image:
        grid = histogram2d(columns.price, contest.ts, bins=[ROWS, COLS], range=_RANGES, weights=columns.notional)
        return _pyqtgraph_colours(contest, grid)

    return build


def boost_histogram_and_pyqtgraph(contest: Contest) -> Callable[[], Image]:
    """Bin by boost-histogram, colour by pyqtgraph's Numba look-up."""
    bh = import_module("boost_histogram")
    import_module("pyqtgraph.functions_numba")
    columns = contest.columns
    price = bh.axis.Regular(ROWS, SPEC.price0, SPEC.price1, underflow=False, overflow=False)
    time = bh.axis.Regular(COLS, SPEC.t0_ms, SPEC.end_ms, underflow=False, overflow=False)

    def build() -> Image:
        histogram = bh.Histogram(price, time, storage=bh.storage.Double())
        histogram.fill(columns.price, contest.ts, weight=columns.notional)
        # Its memory is in Fortran's order, which the look-up cannot walk fast.
        return _pyqtgraph_colours(contest, np.ascontiguousarray(histogram.view()))

    return build


def numpy_and_matplotlib(contest: Contest) -> Callable[[], Image]:
    """Bin by numpy.histogram2d, colour by a matplotlib colour map."""
    colormap = import_module("matplotlib").colormaps["inferno"]
    columns = contest.columns

    def build() -> Image:
        grid, _, _ = np.histogram2d(
            columns.price, contest.ts, bins=[ROWS, COLS], range=_RANGES, weights=columns.notional
        )
        scaled, full = contest.scaled(grid)
        np.multiply(scaled, 1.0 / full, out=scaled)
        return colormap(scaled, bytes=True)[::-1]

    return build


def datashader_points(contest: Contest) -> Callable[[], Image]:
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

    def build() -> Image:
        grid = canvas.points(frame, "ts", "price", ds.sum("usd"))
        return _as_image(shade(grid, cmap=colours, how=how).data)

    return build


PEERS: dict[str, Callable[[Contest], Callable[[], Image]]] = {
    "fast-histogram + pyqtgraph": fast_histogram_and_pyqtgraph,
    "boost-histogram + pyqtgraph": boost_histogram_and_pyqtgraph,
    "datashader": datashader_points,
    "numpy + matplotlib": numpy_and_matplotlib,
}


def available_peers(columns: EventColumns, *, linear: bool) -> tuple[dict[str, Callable[[], Image]], dict[str, str]]:
    """Return the peers that are ready to run, and for each other one what is not installed."""
    contest = Contest.of(columns, linear=linear)
    peers, missing = {}, {}
    for name, prepare in PEERS.items():
        try:
            peers[name] = prepare(contest)
        except ImportError as error:
            missing[name] = error.name or str(error)
    return peers, missing
