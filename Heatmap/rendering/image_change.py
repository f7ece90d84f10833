"""Difference between two images: the columns to upload, and whether the colour scale has visibly changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from Heatmap.aggregation import HeatmapImage

SAME_REFERENCE: Final = 0.005  # a relative change of the reference that is too small to see
UNSEEN_LEVELS: Final = 2  # of the 255; a change by so many is less than one step of CIE lightness, too small to see


@dataclass(frozen=True, slots=True)
class ChangedColumns:
    """Columns ``[first, last)`` in which an image differs from ``base``, an earlier one of the same grid."""

    base: HeatmapImage
    first: int
    last: int


def changed_columns(before: HeatmapImage | None, image: HeatmapImage | None) -> ChangedColumns | None:
    """Return where two images of one builder and grid differ; None if they cannot be compared or are the same."""
    if before is None or image is None or before is image or before.spec != image.spec:
        return None
    differs = (before.rgba.view(np.uint32) != image.rgba.view(np.uint32)).any(axis=(0, 2))
    columns = np.flatnonzero(differs)
    if not len(columns):
        return ChangedColumns(before, 0, 0)
    return ChangedColumns(before, int(columns[0]), int(columns[-1]) + 1)


def colors_differ(before: HeatmapImage, image: HeatmapImage) -> bool:
    """Return True if the colour of any amount differs visibly between two images."""
    if abs(image.reference - before.reference) <= SAME_REFERENCE * max(image.reference, before.reference):
        return False
    levels = np.arange(1, len(before.level_edges) + 1)
    moved = np.searchsorted(image.level_edges, before.level_edges, side="right") - levels
    return bool(np.abs(moved).max() > UNSEEN_LEVELS)
