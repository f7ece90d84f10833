"""An image stretched to the pixels of a picture by the processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHOLE: Final = 256
"""Shares, opacity among them, count from 0 to this."""

_SCRATCH_ROWS: Final = 11


@dataclass(frozen=True, slots=True)
class Layer:
    """An image, and which of its cells each pixel shows.

    Attributes
    ----------
    cells
        uint32 (rows, cols): premultiplied RGBA in the order of bytes.
    across, down
        int32 (3, width) and (3, height), see `pixel_cells`.
    """

    cells: NDArray[np.uint32]
    across: NDArray[np.int32]
    down: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Hatching:
    """Diagonal lines beneath the heat.

    Attributes
    ----------
    spans
        int64 (n, 2): from which column of pixels to which it is hatched.
    along_x, along_y
        float32 (width,) and (height,): how far right of and below its beginning a pixel's middle lies, in distances
        between two lines; their sum is not negative.
    half_line
        Half the width of a line, in these distances.
    color
        Premultiplied RGBA in the order of bytes.
    """

    spans: NDArray[np.int64]
    along_x: NDArray[np.float32]
    along_y: NDArray[np.float32]
    half_line: float
    color: int


class Resampler:
    """Fills pictures; keeps its scratch between them. For one thread at a time.

    Making the first one loads Numba, and compiles the kernel unless `kernels_are_loaded`.
    """

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
        """Fill a rectangle of a picture, as large as the layer says.

        Parameters
        ----------
        picture
            uint32 (H, W), C order: opaque RGBA in the order of bytes.
        ground
            The same shape: what lies beneath, opaque.
        is_steady
            uint8 (H,): 1 where a row of the ground is as the one before.
        corner
            Column and row of the rectangle's first pixel.
        layer
            The heat.
        before, fresh
            The layer from which the present one emerges, and how much of `WHOLE` it has emerged.
        opacity
            How much of `WHOLE` of the heat is seen.
        is_smooth
            Pixels lie between two cells each way (True) or show the strongest of theirs.
        hatching
            Lines between ground and heat.
        """
        width = layer.across.shape[1]
        if self._scratch.shape[1] != width:
            self._scratch = np.empty((_SCRATCH_ROWS, width), np.uint32)
        before = before or layer
        lines = hatching or _no_hatching()
        self._kernel(
            (layer.cells, layer.across, layer.down),
            (before.cells, before.across, before.down),
            (is_smooth, np.uint32(fresh), np.uint32(opacity)),
            (ground, is_steady),
            (lines.spans, lines.along_x, lines.along_y, np.float32(lines.half_line), np.uint32(lines.color)),
            corner,
            self._scratch,
            picture,
        )


def _no_hatching() -> Hatching:
    none = np.empty(0, np.float32)
    return Hatching(np.empty((0, 2), np.int64), none, none, 0.0, 0)
