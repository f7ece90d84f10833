"""Axis of the legend: dollars per cell along the colour bars, and the histogram of the window's cells on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from Heatmap.aggregation.normalization import LARGEST, TOP_LEVEL, LevelTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.aggregation.normalization import Scale

STEPS: Final = 216
"""Positions of the axis."""

BINS: Final = 54
"""Bins of the histogram, each of the same number of positions."""

# The automatic scale has this share of the axis. Larger cells have the rest, in octaves, and there is room for at least
# one octave: a ceiling can be set above the automatic one.
_SCALE_STEPS: Final = 200


@dataclass(frozen=True, slots=True, eq=False)
class ColourAxis:
    """The amounts, colours and cells along the bars of a legend. The axis does not depend on floor and ceiling.

    Attributes
    ----------
    usd
        float64 (STEPS + 1,): dollars per cell at the borders of the positions, ascending from 0.
    levels
        uint8 (STEPS,): colour level in the middle of each position; 0, which is transparent, below the floor.
    counts
        int64 (channels, BINS): occupied cells of the window by their sum. Two channels: shorts and longs, each cell
        counted for the side with more dollars.
    full_usd
        From so many dollars on the colour is full.
    floor_usd
        Cells with fewer dollars are not painted; 0: none.
    hidden
        Number of these cells.
    scale
        See `HeatmapImage.automatic`.
    """

    usd: NDArray[np.float64]
    levels: NDArray[np.uint8]
    counts: NDArray[np.int64]
    full_usd: float
    floor_usd: float
    hidden: int
    scale: Scale

    @property
    def automatic_usd(self) -> float:
        """Dollars of full colour without a ceiling."""
        return self.scale.reference

    def position(self, usd: float) -> float:
        """Return where an amount lies: 0 at the left end to 1 at the right end and for what lies beyond."""
        return float(np.interp(usd, self.usd, np.linspace(0.0, 1.0, STEPS + 1)))

    def amount(self, position: float) -> float:
        """Return the dollars at a position, 0 to 1."""
        return float(np.interp(position, np.linspace(0.0, 1.0, STEPS + 1), self.usd))


def colour_axis(image: HeatmapImage, floor_usd: float, before: ColourAxis | None = None) -> ColourAxis | None:
    """Return the axis for an image, None for a window without cells.

    ``before``, the axis of the previous image, is returned if nothing has changed.
    """
    scale = image.automatic
    if scale.reference <= 0:
        return None
    if (
        before is not None
        and before.scale.cells is scale.cells
        and before.scale.edges is scale.edges
        and (before.full_usd, before.floor_usd) == (image.reference, floor_usd)
    ):
        return before
    cells = np.minimum(scale.cells, LARGEST)
    total = np.minimum(cells.sum(axis=1), LARGEST)
    usd = _amounts(scale.reference, scale.edges, float(total.max(initial=0.0)), image.reference)
    middles = (usd[1:] + usd[:-1]) / 2
    levels = np.searchsorted(image.level_edges, middles, side="right").astype(np.uint8)
    levels[middles < floor_usd] = 0
    borders = usd[:: STEPS // BINS][1:-1].astype(np.float32)
    bins = LevelTable.from_edges(np.maximum.accumulate(borders)).lookup(total)
    of_side = [cells[:, 1] <= cells[:, 0], cells[:, 1] > cells[:, 0]] if cells.shape[1] > 1 else [slice(None)]
    counts = np.stack([np.bincount(bins[part], minlength=BINS) for part in of_side])
    hidden = int(np.count_nonzero(total < np.float32(floor_usd)))
    return ColourAxis(usd, levels, counts, image.reference, floor_usd, hidden, scale)


def _amounts(reference: float, edges: NDArray[np.float32], largest: float, full_usd: float) -> NDArray[np.float64]:
    """Return `ColourAxis.usd`: levels are evenly spaced up to the automatic reference, octaves from there on."""
    # Levels are rounded: an edge lies midway between two.
    level_borders = np.concatenate([[0.0], np.arange(1, TOP_LEVEL + 1) - 0.5, [TOP_LEVEL]])
    at = np.linspace(0.0, TOP_LEVEL, _SCALE_STEPS + 1)
    below = np.interp(at, level_borders, [0.0, *edges, reference])
    top = max(largest, full_usd, 2 * reference)
    above = np.geomspace(reference, top, STEPS - _SCALE_STEPS + 1)[1:]
    amounts: NDArray[np.float64] = np.concatenate([below, above])
    return amounts
