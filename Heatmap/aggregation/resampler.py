"""Resampling of an image to the pixels of a picture, by the processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHOLE: Final = 256
"""Weights and opacities are whole numbers from 0 to this."""

_SCRATCH_ROWS: Final = 11


class Layer(NamedTuple):
    """An image and the cells that each pixel shows.

    Attributes
    ----------
    cells
        uint32 (rows, cols): premultiplied RGBA in the order of bytes.
    across, down
        int32 (3, width) and (3, height): first and last cell of each column and row of pixels, -1 and -2 outside the
        image; weight of the last one, 0 to `WHOLE` (smooth: there are one or two cells; else 0).
    """

    cells: NDArray[np.uint32]
    across: NDArray[np.int32]
    down: NDArray[np.int32]


class Hatching(NamedTuple):
    """Diagonal lines below the heat.

    Attributes
    ----------
    spans
        int64 (n, 2): first column of pixels of each hatched part, and the one after its last.
    along_x, along_y
        float32 (width,) and (height,): distance of a pixel's middle from where the hatching begins, to the right and
        down, in spacings of the lines; their sum is not negative.
    half_line
        Half the width of a line, in spacings.
    colors
        uint32 (n, 1): of the lines of each part, premultiplied RGBA in the order of bytes.
    """

    spans: NDArray[np.int64]
    along_x: NDArray[np.float32]
    along_y: NDArray[np.float32]
    half_line: float
    colors: NDArray[np.uint32]


_NO_LINES: Final = np.empty(0, np.float32)
_NO_HATCHING: Final = Hatching(np.empty((0, 2), np.int64), _NO_LINES, _NO_LINES, 0.0, np.empty((0, 1), np.uint32))


class Resampler:
    """Resampler with a scratch buffer, for one thread at a time. Needs loaded kernels, else it compiles them."""

    def __init__(self) -> None:
        from Heatmap.aggregation.kernel_resample import compose  # noqa: PLC0415 - loads Numba

        self._kernel = compose
        self._scratch = np.empty((_SCRATCH_ROWS, 0), np.uint32)

    def compose(
        self,
        picture: NDArray[np.uint32],
        ground: NDArray[np.uint32],
        is_steady: NDArray[np.uint8],
        corner: tuple[int, int],
        layer: Layer,
        *,
        before: Layer | None = None,
        fresh: int = WHOLE,
        opacity: int = WHOLE,
        is_smooth: bool = False,
        hatching: Hatching | None = None,
    ) -> None:
        """Fill a rectangle of a picture, (height, width) as in the layer.

        Parameters
        ----------
        picture
            uint32 (H, W), C order: opaque RGBA in the order of bytes.
        ground
            The background, same shape, opaque.
        is_steady
            uint8 (H,): 1 where a row of the ground equals the one before.
        corner
            Column and row of the rectangle's first pixel.
        layer
            The heat.
        before, fresh
            The layer that is faded out, and the weight of ``layer`` against it, 0 to `WHOLE`.
        opacity
            Opacity of the heat, 0 to `WHOLE`.
        is_smooth
            True: linear interpolation; False: the cell of the largest alpha.
        hatching
            Lines between ground and heat.
        """
        width = layer.across.shape[1]
        if self._scratch.shape[1] != width:
            self._scratch = np.empty((_SCRATCH_ROWS, width), np.uint32)
        lines = hatching or _NO_HATCHING
        self._kernel(
            (*layer,),
            (*(before or layer),),
            (is_smooth, np.uint32(fresh), np.uint32(opacity)),
            (ground, is_steady),
            (lines.spans, lines.along_x, lines.along_y, np.float32(lines.half_line), lines.colors),
            corner,
            self._scratch,
            picture,
        )
