"""What a host puts into its own window: action, status, settings; the part of the plugin that needs no chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

from PyQt6 import sip
from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import QWidget

from Heatmap.ui.widgets.alert_centre import join_centre
from Heatmap.ui.widgets.alert_tab import AlertTab
from Heatmap.ui.widgets.performance import Performance
from Heatmap.ui.widgets.setting_action import SettingAction, choice_actions
from Heatmap.ui.widgets.status import StatusPanel
from Heatmap.ui.widgets.status_text import StatusLine
from Heatmap.ui.widgets.symbol_box import SymbolBox

if TYPE_CHECKING:
    from PyQt6.QtGui import QAction, QActionGroup

    from Heatmap.clock import Clock
    from Heatmap.heatmap_service import HeatmapService
    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.ui.settings_model import SettingsModel
    from Heatmap.ui.translation import Translator


_Widget = TypeVar("_Widget", bound=QWidget)


class HostControls(QObject):
    """The controls of a `HeatmapPlugin`; they follow the user's settings and the service until `detach`."""

    enabledChanged = pyqtSignal(bool)  # the heat is shown or hidden, whoever asked for it
    statusChanged = pyqtSignal(str)  # the new `status`
    alertRaised = pyqtSignal(str)  # the line of an alert that the user has asked for

    def __init__(self, service: HeatmapService, settings: SettingsModel, translator: Translator, clock: Clock) -> None:
        super().__init__()
        self._service = service
        self._settings = settings
        self._translator = translator
        self._detached = False
        self._performance = Performance(service, clock, parent=self)
        self._status_line = StatusLine(service, translator, parent=self)
        self._alerts = join_centre(service, settings.store, translator, clock)
        self._alerts.raised.connect(self._report_alert)
        self._widgets: WeakSet[QWidget] = WeakSet()  # that the host was given
        self._actions: dict[str, SettingAction] = {}
        self._groups: dict[str, QActionGroup] = {}
        self._status_line.changed.connect(self.statusChanged)
        settings.changed.connect(self._report_enabled)

    @property
    def service(self) -> HeatmapService:
        """The recorder and its database; ``service.add_symbols(["ETHUSDT"])`` records more."""
        return self._service

    @property
    def settings(self) -> SettingsModel:
        """The user's settings; ``settings.update(palette="ice")`` acts at once."""
        return self._settings

    def set_enabled(self, enabled: bool) -> None:  # a fixed public name
        """Show or hide the heat. Recording is not affected.

        While it is hidden, the page is as without the plugin: it has its own background, and nothing is painted.
        """
        self._settings.update(enabled=enabled)

    def is_enabled(self) -> bool:
        """Return True if the heat is shown."""
        return self._settings.value.enabled

    def toggle_action(self) -> QAction:
        """Return the action that shows and hides the heat: `setting_action` of ``"enabled"``, with icon and Ctrl+H."""
        return self.setting_action("enabled")

    def setting_action(self, key: str) -> QAction:
        """Return a checkable action that follows a setting of two states, and sets it; text and tooltip are translated.

        It is the same at each call, until the host deletes it, and is removed with the plugin. Its shortcut works in
        windows that have the action in a menu or tool bar, or added by ``addAction``; ``setShortcut`` gives it another
        one, or none.
        `SettingsError` if there is no such setting.
        """
        if key not in self._actions or sip.isdeleted(self._actions[key]):
            self._actions[key] = SettingAction(key, self._settings, self._translator, parent=self)
            self._actions[key].setEnabled(not self._detached)
        return self._actions[key]

    def choice_actions(self, key: str) -> QActionGroup:
        """Return an action for each choice of a setting, e.g. ``"window"``; the rest is as for `setting_action`."""
        if key not in self._groups or sip.isdeleted(self._groups[key]):
            self._groups[key] = choice_actions(key, self._settings, self._translator, parent=self)
            self._groups[key].setEnabled(not self._detached)
        return self._groups[key]

    def symbol_box(self, parent: QWidget | None = None) -> SymbolBox:
        """Return a new choice of a symbol with search over all that the exchange trades.

        It records a new one after a question and then emits ``symbolRequested(str)``; `set_symbol` shows it.
        """
        return self._given(SymbolBox(self._service, self._translator, parent))

    @property
    def status(self) -> str:
        """The state of recording in one line, in the user's language, e.g. ``"Live"``."""
        return self._status_line.text

    def status_widget(self, parent: QWidget | None = None) -> StatusPanel:
        """Return a new row for a status bar: connection, recording, last event; on demand rates, build time, frames."""
        panel = StatusPanel(self._settings, self._translator, parent, source=self._service.source)
        self._performance.add_panel(panel)
        return self._given(panel)

    def add_recorder(self, service: HeatmapService) -> None:
        """Show the state of one more recorder in the status widgets: of another exchange, into the same database.

        The map shows the exchanges that are chosen in the settings, whoever records them.
        """
        self._performance.add_recorder(service)

    def alerts_tab(self, parent: QWidget | None = None) -> AlertTab:
        """Return a new page for the settings of alerts, which are off until the user sets a rule there."""
        return self._given(AlertTab(self._alerts, self._service, self._translator, parent))

    def _given(self, widget: _Widget) -> _Widget:
        """Return a widget that is made for the host; it is disabled from `detach` on."""
        self._widgets.add(widget)
        widget.setEnabled(not self._detached)
        return widget

    def _end_controls(self) -> None:
        """Stop following settings and service."""
        self._detached = True
        self._alerts.leave()
        self._status_line.stop()
        if not sip.isdeleted(self):
            if not sip.isdeleted(self._alerts):
                self._alerts.raised.disconnect(self._report_alert)
            self._performance.stop()
            controls: list[QWidget | QAction | QActionGroup] = [
                *self._widgets, *self._actions.values(), *self._groups.values()
            ]  # fmt: skip
            for control in controls:
                if not sip.isdeleted(control):
                    control.setEnabled(False)

    def _report_alert(self, line: str, _alert: object) -> None:
        self.alertRaised.emit(line)

    def _report_enabled(self, settings: HeatmapSettings, previous: HeatmapSettings) -> None:
        if settings.enabled != previous.enabled and not self._detached:
            self.enabledChanged.emit(settings.enabled)
