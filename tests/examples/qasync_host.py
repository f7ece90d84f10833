"""A host whose own work runs on asyncio, by means of qasync."""

from __future__ import annotations

import asyncio
import sys

import qasync
from chart_page import chart_page
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QApplication

import Heatmap


async def main() -> None:
    closed = asyncio.Event()
    app.lastWindowClosed.connect(closed.set)
    view = QWebEngineView()
    view.setHtml(await asyncio.to_thread(chart_page))
    view.resize(1000, 500)
    view.show()
    Heatmap.add(view)
    await closed.wait()


Heatmap.configure_graphics()
app = QApplication(sys.argv)
app.setQuitOnLastWindowClosed(False)  # the loop ends with `main`
qasync.run(main())
