"""Reader of the stamps in the page's frame buffer.

A plain ``glReadPixels`` waits until the graphics card has finished all its work. A fence limits that wait; what is then
read is a few hundred bytes.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

from Heatmap.ui.geometry.frame_stamp import read_copies
from Heatmap.ui.gl.gl_context import gl_function

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PyQt6.QtGui import QOpenGLContext

    from Heatmap.ui.geometry.cover import PixelRow
    from Heatmap.ui.geometry.frame_stamp import StampPlace

# One frame at 30 frames/s; a graphics card needs a hundredth of it. With software OpenGL a picture may take 20 ms, for
# which its composition would wait anyway. A stamp that takes longer is given up for this frame.
MAX_WAIT_NS: Final = 33_000_000

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
# More than one error may be queued; a lost context has a new one each time.
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
    """Reads stamps from the bound frame buffer of one OpenGL context, which must be current at every call.

    A context older than OpenGL 3.2 has no fences: `GraphicsError` is raised.
    """

    def __init__(self, context: QOpenGLContext) -> None:
        self._call = {name: gl_function(context, name, *types) for name, types in _FUNCTIONS.items()}
        self._fence: int | None = None

    def begin(self) -> None:
        """Start painting the picture; the caller can do other work until `read`."""
        self._delete_fence()
        self._fence = self._call["glFenceSync"](_GL_SYNC_GPU_COMMANDS_COMPLETE, 0)
        self._call["glFlush"]()

    def read(self, places: Sequence[StampPlace], size_px: tuple[int, int]) -> int | None:
        """Return the first readable number at one of these places, None if there is none. Call `begin` before.

        Places outside the frame buffer of ``size_px`` (width, height) are ignored.
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

    def alphas(self, row: PixelRow, height_px: int) -> bytes:
        """Return the alpha of a row within a frame buffer of this height. Call `read` before."""
        return self._alphas(row.left_px, height_px - 1 - row.top_px, row.width_px)

    def _is_painted(self) -> bool:
        """Wait until the picture is painted; return False if that takes longer than a frame."""
        if not self._fence:
            return False
        answer = self._call["glClientWaitSync"](self._fence, _GL_SYNC_FLUSH_COMMANDS_BIT, MAX_WAIT_NS)
        self._delete_fence()
        return answer in (_GL_ALREADY_SIGNALED, _GL_CONDITION_SATISFIED)

    def _delete_fence(self) -> None:
        if self._fence:
            self._call["glDeleteSync"](self._fence)
        self._fence = None

    def _alphas(self, left_px: int, bottom_px: int, width_px: int) -> bytes:
        """Return the alpha of one row of pixels; all 0 where the frame buffer cannot be read (multisampling)."""
        pixels = (ctypes.c_ubyte * (width_px * _BYTES_PER_PIXEL))()
        self._call["glReadPixels"](left_px, bottom_px, width_px, 1, _GL_RGBA, _GL_UNSIGNED_BYTE, pixels)
        for _ in range(_MOST_ERRORS):  # Qt's own checks must not find this error
            if self._call["glGetError"]() == _GL_NO_ERROR:
                break
        return bytes(pixels)[_ALPHA::_BYTES_PER_PIXEL]
