"""Transparency of a web page while a heatmap lies beneath it.

The renderer answers a new background colour with a frame. If that frame is dropped, as on a busy machine, the widget
keeps the old, opaque colour although `QWebEnginePage.backgroundColor` says otherwise, and the same colour set again is
ignored. So the widget's real colour is checked, and another one is set until it is transparent.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PyQt6 import sip
from PyQt6.QtCore import QObject, pyqtSignal, pyqtSlot
from PyQt6.QtGui import QColor

from Heatmap.ui.page.page_widget import page_widget
from Heatmap.ui.timer import new_timer

if TYPE_CHECKING:
    from PyQt6.QtQuick import QQuickWindow
    from PyQt6.QtWebEngineCore import QWebEnginePage
    from PyQt6.QtWebEngineWidgets import QWebEngineView

log = logging.getLogger(__name__)

TRANSPARENT = QColor(0, 0, 0, 0)
# Another colour for the renderer, the same one for the eye. Chromium aborts on alphas between 0 and 255.
ALSO_TRANSPARENT = QColor(1, 1, 1, 0)
PATIENCE_MS = 100
MAX_REPAIRS = 20


class PageTransparency(QObject):
    """Makes the page of a view transparent, keeps it so, and restores its colour."""

    baseColorChanged = pyqtSignal()  # the host gave the page another colour
    prepared = pyqtSignal()  # after `hold`: the widget is transparent, as far as it is on the screen
    restored = pyqtSignal()  # after `give_back`: the widget has the host's colour, as far as it is on the screen

    def __init__(self, view: QWebEngineView, page: QWebEnginePage, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._page = page
        self.base_color = page.backgroundColor()  # the host's
        self._window: QQuickWindow | None = None
        self._held = self._prepares = self._returns = False
        self._nudge = TRANSPARENT
        self._repairs = 0
        self._timer = new_timer(self, PATIENCE_MS, self._check)

    def hold(self) -> None:
        self._held = self._prepares = True
        self._returns = False
        self._repairs = 0
        self._set_color(TRANSPARENT)
        window = self._shown_window()
        if window is not None and window is not self._window:
            window.colorChanged.connect(self._color_changed)
            self._window = window
        self._color_changed()

    def pause(self) -> None:
        """Stop setting the page's colour until `hold`: another document is being loaded."""
        self._held = self._prepares = self._returns = False
        self._timer.stop()

    def give_back(self) -> None:
        """Restore the page's own colour. Harmless when the page is deleted."""
        self.pause()
        if sip.isdeleted(self._page):
            return
        if self._page.backgroundColor() in (TRANSPARENT, ALSO_TRANSPARENT):
            self._page.setBackgroundColor(self.base_color)
        self._returns = True
        self._repairs = 0
        self._color_changed()

    def _shown_window(self) -> QQuickWindow | None:
        """Return the offscreen window that the web engine paints the page into, None if there is none."""
        widget = page_widget(self._view) if not sip.isdeleted(self._view) else None
        return widget.quickWindow() if widget is not None else None

    @pyqtSlot()
    def _color_changed(self) -> None:
        if self._prepares and self._has_page_color():
            self._prepares = False
            self.prepared.emit()
        if self._returns and self._has_page_color():
            self.pause()
            if self._window is not None and not sip.isdeleted(self._window):
                self._window.colorChanged.disconnect(self._color_changed)
            self._window = None
            self.restored.emit()
        else:
            self._timer.start()

    def _has_page_color(self) -> bool:
        window, wanted = self._shown_window(), self._page.backgroundColor()
        # A hidden page paints no frames; it takes its colour with the first one.
        if window is None or not self._view.isVisible():
            return True
        return window.color().rgba() == wanted.rgba() or window.color().alpha() == wanted.alpha() == 0

    def _check(self) -> None:
        window = self._shown_window()
        if window is None or sip.isdeleted(self._page):
            return
        wanted = self._page.backgroundColor()
        if self._held:
            if wanted == TRANSPARENT and window.color().alpha() == 0:
                return
            # The renderer answers only a colour that differs from the last one.
            self._set_color(ALSO_TRANSPARENT if wanted == TRANSPARENT else TRANSPARENT)
        elif self._returns and self._repairs < MAX_REPAIRS:
            # A colour that is the same for the eye, and the host's again.
            if wanted != self._nudge:
                self.base_color = wanted
                self._nudge = QColor(wanted.red() ^ 1, wanted.green(), wanted.blue(), wanted.alpha())
                self._page.setBackgroundColor(self._nudge)
            else:
                self._page.setBackgroundColor(self.base_color)
        else:
            return
        self._repairs += 1
        if self._repairs == 1:
            log.info("the web engine kept the page's colour; asking again")
        self._timer.start()

    def _set_color(self, color: QColor) -> None:
        present = self._page.backgroundColor()
        if present not in (TRANSPARENT, ALSO_TRANSPARENT, self.base_color):
            self.base_color = present
            self.baseColorChanged.emit()
        self._page.setBackgroundColor(color)
