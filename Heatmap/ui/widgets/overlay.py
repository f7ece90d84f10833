"""Legend and source badge above the chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt, pyqtSlot

from Heatmap.events import Source
from Heatmap.rendering.event_window import NO_GAPS
from Heatmap.ui.geometry.background import begins_in_sight, older_px
from Heatmap.ui.geometry.heat_mesh import is_any_in_sight
from Heatmap.ui.widgets.legend import Legend, Marks
from Heatmap.ui.widgets.legend_range import LegendRange
from Heatmap.ui.widgets.raised_widget import RaisedWidget
from Heatmap.ui.widgets.source_badge import SourceBadge
from Heatmap.ui.widgets.strips import room_below_px
from Heatmap.vocabulary import FITTED_PX

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

    from Heatmap.aggregation import HeatmapImage
    from Heatmap.rendering.event_window import RecordGaps
    from Heatmap.ui.geometry.viewport import Viewport
    from Heatmap.ui.presenter import HeatmapPresenter
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator
    from Heatmap.vocabulary import LegendPlace

MARGIN_PX: Final = 8
# The legend covers at most one part in so many of the pane.
MAX_SHARE: Final = 4
# Size of the chart library's logo in the pane's corner, which its licence requires.
LOGO_PX: Final = 40
LOGO_HEIGHT_PX: Final = 26
BADGE_KEYS: Final = {Source.DEMO: "badge.simulated", Source.REPLAY: "badge.replay", Source.COIN_M: "badge.coin_m"}
_DIRECT: Final = Qt.FindChildOption.FindDirectChildrenOnly


class Overlay(QObject):
    """Keeps legend and badge at their corners of the pane. They become children of the web view, above the page."""

    def __init__(
        self,
        view: QWidget,
        presenter: HeatmapPresenter,
        settings: SettingsModel,
        translator: Translator,
        *,
        legend: LegendPlace = "auto",
    ) -> None:
        super().__init__(view)
        self._place = legend
        self._view = view
        self._presenter = presenter
        self._settings = settings
        self._translator = translator
        self._legend = Legend(translator, view)
        self._legend.hide()
        self._range = LegendRange(self._legend, settings, translator)
        self._badge = SourceBadge(view)
        self._badge.hide()
        self._as_of = ""
        self._window_start_ms: int | None = None
        self._gaps = NO_GAPS
        view.installEventFilter(self)
        presenter.imageChanged.connect(self._show_image)
        presenter.viewportChanged.connect(self._arrange)
        presenter.gapsChanged.connect(self._show_gaps)
        presenter.windowChanged.connect(self._show_window)
        presenter.groundChanged.connect(self._show_ground)
        settings.changed.connect(self._show_ground)
        settings.changed.connect(self._show_badge)
        translator.languageChanged.connect(self._show_badge)
        self._show_ground()

    def set_legend(self, place: LegendPlace) -> None:
        self._place = place
        self._arrange(self._presenter.viewport)

    def set_as_of(self, sentence: str) -> None:
        """Set the words that the map is an old one, "" if it is not."""
        self._as_of = sentence
        self._show_badge()

    def _show_image(self, image: HeatmapImage | None) -> None:
        served = self._presenter.served
        if image is not None and served is not None:
            self._legend.set_scale(
                palette=served.settings.palette,
                normalization=served.settings.normalization,
                axis=self._presenter.colour_axis,
                dark=served.dark,
                sides=served.settings.sides,
            )
            self._range.follow()
        self._arrange(self._presenter.viewport)

    @pyqtSlot()
    def _show_ground(self) -> None:
        self._legend.set_ground(self._presenter.ground, self._settings.value.opacity / 100.0)

    def _show_gaps(self, gaps: RecordGaps) -> None:
        self._gaps = gaps
        self._arrange(self._presenter.viewport)

    def _show_window(self, start_ms: int) -> None:
        self._window_start_ms = start_ms
        self._arrange(self._presenter.viewport)

    @pyqtSlot()
    def _show_badge(self) -> None:
        """Show the badge also without heat: the candles are not real either."""
        key = BADGE_KEYS.get(self._settings.value.sources[0])
        text = "\n".join(filter(None, (self._translator.text(key) if key is not None else "", self._as_of)))
        if text:
            self._badge.set_text(text)
        self._badge.setVisible(bool(text) and self._presenter.viewport is not None)

    def _arrange(self, viewport: Viewport | None) -> None:
        """Put legend and badge at their corners of the pane, in logical pixels of the view."""
        if viewport is None:
            self._badge.hide()
            self._legend.hide()
            return
        scale = viewport.ratio / self._view.devicePixelRatioF()  # page zoom
        box = (viewport.left_px, viewport.top_px, viewport.width_px, viewport.height_px)
        pane = QRect(*(round(edge * scale) for edge in box)).adjusted(MARGIN_PX, MARGIN_PX, -MARGIN_PX, -MARGIN_PX)
        # The strips along the lower edge stay free, and the texts at its right end.
        room_px = room_below_px(viewport, self._settings.value, right=self._place == "bottom-right")
        pane.setBottom(pane.bottom() - round(room_px * scale))
        self._badge.set_room(pane.width())
        self._badge.move(pane.topLeft())
        if self._badge.isHidden():
            self._show_badge()
        self._arrange_legend(viewport, pane)

    def _arrange_legend(self, viewport: Viewport, pane: QRect) -> None:
        served, axis = self._presenter.served, self._presenter.time_axis
        if self._place == "off" or served is None or self._presenter.image is None:
            self._legend.hide()
            return
        # Only what is in sight needs an explanation.
        marks = Marks(
            window=served.settings.window if begins_in_sight(viewport, axis, self._window_start_ms) else "",
            older=older_px(viewport, axis, self._window_start_ms) > FITTED_PX,
            cut=older_px(viewport, axis, self._presenter.cut_ms) > 0,
            gaps=axis is not None and is_any_in_sight(viewport, axis, self._gaps.none),
            gaps_of_some=axis is not None and is_any_in_sight(viewport, axis, self._gaps.some),
            trail=served.settings.trail != "off",
        )
        is_compact = not self._has_room(pane, self._legend.size_with(marks.count))
        if is_compact and not self._has_room(pane, self._legend.size_with(marks.count, is_compact=True)):
            marks = Marks()
            if not self._has_room(pane, self._legend.size_with(0, is_compact=True)):
                self._legend.hide()
                return
        self._legend.set_compact(is_compact)
        self._legend.explain(marks)
        self._legend.move(self._legend_corner(pane))
        if self._legend.isHidden():
            self._legend.show()

    def _has_room(self, pane: QRect, size: QSize) -> bool:
        """Return True if a legend of this size fits apart from badge and logo, and covers at most a quarter of it."""
        is_small = MAX_SHARE * size.width() * size.height() <= pane.width() * pane.height()
        height = size.height() + self._top_px() + (0 if self._is_beside_logo(pane, size) else LOGO_HEIGHT_PX)
        return is_small and size.width() <= pane.width() and height <= pane.height()

    def _top_px(self) -> int:
        """Return the height that the badge takes at the top."""
        return 0 if self._badge.isHidden() else self._badge.height() + MARGIN_PX

    @staticmethod
    def _is_beside_logo(pane: QRect, size: QSize) -> bool:
        """Return True if the legend has room to the right of the logo; else it lies above it."""
        return size.width() + LOGO_PX <= pane.width()

    def _legend_corner(self, pane: QRect) -> QPoint:
        size = self._legend.size()
        left, right = pane.left(), pane.right() + 1 - size.width()
        bottom = pane.bottom() + 1 - size.height()
        if not self._is_beside_logo(pane, size):
            bottom -= LOGO_HEIGHT_PX
        top = min(pane.top() + self._top_px(), bottom)
        corners = {"top-left": (left, top), "top-right": (right, top), "bottom-right": (right, bottom)}
        beside = left + LOGO_PX if self._is_beside_logo(pane, size) else left
        return QPoint(*corners.get(self._place, (beside, bottom)))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Stay above the page when the view gets a new inner widget; raising in every frame would repaint both."""
        if watched is self._view and event is not None and event.type() == QEvent.Type.ChildPolished:
            self._legend.raise_()
            self._range.raise_()
            self._badge.raise_()
            for kept_above in self._view.findChildren(RaisedWidget, options=_DIRECT):
                kept_above.raise_()
        return False

    def remove(self) -> None:
        self._view.removeEventFilter(self)
        self._range.remove()
        self._legend.deleteLater()
        self._badge.deleteLater()
        self.deleteLater()
