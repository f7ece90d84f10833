"""The notice of an alert: on the desktop by the system's tray, else in the corner of the program's window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QObject, QPoint, Qt
from PyQt6.QtGui import QGuiApplication, QIcon
from PyQt6.QtWidgets import QApplication, QLabel, QStyle, QSystemTrayIcon

from Heatmap.ui.timer import new_timer

if TYPE_CHECKING:
    from PyQt6.QtGui import QMouseEvent
    from PyQt6.QtWidgets import QWidget

_SHOWN_MS: Final = 8000
_MARGIN_PX, _BOTTOM_PX = 16, 40
_STYLE: Final = "QLabel { color: #1b1300; background: #ffc107; border: 1px solid #7a5c00; padding: 10px 14px; }"


class CornerNotice(QLabel):
    """A small window of its own in the corner of another one, which takes no focus; a click closes it."""

    def __init__(self) -> None:
        super().__init__(None, Qt.WindowType.ToolTip)
        self.setObjectName("alert_notice")
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setStyleSheet(_STYLE)
        self._timer = new_timer(self, _SHOWN_MS, self.hide)

    def show_text(self, text: str, window: QWidget | None) -> None:
        """Show a text for some seconds, at the lower right of a window, or of the screen without one."""
        self.setText(text)
        self.setAccessibleName(text)
        self.adjustSize()
        if window is not None:
            corner = window.mapToGlobal(QPoint(window.width(), window.height()))
        else:
            screen = QGuiApplication.primaryScreen()
            corner = screen.availableGeometry().bottomRight() if screen is not None else QPoint()
        # Above a status bar.
        self.move(corner - QPoint(self.width() + _MARGIN_PX, self.height() + _BOTTOM_PX))
        self.show()
        self.raise_()
        self._timer.start()

    def mousePressEvent(self, _event: QMouseEvent | None) -> None:
        self.hide()


class AlertNotice(QObject):
    """Shows one line at a time. The icon in the tray exists from the first alert on."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tray: QSystemTrayIcon | None = None
        self._corner: CornerNotice | None = None

    def show(self, title: str, text: str) -> None:
        """Show a line on the desktop, or else in the program's window."""
        if QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages():
            if self._tray is None:
                self._tray = QSystemTrayIcon(_icon(), self)
                self._tray.setToolTip(title)
                self._tray.show()
            self._tray.showMessage(title, text, QSystemTrayIcon.MessageIcon.Information, _SHOWN_MS)
            return
        if self._corner is None:
            self._corner = CornerNotice()
        self._corner.show_text(text, _main_window())

    def remove(self) -> None:
        """Remove icon and notice."""
        if self._tray is not None:
            self._tray.hide()
            self._tray = None
        if self._corner is not None:
            self._corner.close()
            self._corner.deleteLater()
            self._corner = None


def _icon() -> QIcon:
    icon = QApplication.windowIcon()
    style = QApplication.style()
    if icon.isNull() and style is not None:
        icon = style.standardIcon(QStyle.StandardPixmap.SP_MessageBoxInformation)
    return icon


def _main_window() -> QWidget | None:
    """Return the active window, else the largest visible one."""
    active = QApplication.activeWindow()
    if active is not None:
        return active
    windows = [window for window in QApplication.topLevelWidgets() if window.isVisible() and window.isWindow()]
    windows = [window for window in windows if not isinstance(window, CornerNotice)]
    return max(windows, key=lambda window: window.width() * window.height(), default=None)
