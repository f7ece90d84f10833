"""Painter that scales the image with a shader: programs, buffers and textures of one context."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import moderngl
import numpy as np

from Heatmap.errors import GraphicsError
from Heatmap.rendering.view_grid import MAX_SIDE
from Heatmap.ui.geometry.heat_mesh import gap_mesh, heat_blocks, heat_mesh
from Heatmap.ui.gl.painter import HATCH_STRENGTH, LIGHT_HATCH_STRENGTH, OLDER_SHARE, hatch_lines_px

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.ui.geometry.background import BackgroundRect
    from Heatmap.ui.geometry.heat_mesh import HeatMesh
    from Heatmap.ui.gl.painter import Scene

_PACKAGE: Final = Path(__file__).resolve().parents[2]
# In the repository the shaders lie beside the package, in the wheel inside.
SHADERS: Final = _PACKAGE / "shaders" if (_PACKAGE / "shaders").is_dir() else _PACKAGE.parent / "shaders"
_FIRST_VERTICES: Final = 64
_CHANNELS: Final = 4
_BEFORE_ALL: Final = -1e30  # GLSL 3.30 need not have infinity


class HeatPainter:
    """See `Painter`. Raises `GraphicsError` if the device's textures are smaller than an image may be."""

    def __init__(self, gl: moderngl.Context) -> None:
        if gl.info["GL_MAX_TEXTURE_SIZE"] < MAX_SIDE:
            raise GraphicsError(f"expected textures of {MAX_SIDE} pixels, was {gl.info['GL_MAX_TEXTURE_SIZE']}")
        self._gl = gl
        self._heat = _ShaderMesh(gl, "heatmap", "2f 1f 1f", ("place", "time_share", "height_share"))
        self._hatch = _ShaderMesh(gl, "hatch", "2f 1f", ("place", "gap_shift"))
        self._present: _HeatTexture | None = None
        self._before: _HeatTexture | None = None

    def upload(self, image: HeatmapImage, columns: tuple[int, int], *, keep: bool) -> None:
        if keep:
            self.forget_before()
            self._before, self._present = self._present, None
        if self._present is not None and self._present.cells != (image.spec.cols, image.spec.rows):
            self._present.release()
            self._present = None
        if self._present is None:
            self._present = _HeatTexture(self._gl, image)
        else:
            self._present.upload(image, *columns)

    def forget_before(self) -> None:
        if self._before is not None:
            self._before.release()
            self._before = None

    def prepare(self, size_px: tuple[int, int], background: Sequence[BackgroundRect], scene: Scene) -> None:
        """Do nothing: everything is done by OpenGL."""

    def paint(self, target: moderngl.Framebuffer, background: Sequence[BackgroundRect], scene: Scene | None) -> None:
        _, height_px = target.size
        for left, top, right, bottom, color in background:
            target.clear(*color, 1.0, viewport=(left, height_px - bottom, right - left, bottom - top))
        if scene is not None and self._present is not None:
            self._paint_gaps(target, scene, self._present)
            self._paint_heat(target, scene, self._present)

    def release(self) -> None:
        self.forget_before()
        if self._present is not None:
            self._present.release()
            self._present = None
        self._heat.release()
        self._hatch.release()

    def _paint_heat(self, target: moderngl.Framebuffer, scene: Scene, present: _HeatTexture) -> None:
        before = self._before
        # The previous image may reach further than the present one.
        mesh = heat_mesh(scene.viewport, scene.axis, present.spec, None if before is not None else present.blocks)
        exact = _needs_exact(mesh, present, before)
        smooth = scene.smooth and max(mesh.cells_per_px) < 1.0
        # Without EXACT the sampler smooths: one program less.
        program = self._heat.use(
            EXACT=exact, SMOOTH=smooth and exact, EASING=before is not None, LOGARITHMIC=mesh.logarithmic
        )
        present.texture.filter = (moderngl.LINEAR if smooth else moderngl.NEAREST,) * 2
        present.texture.use(0)
        program["heat"] = 0
        if before is not None:
            before.texture.filter = present.texture.filter
            before.texture.use(1)
            program["old_heat"] = 1
            program["old_grid"] = _grid_change(present.spec, before.spec)
            program["fresh"] = scene.fresh
        program["opacity"], program["older_opacity"] = scene.opacity, OLDER_SHARE * scene.opacity
        program["window_start"] = _time_share(present.spec, scene.window_start_ms)
        program["edge_top"], program["edge_bottom"] = mesh.edge_top, mesh.edge_bottom
        if mesh.logarithmic:
            program["log_scale"], program["log_offset"] = mesh.log_scale, mesh.log_offset
        self._heat.paint(target, mesh.vertices, mesh)

    def _paint_gaps(self, target: moderngl.Framebuffer, scene: Scene, present: _HeatTexture) -> None:
        mesh = heat_mesh(scene.viewport, scene.axis, present.spec, ())
        program = self._hatch.use()
        line_px, spacing_px = hatch_lines_px(scene.viewport.ratio)
        program["line_px"], program["spacing_px"] = line_px, spacing_px
        for gaps, strength in ((scene.gaps, HATCH_STRENGTH), (scene.gaps_of_some, LIGHT_HATCH_STRENGTH)):
            program["strength"] = strength
            self._hatch.paint(target, gap_mesh(scene.viewport, scene.axis, gaps, spacing_px), mesh)


