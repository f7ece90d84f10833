"""Shows the figures of the cell under the mouse: follows the mouse over the page, asks the build thread, places a card.

It only looks on: every mouse event goes on to the page as if it were not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6 import sip
from PyQt6.QtCore import QEvent, QObject, QPoint, QPointF, QRect, Qt, QTimer
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtQuickWidgets import QQuickWidget

from Heatmap.ui.build_worker import Inspection
from Heatmap.ui.geometry.hit_test import card_corner, place_at, reach_px
from Heatmap.ui.widgets.tooltip import Tooltip

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

    from Heatmap.aggregation.cell_detail import CellFigures, Place
    from Heatmap.ui.build_worker import BuildWorker
    from Heatmap.ui.presenter import HeatmapPresenter
    from Heatmap.ui.widgets.translation import Translator

REST_MS: Final = 150
"""The mouse must rest so long before the first card; from then on the card follows it over the spot."""

_CHILD_EVENTS: Final = (QEvent.Type.ChildAdded, QEvent.Type.ChildPolished)
# What begins to move the view, or ends the mouse's stay.
_ENDS: Final = (
    QEvent.Type.MouseButtonPress,
    QEvent.Type.MouseButtonDblClick,
    QEvent.Type.Wheel,
    QEvent.Type.Leave,
    QEvent.Type.Hide,
)


class Inspector(QObject):
    """Answers what lies under the mouse.

    Parameters
    ----------
    view
        The web view; the card becomes its child, above the page.
    presenter
        Tells what is on the screen and where the pane is.
    worker
        The thread that holds the events.
    translator
        Texts.
    time_offset_s
        What the host added to UTC before it gave times to the chart, in seconds.
    """

    def __init__(
        self,
        view: QWidget,
        presenter: HeatmapPresenter,
        worker: BuildWorker,
        translator: Translator,
        *,
        time_offset_s: float = 0.0,
    ) -> None:
        super().__init__(view)
        self._view = view
        self._presenter = presenter
        self._worker = worker
        self._tooltip = Tooltip(translator, time_offset_s=time_offset_s, parent=view)
        self._tooltip.hide()
        self._mouse: QPointF | None = None
        self._looked_at: Place | None = None
        self._shown: CellFigures | None = None
        self._asked: Inspection | None = None
        self._rested = QTimer(self)
        self._rested.setSingleShot(True)
        self._rested.setInterval(REST_MS)
        self._rested.timeout.connect(self._ask)
        self._page: QWidget | None = None
        view.installEventFilter(self)
        self._find_page()
        presenter.placeChanged.connect(self._view_changed)
        presenter.imageChanged.connect(self._view_changed)
        worker.inspected.connect(self._take)

    @property
    def tooltip(self) -> Tooltip:
        """Return the card."""
        return self._tooltip

    def remove(self) -> None:
        """Leave the view for good."""
        self._end()
        self._presenter.placeChanged.disconnect(self._view_changed)
        self._presenter.imageChanged.disconnect(self._view_changed)
        self._worker.inspected.disconnect(self._take)
        self._view.removeEventFilter(self)
        self._leave_page()
        self._tooltip.deleteLater()
        self.deleteLater()

    # -- mouse -------------------------------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Look at the mouse, and notice that the view gets another inner widget; take no event away."""
        if event is None:
            return False
        if watched is self._view:
            if event.type() in _CHILD_EVENTS:
                self._find_page()
        elif watched is self._page:
            if event.type() in _ENDS:
                self._end()
            elif event.type() == QEvent.Type.MouseMove and isinstance(event, QMouseEvent):
                self._follow(event)
        return False

    def _find_page(self) -> None:
        """Find the inner widget that the mouse is over; Qt makes another one after the web process died."""
        found = self._view.findChildren(QQuickWidget, "", Qt.FindChildOption.FindDirectChildrenOnly)
        page = found[-1] if found else None
        if page is not self._page:
            self._end()
            self._leave_page()
            self._page = page
            if page is not None:
                page.installEventFilter(self)

    def _leave_page(self) -> None:
        if self._page is not None and not sip.isdeleted(self._page):
            self._page.removeEventFilter(self)
        self._page = None

    def _follow(self, event: QMouseEvent) -> None:
        if event.buttons() != Qt.MouseButton.NoButton:  # the user moves the view, or something on it
            self._end()
            return
        self._mouse = event.position()
        self._look()

    def _end(self) -> None:
        """Forget the mouse until it moves again."""
        self._mouse = None
        self._hide()

    # -- figures -----------------------------------------------------------------------------------------------------

    def _view_changed(self) -> None:
        if self._mouse is not None:
            self._look()

    def _look(self) -> None:
        """Follow with the card while the mouse is on the spot; hide it when it is not, and wait until it rests."""
        place = self._place()
        # Reports and images also come while the chart stands still; they must not put off the end of the wait.
        moved, self._looked_at = place != self._looked_at, place
        if self._shown is not None and place is not None and place.reaches(self._shown.cell):
            self._put()
            self._ask()
            return
        if moved or self._shown is not None:
            self._hide()
        if place is not None and not self._rested.isActive():
            self._rested.start()

    def _ask(self) -> None:
        place, image, served = self._place(), self._presenter.image, self._presenter.served
        if place is not None and image is not None and served is not None:
            self._asked = Inspection(request=served, spec=image.spec, place=place)
            self._worker.inspect(self._asked)

    def _take(self, figures: CellFigures | None, inspection: Inspection) -> None:
        """Show the answer, unless the mouse or the view has moved on."""
        if inspection is not self._asked:
            return
        self._asked = None
        if figures is None:
            self._hide()
            return
        self._shown = figures
        self._tooltip.set_figures(figures, dark=inspection.request.dark)
        self._put()

    def _hide(self) -> None:
        self._rested.stop()
        self._shown = self._asked = None
        self._tooltip.hide()

    # -- places ------------------------------------------------------------------------------------------------------

    def _scale(self, ratio: float) -> float:
        """Return how many logical pixels of the view a CSS pixel takes: the page's zoom."""
        return ratio / self._view.devicePixelRatioF()

    def _place(self) -> Place | None:
        """Return the place under the mouse, None if that cannot hold heat."""
        viewport, axis, served = self._presenter.viewport, self._presenter.time_axis, self._presenter.served
        if self._mouse is None or viewport is None or axis is None or served is None or self._presenter.image is None:
            return None
        scale = self._scale(viewport.ratio)
        # The middle of the pixel that the mouse is on.
        at_px = (
            (self._mouse.x() + 0.5) / scale - viewport.left_px,
            (self._mouse.y() + 0.5) / scale - viewport.top_px,
        )
        return place_at(viewport, axis, at_px, reach_px(served.settings.spot_size))

    def _put(self) -> None:
        """Show the card beside the mouse, inside the pane."""
        viewport = self._presenter.viewport
        if viewport is None or self._mouse is None:
            return
        scale = self._scale(viewport.ratio)
        pane = QRect(
            round(viewport.left_px * scale),
            round(viewport.top_px * scale),
            round(viewport.width_px * scale),
            round(viewport.height_px * scale),
        )
        corner = card_corner(
            QPoint(round(self._mouse.x()), round(self._mouse.y())), self._tooltip.size(), pane & self._view.rect()
        )
        if corner is None:
            self._tooltip.hide()
            return
        self._tooltip.move(corner)
        if self._tooltip.isHidden():
            self._tooltip.show()
            self._tooltip.raise_()
