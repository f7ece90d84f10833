"""Editor of the alert rules of one symbol, or of all that have none of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QCheckBox, QComboBox, QFormLayout, QGroupBox, QLabel, QSpinBox, QWidget

from Heatmap.alert_rules import EVERY_SYMBOL, AlertSettings, SymbolRules
from Heatmap.ui.widgets.field_editors import keep_wheel_for_scrolling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.ui.translation import Translator

# Name of the field, bounds, and what an arrow adds.
_NUMBERS: Final = {
    "size_usd": (1_000, 1_000_000_000, 50_000),
    "burst_s": (5, 600, 5),
    "burst_least_usd": (1_000, 1_000_000_000, 50_000),
    "burst_least_count": (2, 10_000, 1),
    "burst_factor": (1, 1000, 1),
}
_WIDE_STEP: Final = 1000
_MEASURES: Final = ("usd", "count")


class AlertRulesBox(QGroupBox):
    """A form for the rules of the symbol chosen in it."""

    edited = pyqtSignal(object)  # the rules of all symbols: dict[str, SymbolRules]

    def __init__(self, translator: Translator, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._translator = translator
        self._rules: dict[str, SymbolRules] = {}
        self._is_showing = False
        self._symbol = QComboBox(self)
        self._own = QCheckBox(self)
        self._size, self._burst = QCheckBox(self), QCheckBox(self)
        self._measure = QComboBox(self)
        for measure in _MEASURES:
            self._measure.addItem("", measure)
        self._numbers = {name: self._new_number(*bounds) for name, bounds in _NUMBERS.items()}
        for name, widget in (
            ("symbol", self._symbol), ("own", self._own), ("size", self._size), ("burst", self._burst),
            ("burst_by", self._measure), *self._numbers.items(),
        ):  # fmt: skip
            widget.setObjectName(f"alert_{name}")
        keep_wheel_for_scrolling(self, (self._symbol, self._measure, *self._numbers.values()))
        self._form = QFormLayout(self)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._form.addRow(QLabel(self), self._symbol)
        self._form.addRow(self._own)
        self._form.addRow(self._size)
        self._form.addRow(QLabel(self), self._numbers["size_usd"])
        self._form.addRow(self._burst)
        for widget in (self._measure, *(self._numbers[name] for name in _NUMBERS if name != "size_usd")):
            self._form.addRow(QLabel(self), widget)
        self._symbol.currentIndexChanged.connect(self._show_rules)
        self._own.clicked.connect(self._set_own)
        self._measure.currentIndexChanged.connect(self._edit)
        for check in (self._size, self._burst):
            check.clicked.connect(self._edit)
        for number in self._numbers.values():
            number.valueChanged.connect(self._edit)
        self.set_symbols(())

    def set_symbols(self, symbols: Sequence[str]) -> None:
        """Offer these symbols, and those that have rules."""
        names = list(dict.fromkeys((*symbols, *(name for name in self._rules if name != EVERY_SYMBOL))))
        chosen = self._key()
        self._is_showing = True
        self._symbol.clear()
        self._symbol.addItem(self._translator.text("alerts.every_symbol"), EVERY_SYMBOL)
        for name in names:
            self._symbol.addItem(name, name)
        self._symbol.setCurrentIndex(max(self._symbol.findData(chosen), 0))
        self._is_showing = False
        self._show_rules()

    def set_settings(self, settings: AlertSettings) -> None:
        """Show these rules."""
        self._rules = dict(settings.rules)
        self._show_rules()

    def retranslate(self) -> None:
        """Show texts and units of the present language."""
        text = self._translator.text
        self.setTitle(text("alerts.rules"))
        self._symbol.setItemText(0, text("alerts.every_symbol"))
        self._own.setText(text("alerts.own"))
        self._size.setText(text("alerts.size"))
        self._burst.setText(text("alerts.burst"))
        for at, measure in enumerate(_MEASURES):
            self._measure.setItemText(at, text("alerts.by_usd" if measure == "usd" else "alerts.by_count"))
        labels = {
            self._symbol: text("alerts.symbol"),
            self._numbers["size_usd"]: text("alerts.size_usd"),
            self._measure: text("alerts.burst_by"),
            self._numbers["burst_s"]: text("alerts.burst_s"),
            self._numbers["burst_least_usd"]: text("alerts.burst_least"),
            self._numbers["burst_least_count"]: text("alerts.burst_least"),
            self._numbers["burst_factor"]: text("alerts.burst_factor"),
        }
        for widget, words in labels.items():
            label = self._form.labelForField(widget)
            if isinstance(label, QLabel):
                label.setText(words)
                label.setBuddy(widget)
            widget.setAccessibleName(words.replace("&", "").rstrip(":"))
        self._burst.setToolTip(text("alerts.burst_help"))
        self._numbers["burst_factor"].setToolTip(text("alerts.burst_help"))
        dollars, seconds, times = (
            text(f"unit.{unit}", value="\n").partition("\n") for unit in ("usd", "seconds", "times")
        )
        units = {"size_usd": dollars, "burst_least_usd": dollars, "burst_s": seconds, "burst_factor": times}
        for name, (prefix, _, suffix) in units.items():
            self._numbers[name].setPrefix(prefix)
            self._numbers[name].setSuffix(suffix)
        for number in self._numbers.values():
            number.setLocale(self._translator.locale)

    def _new_number(self, least: int, most: int, step: int) -> QSpinBox:
        number = QSpinBox(self)
        number.setRange(least, most)
        number.setSingleStep(step)
        if step > _WIDE_STEP:
            number.setStepType(QSpinBox.StepType.AdaptiveDecimalStepType)  # a tenth of the value, in round numbers
        number.setGroupSeparatorShown(True)
        number.setKeyboardTracking(False)
        return number

    def _key(self) -> str:
        return str(self._symbol.currentData() or EVERY_SYMBOL)

    def _show_rules(self) -> None:
        if self._is_showing:
            return
        self._is_showing = True
        key = self._key()
        rules = AlertSettings(rules=self._rules).rules_of(key)
        is_own = key == EVERY_SYMBOL or key in self._rules
        self._form.setRowVisible(self._own, key != EVERY_SYMBOL)
        self._own.setChecked(is_own)
        self._size.setChecked(rules.size)
        self._burst.setChecked(rules.burst)
        self._measure.setCurrentIndex(_MEASURES.index(rules.burst_by))
        for name, number in self._numbers.items():
            number.setValue(getattr(rules, name))
        for check in (self._size, self._burst):
            check.setEnabled(is_own)
        self._form.setRowVisible(self._numbers["size_usd"], rules.size)
        self._numbers["size_usd"].setEnabled(is_own)
        burst_rows = [self._measure, *(self._numbers[name] for name in _NUMBERS if name.startswith("burst"))]
        for widget in burst_rows:
            other = "burst_least_count" if rules.burst_by == "usd" else "burst_least_usd"
            self._form.setRowVisible(widget, rules.burst and widget is not self._numbers[other])
            widget.setEnabled(is_own)
        self._is_showing = False

    def _set_own(self) -> None:
        key = self._key()
        rules = dict(self._rules)
        if self._own.isChecked():
            rules[key] = AlertSettings(rules=self._rules).rules_of(EVERY_SYMBOL)
        else:
            rules.pop(key, None)
        self._rules = rules
        self._show_rules()
        self.edited.emit(rules)

    def _edit(self) -> None:
        if self._is_showing:
            return
        numbers = {name: number.value() for name, number in self._numbers.items()}
        rules = SymbolRules(
            size=self._size.isChecked(), burst=self._burst.isChecked(), burst_by=self._measure.currentData(), **numbers
        )
        self._rules = {**self._rules, self._key(): rules}
        self._show_rules()
        self.edited.emit(self._rules)
