"""Editors of settings, one class per kind of field, built from the field's declaration."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QEvent, QObject, QSignalBlocker, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QIcon, QStandardItem, QStandardItemModel
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QWidget,
)

from Heatmap.heatmap_settings import Kind, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from Heatmap.heatmap_settings import FieldSpec, Value
    from Heatmap.ui.translation import Translator

_SLIDER_RANGE: Final = 200  # a wider range is not set by hand with a slider
_ICON_SIZE: Final = QSize(40, 12)


def wrapping_tooltip(text: str) -> str:
    """Return a text as rich text: Qt does not wrap plain tooltips."""
    return f"<qt>{html.escape(text)}</qt>".replace("\n", "<br>")


def step_at(spec: FieldSpec, value: float) -> float:
    """Return the step of the arrows at a value: the declared step, or about a tenth of the value in a wide range."""
    if spec.maximum < 1000 * spec.step or value < 1:
        return spec.step
    return max(spec.step, 10.0 ** (math.floor(math.log10(value)) - 1))


def keep_wheel_for_scrolling(page: QObject, fields: Iterable[QWidget]) -> None:
    """Let the wheel scroll a form, except over a field that was clicked on."""
    guard = _WheelGuard(page)
    for field in fields:
        guard.protect(field)


class FieldEditor(QWidget):
    """Shows one setting and reports the user's changes."""

    edited = pyqtSignal(str, object)  # key, value; not emitted by `show_value`

    def __init__(self, spec: FieldSpec, translator: Translator, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spec = spec
        self.label = QLabel(self)
        self._translator = translator
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._wheel_guard = _WheelGuard(self)
        self.controls: list[QWidget] = []  # that take the keyboard, from left to right

    def show_value(self, value: Value) -> None:
        """Show a value without reporting it as edited."""
        # Abstract; Qt's metaclass excludes that of `abc`.
        raise NotImplementedError

    def retranslate(self) -> None:
        self.label.setText(self._translator.text(self.spec.label_key))
        help_text = wrapping_tooltip(self._translator.text(self.spec.help_key))
        self.label.setToolTip(help_text)
        self.setToolTip(help_text)

    def _adopt(self, widget: QWidget, *, buddy: bool = True) -> None:
        widget.setObjectName(f"heatmap_{self.spec.key}")
        self._wheel_guard.protect(widget)
        self.controls.append(widget)
        self._layout.addWidget(widget)
        if buddy:
            self.label.setBuddy(widget)

    def _report(self, value: Value) -> None:
        self.edited.emit(self.spec.key, value)


class FlagEditor(FieldEditor):
    """A check box with the field's name; the label beside it stays empty."""

    def __init__(self, spec: FieldSpec, translator: Translator, parent: QWidget | None = None) -> None:
        super().__init__(spec, translator, parent)
        self.box = QCheckBox(self)
        self._adopt(self.box, buddy=False)
        self._layout.addStretch(1)
        self.box.toggled.connect(self._report)

    def show_value(self, value: Value) -> None:
        with QSignalBlocker(self.box):
            self.box.setChecked(value is True)

    def retranslate(self) -> None:
        super().retranslate()
        self.box.setText(self.label.text())
        self.label.clear()


class ChoiceEditor(FieldEditor):
    """A list of choices, each with its icon."""

    def __init__(
        self,
        spec: FieldSpec,
        translator: Translator,
        parent: QWidget | None = None,
        *,
        icon: Callable[[str], QIcon] | None = None,
    ) -> None:
        super().__init__(spec, translator, parent)
        self.combo = QComboBox(self)
        self.combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.combo.setIconSize(_ICON_SIZE)
        model = QStandardItemModel(self)
        self._items: dict[str, QStandardItem] = {}
        for choice in spec.choices:
            item = QStandardItem(icon(choice) if icon is not None else QIcon(), "")
            item.setData(choice, Qt.ItemDataRole.UserRole)
            self._items[choice] = item
            model.appendRow(item)
        self.combo.setModel(model)
        self._adopt(self.combo)
        self.combo.currentIndexChanged.connect(self._on_index_changed)

    def show_value(self, value: Value) -> None:
        with QSignalBlocker(self.combo):
            self.combo.setCurrentIndex(self.combo.findData(value))

    def retranslate(self) -> None:
        super().retranslate()
        for choice, item in self._items.items():
            item.setText(self._translator.text(self.spec.choice_key(choice)))

    def _on_index_changed(self, _row: int) -> None:
        self._report(self.combo.currentData())


class NumberEditor(FieldEditor):
    """A number field; a percentage of the whole also has a slider."""

    def __init__(self, spec: FieldSpec, translator: Translator, parent: QWidget | None = None) -> None:
        super().__init__(spec, translator, parent)
        self.spin = _number_box(spec, self)
        # A half-typed number is not reported; arrows and slider act at every step.
        self.spin.setKeyboardTracking(False)
        self.spin.setGroupSeparatorShown(True)
        self.slider: QSlider | None = None
        if spec.unit is Unit.PERCENT and spec.kind is Kind.INTEGER and spec.maximum <= _SLIDER_RANGE:
            self.slider = self._make_slider()
        self._adopt(self.spin)
        if self.slider is None:
            self.spin.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.spin.valueChanged.connect(self._on_number_changed)

    def show_value(self, value: Value) -> None:
        number = self.spec.checked(value)
        with QSignalBlocker(self.spin):
            self.spin.setValue(int(number) if isinstance(self.spin, QSpinBox) else float(number))  # type: ignore[arg-type]
        self._follow(float(number))

    def retranslate(self) -> None:
        super().retranslate()
        if self.slider is not None:
            self.slider.setAccessibleName(self.label.text())
        self.spin.setLocale(self._translator.locale)
        prefix, _, suffix = self._translator.text(f"unit.{self.spec.unit}", value="|").partition("|")
        self.spin.setPrefix(prefix)
        self.spin.setSuffix(suffix)
        if self.spec.minimum == 0:
            self.spin.setSpecialValueText(self._translator.text(f"settings.{self.spec.key}.zero"))

    def _make_slider(self) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal, self)
        slider.setRange(int(self.spec.minimum), int(self.spec.maximum))
        slider.setSingleStep(1)
        slider.setPageStep(int(self.spec.step))
        slider.setMinimumWidth(40)
        self._wheel_guard.protect(slider)
        self.controls.append(slider)
        self._layout.addWidget(slider, 1)
        slider.valueChanged.connect(self._on_slider_changed)
        return slider

    def _on_slider_changed(self, value: int) -> None:
        self.show_value(value)
        self._report(value)

    def _on_number_changed(self, value: float) -> None:
        self._follow(value)
        self._report(value)

    def _follow(self, value: float) -> None:
        """Adapt the step and the slider to the number."""
        step = step_at(self.spec, value)
        self.spin.setSingleStep(int(step) if isinstance(self.spin, QSpinBox) else step)  # type: ignore[arg-type]
        if self.slider is not None:
            with QSignalBlocker(self.slider):
                self.slider.setValue(round(value))


def _number_box(spec: FieldSpec, parent: QWidget) -> QSpinBox | QDoubleSpinBox:
    if spec.kind is Kind.INTEGER:
        whole = QSpinBox(parent)
        whole.setRange(int(spec.minimum), int(spec.maximum))
        return whole
    box = QDoubleSpinBox(parent)
    box.setDecimals(max(0, -math.floor(math.log10(spec.step))))
    box.setRange(spec.minimum, spec.maximum)
    return box


class _WheelGuard(QObject):
    """Ignores the wheel over fields without focus, so that scrolling the form changes no setting."""

    def protect(self, widget: QWidget) -> None:
        """Ignore the wheel over a widget, except after a click on it."""
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() is QEvent.Type.Wheel and isinstance(watched, QWidget):
            event.setAccepted(watched.hasFocus())
            return not watched.hasFocus()
        return False
