"""Reuse of image memory: a fresh 2.6 MB array costs more in page faults than a sparse image costs to paint."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEPT: Final = 4


class ImageBuffers:
    """Hands out image arrays and takes back those that nobody holds any more.

    An array is reused only when the pool's own reference is the last one. A view keeps its array alive and counts as
    a holder, so a picture that is still looked at is never overwritten, however long it is kept.
    """

    def __init__(self) -> None:
        self._arrays: list[NDArray[np.uint8]] = [np.empty((1, 1, 4), np.uint8)]
        # How many references an idle array has as seen from here differs between Python versions: measured, not known.
        self._idle_references = sys.getrefcount(self._arrays[0])

    def take(self, rows: int, cols: int) -> NDArray[np.uint8]:
        """Return an array (rows, cols, 4) of undefined content that nobody else holds."""
        shape = (rows, cols, 4)
        for index in range(len(self._arrays)):
            if self._arrays[index].shape == shape and sys.getrefcount(self._arrays[index]) == self._idle_references:
                self._arrays.append(self._arrays.pop(index))
                return self._arrays[-1]
        fresh = np.empty(shape, np.uint8)
        self._arrays = [*(array for array in self._arrays if array.shape == shape)][1 - _KEPT :]
        self._arrays.append(fresh)
        return fresh
