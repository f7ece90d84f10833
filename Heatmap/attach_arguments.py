"""Checks of what a host passes to `HeatmapPlugin.attach`; each mistake has a sentence of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6 import sip
from PyQt6.QtCore import QCoreApplication, QSettings, QThread
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QApplication

from Heatmap.errors import AttachError
from Heatmap.heatmap_service import HeatmapService
from Heatmap.qt_binding import check_binding, name_of
from Heatmap.ui.settings_model import SettingsModel

if TYPE_CHECKING:
    from typing import Any


def check_arguments(view: Any, chart: Any, series: Any, *, service: Any, settings: Any) -> None:
    """Raise `AttachError` if `HeatmapPlugin.attach` cannot take these arguments."""
    check_view(view)
    for name, expression in (("chart", chart), ("series", series)):
        if not isinstance(expression, str) or not expression.strip():
            raise AttachError(
                f"expected a JavaScript expression for {name}, such as 'window.{name}', was {expression!r}"
            )
    if not isinstance(service, HeatmapService):
        raise AttachError(
            f"expected a HeatmapService, was {name_of(service)}: make one with Heatmap.HeatmapService(symbols=[…]), or"
            " call Heatmap.add, which makes its own"
        )
    if settings is not None and not isinstance(settings, (SettingsModel, QSettings)):
        raise AttachError(
            f"expected a QSettings that stores the user's choices, or None for the user's own, was {name_of(settings)}:"
            " to choose values call plugin.settings.update(palette='fire')"
        )


def check_view(view: Any) -> None:
    """Raise `AttachError` unless a view of PyQt6 is passed in the thread of a `QApplication`."""
    check_binding(view)
    application = QCoreApplication.instance()
    if not isinstance(application, QApplication):
        raise AttachError(
            "expected a running program with a QApplication, was one without: call Heatmap.configure_graphics(), then"
            " make the QApplication, then the view, then attach"
        )
    if QThread.currentThread() is not application.thread():
        raise AttachError(
            "expected a call in the thread of the QApplication, was one in another thread: Qt's widgets may be used in"
            " that thread only; a signal connected to a slot there brings the call over"
        )
    if not isinstance(view, QWebEngineView):
        raise AttachError(f"expected a QWebEngineView of PyQt6, was {name_of(view)}{_hint(view)}")
    if sip.isdeleted(view):
        raise AttachError("expected a QWebEngineView that exists, was one that Qt has deleted: attach to its successor")


def _hint(view: object) -> str:
    if callable(getattr(view, "get_webview", None)):
        return ": for a QtChart of lightweight-charts call Heatmap.add_to_qtchart(chart)"
    if callable(getattr(view, "runJavaScript", None)):
        return ": pass the view that shows this page"
    return ""
