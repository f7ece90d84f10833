"""A `QtChart` of lightweight-charts (pip install lightweight-charts) with the heatmap behind it."""

from __future__ import annotations

import sys

import pandas as pd
from chart_page import candles
from PyQt6.QtWidgets import QApplication, QMainWindow

import Heatmap

# lightweight-charts takes these where they are installed; Heatmap needs PyQt6.
sys.modules["PyQt5"] = sys.modules["PySide6"] = None
from lightweight_charts.widgets import QtChart

Heatmap.configure_graphics()
app = QApplication(sys.argv)
window = QMainWindow()
chart = QtChart(window)
frame = pd.DataFrame(candles())
# Times without a zone count as UTC. The cast is for pandas 3: without it the chart shows 1970.
frame["time"] = pd.to_datetime(frame["time"], unit="s").astype("datetime64[ns]")
chart.set(frame)
plugin = Heatmap.add_to_qtchart(chart, "BTCUSDT")
window.setCentralWidget(chart.get_webview())
window.resize(1000, 500)
window.show()
sys.exit(app.exec())
