"""Floor and ceiling of the colours, set on the legend by mouse and keyboard.

The legend itself passes the mouse through to the page. Each handle is an ordinary widget over the place where the
legend paints it: it paints nothing, and takes mouse and keyboard there only.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from PyQt6 import sip
from PyQt6.QtCore import QCoreApplication, QEvent, QObject, QPointF, Qt, pyqtSignal, pyqtSlot
from PyQt6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import QSlider

from Heatmap.heatmap_settings import FIELDS
from Heatmap.rendering.colour_axis import STEPS
from Heatmap.ui.page.page_widget import page_widget
from Heatmap.ui.timer import new_timer
from Heatmap.ui.widgets.field_editors import wrapping_tooltip

if TYPE_CHECKING:
    from PyQt6.QtGui import QFocusEvent, QPaintEvent
    from PyQt6.QtWidgets import QWidget

    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator
    from Heatmap.ui.widgets.legend import Handle, Legend

# The image follows at most so often; a mouse may report 1,000 times a second.
APPLY_INTERVAL_MS: Final = 16
_WIDTH_PX: Final = 13
_DIGITS: Final = 3
_KEYS: Final[dict[int, int]] = {
    Qt.Key.Key_Left: -1,
    Qt.Key.Key_Down: -1,
    Qt.Key.Key_Right: 1,
    Qt.Key.Key_Up: 1,
    Qt.Key.Key_PageDown: -10,
    Qt.Key.Key_PageUp: 10,
    Qt.Key.Key_Home: -STEPS,
    Qt.Key.Key_End: STEPS,
}
_RESET_KEYS: Final = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
_FOLLOWED: Final = (QEvent.Type.Move, QEvent.Type.Resize, QEvent.Type.Show, QEvent.Type.Hide)


def rounded_usd(usd: float) -> int:
    """Return whole dollars of at most three digits, the rest zeros."""
    if usd < 1:
        return 0
    step: int = 10 ** max(0, math.floor(math.log10(usd)) + 1 - _DIGITS)
    return round(usd / step) * step


class RangeHandle(QSlider):
    """A slider without a picture, whose value is in dollars: so it has the accessible role and value of one."""

    dragged = pyqtSignal(str, float)  # name; where the handle's middle should be, pixels of the parent
    stepped = pyqtSignal(str, int)  # name; so many positions by the keyboard
    cleared = pyqtSignal(str)  # name
    focusChanged = pyqtSignal()

    def __init__(self, name: Handle, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._name = name
        self.setObjectName(f"heatmap_legend_{name}")
        self.setRange(0, int(FIELDS[f"{name}_usd"].maximum))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self._grip_px: float | None = None  # from the handle's middle to where it was gripped

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Paint nothing: the legend shows the handle."""

    def event(self, event: QEvent | None) -> bool:
        """Claim the keys of the handle before a shortcut of the window gets them."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            is_plain = event.modifiers() in {Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier}
            if is_plain and (event.key() in _KEYS or event.key() in _RESET_KEYS):
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is None:
            return
        steps = _KEYS.get(event.key())
        if steps is not None:
            self.stepped.emit(self._name, steps)
        elif event.key() in _RESET_KEYS:
            self.cleared.emit(self._name)
        else:
            event.ignore()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._grip_px = event.position().x() - self.width() / 2

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and self._grip_px is not None:
            self.dragged.emit(self._name, self.mapToParent(event.position()).x() - self._grip_px)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._grip_px = None

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.cleared.emit(self._name)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Give it to the page, which zooms by it."""
        view = self.parentWidget()
        page = page_widget(view) if view is not None else None
        if event is None or page is None:
            return
        copy = QWheelEvent(
            QPointF(page.mapFromGlobal(event.globalPosition())),
            event.globalPosition(),
            event.pixelDelta(),
            event.angleDelta(),
            event.buttons(),
            event.modifiers(),
            event.phase(),
            event.inverted(),
        )
        QCoreApplication.sendEvent(page, copy)

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        super().focusInEvent(event)
        self.focusChanged.emit()

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        super().focusOutEvent(event)
        self.focusChanged.emit()


