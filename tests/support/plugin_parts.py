"""The parts of a plugin, found as Qt's children, and what happens on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from Heatmap.ui.gl.underlay import Underlay
from Heatmap.ui.page.bridge import Bridge
from Heatmap.ui.page.frame_sync import FrameSync
from Heatmap.ui.presenter import HeatmapPresenter

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

    from Heatmap.plugin import HeatmapPlugin


class PluginParts:
    """For a class with the attributes ``plugin`` and ``view``: a program in a test."""

    plugin: HeatmapPlugin
    view: QWidget

    @property
    def presenter(self) -> HeatmapPresenter:
        return self.plugin.findChild(HeatmapPresenter)

    @property
    def frame_sync(self) -> FrameSync:
        return self.plugin.findChild(FrameSync)

    @property
    def bridge(self) -> Bridge:
        return self.plugin.findChild(Bridge)

    @property
    def underlay(self) -> Underlay:
        """The newest one; one that was left may not be deleted yet."""
        return self.view.findChildren(Underlay)[-1]


class UploadCounter:
    """Counts the images that were uploaded: each with the first frame painted after it came."""

    def __init__(self, presenter: HeatmapPresenter, underlay: Underlay) -> None:
        self.uploads = 0
        self._is_new = presenter.image is not None
        self._presenter = presenter
        presenter.imageChanged.connect(self._take_image)
        underlay.framePainted.connect(self._take_frame)

    def _take_image(self, image: object) -> None:
        self._is_new = image is not None

    def _take_frame(self) -> None:
        if self._is_new and self._presenter.viewport is not None:
            self._is_new = False
            self.uploads += 1
