"""The room that a chart gets: module scripts, a splitter without width, full screen, dialogs."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtQuickWidgets import QQuickWidget
from PyQt6.QtTest import QTest
from PyQt6.QtWebEngineCore import QWebEngineSettings
from PyQt6.QtWidgets import QLabel, QSplitter

pytestmark = [pytest.mark.gl]

TRANSPARENT = "makeChart({layout: {background: {type: 'solid', color: 'transparent'}}});"


def test_a_chart_in_a_module(open_host):
    module = '<script type="module">makeChart(); const mine = {chart, series}; window.desk = mine;</script>'
    with open_host() as host:
        host.load(start="", body=f'<div id="chart"></div>{module}')
        host.attach(chart="desk.chart", series="desk.series")
        host.wait_for_place()
        assert host.plugin.problem == ""


def test_a_splitter_that_leaves_no_width(open_host):
    with open_host() as host:
        host.show()
        splitter = QSplitter()
        splitter.addWidget(QLabel("beside"))
        splitter.addWidget(host.view)
        host.window.setCentralWidget(splitter)
        host.view.show()
        splitter.setSizes([100, 800])
        host.wait_for_place()
        splitter.setSizes([900, 0])
        host.wait(lambda: not host.plugin.is_visible)
        assert host.plugin.problem == ""
        splitter.setSizes([100, 800])
        host.wait(lambda: host.evaluate("chart.timeScale().width()") > 600)
        host.wait_for_place()
        assert host.plugin.is_visible


def test_the_charts_element_in_full_screen_and_in_a_dialog(open_host):
    """Both lie over the rest of the page, on a backdrop of their own: black in full screen."""
    with open_host() as host:
        page = host.view.page()
        page.settings().setAttribute(QWebEngineSettings.WebAttribute.FullScreenSupportEnabled, True)
        page.fullScreenRequested.connect(lambda request: request.accept())
        css = "body { background: #405060; } dialog { padding: 0; border: 0; outline: 0; width: 700px; height: 400px; }"
        host.show(
            start=TRANSPARENT, body='<dialog id="box"></dialog><div id="wide"><div id="chart"></div></div>', css=css
        )
        host.wait_for_place()
        host.wait(lambda: host.shows(60, 300, (0x40, 0x50, 0x60)))
        # The page takes a user's click only, once it has run the script.
        host.run("document.addEventListener('mouseup', () => wide.requestFullscreen(), {once: true}); window.ready = 1")
        host.wait(lambda: host.evaluate("window.ready") == 1)
        inner = host.view.findChild(QQuickWidget)
        QTest.mouseClick(inner, Qt.MouseButton.LeftButton, pos=QPoint(300, 200))
        host.wait(lambda: host.evaluate("document.fullscreenElement !== null"))
        host.wait(lambda: host.shows(60, 300, (0, 0, 0)))
        host.wait_for_place()
        assert host.plugin.problem == ""
        host.run("document.exitFullscreen()")
        host.wait(lambda: host.shows(60, 300, (0x40, 0x50, 0x60)))
        host.wait_for_place()
        host.run("box.append(wide); box.style.background = '#205020'; box.showModal()")
        host.wait_for_place()
        host.wait(lambda: host.shows(75, 300, (0x20, 0x50, 0x20)))
        assert host.plugin.problem == ""
