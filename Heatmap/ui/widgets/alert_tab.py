"""The "Alerts" tab: rules, how they are reported, quiet hours, and the latest alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QSize, Qt, QTime, pyqtSlot
from PyQt6.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QFrame,
    QGroupBox,
    QLabel,
    QListWidget,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QTimeEdit,
    QVBoxLayout,
    QWidget,
)

from Heatmap.ui.widgets.alert_rules_box import AlertRulesBox
from Heatmap.ui.widgets.field_editors import keep_wheel_for_scrolling

if TYPE_CHECKING:
    from PyQt6.QtGui import QShowEvent

    from Heatmap.alert_rules import Alert, AlertSettings
    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.ui.translation import Translator
    from Heatmap.ui.widgets.alert_centre import AlertCentre

_MARGIN_PX: Final = 8
_WIDTH_PX: Final = 300
_MOST_LINES: Final = 100
_LINES_HEIGHT_PX: Final = 120


class AlertTab(QWidget):
    """The settings of alerts as a page for a tab widget or a dock. Every change acts at once."""

    def __init__(
        self, centre: AlertCentre, service: HeatmapService, translator: Translator, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("alert_tab")
        self._centre = centre
        self._service = service
        self._translator = translator
        self._notice = QLabel(self)
        self._notice.setWordWrap(True)
        self._notice.setObjectName("alert_tab_notice")
        self._rules = AlertRulesBox(translator, self)
        self._output, self._quiet_box, self._log_box = QGroupBox(self), QGroupBox(self), QGroupBox(self)
        self._sound, self._notification, self._quiet = QCheckBox(self), QCheckBox(self), QCheckBox(self)
        self._pause = QSpinBox(self)
        self._pause.setRange(1, 3600)
        self._pause.setKeyboardTracking(False)
        self._try = QPushButton(self)
        self._from, self._to = QTimeEdit(self), QTimeEdit(self)
        for edit in (self._from, self._to):
            edit.setDisplayFormat("HH:mm")
            edit.setKeyboardTracking(False)
        self._lines = QListWidget(self)
        self._lines.setWordWrap(True)
        self._lines.setMinimumHeight(_LINES_HEIGHT_PX)
        names = {
            "sound": self._sound, "notification": self._notification, "pause": self._pause, "try": self._try,
            "quiet": self._quiet, "quiet_from": self._from, "quiet_to": self._to, "lines": self._lines,
        }  # fmt: skip
        for name, widget in names.items():
            widget.setObjectName(f"alert_{name}")
        keep_wheel_for_scrolling(self, (self._pause, self._from, self._to))
        self._lay_out()
        self._connect()
        self.retranslate()
        self._show(centre.model.value)

    @pyqtSlot()
    def retranslate(self) -> None:
        text = self._translator.text
        self._notice.setText(text("alerts.replay"))
        self._rules.retranslate()
        self._output.setTitle(text("alerts.output"))
        self._sound.setText(text("alerts.sound"))
        self._notification.setText(text("alerts.notification"))
        self._try.setText(text("alerts.try"))
        self._try.setToolTip(text("alerts.try_help"))
        self._quiet_box.setTitle(text("alerts.quiet_hours"))
        self._quiet.setText(text("alerts.quiet"))
        self._log_box.setTitle(text("alerts.latest"))
        self._lines.setAccessibleName(text("alerts.latest"))
        prefix, _, suffix = text("unit.seconds", value="\n").partition("\n")
        self._pause.setPrefix(prefix)
        self._pause.setSuffix(suffix)
        self._pause.setToolTip(text("alerts.pause_help"))
        for form, widget, words in (
            (self._output_form, self._pause, text("alerts.pause")),
            (self._quiet_form, self._from, text("alerts.quiet_from")),
            (self._quiet_form, self._to, text("alerts.quiet_to")),
        ):
            label = form.labelForField(widget)
            if isinstance(label, QLabel):
                label.setText(words)
                label.setBuddy(widget)
            widget.setAccessibleName(words.replace("&", ""))

    def sizeHint(self) -> QSize:
        """Ask for the width that every text needs: a scroll area asks for less."""
        return super().sizeHint().expandedTo(QSize(_WIDTH_PX, 0))

    def showEvent(self, event: QShowEvent | None) -> None:
        """Offer the symbols that the service has now."""
        self._rules.set_symbols(self._service.symbols)
        super().showEvent(event)

    def _lay_out(self) -> None:
        self._output_form, self._quiet_form = QFormLayout(self._output), QFormLayout(self._quiet_box)
        self._output_form.addRow(self._sound)
        self._output_form.addRow(self._notification)
        self._output_form.addRow(QLabel(self), self._pause)
        self._output_form.addRow(self._try)
        self._quiet_form.addRow(self._quiet)
        self._quiet_form.addRow(QLabel(self), self._from)
        self._quiet_form.addRow(QLabel(self), self._to)
        log = QVBoxLayout(self._log_box)
        log.addWidget(self._lines)
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setContentsMargins(_MARGIN_PX, _MARGIN_PX, _MARGIN_PX, _MARGIN_PX)
        for widget in (self._notice, self._rules, self._output, self._quiet_box, self._log_box):
            column.addWidget(widget)
        column.addStretch(1)
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)

    def _connect(self) -> None:
        model = self._centre.model
        self._rules.edited.connect(self._set_rules)
        for check in (self._sound, self._notification, self._quiet):
            check.clicked.connect(self._update)
        self._pause.valueChanged.connect(self._update)
        self._from.timeChanged.connect(self._update)
        self._to.timeChanged.connect(self._update)
        self._try.clicked.connect(self._try_out)
        self._centre.raised.connect(self._add_line)
        model.changed.connect(self._show)
        self._translator.languageChanged.connect(self.retranslate)

    @pyqtSlot(object)
    def _show(self, settings: AlertSettings) -> None:
        self._notice.setVisible(not self._centre.is_possible)
        widgets = (self._sound, self._notification, self._quiet, self._pause, self._from, self._to)
        for widget in widgets:
            widget.blockSignals(True)
        self._rules.set_settings(settings)
        self._sound.setChecked(settings.sound)
        self._notification.setChecked(settings.notification)
        self._quiet.setChecked(settings.quiet)
        self._pause.setValue(settings.pause_s)
        self._from.setTime(_time_of(settings.quiet_from_min))
        self._to.setTime(_time_of(settings.quiet_to_min))
        self._from.setEnabled(settings.quiet)
        self._to.setEnabled(settings.quiet)
        for widget in widgets:
            widget.blockSignals(False)

    @pyqtSlot(object)
    def _set_rules(self, rules: object) -> None:
        self._centre.model.update(rules=rules)

    def _update(self) -> None:
        self._centre.model.update(
            sound=self._sound.isChecked(),
            notification=self._notification.isChecked(),
            pause_s=self._pause.value(),
            quiet=self._quiet.isChecked(),
            quiet_from_min=_minute_of(self._from.time()),
            quiet_to_min=_minute_of(self._to.time()),
        )

    def _try_out(self) -> None:
        settings = self._centre.model.value
        self._centre.output.report(
            self._translator.text("alerts.trial"), sound=settings.sound, notification=settings.notification
        )

    @pyqtSlot(str, object)
    def _add_line(self, line: str, alert: Alert) -> None:
        self._lines.insertItem(0, f"{self._translator.format_clock(alert.ts_ms)} {line}")
        self._lines.takeItem(_MOST_LINES)


def _time_of(minute: int) -> QTime:
    return QTime(minute // 60, minute % 60)


def _minute_of(time: QTime) -> int:
    return 60 * time.hour() + time.minute()
