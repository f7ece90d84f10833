"""Wrong arguments of `HeatmapPlugin.attach`: each is refused with a sentence that says what to pass instead."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from PyQt6 import sip
from PyQt6.QtWebEngineCore import QWebEnginePage
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QLabel

import Heatmap
from Heatmap.errors import AttachError
from Heatmap.heatmap_service import HeatmapService
from Heatmap.plugin import HeatmapPlugin
from Heatmap.qt_binding import explained


@pytest.fixture
def view(qapp):  # noqa: ARG001
    view = QWebEngineView()
    yield view
    sip.delete(view)


@pytest.fixture
def service(tmp_path):
    return HeatmapService(tmp_path / "record.sqlite3", collect=False)


def of_module(module: str, name: str = "QWebEngineView") -> object:
    """Return an object that says it comes from a module."""
    base = type(name, (), {"__module__": module})
    return type("ChartView", (base,), {"__module__": "host"})()


@pytest.mark.parametrize("binding", ["PySide6", "PyQt5", "PySide2"])
@pytest.mark.parametrize("attach", [HeatmapPlugin.attach, Heatmap.add], ids=["attach", "add"])
@pytest.mark.usefixtures("qapp")
def test_a_view_of_another_qt_binding(attach, binding, service):
    options = {"service": service} if attach is not Heatmap.add else {}
    with pytest.raises(AttachError, match=rf"host\.ChartView: widgets of {binding} and of PyQt6 cannot") as refused:
        attach(of_module(f"{binding}.QtWebEngineWidgets"), **options)
    assert "sys.modules['PyQt5'] = sys.modules['PySide6'] = None" in str(refused.value)


def test_another_qt_binding_that_keeps_pyqt6_from_loading(monkeypatch):
    error = ImportError("libQt6OpenGLWidgets.so.6: undefined symbol: _ZN14QWidgetPrivateC2E")
    assert explained(error) is None
    monkeypatch.setitem(sys.modules, "PySide6.QtCore", SimpleNamespace())
    said = str(explained(error))
    assert "has loaded PySide6" in said
    assert "undefined symbol" in said
    monkeypatch.setitem(Heatmap._HOMES, "broken", "Heatmap.no_such_module")
    with pytest.raises(AttachError, match="has loaded PySide6"):
        Heatmap.__getattr__("broken")


NOT_VIEWS = {
    "a page": (QWebEnginePage, "PyQt6.QtWebEngineCore.QWebEnginePage: pass the view that shows this page"),
    "another widget": (QLabel, "a QWebEngineView of PyQt6, was PyQt6.QtWidgets.QLabel"),
    "nothing": (lambda: None, "a QWebEngineView of PyQt6, was None"),
    "a chart": (lambda: SimpleNamespace(get_webview=lambda: None), "call Heatmap.add_to_qtchart(chart)"),
}


@pytest.mark.parametrize("kind", NOT_VIEWS)
@pytest.mark.usefixtures("qapp")
def test_what_is_no_view(kind, service):
    make, said = NOT_VIEWS[kind]
    with pytest.raises(AttachError) as refused:
        HeatmapPlugin.attach(make(), service=service)
    assert said in str(refused.value)


def test_a_view_that_is_deleted(qapp, service):  # noqa: ARG001
    view = QWebEngineView()
    sip.delete(view)
    with pytest.raises(AttachError, match="one that Qt has deleted"):
        HeatmapPlugin.attach(view, service=service)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"service": None}, "expected a HeatmapService, was None: make one with"),
        ({"service": "record.sqlite3"}, "expected a HeatmapService, was str"),
        ({"settings": {}}, "was dict: to choose values call plugin.settings.update"),
        ({"settings": {"palette": "fire"}}, "was dict: to choose values"),
        ({"chart": ""}, "a JavaScript expression for chart, such as 'window.chart', was ''"),
        ({"series": None}, "a JavaScript expression for series, such as 'window.series', was None"),
        ({"time_zone": "Berlin"}, "such as 'Europe/Berlin', was 'Berlin'"),
        ({"time_zone": "Europe/Berlin", "time_offset_s": 3600}, "time_zone or time_offset_s"),
    ],
)
def test_a_wrong_argument(view, service, options, said):
    with pytest.raises(AttachError) as refused:
        HeatmapPlugin.attach(view, **{"service": service} | options)
    assert said in str(refused.value)
    assert view.page().webChannel() is None


def test_another_thread(view, service):
    with ThreadPoolExecutor(1) as pool, pytest.raises(AttachError, match="may be used in that thread only"):
        pool.submit(HeatmapPlugin.attach, view, service=service).result()


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_before_the_application():
    said = run_python(
        "import Heatmap\n"
        "from Heatmap.errors import AttachError\n"
        "for call in (lambda: Heatmap.add(None), lambda: Heatmap.HeatmapPlugin.attach(None, service=None)):\n"
        "    try: call()\n"
        "    except AttachError as error: print(error)\n"
    )
    assert said.count("expected a running program with a QApplication, was one without") == 2


LATE = """
import os
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from PyQt6.QtWidgets import QApplication
import Heatmap
from Heatmap.errors import GraphicsError
early = {early}
application = QApplication([])
try: Heatmap.configure_graphics()
except GraphicsError as error: print(error)
else: print("in place")
print(Heatmap.configure_graphics(strict=False))
"""


def test_graphics_that_are_configured_too_late():
    said = run_python(LATE.format(early="None"))
    assert "configure_graphics() was called after QApplication was made" in said
    assert said.endswith("False\n")


def test_graphics_that_are_configured_again():
    assert run_python(LATE.format(early="Heatmap.configure_graphics()")) == "in place\nTrue\n"
