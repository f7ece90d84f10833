"""State of an OpenGL context that belongs to somebody else: saved before own commands, restored after them."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from Heatmap.ui.gl.gl_context import gl_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PyQt6.QtGui import QOpenGLContext

# Names and numbers of the OpenGL 3.3 core specification.
_GL_TEXTURE0: Final = 0x84C0
_GL_TEXTURE_2D: Final = 0x0DE1
_GL_ARRAY_BUFFER: Final = 0x8892
_GL_PIXEL_UNPACK_BUFFER: Final = 0x88EC
_GL_SCISSOR_TEST: Final = 0x0C11
_GL_BLEND: Final = 0x0BE2
_GL_FUNC_ADD: Final = 0x8006
_GL_ONE: Final = 1
_GL_ONE_MINUS_SRC_ALPHA: Final = 0x0303

_ACTIVE_TEXTURE, _VIEWPORT, _SCISSOR_BOX, _COLOR_MASK = 0x84E0, 0x0BA2, 0x0C10, 0x0C23
_PROGRAM, _VERTEX_ARRAY, _ARRAY_BUFFER, _UNPACK_BUFFER = 0x8B8D, 0x85B5, 0x8894, 0x88EF
_TEXTURE_BINDING, _SAMPLER_BINDING = 0x8069, 0x8919
_BLEND_FUNCTION: Final = (0x80C9, 0x80C8, 0x80CB, 0x80CA)  # of colour: source, destination; of alpha
_BLEND_EQUATION: Final = (0x8009, 0x883D)
# How many rows and texels an upload skips, and its alignment: row length, skipped rows, skipped pixels, alignment.
_UNPACK: Final = (0x0CF2, 0x0CF3, 0x0CF4, 0x0CF5)
# Blending, scissors, depth, stencil, faces left out, discarded output.
_SWITCHES: Final = (_GL_BLEND, _GL_SCISSOR_TEST, 0x0B71, 0x0B90, 0x0B44, 0x8C89)

_INT, _UINT, _POINTER, _BOOL = ctypes.c_int, ctypes.c_uint, ctypes.c_void_p, ctypes.c_ubyte
_FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "glGetIntegerv": (None, (_UINT, _POINTER)),
    "glIsEnabled": (_BOOL, (_UINT,)),
    "glEnable": (None, (_UINT,)),
    "glDisable": (None, (_UINT,)),
    "glViewport": (None, (_INT,) * 4),
    "glScissor": (None, (_INT,) * 4),
    "glColorMask": (None, (_BOOL,) * 4),
    "glBlendFuncSeparate": (None, (_UINT,) * 4),
    "glBlendEquationSeparate": (None, (_UINT,) * 2),
    "glUseProgram": (None, (_UINT,)),
    "glBindVertexArray": (None, (_UINT,)),
    "glBindBuffer": (None, (_UINT, _UINT)),
    "glActiveTexture": (None, (_UINT,)),
    "glBindTexture": (None, (_UINT, _UINT)),
    "glBindSampler": (None, (_UINT, _UINT)),
    "glPixelStorei": (None, (_UINT, _INT)),
}


class GlState:
    """Saves and restores what drawing textured triangles changes: bindings, blending, tests, viewport, uploads.

    For one OpenGL context, which must be current at every call. `GraphicsError` if it is older than OpenGL 3.3.
    """

    def __init__(self, context: QOpenGLContext) -> None:
        self._call: dict[str, Callable[..., Any]] = {
            name: gl_function(context, name, *types) for name, types in _FUNCTIONS.items()
        }

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Restore the state at the end of a ``with`` block; inside, texture unit 0 is active.

        No buffer is bound for uploads, and their rows follow each other.
        """
        call, get = self._call, self._integers
        active, program, vertex_array = get(_ACTIVE_TEXTURE)[0], get(_PROGRAM)[0], get(_VERTEX_ARRAY)[0]
        buffer, unpack_buffer = get(_ARRAY_BUFFER)[0], get(_UNPACK_BUFFER)[0]
        view, scissors, mask = get(_VIEWPORT, 4), get(_SCISSOR_BOX, 4), get(_COLOR_MASK, 4)
        functions = [get(name)[0] for name in _BLEND_FUNCTION]
        equations = [get(name)[0] for name in _BLEND_EQUATION]
        switches = [(name, bool(call["glIsEnabled"](name))) for name in _SWITCHES]
        uploads = [(name, get(name)[0]) for name in _UNPACK]
        call["glActiveTexture"](_GL_TEXTURE0)
        texture, sampler = get(_TEXTURE_BINDING)[0], get(_SAMPLER_BINDING)[0]
        call["glBindBuffer"](_GL_PIXEL_UNPACK_BUFFER, 0)
        for name in _UNPACK[:3]:
            call["glPixelStorei"](name, 0)
        try:
            yield
        finally:
            call["glActiveTexture"](_GL_TEXTURE0)
            call["glBindTexture"](_GL_TEXTURE_2D, texture)
            call["glBindSampler"](0, sampler)
            call["glActiveTexture"](active)
            call["glUseProgram"](program)
            call["glBindVertexArray"](vertex_array)
            call["glBindBuffer"](_GL_ARRAY_BUFFER, buffer)
            call["glBindBuffer"](_GL_PIXEL_UNPACK_BUFFER, unpack_buffer)
            call["glViewport"](*view)
            call["glScissor"](*scissors)
            call["glColorMask"](*mask)
            call["glBlendFuncSeparate"](*functions)
            call["glBlendEquationSeparate"](*equations)
            for name, is_on in switches:
                call["glEnable" if is_on else "glDisable"](name)
            for name, value in uploads:
                call["glPixelStorei"](name, value)

    def draw_over(self, size_px: tuple[int, int], scissors_px: tuple[int, int, int, int]) -> None:
        """Blend premultiplied colours over a frame buffer of this size, without tests but for the scissors.

        ``scissors_px`` is left, bottom, width and height. Call it within `kept`.
        """
        call = self._call
        for name in _SWITCHES:
            call["glDisable"](name)
        call["glEnable"](_GL_BLEND)
        call["glEnable"](_GL_SCISSOR_TEST)
        call["glViewport"](0, 0, *size_px)
        call["glScissor"](*scissors_px)
        call["glColorMask"](1, 1, 1, 1)
        call["glBlendEquationSeparate"](_GL_FUNC_ADD, _GL_FUNC_ADD)
        call["glBlendFuncSeparate"](_GL_ONE, _GL_ONE_MINUS_SRC_ALPHA, _GL_ONE, _GL_ONE_MINUS_SRC_ALPHA)
        call["glBindSampler"](0, 0)

    def _integers(self, name: int, count: int = 1) -> list[int]:
        values = (ctypes.c_int * count)()
        self._call["glGetIntegerv"](name, values)
        return list(values)
