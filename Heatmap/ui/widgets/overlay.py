"""What lies above the chart: the legend, and the badge that says when a market is not real."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QEvent, QObject

from Heatmap.events import Source
from Heatmap.ui.geometry.gap_mesh import is_any_in_sight
from Heatmap.ui.geometry.window_start_line import begins_in_sight
from Heatmap.ui.widgets.legend import Legend
from Heatmap.ui.widgets.source_badge import Badge

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.ui.geometry.gap_mesh import Gaps
    from Heatmap.ui.geometry.viewport import Viewport
    from Heatmap.ui.presenter import HeatmapPresenter
    from Heatmap.ui.widgets.settings_model import SettingsModel
    from Heatmap.ui.widgets.translation import Translator

MARGIN_PX = 8
# Room for the chart library's logo in the pane's corner, which its licence asks for.
LOGO_PX = 40
BADGE_KEYS = {Source.DEMO: "badge.simulated", Source.REPLAY: "badge.replay", Source.COIN_M: "badge.coin_m"}


class Overlay(QObject):
    """Keeps legend and badge at their corners of the pane.

    Parameters
    ----------
    view
        The web view; legend and badge become its children, above the page.
    presenter
        Tells what is on the screen and where the pane is.
    settings
        The user's settings.
    translator
        Texts.
    """

    def __init__(
        self, view: QWidget, presenter: HeatmapPresenter, settings: SettingsModel, translator: Translator
    ) -> None:
        super().__init__(view)
        self._view = view
        self._presenter = presenter
        self._settings = settings
        self._translator = translator
        self._legend = Legend(translator, view)
        self._legend.hide()
        self._badge = Badge(view)
        self._badge.hide()
        self._window_start_ms: int | None = None
        self._gaps: Gaps = ()
        view.installEventFilter(self)
        presenter.imageChanged.connect(self._show_image)
        presenter.placeChanged.connect(self._place)
        presenter.gapsChanged.connect(self._show_gaps)
        presenter.windowChanged.connect(self._show_window)
        settings.changed.connect(self._show_badge)
        translator.languageChanged.connect(self._show_badge)

    def _show_image(self, image: HeatmapImage | None) -> None:
        served = self._presenter.served
        self._legend.setVisible(image is not None)
        if image is not None and served is not None:
            self._legend.set_scale(
                palette=served.settings.palette,
                normalization=served.settings.normalization,
                reference_usd=image.reference,
                dark=served.dark,
            )
        viewport = self._presenter.viewport
        if viewport is not None:
            self._place(viewport)

    def _show_gaps(self, gaps: Gaps) -> None:
        self._gaps = gaps
        self._place(self._presenter.viewport)

    def _show_window(self, start_ms: int) -> None:
        self._window_start_ms = start_ms
        self._place(self._presenter.viewport)

    def _show_badge(self) -> None:
        """Say that the market is not real, whether heat is shown or not: its candles are not real either."""
        key = BADGE_KEYS.get(Source(self._settings.value.source))
        if key is not None:
            self._badge.set_text(self._translator.text(key))
        self._badge.setVisible(key is not None and self._presenter.viewport is not None)

    def _place(self, viewport: Viewport | None) -> None:
        """Legend at the pane's lower left, badge at its upper left, in logical pixels of the view."""
        if viewport is None:
            self._badge.hide()
            return
        served, axis = self._presenter.served, self._presenter.time_axis
        # What is not in sight needs no explanation.
        self._legend.set_gaps(shown=axis is not None and is_any_in_sight(viewport, axis, self._gaps))
        if served is not None and begins_in_sight(viewport, axis, self._window_start_ms):
            self._legend.set_window(served.settings.window)
        else:
            self._legend.set_window("")
        scale = viewport.ratio / self._view.devicePixelRatioF()  # page zoom
        left = round(viewport.left_px * scale) + MARGIN_PX
        top = round(viewport.top_px * scale) + MARGIN_PX
        bottom = round((viewport.top_px + viewport.height_px) * scale) - MARGIN_PX
        self._legend.move(left + LOGO_PX, bottom - self._legend.height())
        self._badge.move(left, top)
        if self._badge.isHidden():
            self._show_badge()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Stay above the page when the view gets a new inner widget; raising in every frame would repaint both."""
        if watched is self._view and event is not None and event.type() == QEvent.Type.ChildPolished:
            self._legend.raise_()
            self._badge.raise_()
        return False

    def remove(self) -> None:
        """Leave the view for good."""
        self._view.removeEventFilter(self)
        self._legend.deleteLater()
        self._badge.deleteLater()
        self.deleteLater()