class _HeatTexture:
    """One image as a texture, one texel a cell, row 0 the highest price."""

    def __init__(self, gl: moderngl.Context, image: HeatmapImage) -> None:
        self.cells = (image.spec.cols, image.spec.rows)
        self.texture = gl.texture(self.cells, _CHANNELS)
        self.texture.repeat_x = self.texture.repeat_y = False
        self.upload(image, 0, image.spec.cols)

    def upload(self, image: HeatmapImage, first_col: int, last_col: int) -> None:
        self.spec, self.blocks = image.spec, heat_blocks(image.rgba)
        cells = np.ascontiguousarray(image.rgba[:, first_col:last_col])
        self.texture.write(cells, viewport=(first_col, 0, last_col - first_col, image.spec.rows))

    def release(self) -> None:
        self.texture.release()


class _ShaderMesh:
    """A pair of shaders and the buffer of its triangles."""

    def __init__(self, gl: moderngl.Context, shader: str, layout: str, names: tuple[str, ...]) -> None:
        self._gl = gl
        self._layout, self._names = layout, names
        self._sources = [(SHADERS / f"{shader}.{kind}").read_text(encoding="utf-8") for kind in ("vert", "frag")]
        self._programs: dict[tuple[tuple[str, bool], ...], moderngl.Program] = {}
        self._vertices = gl.buffer(reserve=_FIRST_VERTICES * 16, dynamic=True)
        self._arrays: dict[moderngl.Program, moderngl.VertexArray] = {}
        # At once, so that shaders that do not compile are noticed before anything is painted.
        self._program = self.use(EXACT=False, SMOOTH=False, EASING=False, LOGARITHMIC=False)

    def use(self, **defines: bool) -> moderngl.Program:
        """Return the program compiled with these definitions; `paint` uses it from now on."""
        key = tuple(defines.items())
        if key not in self._programs:
            first, rest = "#version 330 core\n", "".join(f"#define {name} {int(value)}\n" for name, value in key)
            vertex, fragment = (source.replace(first, first + rest, 1) for source in self._sources)
            self._programs[key] = self._gl.program(vertex_shader=vertex, fragment_shader=fragment)
        self._program = self._programs[key]
        return self._program

    def paint(self, target: moderngl.Framebuffer, vertices: NDArray[np.float32], pane: HeatMesh) -> None:
        if not len(vertices):
            return
        if vertices.nbytes > self._vertices.size:
            self._vertices.orphan(2 * vertices.nbytes)
            self._release_arrays()
        self._vertices.write(vertices)
        width_px, height_px = target.size
        self._program["surface_px"] = (width_px, height_px)
        left, top, width, height = pane.scissor_px
        target.scissor = (left, height_px - top - height, width, height)
        self._gl.enable_only(moderngl.BLEND)
        self._gl.blend_func = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA
        if self._program not in self._arrays:
            content = [(self._vertices, self._layout, *self._names)]
            self._arrays[self._program] = self._gl.vertex_array(self._program, content)
        self._arrays[self._program].render(moderngl.TRIANGLES, vertices=len(vertices))
        target.scissor = (0, 0, width_px, height_px)

    def _release_arrays(self) -> None:
        for array in self._arrays.values():
            array.release()
        self._arrays.clear()

    def release(self) -> None:
        self._release_arrays()
        self._vertices.release()
        for program in self._programs.values():
            program.release()


def _time_share(spec: GridSpec, time_ms: int | None) -> float:
    """Return the position of a time in the grid, 0 its beginning, 1 its end; None: before everything."""
    return _BEFORE_ALL if time_ms is None else (time_ms - spec.t0_ms) / (spec.time_bin_ms * spec.cols)


def _needs_exact(mesh: HeatMesh, present: _HeatTexture, before: _HeatTexture | None) -> bool:
    """Return True if cells are smaller than a pixel, so that a sampler would miss some."""
    if max(mesh.cells_per_px) > 1.0 or before is None:
        return max(mesh.cells_per_px) > 1.0
    time_scale, _, price_scale, _ = _grid_change(present.spec, before.spec)
    cols_per_px = mesh.cells_per_px[0] / present.cells[0] * before.cells[0] * time_scale
    rows_per_px = mesh.cells_per_px[1] / present.cells[1] * before.cells[1] * price_scale
    return max(cols_per_px, rows_per_px) > 1.0


def _grid_change(present: GridSpec, before: GridSpec) -> tuple[float, float, float, float]:
    """Return scale and offset from a share of the present grid to one of the previous grid: of time, of price."""
    span_ms, old_span_ms = present.time_bin_ms * present.cols, before.time_bin_ms * before.cols
    height, old_height = present.price_bin * present.rows, before.price_bin * before.rows
    return (
        span_ms / old_span_ms,
        (present.t0_ms - before.t0_ms) / old_span_ms,
        height / old_height,
        (present.price0 - before.price0) / old_height,
    )
