"""Layout of bubbles: circles whose area is proportional to dollars, none over another, with labels where there is room.

All lengths are CSS pixels of the pane, origin top left, y downwards.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from Heatmap.rendering.largest_events import LargestEvents
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport

# Radius of a bubble of the reference size; of a smaller one it is in proportion to the root of the dollars.
FULL_RADIUS_PX: Final = 26.0
# Bubbles smaller than this would be dots that no mouse meets: they are drawn with this radius.
LEAST_RADIUS_PX: Final = 3.0
# Kept free between two bubbles, and between a bubble and a label beside it.
GAP_PX: Final = 2.0
_STEPS: Final = (1.0, 2.0, 5.0, 10.0)


class Box(NamedTuple):
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float


def reference_usd(largest_usd: float) -> float:
    """Return the dollars of a bubble of `FULL_RADIUS_PX`: the next of 1, 2, 5, 10, 20, ... not below the largest.

    In steps, so that bubbles keep their size while a moving view gains and loses its largest event.
    """
    if not largest_usd > 0.0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(largest_usd))
    return next((unit * step for step in _STEPS if unit * step >= largest_usd), largest_usd)


def radii_px(notional: NDArray[np.float64], reference: float) -> NDArray[np.float64]:
    """Return the radius of each bubble, float64 (N,)."""
    return np.maximum(FULL_RADIUS_PX * np.sqrt(notional / reference), LEAST_RADIUS_PX)


def centres_px(events: LargestEvents, viewport: Viewport, axis: TimeAxis) -> NDArray[np.float64]:
    """Return the place of each event in a frame, float64 (N, 2)."""
    places = [
        (viewport.x_px(axis.logical(time_ms)), viewport.y_px(price))
        for time_ms, price in zip(events.ts_ms.tolist(), events.price.tolist(), strict=True)
    ]
    return np.array(places, np.float64).reshape(-1, 2)


def without_overlap(centres: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the numbers of the circles to draw: each that does not touch one drawn before it, in their order.

    ``centres`` (N, 2) and ``radii`` (N,), the largest first; so the largest of those that overlap is drawn.
    """
    free = np.ones(len(radii), np.bool_)
    for number in range(len(radii)):
        if free[number]:
            apart = centres[number + 1 :] - centres[number]
            least = radii[number + 1 :] + radii[number] + GAP_PX
            free[number + 1 :] &= (apart * apart).sum(axis=1) >= least * least
    return np.flatnonzero(free)


def fits_inside(size_px: tuple[float, float], radius_px: float) -> bool:
    """Return True if a text of this width and height lies within a circle, clear of its edge."""
    return math.hypot(size_px[0], size_px[1]) / 2.0 <= radius_px - GAP_PX


class LabelRoom:
    """Free room beside the circles, shrinking with each label that is placed."""

    def __init__(self, centres: NDArray[np.float64], radii: NDArray[np.float64], pane_px: tuple[float, float]) -> None:
        self._centres, self._radii, self._pane_px = centres, radii, pane_px
        self._labels = np.empty((0, 4))

    def place(self, number: int, size_px: tuple[float, float]) -> Box | None:
        """Return the box of a label of this width and height beside a circle; None: there is no room.

        It is right of the circle, else left of it, above or below.
        """
        (x, y), reach, (width, height) = self._centres[number].tolist(), self._radii[number] + GAP_PX, size_px
        beside, over = y - height / 2.0, x - width / 2.0
        corners = (x + reach, beside), (x - reach - width, beside), (over, y - reach - height), (over, y + reach)
        for left, top in corners:
            box = Box(left, top, left + width, top + height)
            if self._is_free(box, number):
                self._labels = np.vstack((self._labels, box))
                return box
        return None

    def _is_free(self, box: Box, number: int) -> bool:
        width_px, height_px = self._pane_px
        if box.left < 0.0 or box.top < 0.0 or box.right > width_px or box.bottom > height_px:
            return False
        labels = self._labels
        if (
            (labels[:, 0] < box.right)
            & (labels[:, 2] > box.left)
            & (labels[:, 1] < box.bottom)
            & (labels[:, 3] > box.top)
        ).any():
            return False
        nearest = np.clip(self._centres, box[:2], box[2:])
        is_near = ((nearest - self._centres) ** 2).sum(axis=1) < self._radii**2
        is_near[number] = False
        return not is_near.any()


def circle_at(
    centres: NDArray[np.float64], radii: NDArray[np.float64], at_px: tuple[float, float], order: Sequence[int]
) -> int | None:
    """Return which of the circles contains a point; None: none of them. They do not overlap."""
    for number in order:
        if math.dist(centres[number], at_px) <= radii[number]:
            return number
    return None
