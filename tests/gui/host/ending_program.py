"""A host that ends in one of several ways while its heatmap is attached; run by `test_host_end.py`."""

from __future__ import annotations

import sys

from PyQt6.QtCore import QSettings, QTimer, QUrl
from PyQt6.QtWidgets import QApplication, QMainWindow

import Heatmap

Heatmap.configure_graphics()

from PyQt6.QtWebEngineWidgets import QWebEngineView  # noqa: E402  # as a host does: after the graphics are configured

NOT_ATTACHED = 9
how, folder = sys.argv[1:]
application = QApplication(["host"])
sys.excepthook = lambda *error: (sys.__excepthook__(*error), application.exit(4))
window = QMainWindow()
view = QWebEngineView(window)
window.setCentralWidget(view)
view.load(QUrl.fromLocalFile(f"{folder}/host/index.html"))
window.show()
service = Heatmap.HeatmapService(f"{folder}/host.sqlite3", ["BTCUSDT"], collect=False)
service.start()
settings = QSettings(f"{folder}/{how}.ini", QSettings.Format.IniFormat)
plugin = Heatmap.HeatmapPlugin.attach(view, service=service, settings=settings)


def end() -> None:
    if how == "exception in a slot":
        raise RuntimeError("the host's own")
    if how == "exit in a slot":
        sys.exit(3)
    if how == "the view first":
        view.deleteLater()
        QTimer.singleShot(50, application.quit)
    elif how == "the service first":
        service.stop()
        application.quit()
    elif how == "the window is closed":
        window.close()
    else:
        application.quit()


plugin.attachedChanged.connect(lambda attached: attached and QTimer.singleShot(200, end))
QTimer.singleShot(60_000, lambda: application.exit(NOT_ATTACHED))
code = application.exec()
if how == "exception at the end":
    raise RuntimeError("the host's own")
if how == "the application first":
    del application
elif how == "the plugin first":
    del plugin, settings
sys.exit(code or 5)
