"""The heatmap's image on the graphics card: in tiles where it is larger than a texture may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import moderngl
import numpy as np

from Heatmap.ui.geometry.heat_block import heat_blocks

if TYPE_CHECKING:
    from Heatmap.aggregation import HeatmapImage
    from Heatmap.aggregation.grid import GridSpec

CHANNELS = 4


class HeatTexture:
    """One image's cells in an array of tiles; see ``heatmap.frag``.

    Make and use it with the context current.

    Parameters
    ----------
    gl
        The underlay's context.
    image
        Which image to hold; all of it is uploaded.
    largest_px
        Most columns or rows of one texture.
    """

    def __init__(self, gl: moderngl.Context, image: HeatmapImage, *, largest_px: int) -> None:
        rows, cols, _ = image.rgba.shape
        self.cells: tuple[int, int] = (cols, rows)
        self.tile = (min(cols, largest_px), min(rows, largest_px))
        self.across: int = -(-cols // self.tile[0])
        self._down: int = -(-rows // self.tile[1])
        self._texture = gl.texture_array((*self.tile, self.across * self._down), CHANNELS)
        self._texture.repeat_x = self._texture.repeat_y = False
        self.upload(image, 0, cols)

    @property
    def spec(self) -> GridSpec:
        """Return the grid of the image that was uploaded last."""
        return self._spec

    @property
    def tiles(self) -> int:
        """Return the number of tiles."""
        return self.across * self._down

    def fits(self, image: HeatmapImage) -> bool:
        """Return True if an image has as many cells as this texture."""
        rows, cols, _ = image.rgba.shape
        return self.cells == (cols, rows)

    def upload(self, image: HeatmapImage, first_col: int, last_col: int) -> None:
        """Upload the columns ``[first_col, last_col)`` of an image of the same size."""
        self._spec = image.spec
        self.blocks = heat_blocks(image.rgba)
        tile_cols, tile_rows = self.tile
        rows = self.cells[1]
        for down in range(self._down):
            top, bottom = down * tile_rows, min((down + 1) * tile_rows, rows)
            for across in range(first_col // tile_cols, -(-last_col // tile_cols)):
                begin = across * tile_cols
                left, right = max(first_col, begin), min(last_col, begin + tile_cols)
                self._texture.write(
                    np.ascontiguousarray(image.rgba[top:bottom, left:right]),
                    viewport=(left - begin, 0, down * self.across + across, right - left, bottom - top, 1),
                )

    def use(self, location: int, *, smooth: bool) -> None:
        """Bind the tiles to a texture unit; a sampler blends neighbouring cells of a tile if told to."""
        wanted = moderngl.LINEAR if smooth else moderngl.NEAREST
        self._texture.filter = (wanted, wanted)
        self._texture.use(location)

    def release(self) -> None:
        """Give the memory back."""
        self._texture.release()
