"""A host with its own web channel, a tool bar, a status bar and a dock, and the heatmap's controls among them."""

from __future__ import annotations

import sys

from chart_page import chart_page
from PyQt6.QtCore import QObject, Qt, pyqtSlot
from PyQt6.QtWebChannel import QWebChannel
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QApplication, QDockWidget, QMainWindow

import Heatmap

SCRIPT = """<script src="qrc:///qtwebchannel/qwebchannel.js"></script>
<script>new QWebChannel(qt.webChannelTransport, (channel) => channel.objects.host.page_ready('chart'));</script>"""


class Host(QObject):
    @pyqtSlot(str)
    def page_ready(self, name: str) -> None:
        window.setWindowTitle(f"My program: {name}")


Heatmap.configure_graphics()
app = QApplication(sys.argv)
window, host = QMainWindow(), Host()
view, channel = QWebEngineView(window), QWebChannel(window)
channel.registerObject("host", host)
view.page().setWebChannel(channel)
view.setHtml(chart_page() + SCRIPT)
window.setCentralWidget(view)

plugin = Heatmap.add(view)
window.addToolBar("Chart").addAction(plugin.toggle_action())
window.statusBar().addWidget(plugin.status_widget(), 1)
dock = QDockWidget("Heatmap", window)
dock.setWidget(plugin.settings_tab())
window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
plugin.levelClicked.connect(lambda price: window.statusBar().showMessage(f"Liquidations at {price:,.1f}", 5000))
window.resize(1300, 650)
window.show()
sys.exit(app.exec())
