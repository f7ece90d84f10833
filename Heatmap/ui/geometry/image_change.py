"""What differs between two images: what needs to go to the graphics card, and whether an eye sees a change. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from Heatmap.aggregation import HeatmapImage

SAME_REFERENCE: Final = 0.005
"""A reference that changes by less is not seen to change."""

UNSEEN_LEVELS: Final = 2
"""Colours may move by so many of the 255 levels unseen: less than one step of CIE lightness, what an eye can tell."""


@dataclass(frozen=True, slots=True)
class ChangedColumns:
    """What differs between two images of one grid.

    Attributes
    ----------
    base
        The earlier image.
    first, last
        Columns ``[first, last)``; outside them both are the same.
    """

    base: HeatmapImage
    first: int
    last: int


def changed_columns(before: HeatmapImage | None, image: HeatmapImage | None) -> ChangedColumns | None:
    """Return which columns differ between two images of one builder and grid; None if there is nothing to compare."""
    if before is None or image is None or before is image or before.spec != image.spec:
        return None
    differs = (before.rgba.view(np.uint32) != image.rgba.view(np.uint32)).any(axis=(0, 2))
    columns = np.flatnonzero(differs)
    if not len(columns):
        return ChangedColumns(before, 0, 0)
    return ChangedColumns(before, int(columns[0]), int(columns[-1]) + 1)


def colors_differ(before: HeatmapImage, image: HeatmapImage) -> bool:
    """Return True if an amount's colour differs between two images by more than an eye can tell."""
    if abs(image.reference - before.reference) <= SAME_REFERENCE * max(image.reference, before.reference):
        return False
    levels = np.arange(1, len(before.level_edges) + 1)
    moved = np.searchsorted(image.level_edges, before.level_edges, side="right") - levels
    return bool(np.abs(moved).max() > UNSEEN_LEVELS)
