"""The smallest host: a web view with a chart, and the heatmap behind it."""

from __future__ import annotations

import sys

from chart_page import chart_page
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QApplication

import Heatmap

Heatmap.configure_graphics()  # before the application is made
app = QApplication(sys.argv)
view = QWebEngineView()
view.setHtml(chart_page())
view.resize(1000, 500)
view.show()
plugin = Heatmap.add(view, "BTCUSDT", chart="chart", series="series")
sys.exit(app.exec())
