"""What paints one frame beneath the page: the protocol of a painter, and what a frame consists of.

`HeatPainter` has the graphics card stretch the image, by a shader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import moderngl

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.ui.geometry.background import Patch
    from Heatmap.ui.geometry.gap_mesh import Gaps
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport

# Lines of the hatching, in logical pixels.
HATCH_LINE_PX: Final = 1.0
HATCH_SPACING_PX: Final = 9.0


@dataclass(frozen=True, slots=True)
class Look:
    """How the heat is painted.

    Attributes
    ----------
    opacity
        0 to 1.
    smooth
        Whether neighbouring cells blend into each other.
    fresh
        Share of the present image, the rest is of the one before; 0 to 1.
    """

    opacity: float
    smooth: bool
    fresh: float


@dataclass(frozen=True, slots=True)
class Scene:
    """Where heat and hatching lie in one frame.

    Attributes
    ----------
    viewport, axis
        What the chart shows.
    gaps
        Stretches of time that nobody recorded; hatched, beneath the heat.
    look
        How the heat is painted.
    """

    viewport: Viewport
    axis: TimeAxis
    gaps: Gaps
    look: Look


class Painter(Protocol):
    """Paints the page's colours, the hatching and the heat.

    Make, use and release it with its context current.
    """

    @property
    def tiles(self) -> int:
        """Return how many tiles the present image takes; 0 for none."""
        ...

    @property
    def textures(self) -> int:
        """Return how many images it holds: two while one eases into the other."""
        ...

    def upload(self, image: HeatmapImage, columns: tuple[int, int] | None, *, keep: bool) -> None:
        """Take another image.

        Parameters
        ----------
        image
            The image to paint from now on.
        columns
            The columns ``[first, last)`` that differ from the one before; None: all of them, or on another grid.
        keep
            Keep the one before, to ease from it.
        """
        ...

    def forget_before(self) -> None:
        """Give the image before back."""
        ...

    def prepare(self, size_px: tuple[int, int], ground: Sequence[Patch], scene: Scene) -> None:
        """Do without OpenGL what `paint` will most likely need next. The context need not be current.

        Parameters
        ----------
        size_px
            Width and height of the frame buffer.
        ground, scene
            See `paint`.
        """
        ...

    def paint(self, target: moderngl.Framebuffer, ground: Sequence[Patch], scene: Scene | None) -> None:
        """Paint all of the frame buffer.

        Parameters
        ----------
        target
            The widget's frame buffer, bound.
        ground
            The page's own colours, one over the other; they cover everything.
        scene
            Heat and hatching; None for neither.
        """
        ...

    def release(self) -> None:
        """Give everything back."""
        ...
