"""Interface of the painters that paint one frame beneath the page.

`HeatPainter` scales the image with a shader, `PixelPainter` with a kernel on the processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import moderngl

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.rendering.event_window import Gaps
    from Heatmap.ui.geometry.background import BackgroundRect
    from Heatmap.ui.geometry.viewport import TimeAxis, Viewport

# Lines of the hatching, in logical pixels.
HATCH_LINE_PX: Final = 1.0
HATCH_SPACING_PX: Final = 9.0
# Opacity of the lines where no chosen exchange was recorded, and where only some were.
HATCH_STRENGTH: Final = 0.30
LIGHT_HATCH_STRENGTH: Final = 0.16


def hatch_lines_px(ratio: float) -> tuple[int, int]:
    """Return width and spacing of the hatching's lines in device pixels: whole ones, or lines fall apart to dashes."""
    return max(round(HATCH_LINE_PX * ratio), 1), max(round(HATCH_SPACING_PX * ratio), 2)


# Share of the opacity of heat that is older than the window.
OLDER_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Scene:
    """What is painted over the page's colours in one frame: heat, and gaps hatched beneath it."""

    viewport: Viewport
    axis: TimeAxis
    gaps: Gaps
    opacity: float  # of the heat, 0 to 1
    smooth: bool  # neighbouring cells blend into each other
    fresh: float  # share of the present image, 0 to 1; the rest is of the previous one
    window_start_ms: int | None = None  # heat before is fainter, see `OLDER_SHARE`; None: nowhere on the pane
    gaps_of_some: Gaps = ()  # hatched lightly


class Painter(Protocol):
    """Paints the page's colours, the hatching and the heat. Needs its OpenGL context current, but for `prepare`."""

    def upload(self, image: HeatmapImage, columns: tuple[int, int], *, keep: bool) -> None:
        """Paint another image from now on, which differs from the previous one in the columns ``[first, last)``.

        ``keep`` the previous image to ease from it.
        """

    def forget_before(self) -> None:
        """Release the previous image."""

    def prepare(self, size_px: tuple[int, int], background: Sequence[BackgroundRect], scene: Scene) -> None:
        """Do in advance, without OpenGL, what `paint` will most likely need for a frame buffer of this size."""

    def paint(self, target: moderngl.Framebuffer, background: Sequence[BackgroundRect], scene: Scene | None) -> None:
        """Paint the whole frame buffer, which is bound. Background rectangles cover it, one over the other."""

    def release(self) -> None:
        """Release all OpenGL objects."""
