"""Paints by shaders: programs, buffers and textures of one context. Decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import moderngl

from Heatmap.resources import SHADERS, read_text
from Heatmap.ui.geometry.gap_mesh import gap_mesh
from Heatmap.ui.geometry.heat_mesh import strip_mesh
from Heatmap.ui.gl.heat_texture import HeatTexture
from Heatmap.ui.gl.painter import HATCH_LINE_PX, HATCH_SPACING_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.aggregation.grid import GridSpec
    from Heatmap.ui.geometry.background import Patch
    from Heatmap.ui.geometry.heat_mesh import StripMesh
    from Heatmap.ui.gl.painter import Scene

_FIRST_VERTICES = 64


class HeatPainter:
    """See `Painter`.

    Parameters
    ----------
    gl
        The context.
    largest_px
        Most columns or rows of one texture; the device's limit if not given.
    """

    def __init__(self, gl: moderngl.Context, *, largest_px: int | None = None) -> None:
        self._gl = gl
        self._largest_px = largest_px or int(gl.info["GL_MAX_TEXTURE_SIZE"])
        self._heat = _Mesh(gl, "heatmap", "2f 1f 1f", ("place", "time_share", "height_share"))
        self._hatch = _Mesh(gl, "hatch", "2f 1f", ("place", "from_start"))
        self._present: HeatTexture | None = None
        self._before: HeatTexture | None = None

    @property
    def tiles(self) -> int:
        """Return how many tiles the present image takes."""
        return self._present.tiles if self._present is not None else 0

    @property
    def textures(self) -> int:
        """Return how many textures there are."""
        return sum(texture is not None for texture in (self._present, self._before))

    def upload(self, image: HeatmapImage, columns: tuple[int, int] | None, *, keep: bool) -> None:
        """Upload another image; see `Painter.upload`."""
        present = self._present
        if keep and present is not None:
            self.forget_before()
            self._before, present = present, None
        if present is not None and not present.fits(image):
            present.release()
            present = None
        if present is None:
            self._present = HeatTexture(self._gl, image, largest_px=self._largest_px)
        else:
            present.upload(image, *(columns or (0, image.rgba.shape[1])))

    def forget_before(self) -> None:
        """Give the image before back."""
        if self._before is not None:
            self._before.release()
            self._before = None

    def prepare(self, size_px: tuple[int, int], ground: Sequence[Patch], scene: Scene) -> None:
        """Do nothing: all is done by OpenGL; see `Painter.prepare`."""

    def paint(self, target: moderngl.Framebuffer, ground: Sequence[Patch], scene: Scene | None) -> None:
        """Paint all of the frame buffer; see `Painter.paint`."""
        _, height_px = target.size
        for left, top, right, bottom, color in ground:
            target.clear(*color, 1.0, viewport=(left, height_px - bottom, right - left, bottom - top))
        if scene is not None and self._present is not None:
            self._paint_gaps(target, scene, self._present)
            self._paint_heat(target, scene, self._present)

    def _paint_heat(self, target: moderngl.Framebuffer, scene: Scene, present: HeatTexture) -> None:
        before, look = self._before, scene.look
        # The image before may reach further than the present one.
        mesh = strip_mesh(scene.viewport, scene.axis, present.spec, None if before is not None else present.blocks)
        variant = _Variant(
            exact=_needs_exact(mesh, present, before),
            smooth=look.smooth and max(mesh.cells_per_px) < 1.0,
            easing=before is not None,
            logarithmic=mesh.logarithmic,
        )
        program = self._heat.use(variant.defines())
        textures = {"": present} if before is None else {"": present, "old_": before}
        for unit, (prefix, texture) in enumerate(textures.items()):
            texture.use(unit, smooth=variant.smooth)
            program[f"{prefix}heat"] = unit
            if variant.exact:
                program[f"{prefix}cells"], program[f"{prefix}tile"] = texture.cells, texture.tile
                program[f"{prefix}across"] = texture.across
        if before is not None:
            program["old_grid"] = _grid_change(present.spec, before.spec)
            program["fresh"] = look.fresh
        program["opacity"] = look.opacity
        program["edge_top"], program["edge_bottom"] = mesh.edge_top, mesh.edge_bottom
        if mesh.logarithmic:
            program["log_scale"], program["log_offset"] = mesh.log_scale, mesh.log_offset
        self._heat.paint(target, mesh.vertices, mesh)

    def _paint_gaps(self, target: moderngl.Framebuffer, scene: Scene, present: HeatTexture) -> None:
        mesh = strip_mesh(scene.viewport, scene.axis, present.spec, ())
        program = self._hatch.use({})
        program["line_px"] = HATCH_LINE_PX * scene.viewport.ratio
        program["spacing_px"] = HATCH_SPACING_PX * scene.viewport.ratio
        self._hatch.paint(target, gap_mesh(scene.viewport, scene.axis, scene.gaps), mesh)

    def release(self) -> None:
        """Give everything back."""
        self.forget_before()
        if self._present is not None:
            self._present.release()
            self._present = None
        self._heat.release()
        self._hatch.release()


@dataclass(frozen=True, slots=True)
class _Variant:
    """What of ``heatmap.frag`` a frame needs."""

    exact: bool
    smooth: bool
    easing: bool
    logarithmic: bool

    def defines(self) -> dict[str, int]:
        # A sampler smooths by itself: one program less.
        is_smooth = self.smooth and self.exact
        return {
            "EXACT": int(self.exact),
            "SMOOTH": int(is_smooth),
            "EASING": int(self.easing),
            "LOGARITHMIC": int(self.logarithmic),
        }


class _Mesh:
    """A pair of shaders with the buffer that its triangles are written into."""

    def __init__(self, gl: moderngl.Context, shader: str, layout: str, names: tuple[str, ...]) -> None:
        self._gl = gl
        self._layout, self._names = layout, names
        self._sources = tuple(read_text(SHADERS / f"{shader}.{kind}") for kind in ("vert", "frag"))
        self._programs: dict[tuple[tuple[str, int], ...], moderngl.Program] = {}
        self._vertices = gl.buffer(reserve=_FIRST_VERTICES * 16, dynamic=True)
        self._arrays: dict[moderngl.Program, moderngl.VertexArray] = {}
        # At once, so that shaders that do not compile are noticed before anything is painted.
        self._program = self.use({"EXACT": 0, "SMOOTH": 0, "EASING": 0, "LOGARITHMIC": 0})

    def use(self, defines: dict[str, int]) -> moderngl.Program:
        """Return the program compiled with these definitions, and paint with it from now on."""
        key = tuple(defines.items())
        if key not in self._programs:
            first, rest = "#version 330 core\n", "".join(f"#define {name} {value}\n" for name, value in key)
            vertex, fragment = (source.replace(first, first + rest, 1) for source in self._sources)
            self._programs[key] = self._gl.program(vertex_shader=vertex, fragment_shader=fragment)
        self._program = self._programs[key]
        return self._program

    def prepare(self, size_px: tuple[int, int], ground: Sequence[Patch], scene: Scene) -> None:
        """Do nothing: all is done by OpenGL; see `Painter.prepare`."""

    def paint(self, target: moderngl.Framebuffer, vertices: NDArray[np.float32], pane: StripMesh) -> None:
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
        self._array().render(moderngl.TRIANGLES, vertices=len(vertices))
        target.scissor = (0, 0, width_px, height_px)

    def _array(self) -> moderngl.VertexArray:
        if self._program not in self._arrays:
            content = [(self._vertices, self._layout, *self._names)]
            self._arrays[self._program] = self._gl.vertex_array(self._program, content)
        return self._arrays[self._program]

    def _release_arrays(self) -> None:
        for array in self._arrays.values():
            array.release()
        self._arrays.clear()

    def release(self) -> None:
        self._release_arrays()
        self._vertices.release()
        for program in self._programs.values():
            program.release()


def _needs_exact(mesh: StripMesh, present: HeatTexture, before: HeatTexture | None) -> bool:
    """Return True if a sampler would miss cells, or knows only a part of them."""
    if present.tiles > 1 or max(mesh.cells_per_px) > 1.0:
        return True
    if before is None:
        return False
    time_scale, _, price_scale, _ = _grid_change(present.spec, before.spec)
    cols_per_px = mesh.cells_per_px[0] / present.cells[0] * before.cells[0] * time_scale
    rows_per_px = mesh.cells_per_px[1] / present.cells[1] * before.cells[1] * price_scale
    return before.tiles > 1 or max(cols_per_px, rows_per_px) > 1.0


def _grid_change(present: GridSpec, before: GridSpec) -> tuple[float, float, float, float]:
    """Return scale and offset from a share of the present grid to one of the grid before: of time, of price."""
    span_ms, old_span_ms = present.time_bin_ms * present.cols, before.time_bin_ms * before.cols
    height, old_height = present.price_bin * present.rows, before.price_bin * before.rows
    return (
        span_ms / old_span_ms,
        (present.t0_ms - before.t0_ms) / old_span_ms,
        height / old_height,
        (present.price0 - before.price0) / old_height,
    )
