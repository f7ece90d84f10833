"""Check whether the chart's pane is opaque in the page's picture, so that no heat shines through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.ui.geometry.viewport import Viewport

# Rows of pixels at these shares of the pane's height. Candles, areas and labels are opaque, too, but not across all.
_ROWS: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
_OPAQUE_ALPHA: Final = 250
_OPAQUE_SHARE: Final = 0.98


class PixelRow(NamedTuple):
    """A part of a row of device pixels of the picture, counted from its top."""

    left_px: int
    top_px: int
    width_px: int


def probe_rows(viewport: Viewport, picture_px: tuple[int, int]) -> list[PixelRow]:
    """Return the rows to look at, within a picture of this width and height; empty if the pane is out of sight."""
    width_px, height_px = picture_px
    left = max(round(viewport.left_px * viewport.ratio), 0)
    right = min(round((viewport.left_px + viewport.width_px) * viewport.ratio), width_px)
    tops = [round((viewport.top_px + viewport.height_px * share) * viewport.ratio) for share in _ROWS]
    return [PixelRow(left, top, right - left) for top in tops if 0 <= top < height_px and left < right]


def is_opaque(rows: Sequence[bytes]) -> bool:
    """Return True if all rows, given by the alpha of their pixels, are opaque almost everywhere."""
    return bool(rows) and all(
        sum(alpha >= _OPAQUE_ALPHA for alpha in row) >= _OPAQUE_SHARE * len(row) for row in rows if row
    )