class LegendRange(QObject):
    """The two handles of a legend. They set ``floor_usd`` and ``ceiling_usd``, and lie beside it in its parent."""

    def __init__(self, legend: Legend, settings: SettingsModel, translator: Translator) -> None:
        super().__init__(legend)
        self._legend = legend
        self._settings = settings
        self._translator = translator
        self._wanted: dict[str, int] = {}
        self._pause = new_timer(self, APPLY_INTERVAL_MS, self._apply)
        view = legend.parentWidget()
        self._handles: dict[Handle, RangeHandle] = {
            "floor": RangeHandle("floor", view),
            "ceiling": RangeHandle("ceiling", view),
        }
        for handle in self._handles.values():
            handle.hide()
            handle.dragged.connect(self._drag)
            handle.stepped.connect(self._step)
            handle.cleared.connect(self._clear)
            handle.focusChanged.connect(self.follow)
        legend.installEventFilter(self)
        settings.changed.connect(self.follow)
        translator.languageChanged.connect(self.follow)
        self.follow()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the legend."""
        if watched is self._legend and event is not None and event.type() in _FOLLOWED:
            self.follow()
        return False

    def raise_(self) -> None:
        """Lie above the page, as the legend."""
        for handle in self._handles.values():
            handle.raise_()

    def remove(self) -> None:
        self._pause.stop()
        for handle in self._handles.values():
            handle.deleteLater()

    @pyqtSlot()
    def follow(self) -> None:
        """Put handles, values and texts where legend and settings have them."""
        settings, axis = self._settings.value, self._legend.axis
        active: Handle | None = None
        for name, handle in self._handles.items():
            if handle.hasFocus():
                active = name
        self._legend.set_range(settings.floor_usd, settings.ceiling_usd, active)
        box = self._legend.bars_box()
        for name, handle in self._handles.items():
            middle_px = self._legend.handle_px(name)
            if middle_px is None or axis is None or self._legend.isHidden():
                handle.hide()
                continue
            own = settings.floor_usd if name == "floor" else settings.ceiling_usd
            usd = own if own or name == "floor" else rounded_usd(axis.automatic_usd)
            # The colours may reach beyond what the setting allows, and beyond Qt's integers.
            handle.setValue(min(usd, handle.maximum()))
            left = self._legend.x() + round(middle_px - _WIDTH_PX / 2)
            handle.setGeometry(left, self._legend.y() + round(box.top()), _WIDTH_PX, round(box.height()))
            key = "legend.floor_help" if name == "floor" else "legend.ceiling_help"
            if not own:
                key = "legend.floor_none" if name == "floor" else "legend.ceiling_automatic"
            words = self._translator.text(key, usd=self._translator.format_usd(usd))
            handle.setAccessibleName(self._translator.text("legend.floor" if name == "floor" else "legend.ceiling"))
            handle.setAccessibleDescription(words)
            handle.setToolTip(wrapping_tooltip(words))
            handle.show()

    def _drag(self, name: Handle, x_px: float) -> None:
        position = (x_px - self._legend.x() - self._legend.bars_box().left()) / STEPS
        self._want(name, self._amount(name, position))

    def _step(self, name: Handle, steps: int) -> None:
        axis = self._legend.axis
        if axis is None:
            return
        before = usd = self._wanted.get(f"{name}_usd", self._handles[name].value())
        position = axis.position(before)
        # Whole dollars of three digits: one position may be less than that.
        while usd == before and 0 <= position <= 1:
            position += steps / STEPS
            usd = self._amount(name, position)
        self._want(name, usd)

    def _clear(self, name: Handle) -> None:
        self._want(name, 0)

    def _amount(self, name: Handle, position: float) -> int:
        """Return the dollars at a position, but not past the other handle."""
        axis, settings = self._legend.axis, self._settings.value
        if axis is None:
            return 0
        if name == "floor":
            most = axis.position(settings.ceiling_usd or axis.automatic_usd)
            return rounded_usd(axis.amount(min(max(position, 0.0), most)))
        least = max(axis.position(settings.floor_usd), 1 / STEPS)
        return max(1, rounded_usd(axis.amount(max(min(position, 1.0), least))))

    def _want(self, name: Handle, usd: int) -> None:
        self._wanted[f"{name}_usd"] = min(usd, self._handles[name].maximum())
        if not self._pause.isActive():
            self._apply()

    def _apply(self) -> None:
        """Set what is wanted, and nothing more for a moment: the latest wins."""
        wanted, self._wanted = self._wanted, {}
        if wanted and not sip.isdeleted(self._legend):
            self._pause.start()
            self._settings.update(**wanted)
