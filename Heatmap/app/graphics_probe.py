"""Test of OpenGL and the web engine, run by ``heatmap doctor`` in a process of its own; prints JSON lines."""

from __future__ import annotations

import json
import sys

from PyQt6.QtCore import QTimer
from PyQt6.QtGui import QColor
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QApplication

from Heatmap.app.web_engine import prepare_web_engine
from Heatmap.ui.gl.graphics import configure_graphics
from Heatmap.ui.gl.underlay import Underlay

TIMEOUT_MS = 30_000
PAGE = "<title>heatmap</title>"
EXIT_SICK = 1


def main() -> int:
    """Return 0 if both work, 1 otherwise."""
    prepare_web_engine()
    configure_graphics()
    application = QApplication(["heatmap-probe"])
    view = QWebEngineView()
    underlay = Underlay(view)
    underlay.set_background(QColor("black"))
    report: dict[str, str] = {}

    def say(key: str, text: str) -> None:
        report[key] = text
        print(json.dumps({key: text}), flush=True)  # noqa: T201  # read by the doctor
        if {"gl", "gl_error"} & report.keys() and {"web", "web_error"} & report.keys():
            application.quit()

    def page_loaded(ok: bool) -> None:  # Qt's signature
        if ok and view.title() == "heatmap":
            say("web", "a page loads and runs")
        else:
            say("web_error", "a page does not load")

    def painted() -> None:
        if "gl" not in report:
            say("gl", underlay.gl_description)

    underlay.framePainted.connect(painted)
    underlay.failed.connect(lambda reason: say("gl_error", reason))
    view.loadFinished.connect(page_loaded)
    view.setHtml(PAGE)
    view.show()
    QTimer.singleShot(TIMEOUT_MS, application.quit)
    application.exec()
    view.setPage(None)
    return 0 if {"gl", "web"} <= report.keys() else EXIT_SICK


if __name__ == "__main__":
    sys.exit(main())
