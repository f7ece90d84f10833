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


def without_overlap(centres: NDArray[np.float64], radii: NDArray[np.float64]) -> list[int]:
    """Return the numbers of the circles to draw: each that does not touch one drawn before it, in their order.

    ``centres`` (N, 2) and ``radii`` (N,), the largest first; so the largest of those that overlap is drawn.
    """
    # Plain numbers: for so few circles, calls of NumPy would take longer than the arithmetic.
    drawn: list[tuple[float, float, float]] = []
    numbers = []
    for number, ((x, y), radius) in enumerate(zip(centres.tolist(), radii.tolist(), strict=True)):
        reach = radius + GAP_PX
        if all(
            (x - other_x) * (x - other_x) + (y - other_y) * (y - other_y) >= (reach + other) * (reach + other)
            for other_x, other_y, other in drawn
        ):
            drawn.append((x, y, radius))
            numbers.append(number)
    return numbers


def fits_inside(size_px: tuple[float, float], radius_px: float) -> bool:
    """Return True if a text of this width and height lies within a circle, clear of its edge."""
    return math.hypot(size_px[0], size_px[1]) / 2.0 <= radius_px - GAP_PX


class LabelRoom:
    """Free room beside the circles, shrinking with each label that is placed.

    ``centres`` (N, 2) and ``radii`` (N,) are those of the circles that are drawn.
    """

    def __init__(self, centres: NDArray[np.float64], radii: NDArray[np.float64], pane_px: tuple[float, float]) -> None:
        self._circles = [(x, y, radius) for (x, y), radius in zip(centres.tolist(), radii.tolist(), strict=True)]
        self._pane_px = pane_px
        self._labels: list[Box] = []

    def place(self, number: int, size_px: tuple[float, float]) -> Box | None:
        """Return the box of a label of this width and height beside a circle; None: there is no room.

        It is right of the circle, else left of it, above or below.
        """
        (x, y, radius), (width, height) = self._circles[number], size_px
        reach, beside, over = radius + GAP_PX, y - height / 2.0, x - width / 2.0
        corners = (x + reach, beside), (x - reach - width, beside), (over, y - reach - height), (over, y + reach)
        for left, top in corners:
            box = Box(left, top, left + width, top + height)
            if self._is_free(box):
                self._labels.append(box)
                return box
        return None

    def _is_free(self, box: Box) -> bool:
        left, top, right, bottom = box
        if left < 0.0 or top < 0.0 or right > self._pane_px[0] or bottom > self._pane_px[1]:
            return False
        for label in self._labels:
            if label[0] < right and label[2] > left and label[1] < bottom and label[3] > top:
                return False
        # The box's own circle is `GAP_PX` away.
        for x, y, radius in self._circles:
            apart_x = left - x if x < left else x - right if x > right else 0.0
            apart_y = top - y if y < top else y - bottom if y > bottom else 0.0
            if apart_x * apart_x + apart_y * apart_y < radius * radius:
                return False
        return True


def circle_at(
    centres: NDArray[np.float64], radii: NDArray[np.float64], at_px: tuple[float, float], order: Sequence[int]
) -> int | None:
    """Return which of the circles contains a point; None: none of them. They do not overlap."""
    for number in order:
        if math.dist(centres[number], at_px) <= radii[number]:
            return number
    return None
