"""Reads a few pixels of the page's frame buffer without ever waiting long for the graphics card.

A plain ``glReadPixels`` would wait until the card has done all it was told, however long that takes. A fence says when
that is, the wait for it has an end, and what is then read is a few hundred bytes.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

from Heatmap.ui.geometry.frame_stamp import read_copies
from Heatmap.ui.gl.gl_function import gl_function

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PyQt6.QtGui import QOpenGLContext

    from Heatmap.ui.geometry.frame_stamp import StampPlace

MAX_WAIT_NS: Final = 33_000_000
"""A frame on a machine that is just fast enough to speak of motion; a graphics card needs a hundredth of it.
With software OpenGL a picture may take 20 ms to paint, for which its composition would wait all the same.
A stamp that takes longer is given up for this frame."""

_BYTES_PER_PIXEL: Final = 4
_ALPHA: Final = 3

# Names and numbers of the OpenGL 3.3 core specification.
_GL_RGBA: Final = 0x1908
_GL_UNSIGNED_BYTE: Final = 0x1401
_GL_SYNC_GPU_COMMANDS_COMPLETE: Final = 0x9117
_GL_SYNC_FLUSH_COMMANDS_BIT: Final = 0x0001
_GL_ALREADY_SIGNALED: Final = 0x911A
_GL_CONDITION_SATISFIED: Final = 0x911C
_GL_NO_ERROR: Final = 0
# More than one error may be waiting; a lost context has a new one each time.
_MOST_ERRORS: Final = 2

_INT, _UINT, _POINTER = ctypes.c_int, ctypes.c_uint, ctypes.c_void_p
_FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "glReadPixels": (None, (_INT, _INT, _INT, _INT, _UINT, _UINT, _POINTER)),
    "glGetError": (_UINT, ()),
    "glFenceSync": (_POINTER, (_UINT, _UINT)),
    "glFlush": (None, ()),
    "glClientWaitSync": (_UINT, (_POINTER, _UINT, ctypes.c_uint64)),
    "glDeleteSync": (None, (_POINTER,)),
}


class StampReader:
    """Reads stamps from the frame buffer that is bound in one OpenGL context. Owns nothing of it.

    Parameters
    ----------
    context
        Qt's context of the page's window; to be current whenever the reader is used.

    Raises
    ------
    GraphicsError
        The context is older than OpenGL 3.2 and has no fences.
    """

    def __init__(self, context: QOpenGLContext) -> None:
        self._call = {name: gl_function(context, name, *types) for name, types in _FUNCTIONS.items()}
        self._fence: int | None = None

    def begin(self) -> None:
        """Let the card paint the picture: what the caller does meanwhile costs no time."""
        self._give_back_fence()
        self._fence = self._call["glFenceSync"](_GL_SYNC_GPU_COMMANDS_COMPLETE, 0)
        self._call["glFlush"]()

    def read(self, places: Sequence[StampPlace], size_px: tuple[int, int]) -> int | None:
        """Return the number stamped at the first of several places that holds one; None if none does.

        Call `begin` before.

        Parameters
        ----------
        places
            Where to look; what does not lie within the frame buffer is passed over.
        size_px
            Width and height of the frame buffer in device pixels.
        """
        width_px, height_px = size_px
        inside = [
            place
            for place in places
            if 0 <= place.left_px <= width_px - place.width_px and 0 <= place.middle_px < height_px
        ]
        if not self._is_painted() or not inside:
            return None
        for place in inside:
            # OpenGL counts rows from the bottom.
            alphas = self._alphas(place.left_px, height_px - 1 - place.middle_px, place.width_px)
            number = read_copies(alphas, place.copies)
            if number is not None:
                return number
        return None

    def _is_painted(self) -> bool:
        """Wait until the card has painted the picture; return False if that takes longer than a frame."""
        if not self._fence:
            return False
        answer = self._call["glClientWaitSync"](self._fence, _GL_SYNC_FLUSH_COMMANDS_BIT, MAX_WAIT_NS)
        self._give_back_fence()
        return answer in (_GL_ALREADY_SIGNALED, _GL_CONDITION_SATISFIED)

    def _give_back_fence(self) -> None:
        if self._fence:
            self._call["glDeleteSync"](self._fence)
        self._fence = None

    def _alphas(self, left_px: int, bottom_px: int, width_px: int) -> bytes:
        """Return the alpha of one row of pixels; all 0 where the frame buffer cannot be read (multisampling)."""
        pixels = (ctypes.c_ubyte * (width_px * _BYTES_PER_PIXEL))()
        self._call["glReadPixels"](left_px, bottom_px, width_px, 1, _GL_RGBA, _GL_UNSIGNED_BYTE, pixels)
        for _ in range(_MOST_ERRORS):  # Qt's own checks must not find an error of ours
            if self._call["glGetError"]() == _GL_NO_ERROR:
                break
        return bytes(pixels)[_ALPHA::_BYTES_PER_PIXEL]
